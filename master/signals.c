/* SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* What the master does when it gets a signal, and nothing but these. */
static const struct {
    int number;
    unsigned woken;
} handled[] = {
    {SIGCHLD, WOKEN_CHILD},  {SIGHUP, WOKEN_RELOAD},   {SIGTERM, WOKEN_TERMINATE}, {SIGINT, WOKEN_QUIT},
    {SIGQUIT, WOKEN_QUIT},   {SIGWINCH, WOKEN_PAUSE},  {SIGTTIN, WOKEN_MORE},      {SIGTTOU, WOKEN_FEWER},
    {SIGUSR1, WOKEN_REOPEN}, {SIGUSR2, WOKEN_UPGRADE},
};

hub_status signals_open(struct master *master, error *failure)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++) {
        signal(handled[i].number, SIG_DFL);
        sigaddset(&set, handled[i].number);
    }
    /* The reader of the log may go; that is no reason to end. */
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    master->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (master->signals < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot read signals: %s", strerror(errno));
    return HUB_OK;
}

static void say_signal(const struct signalfd_siginfo *taken)
{
    const char *name = sigabbrev_np((int)taken->ssi_signo);
    if (taken->ssi_code == SI_KERNEL)
        log_info("SIG%s from the terminal", name);
    else if (taken->ssi_pid == 0)
        log_info("SIG%s from outside this process name space", name);
    else
        log_info("SIG%s from process %u", name, taken->ssi_pid);
}

/* A terminal sends WINCH whenever its window changes: only a process means it. */
static bool is_meant(const struct signalfd_siginfo *taken)
{
    return taken->ssi_signo != SIGWINCH || taken->ssi_code != SI_KERNEL;
}

void signals_read(struct master *master)
{
    struct signalfd_siginfo taken;
    while (read(master->signals, &taken, sizeof(taken)) == (ssize_t)sizeof(taken)) {
        if (!is_meant(&taken))
            continue;
        for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
            if ((int)taken.ssi_signo == handled[i].number)
                master->woken |= handled[i].woken;
        if (taken.ssi_signo != SIGCHLD)
            say_signal(&taken);
    }
}
