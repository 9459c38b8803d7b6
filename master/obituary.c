/* SPDX-License-Identifier: Apache-2.0 */
#include "master/obituary.h"

#include "common/clock.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* A heartbeat is late when it is older than this; they come four times a second. */
#define SILENT_NS (750 * CLOCK_NS_PER_MS)

void obituary_read_row(obituary *self, const row *score)
{
    self->connections = atomic_load_explicit(&score->connections, memory_order_relaxed);
    self->running_now = atomic_load_explicit(&score->running_now, memory_order_relaxed) != 0;
    self->greenlets = atomic_load_explicit(&score->greenlets, memory_order_relaxed);
    uint64_t heartbeat_ns = atomic_load_explicit(&score->heartbeat_ns, memory_order_relaxed);
    uint64_t now_ns = clock_monotonic_ns();
    self->silent_ns = heartbeat_ns && now_ns > heartbeat_ns ? now_ns - heartbeat_ns : 0;
    /* The process is gone, but it may have died while it wrote the name, or have scribbled over it. */
    memcpy(self->running, score->running, sizeof(self->running));
    self->running[sizeof(self->running) - 1] = '\0';
}

static bool died_booting(const obituary *self)
{
    return !self->was_ready && !self->told;
}

/* A worker whose boot fails says why itself, and then exits with one of these. */
static bool has_said_why(const obituary *self)
{
    if (!died_booting(self) || !WIFEXITED(self->status))
        return false;
    int code = WEXITSTATUS(self->status);
    return code == WORKER_EXIT_BOOT || code == WORKER_EXIT_APP;
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
    } else if (died_booting(self)) {
        fputs("ended with exit code 0", out);
    } else {
        fputs("ended", out);
    }
}

void obituary_write_running(const obituary *self, bool is_dead, FILE *out)
{
    if (self->running[0] == '\0')
        return;
    if (!self->running_now)
        fprintf(out, "; it %s in its hub, after %s", is_dead ? "was" : "is", self->running);
    else
        fprintf(out, "; it %s %s", is_dead ? "was running" : "runs", self->running);
    if (self->greenlets > 1)
        fprintf(out, ", one of %u greenlets", self->greenlets);
}

static void write_last_words(const obituary *self, FILE *out)
{
    obituary_write_running(self, true, out);
    if (self->silent_ns >= SILENT_NS)
        fprintf(out, "%s its hub had not turned for %.1f s", self->running[0] ? ", and" : ";",
                (double)self->silent_ns / (double)CLOCK_NS_PER_S);
}

/* Before READY only the application's own code runs that is not the same in every server. */
static void write_boot(const obituary *self, FILE *out)
{
    if (WIFSIGNALED(self->status))
        fputs(" while it booted: look in the application's setup or start hooks", out);
    else
        fputs(" before it was ready: the application's setup or a start hook called exit; let it return a "
              "status instead",
              out);
}

hub_level obituary_write(const obituary *self, char *line, size_t size)
{
    bool plain = WIFEXITED(self->status) && WEXITSTATUS(self->status) == 0;
    bool by_rules = plain && !died_booting(self);
    hub_level level = by_rules || self->told || has_said_why(self) ? HUB_INFO : HUB_ERROR;

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
    fprintf(out, " after %.1f s", clock_in_seconds(self->uptime_ns));
    if (died_booting(self) && !has_said_why(self))
        write_boot(self, out);
    if (self->was_ready && self->connections)
        fprintf(out, "; %u connection%s lost", self->connections, self->connections == 1 ? "" : "s");
    if (!plain)
        write_last_words(self, out);
    fclose(out);
    line[size - 1] = '\0';
    return level;
}
