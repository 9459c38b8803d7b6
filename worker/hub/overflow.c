/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/overflow.h"

#include "common/clock.h"
#include "worker/hub/control.h"
#include "worker/hub/stack.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIGNAL_STACK = 64 << 10, LINE_MAX_LENGTH = 256 };

/* Untouched until the handler runs on it. */
static _Alignas(64) char signal_stack[SIGNAL_STACK];
static stack_t stack_before;
static struct sigaction action_before;
static bool installed;
static long zone_seconds; /* east of UTC, as the log prints it */

/* A line that is put together without printf, which a signal handler must not call. */
typedef struct text_line {
    char text[LINE_MAX_LENGTH];
    size_t length;
} text_line;

static void put_text(text_line *line, const char *text)
{
    for (; *text && line->length < sizeof(line->text); text++) {
        unsigned char byte = (unsigned char)*text;
        char shown = *text;
        if (byte < ' ' || byte == 0x7f)
            shown = '?';
        line->text[line->length++] = shown;
    }
}

static void put_number(text_line *line, uint64_t number, unsigned digits)
{
    char reversed[20];
    unsigned count = 0;
    do {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (count < sizeof(reversed) && (number > 0 || count < digits));
    while (count > 0 && line->length < sizeof(line->text))
        line->text[line->length++] = reversed[--count];
}

/* Days since 1970 to a date of the Gregorian calendar; years are counted from March, so that the leap day
 * comes last. */
static void put_date(text_line *line, uint64_t days)
{
    uint64_t shifted = days + 719468; /* since 0000-03-01 */
    uint64_t era = shifted / 146097, day_of_era = shifted % 146097;
    uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    uint64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    uint64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    put_number(line, year, 4);
    put_text(line, "-");
    put_number(line, month, 2);
    put_text(line, "-");
    put_number(line, day, 2);
}

/* "[2026-11-23 11:04:53.123 +0000] [1234] [CRITICAL] ", as the log begins its lines. */
static void put_head(text_line *line)
{
    uint64_t now = clock_wall_ns();
    uint64_t seconds = now / CLOCK_NS_PER_S + (uint64_t)zone_seconds;
    uint64_t of_day = seconds % 86400;
    uint64_t zone = (uint64_t)labs(zone_seconds) / 60;
    put_text(line, "[");
    put_date(line, seconds / 86400);
    put_text(line, " ");
    put_number(line, of_day / 3600, 2);
    put_text(line, ":");
    put_number(line, of_day / 60 % 60, 2);
    put_text(line, ":");
    put_number(line, of_day % 60, 2);
    put_text(line, ".");
    put_number(line, now % CLOCK_NS_PER_S / CLOCK_NS_PER_MS, 3);
    put_text(line, zone_seconds < 0 ? " -" : " +");
    put_number(line, zone / 60 * 100 + zone % 60, 4);
    put_text(line, "] [");
    put_number(line, (uint64_t)getpid(), 1);
    put_text(line, "] [CRITICAL] ");
}

static void report(const greenlet *g)
{
    text_line line = {.length = 0};
    put_head(&line);
    put_text(&line, "greenlet '");
    put_text(&line, g->name);
    put_text(&line, "' overflowed its stack of ");
    put_number(&line, stack_size() >> 10, 1);
    put_text(&line, " KB; raise --stack-size or use less stack");
    line.text[line.length < sizeof(line.text) ? line.length++ : line.length - 1] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written; /* nobody is left to tell */
}

static void on_segv(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    uint32_t index;
    if (info->si_code > 0 && stack_of_guard(info->si_addr, &index))
        report(greenlet_at(index));
    /* The instruction faults again as soon as this returns, now under the action of before: a core then shows
     * where, and a debugger's or sanitizer's handler sees the fault as if it were the first to do so. */
    sigaction(SIGSEGV, &action_before, NULL);
    if (info->si_code <= 0)
        raise(number); /* sent by somebody: it would not happen again by itself */
    errno = saved;
}

hub_status overflow_install(error *why)
{
    time_t now = time(NULL);
    struct tm local;
    zone_seconds = localtime_r(&now, &local) ? local.tm_gmtoff : 0;

    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaltstack(&stack, &stack_before) != 0)
        return error_set(why, HUB_ESYSTEM, "cannot set the signal stack: %s", strerror(errno));
    if (sigaction(SIGSEGV, &action, &action_before) != 0) {
        int saved = errno;
        sigaltstack(&stack_before, NULL);
        return error_set(why, HUB_ESYSTEM, "cannot handle SIGSEGV: %s", strerror(saved));
    }
    installed = true;
    return HUB_OK;
}

void overflow_remove(void)
{
    if (!installed)
        return;
    sigaction(SIGSEGV, &action_before, NULL);
    sigaltstack(&stack_before, NULL);
    installed = false;
}

void overflow_die(const greenlet *g)
{
    report(g);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}
