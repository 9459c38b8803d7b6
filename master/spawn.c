/* SPDX-License-Identifier: Apache-2.0 */
#include "master/spawn.h"

#include "common/log.h"
#include "master/privileges.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A fault in the process itself: nobody sends these, and a handler that is there belongs to a sanitizer. */
static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
}

void spawn_reset_signals(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction old;
        if (number == SIGKILL || number == SIGSTOP || is_fault(number))
            continue;
        if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_DFL)
            signal(number, SIG_DFL);
    }
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

static int compare_descriptors(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

static void close_span(unsigned first, unsigned last)
{
    if (first > last || close_range(first, last, 0) == 0)
        return;
    /* An old kernel, or a sandbox that does not know the call. */
    if (last == UINT_MAX) {
        closefrom((int)first);
        return;
    }
    for (unsigned fd = first; fd <= last; fd++)
        close((int)fd);
}

hub_status spawn_close_others(const int *keep, size_t count)
{
    int *sorted = malloc((count + 1) * sizeof(int));
    if (!sorted)
        return HUB_ENOMEM;
    if (count)
        memcpy(sorted, keep, count * sizeof(int));
    qsort(sorted, count, sizeof(int), compare_descriptors);

    unsigned first = STDERR_FILENO + 1;
    for (size_t i = 0; i < count; i++) {
        if (sorted[i] < (int)first)
            continue;
        if ((unsigned)sorted[i] > first)
            close_span(first, (unsigned)sorted[i] - 1);
        first = (unsigned)sorted[i] + 1;
    }
    close_span(first, UINT_MAX);
    free(sorted);
    return HUB_OK;
}

/* False when the parent is gone: it died before the signal was asked for. */
static bool follow_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return getppid() == parent;
}

static hub_status become_child(const spawn_request *request, pid_t parent, error *failure)
{
    if (!follow_parent(parent))
        return HUB_ECLOSED;
    spawn_reset_signals();
    if (spawn_close_others(request->keep, request->keep_count) != HUB_OK)
        return error_set(failure, HUB_ENOMEM, "out of memory before the process began");
    log_set_label(request->label);
    hub_status status = request->keeps_user ? HUB_OK : privileges_drop(failure);
    if (status != HUB_OK)
        return status;
    if (!follow_parent(parent)) /* the kernel forgets it with the user */
        return HUB_ECLOSED;

    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return HUB_OK;
}

static _Noreturn void run_child(const spawn_request *request, pid_t parent)
{
    error failure = {.status = HUB_OK};
    hub_status status = become_child(request, parent, &failure);
    if (status == HUB_ECLOSED)
        _exit(WORKER_EXIT_OK);
    if (status != HUB_OK) {
        log_error("%s", failure.text);
        _exit(WORKER_EXIT_BOOT);
    }
    int code = request->run(request->arg);
    fflush(NULL);
    _exit(code);
}

static hub_status fork_failed(error *failure)
{
    int cause = errno;
    if (cause == EAGAIN)
        return error_set(
            failure, HUB_ESYSTEM,
            "cannot fork: %s; raise the limit of processes (ulimit -u, or the cgroup's pids.max)",
            strerror(cause));
    return error_set(failure, cause == ENOMEM ? HUB_ENOMEM : HUB_ESYSTEM, "cannot fork: %s", strerror(cause));
}

hub_status spawn_process(const spawn_request *request, pid_t *pid, error *failure)
{
    sigset_t all, before;
    pid_t parent = getpid();
    hub_status status = HUB_OK;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    *pid = fork();
    if (*pid == 0)
        run_child(request, parent);
    if (*pid < 0)
        status = fork_failed(failure);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
