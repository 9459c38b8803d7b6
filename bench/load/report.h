/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of a run: one JSON object in one line on standard output for programs, and the same pairs as one
 * line on standard error for people.
 */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H

#include <stdint.h>

void report_begin(const char *scenario);
void report_count(const char *name, uint64_t value);
void report_number(const char *name, double value);
void report_numbers(const char *name, const double *values, unsigned length);
void report_end(void);

#endif
