/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing stacks: the only part of the hub that depends on the processor. Assembly for x86-64 and aarch64;
 * ucontext on other machines, and everywhere when HUBBUB_UCONTEXT is defined.
 */
#ifndef WORKER_HUB_SWITCH_H
#define WORKER_HUB_SWITCH_H

#include <hubbub.h>

#if defined(HUBBUB_UCONTEXT) || !(defined(__x86_64__) || defined(__aarch64__))
#define SWITCH_IS_UCONTEXT 1
#else
#define SWITCH_IS_UCONTEXT 0
#endif

/* Where a flow of control stands while it does not run: all its registers are saved at this address of its
 * own stack. */
typedef struct switch_context {
    void *saved;
} switch_context;

/*
 * Makes a context that, when it is first switched to, calls run(arg) on the stack that ends at `top`. `run`
 * must never return. `low` is the stack's lowest usable byte. Floating-point control starts at the
 * processor's defaults.
 */
void switch_prepare(switch_context *context, void *low, void *top, void (*run)(void *), void *arg);

/*
 * Both save the caller in *from and continue where *to was saved; they return when somebody switches back,
 * with what that one gives: the hub switches in and gives a status, a greenlet switches out and says whether
 * it lives on. It is one function under two types, so that a caller can end with it and the compiler makes
 * the call a jump. What a called function must preserve is preserved, the control words of the floating-point
 * units included; the signal mask is the thread's and stays as it is (with ucontext it is the stack's own).
 */
bool switch_in(switch_context *from, const switch_context *to, hub_status status);
hub_status switch_out(switch_context *from, const switch_context *to, bool alive);

/* The program counter and frame pointer of a saved context. False where this machine does not tell. */
bool switch_frame(const switch_context *context, uintptr_t *pc, uintptr_t *frame);

#endif
