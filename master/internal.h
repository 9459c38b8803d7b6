/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master from within: what its parts share. Nobody else includes this header. The loop (master.c) reads
 * what woke it and calls one part for each event; each part is a file with one subject.
 */
#ifndef MASTER_INTERNAL_H
#define MASTER_INTERNAL_H

#include "master/control.h"
#include "master/crew.h"
#include "master/listener.h"
#include "master/master.h"
#include "master/notify.h"
#include "master/release.h"
#include "master/roll.h"
#include "master/shelf.h"
#include "master/upgrade.h"

#include <ev.h>

/* Why the loop woke: set by watchers and by the signals read, taken by the table in run_loop. */
enum {
    WOKEN_SIGNAL = 1 << 0,
    WOKEN_DOORBELL = 1 << 1,
    WOKEN_CHILD = 1 << 2,
    WOKEN_RELOAD = 1 << 3,
    WOKEN_TERMINATE = 1 << 4,
    WOKEN_QUIT = 1 << 5,
    WOKEN_PAUSE = 1 << 6,
    WOKEN_MORE = 1 << 7,
    WOKEN_FEWER = 1 << 8,
    WOKEN_REOPEN = 1 << 9,
    WOKEN_UPGRADE = 1 << 10,
    WOKEN_OTHER = 1 << 11,
};

typedef enum master_phase {
    MASTER_SEALING,  /* the first release is made */
    MASTER_STARTING, /* slot 0 boots alone */
    MASTER_SERVING,
    MASTER_PAUSED,   /* no worker is wanted until the next reload */
    MASTER_DRAINING, /* no worker is wanted; those that are left finish */
    MASTER_ENDING,   /* no worker is wanted; those that are left end at once */
} master_phase;

/* What became of the last reload. */
typedef struct reload_outcome {
    bool reached;
    unsigned release;  /* that it was to bring, or to go back to; 0: none was made */
    unsigned replaced; /* workers */
    uint64_t ended_ns; /* 0: there was no reload yet */
    char why[512];     /* it was abandoned */
} reload_outcome;

struct master {
    const master_options *options;
    master_phase phase;
    unsigned woken;
    int exit_code;

    notify notify;
    char *pidfile; /* ours; NULL: none */
    listener_set listeners;
    crew crew;
    roll roll;
    upgrade upgrade;
    bool upgrade_wanted; /* asked for while a reload was under way */

    release *next; /* being sealed; NULL: none */
    pid_t sealer;
    unsigned releases;   /* sealed so far */
    bool reload_again;   /* asked for while one was under way */
    unsigned configured; /* number of workers that the running release's configuration says */
    bool resuming;       /* the release being sealed ends a pause */
    shelf shelf;         /* releases that ran in all slots */
    unsigned reloads;    /* begun so far */
    reload_outcome last;
    control *control; /* NULL: none */
    uint64_t begun_ns;

    struct ev_loop *loop;
    int signals;
    ev_io signal_watcher, doorbell_watcher, other_watcher;
    ev_timer timer;
};

static inline bool master_is_stopping(const struct master *master)
{
    return master->phase == MASTER_DRAINING || master->phase == MASTER_ENDING;
}

/* "serving": for people. */
const char *master_phase_text(const struct master *master);

/* ---- the loop (master.c) ---- */

/* The loop and its watchers. Errors: HUB_ESYSTEM. */
hub_status master_open_loop(struct master *master, error *failure);

/* Wakes for the channel to another master; -1: no more. */
void master_watch_other(void *arg, int channel);

/* ---- start and end (start.c) ---- */

/* Everything but the loop's turns: signals, addresses, pid file, shared memory. Errors: one line each;
 * start_close also then. */
hub_status start_open(struct master *master, error *failure);

/* Ends what is left, removes what was made. */
void start_close(struct master *master);

/* ---- signals (signals.c) ---- */

/* Signals are blocked from here to the end; what was ignored when the server was started is so no more.
 * Errors: HUB_ESYSTEM. */
hub_status signals_open(struct master *master, error *failure);

/* Sets what they wake, and logs who sent them. */
void signals_read(struct master *master);

/* ---- addresses (addresses.c) ---- */

/* Where a server with this configuration listens; the list ends with NULL. */
char *const *addresses_of(const config *settings);

/* Those that were not inherited. Errors: as listener_open. */
hub_status addresses_open(struct master *master, const config *settings, error *failure);

/* Before a release is installed: what fails here changes nothing. Errors: as listener_change. */
hub_status addresses_change(struct master *master, const config *settings, error *failure);

/* Said only when somebody answers there. */
void addresses_say(const struct master *master);

/* ---- releases (reload.c) ---- */

/* Begins a release: takes the settings over. Errors: as release_begin. */
hub_status reload_seal(struct master *master, config *settings, error *failure);

/* The sealer has ended: the release is installed, or the reload abandoned. */
void reload_sealed(struct master *master, int status);

/* SIGHUP. While a reload is under way, another one follows it. */
void reload_begin(struct master *master);

/* Goes back to a release of the shelf, whatever is under way; whoever waits for that was told before, by
 * reload_cancel. */
void reload_go_back(struct master *master, release *what);

/* When a boot is given up for the reload that is to follow; 0: never. In every turn. */
uint64_t reload_deadline_ns(const struct master *master);
void reload_pass_time(struct master *master);

/* The reloads that are under way or were asked for end here, without more being done about them. */
void reload_cancel(struct master *master, const char *why);

/* During a pause nobody is being replaced, whatever was under way when it began. */
bool reload_is_busy(const struct master *master);

/* A release runs everywhere (NULL), or was abandoned: why. */
void reload_rolled(void *arg, const char *why);

/* For config_reload: an option changed that only a start changes. */
void reload_report_fixed(void *arg, const char *line);

/* ---- the workers as a whole (workers.c) ---- */

/* What the crew tells. */
void workers_ready(void *arg, slot *place);
void workers_ended(void *arg, const crew_end *end);
void workers_unforked(void *arg);

/* Before any worker was ready there is nothing to keep going: what failed once would fail again. */
void workers_give_up_start(struct master *master, int exit_code);

/* A number that HUP found in the configuration replaces what TTIN and TTOU made of the last one, but only a
 * number that has changed. */
void workers_apply_count(struct master *master, const config *settings);

/* The number that TTIN and TTOU made under the last master stays until the configuration changes. */
void workers_inherit_count(struct master *master);

/* So many workers from now on. Errors: HUB_EINVAL, HUB_ESTATE, HUB_ENOMEM. */
hub_status workers_scale(struct master *master, unsigned count, error *failure);

/* SIGTTIN and SIGTTOU: 1, -1. */
void workers_resize(struct master *master, int change);

/* SIGWINCH: they finish, and the master stays. */
void workers_pause(struct master *master);

/* SIGTERM: they finish, and the master ends then. SIGINT, SIGQUIT: at once. */
void workers_drain(struct master *master);
void workers_end(struct master *master);

/* ---- the control socket (commands.c) ---- */

/* Opens the socket, if there is to be one. Errors: as control_open, and only when its path was given. */
hub_status commands_open(struct master *master, const config *settings, error *failure);
void commands_close(struct master *master);

/* The reloads so far have ended as `last` says: those who wait for them are answered. */
void commands_reload_ended(struct master *master);

/* Those who wait are told how far it is. */
void commands_tell(struct master *master, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The master before is gone: the socket gets its own path. */
void commands_alone(struct master *master);

/* ---- logs (master.c) ---- */

/* SIGUSR1. */
void master_reopen_logs(struct master *master);

/* ---- between two masters (takeover.c) ---- */

/* What the files of a master are called more while the one before it lives. */
#define TAKEOVER_SUFFIX ".2"

/* SIGUSR2. */
void takeover_begin(struct master *master);

/* True when a reload cannot be, or has become something else, because of an upgrade. */
bool takeover_meets_reload(struct master *master);

/* The other master has said something. */
void takeover_hear(struct master *master);

/* A child was reaped: true when it was the next master. */
bool takeover_reaped(struct master *master, pid_t pid, int status);

/* Until a new master has taken everything over, what fails in it is undone, and the old one goes on. */
void takeover_undo(struct master *master, unsigned number, int exit_code);

/* Takes over what another master has left, if any; before anything is opened. The region goes to *shared when
 * it can be used. Errors: as upgrade_inherit. */
hub_status takeover_inherit(struct master *master, const config *settings, region *shared, error *failure);

/* Written once the addresses are bound: by then no other server of them can be there. Errors: as
 * pidfile_write, HUB_ENOMEM. */
hub_status takeover_write_pidfile(struct master *master, const config *settings, error *failure);

/* True when this process is the image that follows another one in the same process. */
bool takeover_is_in_place(const struct master *master);

/* The workers of the image before: they run the release before, with what the configuration says by now.
 * Errors: as config_reload, release_adopt and crew_adopt. */
hub_status takeover_adopt_workers(struct master *master, config *settings, error *failure);

#endif
