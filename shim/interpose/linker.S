/* SPDX-License-Identifier: Apache-2.0
 *
 * The exported dlsym, dlvsym and dlopen: linker.cc chooses, and everything that is none of our business goes on to the
 * real function by a jump. A jump, not a call: glibc takes the return address for the caller, and RTLD_NEXT, RTLD_DEFAULT,
 * the caller's RUNPATH and its namespace all hang on it (elf/dl-sym.c, elf/dl-open.c). A C function would depend on the
 * compiler's mood for that.
 */

#if defined(__x86_64__)

/* NAME: choose(handle, name, …, caller) gives an address to return, or 0: jump on. A real function that is not known, which
 * is so where libc is not even in the linker's list, is 'not found'. */
.macro LOOK_UP function, choose, real
  .globl \function
  .type \function, @function
\function:
  .cfi_startproc
  endbr64
  pushq %rdi
  .cfi_adjust_cfa_offset 8
  pushq %rsi
  .cfi_adjust_cfa_offset 8
  pushq %rdx
  .cfi_adjust_cfa_offset 8
  movq 24(%rsp), %rcx
  call \choose
  popq %rdx
  .cfi_adjust_cfa_offset -8
  popq %rsi
  .cfi_adjust_cfa_offset -8
  popq %rdi
  .cfi_adjust_cfa_offset -8
  testq %rax, %rax
  jz 1f
  ret
1:
  movq \real(%rip), %rax
  testq %rax, %rax
  jz 2f
  jmpq *%rax
2:
  ret
  .cfi_endproc
  .size \function, . - \function
.endm

  .text
  LOOK_UP dlsym, PqleashChooseSymbol, pqleash_real_dlsym
  LOOK_UP dlvsym, PqleashChooseVersionedSymbol, pqleash_real_dlvsym

  .globl dlopen
  .type dlopen, @function
dlopen:
  .cfi_startproc
  endbr64
  pushq %rdi
  .cfi_adjust_cfa_offset 8
  subq $16, %rsp
  .cfi_adjust_cfa_offset 16
  call PqleashChooseFlags
  addq $16, %rsp
  .cfi_adjust_cfa_offset -16
  popq %rdi
  .cfi_adjust_cfa_offset -8
  movl %eax, %esi
  movq pqleash_real_dlopen(%rip), %rax
  testq %rax, %rax
  jz 1f
  jmpq *%rax
1:
  ret
  .cfi_endproc
  .size dlopen, . - dlopen

#elif defined(__aarch64__)

.macro LOOK_UP function, choose, real
  .globl \function
  .type \function, %function
\function:
  .cfi_startproc
  hint #34 /* bti c */
  stp x29, x30, [sp, #-48]!
  .cfi_def_cfa_offset 48
  .cfi_offset 29, -48
  .cfi_offset 30, -40
  stp x0, x1, [sp, #16]
  str x2, [sp, #32]
  mov x3, x30
  bl \choose
  mov x9, x0
  ldr x2, [sp, #32]
  ldp x0, x1, [sp, #16]
  ldp x29, x30, [sp], #48
  .cfi_def_cfa_offset 0
  .cfi_restore 29
  .cfi_restore 30
  cbz x9, 1f
  mov x0, x9
  ret
1:
  adrp x9, \real
  ldr x9, [x9, #:lo12:\real]
  cbz x9, 2f
  br x9
2:
  mov x0, #0
  ret
  .cfi_endproc
  .size \function, . - \function
.endm

  .text
  LOOK_UP dlsym, PqleashChooseSymbol, pqleash_real_dlsym
  LOOK_UP dlvsym, PqleashChooseVersionedSymbol, pqleash_real_dlvsym

  .globl dlopen
  .type dlopen, %function
dlopen:
  .cfi_startproc
  hint #34
  stp x29, x30, [sp, #-32]!
  .cfi_def_cfa_offset 32
  .cfi_offset 29, -32
  .cfi_offset 30, -24
  str x0, [sp, #16]
  bl PqleashChooseFlags
  mov w1, w0
  ldr x0, [sp, #16]
  ldp x29, x30, [sp], #32
  .cfi_def_cfa_offset 0
  .cfi_restore 29
  .cfi_restore 30
  adrp x9, pqleash_real_dlopen
  ldr x9, [x9, #:lo12:pqleash_real_dlopen]
  cbz x9, 1f
  br x9
1:
  mov x0, #0
  ret
  .cfi_endproc
  .size dlopen, . - dlopen

#else
#error "dlsym, dlvsym and dlopen are passed on in assembly: write it for this machine"
#endif

  .section .note.GNU-stack, "", %progbits
