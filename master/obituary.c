/* SPDX-License-Identifier: Apache-2.0 */
#include "master/obituary.h"

#include "common/clock.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void obituary_read_row(obituary *self, const row *score)
{
    self->connections = atomic_load_explicit(&score->connections, memory_order_relaxed);
    self->running_now = atomic_load_explicit(&score->running_now, memory_order_relaxed) != 0;
    /* The process is gone, but it may have died while it wrote the name, or have scribbled over it. */
    memcpy(self->running, score->running, sizeof(self->running));
    self->running[sizeof(self->running) - 1] = '\0';
}

static const char *exit_meaning(int code)
{
    switch (code) {
    case WORKER_EXIT_BOOT:
        return " (it could not boot)";
    case WORKER_EXIT_APP:
        return " (the application could not be loaded)";
    default:
        return "";
    }
}

static void write_cause(const obituary *self, FILE *out)
{
    int status = self->status;
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        if (name)
            fprintf(out, "was killed by SIG%s", name);
        else
            fprintf(out, "was killed by signal %d", WTERMSIG(status));
        if (WCOREDUMP(status))
            fputs(" (core dumped)", out);
    } else if (WEXITSTATUS(status) != 0) {
        fprintf(out, "ended with exit code %d%s", WEXITSTATUS(status), exit_meaning(WEXITSTATUS(status)));
    } else {
        fputs("ended", out);
    }
}

static void write_last_words(const obituary *self, FILE *out)
{
    if (self->running[0] == '\0')
        return;
    if (self->running_now)
        fprintf(out, "; it was running %s", self->running);
    else
        fprintf(out, "; it was in its hub, after %s", self->running);
}

hub_level obituary_write(const obituary *self, char *line, size_t size)
{
    bool plain = WIFEXITED(self->status) && WEXITSTATUS(self->status) == 0;
    hub_level level = plain || self->told ? HUB_INFO : HUB_ERROR;

    if (size == 0)
        return level;
    line[0] = '\0';
    FILE *out = fmemopen(line, size, "w");
    if (!out) {
        /* Without memory the line is shorter. */
        snprintf(line, size, "worker %u (pid %d) ended with status 0x%x", self->slot, (int)self->pid,
                 (unsigned)self->status);
        return level;
    }
    fprintf(out, "worker %u (pid %d) ", self->slot, (int)self->pid);
    write_cause(self, out);
    fprintf(out, " after %.1f s", (double)self->uptime_ns / (double)CLOCK_NS_PER_S);
    if (self->was_ready && self->connections)
        fprintf(out, "; %u connection%s lost", self->connections, self->connections == 1 ? "" : "s");
    if (!plain)
        write_last_words(self, out);
    fclose(out);
    line[size - 1] = '\0';
    return level;
}
