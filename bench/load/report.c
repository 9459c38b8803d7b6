/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/report.h"

#include <inttypes.h>
#include <stdio.h>

void report_begin(const char *scenario)
{
    printf("{\"scenario\": \"%s\"", scenario);
    fprintf(stderr, "%s:", scenario);
}

void report_count(const char *name, uint64_t value)
{
    printf(", \"%s\": %" PRIu64, name, value);
    fprintf(stderr, " %s=%" PRIu64, name, value);
}

void report_number(const char *name, double value)
{
    printf(", \"%s\": %.3f", name, value);
    fprintf(stderr, " %s=%.3f", name, value);
}

void report_numbers(const char *name, const double *values, unsigned length)
{
    printf(", \"%s\": [", name);
    fprintf(stderr, " %s=", name);
    for (unsigned i = 0; i < length; i++) {
        printf("%s%.3f", i > 0 ? ", " : "", values[i]);
        fprintf(stderr, "%s%.3f", i > 0 ? "," : "", values[i]);
    }
    printf("]");
}

void report_end(void)
{
    puts("}");
    fputc('\n', stderr);
    fflush(stdout);
}
