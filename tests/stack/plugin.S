// SPDX-License-Identifier: Apache-2.0
//
// A shared object with one function. Two are built that differ in PLUGIN_FRAME alone, so that the
// same pcs mean other frames when the one takes the other's place in memory.

#if defined(__x86_64__)

        .text
        .globl PluginCall
        .type PluginCall, @function
PluginCall:
        .cfi_startproc
        .byte 0x48, 0x81, 0xec          // sub $PLUGIN_FRAME, %rsp: always of this length
        .long PLUGIN_FRAME
        .cfi_def_cfa_offset 8 + PLUGIN_FRAME
        call *%rdi
        .byte 0x48, 0x81, 0xc4          // add $PLUGIN_FRAME, %rsp
        .long PLUGIN_FRAME
        .cfi_def_cfa_offset 8
        ret
        .cfi_endproc
        .size PluginCall, . - PluginCall

#elif defined(__aarch64__)

        .text
        .globl PluginCall
        .type PluginCall, %function
PluginCall:
        .cfi_startproc
        sub sp, sp, #(PLUGIN_FRAME + 8)
        .cfi_def_cfa_offset PLUGIN_FRAME + 8
        str x30, [sp]
        .cfi_offset x30, -(PLUGIN_FRAME + 8)
        blr x0
        ldr x30, [sp]
        .cfi_restore x30
        add sp, sp, #(PLUGIN_FRAME + 8)
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size PluginCall, . - PluginCall

#endif

        .section .note.GNU-stack, "", %progbits
