/* SPDX-License-Identifier: Apache-2.0 */
/* Text to values and back, as an option's row says. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "common/buffer.h"
#include "config/options.h"

/*
 * Reads a text and stores it in the option's field; lists and words grow by it. Strings are copied. Errors:
 * HUB_EINVAL with what is wrong and what is allowed (the caller puts the place and the name in front);
 * HUB_ENOMEM. The field is then as it was.
 */
hub_status value_store(config *values, const option *entry, const char *text, error *failure);

/* Empties a string, list or words and frees its memory; nothing for numbers. */
void value_clear(config *values, const option *entry);

/* Appends the option's value in the form that value_store reads; a list with commas. HUB_ENOMEM. */
hub_status value_format(const config *values, const option *entry, buffer *to);

/* Replaces the option's value in *to by a copy of that in *from. HUB_ENOMEM: it is then empty. */
hub_status value_copy(config *to, const config *from, const option *entry);

/* The field of an option that option_is_list. */
char *const *value_list(const config *values, const option *entry);

/* Whether a NAME=VALUE is not to be shown: its name speaks of a secret, or its value has a password in a URL.
 */
bool value_is_secret(const char *variable);

/* A whole number of bytes, or with K, M or G behind it. False for anything else, and for too large a number.
 */
bool value_parse_size(const char *text, uint64_t *size);

/* "64M": the largest suffix that loses nothing. */
void value_format_size(uint64_t size, char *to, size_t capacity);

#endif
