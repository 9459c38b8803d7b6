/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/overflow.h"

#include "worker/hub/control.h"
#include "worker/hub/crash.h"
#include "worker/hub/signal_line.h"
#include "worker/hub/stack.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNAL_STACK = 64 << 10 };

/* Untouched until the handler runs on it. */
static _Alignas(64) char signal_stack[SIGNAL_STACK];
static stack_t stack_before;
static struct sigaction action_before;
static bool installed;

static void report(const greenlet *g)
{
    signal_line line;
    signal_line_begin(&line, HUB_CRITICAL);
    signal_line_text(&line, "greenlet '");
    signal_line_text(&line, g->name);
    signal_line_text(&line, "' overflowed its stack of ");
    signal_line_number(&line, stack_size() >> 10, 1);
    signal_line_text(&line, " KB; raise --stack-size or use less stack");
    signal_line_end(&line);
}

static void report_fault(const siginfo_t *info)
{
    signal_line line;
    signal_line_begin(&line, HUB_CRITICAL);
    if (info->si_code > 0) {
        signal_line_text(&line, "SIGSEGV at address ");
        signal_line_hex(&line, (uintptr_t)info->si_addr);
    } else {
        signal_line_text(&line, "SIGSEGV from process ");
        signal_line_number(&line, (uint64_t)info->si_pid, 1);
    }
    signal_line_end(&line);
}

static void on_segv(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    uint32_t index;
    bool is_overflow = info->si_code > 0 && stack_of_guard(info->si_addr, &index);
    if (is_overflow)
        report(greenlet_at(index));
    if (action_before.sa_handler == SIG_DFL) { /* else whoever handles it says more */
        if (!is_overflow)
            report_fault(info);
        crash_write_running(number, context);
    }
    /* The instruction faults again as soon as this returns, now under the action of before: a core then shows
     * where, and a debugger's or sanitizer's handler sees the fault as if it were the first to do so. */
    sigaction(SIGSEGV, &action_before, NULL);
    if (info->si_code <= 0)
        raise(number); /* sent by somebody: it would not happen again by itself */
    errno = saved;
}

hub_status overflow_install(error *why)
{
    signal_line_prepare();
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaltstack(&stack, &stack_before) != 0)
        return error_set(why, HUB_ESYSTEM, "cannot set the signal stack: %s", strerror(errno));
    if (sigaction(SIGSEGV, &action, &action_before) != 0) {
        int saved = errno;
        sigaltstack(&stack_before, NULL);
        return error_set(why, HUB_ESYSTEM, "cannot handle SIGSEGV: %s", strerror(saved));
    }
    installed = true;
    return HUB_OK;
}

void overflow_remove(void)
{
    if (!installed)
        return;
    sigaction(SIGSEGV, &action_before, NULL);
    sigaltstack(&stack_before, NULL);
    installed = false;
}

void overflow_die(const greenlet *g)
{
    report(g);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}
