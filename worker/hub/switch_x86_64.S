/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch_in and switch_out for x86-64 (System V). What lies at the saved stack pointer, lowest first:
 *     mxcsr, x87 control word | r15 | r14 | r13 | r12 | rbx | rbp | return address
 * switch.c knows this layout.
 */
#if defined(__x86_64__) && !defined(HUBBUB_UCONTEXT)

    .text
    .p2align 4
    .globl switch_in, switch_out
    .hidden switch_in, switch_out
    .type switch_in, @function
    .type switch_out, @function
switch_in:
switch_out:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movl (%rsp), %r8d
    movzwl 4(%rsp), %ecx
    movl %edx, %eax

    /* From here the other stack; the layout is the same, so the frame information goes on being true. */
    movq %rsp, (%rdi)
    movq (%rsi), %rsp

    /* Loading the control words is slow, so it is done only when they differ. The low six bits of mxcsr are
     * sticky exception flags, which no call preserves. */
    xorl (%rsp), %r8d
    testl $0xffc0, %r8d
    jne .Lload_mxcsr
.Lmxcsr_done:
    cmpw %cx, 4(%rsp)
    jne .Lload_x87
.Lx87_done:
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    .cfi_remember_state
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    /* Not ret: the processor's return predictor would offer this stack's last call, which is always wrong. */
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    jmpq *%rcx

.Lload_mxcsr:
    .cfi_restore_state
    .cfi_adjust_cfa_offset 8
    ldmxcsr (%rsp)
    jmp .Lmxcsr_done
.Lload_x87:
    fldcw 4(%rsp)
    jmp .Lx87_done
    .cfi_endproc
    .size switch_in, . - switch_in
    .size switch_out, . - switch_out

/*
 * The outermost frame of every greenlet: run in r12, its argument in r13 (switch_prepare puts them there). The
 * undefined return address tells unwinders that there is nothing above. A context that never ran is saved
 * behind the nop, because unwinders look up the address before the one they find.
 */
    .p2align 4
    .globl switch_entry
    .hidden switch_entry
    .type switch_entry, @function
switch_entry:
    .cfi_startproc
    .cfi_undefined %rip
    nop
    movq %r13, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size switch_entry, . - switch_entry

#endif

    .section .note.GNU-stack, "", %progbits
