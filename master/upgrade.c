/* SPDX-License-Identifier: Apache-2.0 */
#include "master/upgrade_steps.h"

#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what masters say to each other ---- */

typedef struct message {
    uint32_t kind;
    uint32_t value;
} message;

void upgrade_say(int channel, upgrade_message kind, uint32_t value)
{
    message what = {kind, value};
    while (send(channel, &what, sizeof what, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
        continue;
}

static void on_message(upgrade *self, const message *what)
{
    switch ((upgrade_message)what->kind) {
    case MESSAGE_HELLO:
        self->greeted = true;
        if (self->phase == UPGRADE_GIVING)
            self->deadline_ns = 0;
        break;
    case MESSAGE_REFUSED:
        self->refusal = (int)what->value;
        break;
    case MESSAGE_TAKEN:
        upgrade_give_slot(self, what->value);
        break;
    case MESSAGE_DONE:
        upgrade_finish_giving(self);
        break;
    case MESSAGE_GIVE_BACK:
        if (self->phase != UPGRADE_GIVING)
            break;
        log_info("process %d gives its slots back", (int)self->other);
        self->dismissed = true;
        upgrade_restore(self);
        break;
    case MESSAGE_RETURNED:
        if (upgrade_is_taking(self))
            log_info("process %d has taken its slots back", (int)self->other);
        if (upgrade_is_taking(self) || self->phase == UPGRADE_RETURNING)
            upgrade_finish_returning(self);
        break;
    case MESSAGE_LEAVING:
        if (upgrade_is_taking(self) || self->phase == UPGRADE_TAKEN)
            upgrade_go_on_alone(self);
        break;
    }
}

static void on_other_gone(upgrade *self)
{
    self->watch(self->arg, -1);
    upgrade_close_fd(&self->channel);
    switch (self->phase) {
    case UPGRADE_GIVING:
        upgrade_restore(self);
        break;
    case UPGRADE_TAKING:
    case UPGRADE_PROVING:
    case UPGRADE_TAKEN:
        upgrade_go_on_alone(self);
        break;
    case UPGRADE_RETURNING:
        upgrade_finish_returning(self);
        break;
    default: /* its end is told when it is reaped */
        break;
    }
}

void upgrade_hear(upgrade *self)
{
    message what;
    while (self->channel >= 0) {
        ssize_t got = recv(self->channel, &what, sizeof what, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got == (ssize_t)sizeof what)
            on_message(self, &what);
        else
            on_other_gone(self);
    }
}

/* ---- the phases ---- */

bool upgrade_is_giving(const upgrade *self)
{
    return self->phase == UPGRADE_PROBING || self->phase == UPGRADE_GIVING ||
           self->phase == UPGRADE_RESTORING;
}

bool upgrade_is_taking(const upgrade *self)
{
    return self->phase == UPGRADE_TAKING || self->phase == UPGRADE_PROVING;
}

bool upgrade_is_second(const upgrade *self)
{
    return upgrade_is_taking(self) || self->phase == UPGRADE_RETURNING || self->phase == UPGRADE_TAKEN;
}

bool upgrade_owns(const upgrade *self, unsigned number)
{
    return upgrade_is_second(self) || !self->owners || owners_of(self->owners, number) == getpid();
}

bool upgrade_is_waited_for(const upgrade *self)
{
    return self->phase == UPGRADE_GIVEN && self->channel >= 0;
}

bool upgrade_others_serve(const upgrade *self)
{
    return upgrade_is_taking(self) || self->phase == UPGRADE_RETURNING || self->phase == UPGRADE_GIVEN;
}

uint64_t upgrade_deadline_ns(const upgrade *self)
{
    return self->deadline_ns;
}

void upgrade_turn(upgrade *self)
{
    bool is_due = self->deadline_ns && clock_monotonic_ns() >= self->deadline_ns;
    switch (self->phase) {
    case UPGRADE_RESTORING:
        upgrade_finish_restoring(self);
        break;
    case UPGRADE_PROVING:
        if (is_due && crew_all_ready(self->crew))
            upgrade_finish_taking(self);
        break;
    case UPGRADE_RETURNING:
        if (is_due)
            upgrade_finish_returning(self);
        break;
    case UPGRADE_PROBING:
    case UPGRADE_GIVING:
        if (!is_due)
            break;
        log_error("process %d does not answer as a hubbub would: SIGKILL", (int)self->other);
        kill(self->other, SIGKILL);
        self->deadline_ns = 0;
        break;
    default:
        break;
    }
}

/* ---- signals for all ---- */

void upgrade_forward(const upgrade *self, int number)
{
    if (self->phase == UPGRADE_GIVING && self->greeted && self->other)
        kill(self->other, number);
    predecessors_tell(&self->before, number);
}

/* ---- the end ---- */

void upgrade_settle(upgrade *self)
{
    if (self->channel >= 0)
        self->watch(self->arg, -1);
    upgrade_close_fd(&self->channel);
    upgrade_close_fd(&self->owners_fd);
    owners_close(self->owners);
    self->owners = NULL;
    self->deadline_ns = 0;
    self->taken = 0;
    self->phase = UPGRADE_NONE;
    crew_set_orphan_farewell(self->crew, FAREWELL_STOP);
}

void upgrade_close(upgrade *self)
{
    if (self->inherited)
        listener_close_all(&self->unwanted);
    predecessors_close(&self->before);
    upgrade_close_fd(&self->channel);
    upgrade_close_fd(&self->owners_fd);
    owners_close(self->owners);
    self->owners = NULL;
    free(self->inherited);
    self->inherited = NULL;
}
