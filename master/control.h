/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: a unix socket at which the user of the server, and root, asks and orders. A message, in
 * either direction, is four bytes of length, the highest first, and so many bytes of JSON: one object.
 *
 *     request   {"command": "reload", …}
 *     progress  {"event": "…", …}      none or several, while a command takes its time
 *     answer    {"ok": true, …} or {"ok": false, "error": "one line"}
 *
 * The requests of a client are answered one after the other. Nothing here waits for a client: one that does
 * not read is left, and so is one that sends what is no message; when there are too many, the one that has
 * been silent for the longest makes room.
 */
#ifndef MASTER_CONTROL_H
#define MASTER_CONTROL_H

#include "common/error.h"

#include <ev.h>
#include <jansson.h>

enum {
    CONTROL_CLIENTS_MAX = 16,         /* at a time */
    CONTROL_REQUEST_MAX = 64 * 1024,  /* bytes of JSON */
    CONTROL_OUTPUT_MAX = 1024 * 1024, /* that may wait for a client */
};

typedef struct control control;
typedef struct control_client control_client;

/*
 * Runs a command. It either answers at once (control_answer, control_refuse) or calls control_wait; the
 * request is lent.
 */
typedef void (*control_run)(void *arg, control_client *client, const json_t *request);

typedef struct control_command {
    const char *name;
    control_run run;
} control_command;

/*
 * Listens at a path with the mode 0600. A socket that was left behind is replaced when nobody listens there.
 * `commands` ends with a NULL name and is kept. Errors: HUB_EEXIST (somebody listens there, or it is no
 * socket), HUB_EINVAL (the path is too long), HUB_ESYSTEM, HUB_ENOMEM.
 */
hub_status control_open(control **out, struct ev_loop *loop, const char *path,
                        const control_command *commands, void *arg, error *failure);

/* Closes everything and removes the socket, if it is still this one. NULL is fine. */
void control_close(control *self);

/* From now on the socket is at another path, whatever was there. Errors: HUB_EINVAL (too long), HUB_ESYSTEM:
 * then it stays where it is. */
hub_status control_move(control *self, const char *path, error *failure);

/* The answer to the client's request. `answer` is taken over; NULL (no memory) closes the client. */
void control_answer(control_client *client, json_t *answer);
void control_refuse(control_client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The client waits for the end of something that has a number. */
void control_wait(control_client *client, unsigned number);

/*
 * Tells all who wait; answers those who wait for what has this number or a smaller one. Both take the object
 * over. NULL as `self` is fine.
 */
void control_tell_waiting(control *self, json_t *event);
void control_answer_waiting(control *self, unsigned number, json_t *answer);

/* A text as JSON; of one that is no UTF-8 (a path may be anything) each byte beyond ASCII becomes '?'. NULL
 * without memory. */
json_t *control_text(const char *text);

#endif
