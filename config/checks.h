/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of values that are texts. Each function says what is wrong with a text, in words, or returns
 * NULL. */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

/* One address of the option bind: HOST:PORT, :PORT, [V6]:PORT, unix:PATH. Does not resolve names. */
const char *check_bind(const char *text);

/* The option ws-origins: "*", or a list of "same" and origins (RFC 6454, section 6.1) with ", " in between.
 */
const char *check_origins(const char *text);

/* The option ws-deflate. */
const char *check_deflate(const char *text);

#endif
