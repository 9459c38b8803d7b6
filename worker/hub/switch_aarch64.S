/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch_in and switch_out for aarch64 (AAPCS64). What lies at the saved stack pointer, in bytes:
 *     0 d8 … d15 | 64 x19 … x28 | 144 x29 (frame pointer), x30 (return address) | 160 fpcr
 * switch.c knows this layout.
 */
#if defined(__aarch64__) && !defined(HUBBUB_UCONTEXT)

    .text
    .p2align 4
    .globl switch_in, switch_out
    .hidden switch_in, switch_out
    .type switch_in, %function
    .type switch_out, %function
switch_in:
switch_out:
    .cfi_startproc
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp d8, d9, [sp, #0]
    .cfi_rel_offset d8, 0
    .cfi_rel_offset d9, 8
    stp d10, d11, [sp, #16]
    .cfi_rel_offset d10, 16
    .cfi_rel_offset d11, 24
    stp d12, d13, [sp, #32]
    .cfi_rel_offset d12, 32
    .cfi_rel_offset d13, 40
    stp d14, d15, [sp, #48]
    .cfi_rel_offset d14, 48
    .cfi_rel_offset d15, 56
    stp x19, x20, [sp, #64]
    .cfi_rel_offset x19, 64
    .cfi_rel_offset x20, 72
    stp x21, x22, [sp, #80]
    .cfi_rel_offset x21, 80
    .cfi_rel_offset x22, 88
    stp x23, x24, [sp, #96]
    .cfi_rel_offset x23, 96
    .cfi_rel_offset x24, 104
    stp x25, x26, [sp, #112]
    .cfi_rel_offset x25, 112
    .cfi_rel_offset x26, 120
    stp x27, x28, [sp, #128]
    .cfi_rel_offset x27, 128
    .cfi_rel_offset x28, 136
    stp x29, x30, [sp, #144]
    .cfi_rel_offset x29, 144
    .cfi_rel_offset x30, 152
    mrs x9, fpcr
    str x9, [sp, #160]

    /* From here the other stack; the layout is the same, so the frame information goes on being true. */
    mov x10, sp
    str x10, [x0]
    ldr x11, [x1]
    mov sp, x11
    mov w0, w2

    /* Writing fpcr drains the pipeline, so it is done only when it differs. */
    ldr x10, [sp, #160]
    cmp x9, x10
    b.eq 1f
    msr fpcr, x10
1:
    ldp d8, d9, [sp, #0]
    .cfi_restore d8
    .cfi_restore d9
    ldp d10, d11, [sp, #16]
    .cfi_restore d10
    .cfi_restore d11
    ldp d12, d13, [sp, #32]
    .cfi_restore d12
    .cfi_restore d13
    ldp d14, d15, [sp, #48]
    .cfi_restore d14
    .cfi_restore d15
    ldp x19, x20, [sp, #64]
    .cfi_restore x19
    .cfi_restore x20
    ldp x21, x22, [sp, #80]
    .cfi_restore x21
    .cfi_restore x22
    ldp x23, x24, [sp, #96]
    .cfi_restore x23
    .cfi_restore x24
    ldp x25, x26, [sp, #112]
    .cfi_restore x25
    .cfi_restore x26
    ldp x27, x28, [sp, #128]
    .cfi_restore x27
    .cfi_restore x28
    ldp x29, x30, [sp, #144]
    .cfi_restore x29
    .cfi_restore x30
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    /* Not ret: the processor's return predictor would offer this stack's last call, which is always wrong.
     * x17 is what branch target identification lets an indirect jump use. */
    mov x17, x30
    br x17
    .cfi_endproc
    .size switch_in, . - switch_in
    .size switch_out, . - switch_out

/*
 * The outermost frame of every greenlet: run in x19, its argument in x20 (switch_prepare puts them there). The
 * undefined return address tells unwinders that there is nothing above. A context that never ran is saved
 * behind the nop, because unwinders look up the address before the one they find.
 */
    .p2align 4
    .globl switch_entry
    .hidden switch_entry
    .type switch_entry, %function
switch_entry:
    .cfi_startproc
    .cfi_undefined x30
    nop
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size switch_entry, . - switch_entry

#endif

    .section .note.GNU-stack, "", %progbits
