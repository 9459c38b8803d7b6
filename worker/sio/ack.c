/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledgements. What this worker asks of a client has a number of that client, counted from 0; what is
 * asked for a collector, of this worker or another, has a number from GATHER_FIRST up, which names the
 * collector, so that whoever has the client can tell it the answer. A client answers only what it was asked.
 */
#include "worker/sio/client.h"
#include "worker/sio/gather.h"
#include "worker/sio/remote.h"

#include <stdlib.h>

enum { ASKED_MAX = 256 }; /* of one client: beyond it the oldest question is answered by nobody */

/* Who waits for a client of this worker; in its frame. */
typedef struct call {
    struct call *next;
    uint64_t number;
    greenlet *waiter;
    bool parked;
    bool done; /* answered, or the client went: not in its list any more */
    kept_packet *answer;
} call;

typedef struct asked {
    struct asked *next;
    uint64_t number, collector;
} asked;

/* ---- asking ---- */

static call **place_of(hub_client *c, uint64_t number)
{
    call **at = &c->calls;
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static void finish(hub_client *c, call *one, hub_status status)
{
    call **at = place_of(c, one->number);
    *at = one->next;
    one->done = true;
    if (one->parked)
        greenlet_wake(one->waiter, status);
}

hub_status ack_call(hub_client *c, emission *event, double timeout, kept_packet **answer)
{
    hub_id id = c->session.id;
    call own = {.next = c->calls, .number = c->next_ack, .waiter = greenlet_current()};
    if (!own.waiter || (c->admission && c->greenlet == own.waiter))
        return HUB_ESTATE; /* it cannot answer before it was let in */
    c->next_ack++;
    c->calls = &own;
    emission_address(event, PACKET_EVENT, c->name, own.number);
    hub_status status = sio_send_parking(c, event->parts, event->part_count, false);
    if (status == HUB_OK && !own.done) {
        own.parked = true;
        status = greenlet_park("an acknowledgement", timeout);
        own.parked = false;
    }
    if (!own.done && (c = sio_client_find(id)))
        *place_of(c, own.number) = own.next;
    if (own.answer && status == HUB_ECANCELED) {
        packet_drop(own.answer);
        return status;
    }
    *answer = own.answer;
    if (own.answer)
        return HUB_OK;
    return own.done ? HUB_ECLOSED : status;
}

void ack_asked(hub_client *c, uint64_t number, uint64_t collector)
{
    asked *a = malloc(sizeof *a);
    if (!a) {
        gather_gone(collector);
        return;
    }
    *a = (asked){c->asked, number, collector};
    c->asked = a;
    unsigned count = 0;
    asked **at = &c->asked;
    while (*at && count++ < ASKED_MAX)
        at = &(*at)->next;
    if (*at) {
        gather_gone((*at)->collector);
        free(*at);
        *at = NULL;
    }
}

/* ---- answers ---- */

static void answer_collector(hub_client *c, const packet *answer, const kept_packet *kept)
{
    asked **at = &c->asked;
    while (*at && (*at)->number != answer->id)
        at = &(*at)->next;
    asked *found = *at;
    if (!found)
        return;
    *at = found->next;
    gather_answered(found->collector, answer->data, kept ? kept->attachments : NULL,
                    kept ? kept->value.binary_count : 0);
    free(found);
}

void ack_arrived(hub_client *c, const packet *answer, kept_packet *kept)
{
    if (answer->id >= GATHER_FIRST) {
        if (answer->id != PACKET_NO_ID)
            answer_collector(c, answer, kept);
    } else {
        call *waiting = *place_of(c, answer->id);
        if (waiting) {
            waiting->answer = kept ? kept : packet_keep(PACKET_ACK, answer->id, answer->data, 0);
            kept = NULL;
            finish(c, waiting, HUB_OK);
        }
    }
    packet_drop(kept); /* nobody asked for it */
}

void ack_client_gone(hub_client *c)
{
    while (c->calls)
        finish(c, c->calls, HUB_ECLOSED);
    while (c->asked) {
        asked *a = c->asked;
        c->asked = a->next;
        gather_gone(a->collector);
        free(a);
    }
}

/* ---- answering ---- */

hub_status ack_answer(hub_client *c, uint64_t number, emission *values)
{
    emission_address(values, PACKET_ACK, c->name, number);
    return sio_send(c, values->parts, values->part_count, false);
}

/* The event that is with the client's handler and asks for this acknowledgement. */
static running_event *running_of(const hub_client *c, uint64_t number)
{
    running_event *r = c->waiting ? NULL : c->running;
    return r && r->ack.client && r->ack.number == number ? r : NULL;
}

static hub_status answer_here(hub_client *c, uint64_t number, emission *values)
{
    running_event *r = running_of(c, number);
    if (r && r->answered)
        return HUB_ESTATE;
    if (r)
        r->answered = true;
    emission_address(values, PACKET_ACK, c->name, number);
    return sio_send_parking(c, values->parts, values->part_count, false);
}

static hub_status answer(hub_ack ack, emission *values)
{
    hub_client *c = sio_client_find(ack.client);
    if (c)
        return answer_here(c, ack.number, values);
    return session_is_local(ack.client) ? HUB_ECLOSED : remote_answer(ack, values);
}

hub_status hub_ack_send(hub_ack ack, const char *format, ...)
{
    if (!ack.client)
        return HUB_OK;
    emission *m = emission_take();
    if (!m)
        return HUB_ENOMEM;
    va_list values;
    va_start(values, format);
    hub_status status = emission_values(m, format, values);
    va_end(values);
    if (status == HUB_OK)
        status = answer(ack, m);
    emission_give(m);
    return status;
}
