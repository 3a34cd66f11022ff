/* SPDX-License-Identifier: Apache-2.0
 *
 * A definition of each function that the library takes from elsewhere, in a program that stands before libc: host.c is
 * asked where the call may go on to, and it goes on with all its arguments.
 */
  .text
.macro TRAP name, index
  .globl \name
  .type \name, @function
\name:
  endbr64
  pushq %rbp
  movq %rsp, %rbp
  pushq %rdi
  pushq %rsi
  pushq %rdx
  pushq %rcx
  pushq %r8
  pushq %r9
  pushq %rax
  pushq %r10
  andq $-16, %rsp
  subq $128, %rsp
  movups %xmm0, (%rsp)
  movups %xmm1, 16(%rsp)
  movups %xmm2, 32(%rsp)
  movups %xmm3, 48(%rsp)
  movups %xmm4, 64(%rsp)
  movups %xmm5, 80(%rsp)
  movups %xmm6, 96(%rsp)
  movups %xmm7, 112(%rsp)
  movq 8(%rbp), %rdi
  movl $\index, %esi
  call EnterTrap
  movq %rax, %r11
  movups (%rsp), %xmm0
  movups 16(%rsp), %xmm1
  movups 32(%rsp), %xmm2
  movups 48(%rsp), %xmm3
  movups 64(%rsp), %xmm4
  movups 80(%rsp), %xmm5
  movups 96(%rsp), %xmm6
  movups 112(%rsp), %xmm7
  leaq -64(%rbp), %rsp
  popq %r10
  popq %rax
  popq %r9
  popq %r8
  popq %rcx
  popq %rdx
  popq %rsi
  popq %rdi
  popq %rbp
  jmpq *%r11
  .size \name, . - \name
.endm

#define NAME(name, index) TRAP name, index
#include "traps.inc"
#undef NAME

  .section .note.GNU-stack, "", %progbits
