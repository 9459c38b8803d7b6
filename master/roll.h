/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What should run in the slots of a crew, and how they get there: one release in all of them, and nobody who
 * asked to be replaced. One slot at a time, never two together: a successor boots beside the old worker, and
 * when it serves it takes the slot.
 *
 * A release is on probation until every slot runs it and the last worker has lived for --reload-verify
 * seconds. The first worker of a release on probation serves for so long beside the one it replaces before
 * that one goes. When a worker of such a release cannot boot, or dies so soon, the release is abandoned: the
 * slots that run it are brought back, by the same steps, to the one that proved itself last.
 */
#ifndef MASTER_ROLL_H
#define MASTER_ROLL_H

#include "master/crew.h"

typedef enum roll_phase {
    ROLL_RESTING,  /* nobody is being replaced */
    ROLL_BOOTING,  /* a successor boots */
    ROLL_WATCHING, /* the first successor serves beside the old worker */
    ROLL_PROVING,  /* every slot runs the release; it is watched a moment longer */
} roll_phase;

typedef struct roll {
    crew *crew;
    release *target; /* what should run; NULL before the first */
    release *proven; /* what is gone back to; NULL before any worker was ready */
    roll_phase phase;
    bool canary_lived;      /* of the target */
    uint64_t watched_ns;    /* the end of watching */
    uint64_t proven_ns;     /* the end of proving, when nobody becomes ready until then */
    uint64_t not_before_ns; /* after a failure: when the next successor is tried */
    unsigned failures;      /* in a row, of successors on a proven release */
    unsigned replaced;      /* slots, of this target */
    bool waits_for_room;    /* was said: too many have not finished yet */
    uint64_t begun_ns;
    bool promised; /* `done` is called also when the target has proved itself before */
    void (*done)(void *arg, const char *why); /* a target was reached (NULL), or abandoned: why */
    void *arg;
} roll;

/*
 * From now on every slot should run this release. While another one is on probation it is abandoned for the
 * new one without a word. The first target ever counts as proven when a worker of it is ready.
 */
void roll_to(roll *self, release *target);

/* The crew runs this release already and it has proved itself. Once, before any target. */
void roll_adopt(roll *self, release *running);

/* The target that was just set may be the proven one: `done` is to be called all the same when it is reached.
 */
void roll_promise(roll *self);

/* While a release is on probation: back to the proven one. */
void roll_abandon(roll *self, const char *why);

/* True while a release is on probation or somebody is being replaced. */
bool roll_is_busy(const roll *self);

/* Takes the next step that is due. In every turn of the master, after what happened was told. */
void roll_turn(roll *self);
uint64_t roll_deadline_ns(const roll *self); /* 0: none */

/* What the crew tells. */
void roll_ready(roll *self, slot *place);
void roll_ended(roll *self, const crew_end *end);
void roll_unforked(roll *self);

void roll_close(roll *self);

#endif
