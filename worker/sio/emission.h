/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on their way out: an array of JSON and its attachments, and the packet that carries them to a
 * namespace. Emissions are pooled: a steady flow of events allocates nothing.
 *
 *     emission_take -> emission_event -> emission_address -> parts, or emission_frames -> emission_give
 *
 * and emission_address again for whom the same goes out under another head.
 */
#ifndef WORKER_SIO_EMISSION_H
#define WORKER_SIO_EMISSION_H

#include "worker/sio/engine.h"
#include "worker/sio/pack.h"
#include "worker/sio/packet.h"

typedef struct emission {
    struct emission *next;
    packing values; /* its text: room for a packet's head, then the array */
    buffer frames;
    size_t part_count;
    engine_part parts[ENGINE_PARTS_MAX];
} emission;

emission *emission_take(void); /* NULL without memory */
void emission_give(emission *m);
void emissions_trim(void); /* frees the pool; at the end of a worker */

/* Begins and ends the array; between them values are packed into `values`. Errors: HUB_ENOMEM. */
hub_status emission_begin(emission *m);
hub_status emission_end(emission *m);

/* All of it: an event's array, or an acknowledgement's. Errors: HUB_EINVAL also for a reserved or empty name;
 * those of pack_values. */
hub_status emission_event(emission *m, const char *event, const char *format, va_list values);
hub_status emission_values(emission *m, const char *format, va_list values);

/* Not an array: the object {"message": …, "data": …} of a refusal. `format` is one value without binary, or
 * nothing. Errors: HUB_EINVAL, HUB_ENOMEM. */
hub_status emission_refusal(emission *m, const char *message, const char *format, va_list values);

/* An array that is ready, as another worker made it; the attachments are lent. Errors: HUB_ENOMEM, HUB_EFULL.
 */
hub_status emission_array(emission *m, hub_bytes array, const hub_bytes *attachments, size_t count);

hub_bytes emission_text(const emission *m); /* the array */

/* Writes the head in front of the array: then `parts` are the packet. PACKET_NO_ID: without an id. */
void emission_address(emission *m, packet_type type, const char *name_space, uint64_t id);

/* The parts as frames of the wire, lent as the emission is. data NULL without memory. */
hub_bytes emission_frames(emission *m);

#endif
