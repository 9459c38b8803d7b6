/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, whatever locale the application has set. No allocation but where it is said. */
#ifndef WORKER_SIO_NUMBER_H
#define WORKER_SIO_NUMBER_H

#include <hubbub.h>

enum {
    NUMBER_INTEGER_MAX = 20, /* bytes of the longest integer */
    NUMBER_DOUBLE_MAX = 32   /* of the longest double */
};

/* Decimal digits; returns the end. */
char *number_write_unsigned(char *out, uint64_t value);
char *number_write_signed(char *out, int64_t value);

/* The shortest text that reads as the same double again, as JSON; `value` is finite. Returns the end. */
char *number_write_double(char *out, double value);

/*
 * Reads a number of JSON (RFC 8259, section 6). The integer is exact: "1e2" and "100.0" are 100; false for
 * what is no integer, or out of range. A double is rounded as IEEE 754 has it; false for what is larger than
 * any, or, with more than 100 bytes, without memory. False also for text that is no number.
 */
bool number_read_integer(hub_bytes text, int64_t *value);
bool number_read_double(hub_bytes text, double *value);

#endif
