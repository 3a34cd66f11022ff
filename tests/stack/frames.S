// SPDX-License-Identifier: Apache-2.0
//
// Frames that no compiler makes. See shapes.h.

#if defined(__x86_64__)

        .text

// Generated code: a frame record, no FDE.
        .globl CallWithoutFde
        .type CallWithoutFde, @function
CallWithoutFde:
        push %rbp
        mov %rsp, %rbp
        call *%rdi
        pop %rbp
        ret
        .size CallWithoutFde, . - CallWithoutFde

        .globl CallWithoutFdeOrFramePointer
        .type CallWithoutFdeOrFramePointer, @function
CallWithoutFdeOrFramePointer:
        push %rbp
        mov $1, %ebp
        call *%rdi
        pop %rbp
        ret
        .size CallWithoutFdeOrFramePointer, . - CallWithoutFdeOrFramePointer

// A CFA by rbx, as hand-written assembly may have it.
        .globl CallWithOddCfa
        .type CallWithOddCfa, @function
CallWithOddCfa:
        .cfi_startproc
        push %rbx
        .cfi_def_cfa_offset 16
        .cfi_offset %rbx, -16
        mov %rsp, %rbx
        .cfi_def_cfa_register %rbx
        sub $32, %rsp
        call *%rdi
        mov %rbx, %rsp
        .cfi_def_cfa_register %rsp
        pop %rbx
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size CallWithOddCfa, . - CallWithOddCfa

        .globl CallWithGarbageFramePointer
        .type CallWithGarbageFramePointer, @function
CallWithGarbageFramePointer:
        .cfi_startproc
        push %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        push %rbx
        .cfi_def_cfa_offset 24
        .cfi_offset %rbx, -24
        mov 8(%rsp), %rbx
        mov %rsi, 8(%rsp)
        sub $8, %rsp
        .cfi_def_cfa_offset 32
        call *%rdi
        add $8, %rsp
        .cfi_def_cfa_offset 24
        mov %rbx, 8(%rsp)
        pop %rbx
        .cfi_def_cfa_offset 16
        pop %rbp
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size CallWithGarbageFramePointer, . - CallWithGarbageFramePointer

        .globl CallWithGarbageReturnAddress
        .type CallWithGarbageReturnAddress, @function
CallWithGarbageReturnAddress:
        .cfi_startproc
        push %rbx
        .cfi_def_cfa_offset 16
        .cfi_offset %rbx, -16
        mov 8(%rsp), %rbx
        mov %rsi, 8(%rsp)
        call *%rdi
        mov %rbx, 8(%rsp)
        pop %rbx
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size CallWithGarbageReturnAddress, . - CallWithGarbageReturnAddress

#endif

        .section .note.GNU-stack, "", @progbits
