/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/client.h"

#include <stdlib.h>

enum { INBOX_MIN = 64 * 1024 }; /* bytes that may wait for a parked handler, at least */

static size_t limit_of(const hub_ws *ws)
{
    return ws->route->max_message > INBOX_MIN ? ws->route->max_message : INBOX_MIN;
}

bool inbox_push(hub_ws *ws, const message_event *event)
{
    hub_bytes body = event->bytes;
    chunk *large;
    if (!client_take_large(ws, event, &large))
        return false;
    size_t copied = large ? 0 : body.length;
    inbox_message *message = malloc(sizeof *message + copied);
    if (!message) {
        if (large)
            chunk_drop(large);
        return false;
    }
    message->type = event->type;
    message->length = body.length;
    message->large = large;
    if (copied)
        memcpy(message->bytes, body.data, copied);
    if (ws->inbox) {
        message->next = ws->inbox->next;
        ws->inbox->next = message;
    } else {
        message->next = message;
    }
    ws->inbox = message;
    ws->inbox_bytes += sizeof *message + body.length;
    if (ws->inbox_bytes > limit_of(ws))
        connection_pause(ws->connection, true);
    return true;
}

/* Takes out the oldest. */
static inbox_message *take(hub_ws *ws)
{
    inbox_message *oldest = ws->inbox->next;
    if (oldest == ws->inbox)
        ws->inbox = NULL;
    else
        ws->inbox->next = oldest->next;
    ws->inbox_bytes -= sizeof *oldest + oldest->length;
    if (ws->connection && ws->inbox_bytes <= limit_of(ws) / 2)
        connection_pause(ws->connection, false);
    return oldest;
}

/* Nobody will want what waits; the client is read on, up to its close frame. */
void inbox_drop(hub_ws *ws)
{
    while (ws->inbox) {
        inbox_message *oldest = take(ws);
        if (oldest->large)
            chunk_drop(oldest->large);
        free(oldest);
    }
}

/* The oldest becomes `current`. */
void inbox_lend(hub_ws *ws)
{
    inbox_message *oldest = take(ws);
    const void *bytes = oldest->large ? chunk_data(oldest->large) : oldest->bytes;
    ws->current = (hub_message){oldest->type, hub_bytes_of(bytes, oldest->length)};
    ws->current_chunk = oldest->large;
    if (oldest->large)
        free(oldest);
    else
        ws->current_memory = oldest;
    ws->lent = true;
}
