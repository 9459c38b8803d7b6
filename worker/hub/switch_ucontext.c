/* SPDX-License-Identifier: Apache-2.0 */
/* The portable switch: POSIX.1-2001 contexts. Each switch costs a system call for the signal mask. */
#include "worker/hub/switch.h"

#if SWITCH_IS_UCONTEXT

#include <ucontext.h>

/* makecontext passes ints, so a pointer travels in two halves. */
static void enter(unsigned run_high, unsigned run_low, unsigned arg_high, unsigned arg_low)
{
    uintptr_t run = (uintptr_t)((uint64_t)run_high << 32 | run_low);
    uintptr_t arg = (uintptr_t)((uint64_t)arg_high << 32 | arg_low);
    ((void (*)(void *))run)((void *)arg);
    __builtin_trap();
}

void switch_prepare(switch_context *context, void *low, void *top, void (*run)(void *), void *arg)
{
    ucontext_t *first = (ucontext_t *)(((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63);
    getcontext(first); /* fills in the signal mask and the floating-point environment; cannot fail on Linux */
    first->uc_stack.ss_sp = low;
    first->uc_stack.ss_size = (size_t)((char *)first - (char *)low);
    first->uc_link = NULL;
    uint64_t run_bits = (uintptr_t)run, arg_bits = (uintptr_t)arg;
    makecontext(first, (void (*)(void))enter, 4, (unsigned)(run_bits >> 32), (unsigned)run_bits,
                (unsigned)(arg_bits >> 32), (unsigned)arg_bits);
    context->saved = first;
}

static int passed;

static int switch_stacks(switch_context *from, const switch_context *to, int value)
{
    ucontext_t here; /* lives on the stack that it describes, for as long as that one does not run */
    from->saved = &here;
    passed = value;
    swapcontext(&here, to->saved);
    return passed;
}

bool switch_in(switch_context *from, const switch_context *to, hub_status status)
{
    return switch_stacks(from, to, (int)status);
}

hub_status switch_out(switch_context *from, const switch_context *to, bool alive)
{
    return (hub_status)switch_stacks(from, to, alive);
}

bool switch_frame(const switch_context *context, uintptr_t *pc, uintptr_t *frame)
{
    const ucontext_t *saved = context->saved;
#if defined(__x86_64__)
    *pc = (uintptr_t)saved->uc_mcontext.gregs[REG_RIP];
    *frame = (uintptr_t)saved->uc_mcontext.gregs[REG_RBP];
    return true;
#elif defined(__aarch64__)
    *pc = saved->uc_mcontext.pc;
    *frame = saved->uc_mcontext.regs[29];
    return true;
#else
    (void)saved;
    *pc = *frame = 0;
    return false;
#endif
}

#endif
