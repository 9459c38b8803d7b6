/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the public header; their functions are in value.c. */
#ifndef WORKER_SIO_VALUE_H
#define WORKER_SIO_VALUE_H

#include <hubbub.h>

/*
 * JSON that json_check took, and whose placeholders are all below `count`: it is sent on without another
 * look, and so is whatever is read out of it. packet_read makes sure of both.
 */
static inline hub_value value_checked(hub_bytes json, const hub_bytes *binary, size_t count)
{
    hub_value value = {json, binary, count, true};
    return value;
}

#endif
