/* SPDX-License-Identifier: Apache-2.0 */
/* Options of gunicorn that this server does not have, with the reason: for those whose fingers know them. */
#ifndef CONFIG_ABSENT_H
#define CONFIG_ABSENT_H

#include <stddef.h>

/* Why there is no such option, as the end of a sentence; NULL when the name is none of these. "_" counts as
 * "-".
 */
const char *absent_reason(const char *name, size_t length);

#endif
