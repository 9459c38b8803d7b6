/* SPDX-License-Identifier: Apache-2.0 */
/* The near end of the control socket (master/control.h): waits. */
#ifndef MASTER_CTL_LINK_H
#define MASTER_CTL_LINK_H

#include "common/error.h"

#include <jansson.h>

/* Connects to the server's control socket. Errors: HUB_ENOENT, HUB_ESYSTEM, HUB_EINVAL, with a whole line. */
hub_status link_open(int *fd, const char *path, error *failure);

/* Sends a request; lent. Errors: HUB_ECLOSED, HUB_ENOMEM. */
hub_status link_send(int fd, const json_t *request, error *failure);

/* Waits for the next message, which is the caller's. Errors: HUB_ECLOSED (the server is gone), HUB_EPROTO,
 * HUB_ENOMEM. */
hub_status link_receive(int fd, json_t **message, error *failure);

#endif
