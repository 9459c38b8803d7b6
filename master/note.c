/* SPDX-License-Identifier: Apache-2.0 */
#include "master/note.h"

#include "common/log.h"
#include "master/obituary.h"

/* "" when nothing ran, or without memory. */
static void say_running(char *to, size_t capacity, const row *score)
{
    obituary facts = {0};
    obituary_read_row(&facts, score);
    to[0] = '\0';
    FILE *out = fmemopen(to, capacity, "w");
    if (!out)
        return;
    obituary_write_running(&facts, false, out);
    fclose(out);
    to[capacity - 1] = '\0';
}

void note_say(slot_note note, const slot *place, const slot_limits *limits, const row *score)
{
    switch (note) {
    case SLOT_NO_NOTE:
        break;
    case SLOT_BOOT_TOO_LONG:
        log_error("worker %u (pid %d) was not ready within %g s (boot-timeout): SIGABRT", place->number,
                  (int)place->pid, clock_in_seconds(limits->boot_ns));
        break;
    case SLOT_STALE: {
        char running[128];
        say_running(running, sizeof running, score);
        log_error("worker %u (pid %d) has not turned for %g s (timeout)%s: SIGABRT, its stacks follow",
                  place->number, (int)place->pid, clock_in_seconds(limits->timeout_ns), running);
        break;
    }
    case SLOT_GRACE_OVER:
        log_warning("worker %u (pid %d) did not finish within %g s (graceful-timeout): SIGKILL",
                    place->number, (int)place->pid, clock_in_seconds(limits->graceful_ns));
        break;
    case SLOT_IGNORED_QUIT:
        log_warning("worker %u (pid %d) did not end within %g s: SIGKILL", place->number, (int)place->pid,
                    clock_in_seconds(SLOT_QUIT_NS));
        break;
    case SLOT_DEGRADED:
        log_error(
            "worker %u is degraded: it ended %d times and never served for %g s; it is tried again at least "
            "every %g s, the others go on",
            place->number, SLOT_DEGRADED_ENDS, clock_in_seconds(SLOT_QUIET_NS),
            clock_in_seconds(SLOT_BACKOFF_MAX_NS));
        break;
    case SLOT_RECOVERED:
        log_info("worker %u is degraded no more", place->number);
        break;
    }
}
