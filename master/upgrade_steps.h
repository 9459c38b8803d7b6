/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The upgrade from within: what masters say to each other, and the steps that follow. upgrade.c hears and
 * waits, upgrade_give.c is the master that goes, upgrade_take.c the one that comes.
 */
#ifndef MASTER_UPGRADE_STEPS_H
#define MASTER_UPGRADE_STEPS_H

#include "master/upgrade.h"

#include <unistd.h>

/* From the fork until the new program has said what it is, when boot-timeout sets no limit. */
#define UPGRADE_GREETING_NS (30 * CLOCK_NS_PER_S)

typedef enum upgrade_message {
    MESSAGE_HELLO = 1, /* new: I am a hubbub, and I have what I need */
    MESSAGE_REFUSED,   /* the child: execve failed; the value is errno */
    MESSAGE_TAKEN,     /* new: the slot is mine */
    MESSAGE_DONE,      /* new: all slots are mine */
    MESSAGE_GIVE_BACK, /* new: I end; take your slots */
    MESSAGE_RETURNED,  /* old: I have workers in all my slots again; end */
    MESSAGE_LEAVING,   /* old: I end; what is left is yours, and you are the main process */
} upgrade_message;

/* A failure means that the other one is gone, which the next read says too. */
void upgrade_say(int channel, upgrade_message kind, uint32_t value);

static inline void upgrade_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Nothing is under way any more. */
void upgrade_settle(upgrade *self);

/* ---- the old master ---- */

void upgrade_give_slot(upgrade *self, unsigned number);
void upgrade_finish_giving(upgrade *self);

/* Slots that were given away, or that nobody is wanted in for another reason, get workers again. */
void upgrade_restore(upgrade *self);

/* Once they have: the new master may end. */
void upgrade_finish_restoring(upgrade *self);

/* ---- the new master ---- */

/* All slots have proved themselves. */
void upgrade_finish_taking(upgrade *self);

/* The old master leaves, as it should, or is gone by accident: nothing is to be said any more. */
void upgrade_go_on_alone(upgrade *self);

/* The old master has its slots again. */
void upgrade_finish_returning(upgrade *self);

#endif
