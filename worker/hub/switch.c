/* SPDX-License-Identifier: Apache-2.0 */
/* What the assembly switches need from C: the first frame of a stack, and reading a saved one. */
#include "worker/hub/switch.h"

#if !SWITCH_IS_UCONTEXT

#include <string.h>

void switch_entry(void);

/* Behind the nop that switch_entry begins with. */
#if defined(__x86_64__)
enum { ENTRY_NOP = 1 };
#else
enum { ENTRY_NOP = 4 };
#endif

/* The layouts that switch_x86_64.S and switch_aarch64.S push. */
#if defined(__x86_64__)
typedef struct saved_frame {
    uint32_t mxcsr;
    uint16_t x87_control, padding;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t pc;
} saved_frame;
#else
typedef struct saved_frame {
    uint64_t d8_to_d15[8];
    uint64_t x19, x20, x21_to_x28[8];
    uint64_t fp, pc;
    uint64_t fpcr, padding;
} saved_frame;
#endif

void switch_prepare(switch_context *context, void *low, void *top, void (*run)(void *), void *arg)
{
    (void)low;
    /* Both machines want the stack pointer a multiple of 16 at a call: once the frame is popped, it is. */
    uintptr_t end = (uintptr_t)top & ~(uintptr_t)15;
    saved_frame *frame = (saved_frame *)(end - sizeof(saved_frame));
    memset(frame, 0, sizeof(*frame));
    frame->pc = (uint64_t)(uintptr_t)switch_entry + ENTRY_NOP;
#if defined(__x86_64__)
    frame->mxcsr = 0x1f80; /* what a process starts with: all exceptions masked, round to nearest */
    frame->x87_control = 0x037f;
    frame->r12 = (uint64_t)(uintptr_t)run;
    frame->r13 = (uint64_t)(uintptr_t)arg;
#else
    frame->x19 = (uint64_t)(uintptr_t)run;
    frame->x20 = (uint64_t)(uintptr_t)arg;
#endif
    context->saved = frame;
}

bool switch_frame(const switch_context *context, uintptr_t *pc, uintptr_t *frame)
{
    const saved_frame *saved = context->saved;
    *pc = saved->pc;
#if defined(__x86_64__)
    *frame = saved->rbp;
#else
    *frame = saved->fp;
#endif
    return true;
}

#endif
