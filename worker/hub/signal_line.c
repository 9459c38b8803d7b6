/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/signal_line.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long zone_seconds; /* east of UTC, as the log prints it */

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

void signal_line_prepare(void)
{
    time_t now = time(NULL);
    struct tm local;
    zone_seconds = localtime_r(&now, &local) ? local.tm_gmtoff : 0;
}

void signal_line_text(signal_line *line, const char *text)
{
    for (; text && *text && line->length < sizeof(line->text); text++) {
        unsigned char byte = (unsigned char)*text;
        char shown = *text;
        if (byte < ' ' || byte == 0x7f)
            shown = '?';
        line->text[line->length++] = shown;
    }
}

static void put_digits(signal_line *line, uint64_t number, unsigned base, unsigned digits)
{
    char reversed[20];
    unsigned count = 0;
    do {
        reversed[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (count < sizeof(reversed) && (number > 0 || count < digits));
    while (count > 0 && line->length < sizeof(line->text))
        line->text[line->length++] = reversed[--count];
}

void signal_line_number(signal_line *line, uint64_t number, unsigned digits)
{
    put_digits(line, number, 10, digits);
}

void signal_line_hex(signal_line *line, uint64_t number)
{
    signal_line_text(line, "0x");
    put_digits(line, number, 16, 1);
}

void signal_line_seconds(signal_line *line, double seconds)
{
    uint64_t milliseconds = seconds > 0 && seconds < 1e12 ? (uint64_t)(seconds * 1000) : 0;
    signal_line_number(line, milliseconds / 1000, 1);
    signal_line_text(line, ".");
    signal_line_number(line, milliseconds % 1000, 3);
    signal_line_text(line, " s");
}

/* Days since 1970 to a date of the Gregorian calendar; years are counted from March, so that the leap day
 * comes last. */
static void put_date(signal_line *line, uint64_t days)
{
    uint64_t shifted = days + 719468; /* since 0000-03-01 */
    uint64_t era = shifted / 146097, day_of_era = shifted % 146097;
    uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    uint64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    signal_line_number(line, year, 4);
    signal_line_text(line, "-");
    signal_line_number(line, month, 2);
    signal_line_text(line, "-");
    signal_line_number(line, day, 2);
}

void signal_line_begin(signal_line *line, hub_level level)
{
    uint64_t now = clock_wall_ns();
    uint64_t seconds = now / CLOCK_NS_PER_S + (uint64_t)zone_seconds;
    uint64_t of_day = seconds % 86400;
    uint64_t zone = (uint64_t)labs(zone_seconds) / 60;
    line->length = 0;
    signal_line_text(line, "[");
    put_date(line, seconds / 86400);
    signal_line_text(line, " ");
    signal_line_number(line, of_day / 3600, 2);
    signal_line_text(line, ":");
    signal_line_number(line, of_day / 60 % 60, 2);
    signal_line_text(line, ":");
    signal_line_number(line, of_day % 60, 2);
    signal_line_text(line, ".");
    signal_line_number(line, now % CLOCK_NS_PER_S / CLOCK_NS_PER_MS, 3);
    signal_line_text(line, zone_seconds < 0 ? " -" : " +");
    signal_line_number(line, zone / 60 * 100 + zone % 60, 4);
    signal_line_text(line, "] [");
    signal_line_number(line, (uint64_t)getpid(), 1);
    signal_line_text(line, "] [");
    signal_line_text(line, level_names[level]);
    signal_line_text(line, "] ");
    if (log_label()[0] != '\0') {
        signal_line_text(line, log_label());
        signal_line_text(line, ": ");
    }
}

void signal_line_end(signal_line *line)
{
    int saved = errno;
    line->text[line->length < sizeof(line->text) ? line->length++ : line->length - 1] = '\n';
    ssize_t written = write(STDERR_FILENO, line->text, line->length);
    (void)written; /* nobody is left to tell */
    errno = saved;
}
