/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP dates, RFC 9110, section 5.6.7. Times are seconds since 1970, without leap seconds, as time(2) counts.
 */
#ifndef WORKER_HTTP_DATE_H
#define WORKER_HTTP_DATE_H

#include <hubbub.h>

enum { DATE_LENGTH = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Writes the IMF-fixdate form and a NUL. For the years 0 to 9999; other times come out as the nearest of
 * them. */
void date_format(int64_t time, char out[DATE_LENGTH + 1]);

/*
 * The same for the Date field of answers: made anew only when the second is another than at the last call.
 * The bytes are valid until then. The worker's thread only.
 */
hub_bytes date_now(int64_t now);

/*
 * Reads any of the three forms: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov 6
 * 08:49:37 1994". The day's name must be one, but need not be right. A year of two digits that would be more
 * than 50 years after `now` is in the past. False when it is none of them, or no such day exists; a leap
 * second counts as the second after it.
 */
bool date_parse(hub_bytes text, int64_t now, int64_t *time);

#endif
