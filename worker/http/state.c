/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/state.h"

const http_server *http_opened;

void state_await_taking(connection *c)
{
    http_state *h = c->state;
    h->untaken = output_untaken(&c->out);
    connection_time(c, http_opened->send_timeout);
}

void state_finish(connection *c)
{
    connection_finish(c);
    if (!c->closed && !c->lingering)
        state_await_taking(c);
}

void state_be_idle(connection *c)
{
    http_state *h = c->state;
    h->partial = false;
    if (h->ended || (h->draining && !http_opened->patient))
        state_finish(c);
    else
        connection_time(c, http_opened->keep_alive);
}
