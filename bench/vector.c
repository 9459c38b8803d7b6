/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a processor unmasks and validates a second: text of the size of one read, over and over, so that it
 * stays in the caches, by every vector unit that there is. One line for each:
 *
 *     unmask + validate, ASCII       AVX2        48.1 GB/s
 */
#include "worker/ws/mask.h"
#include "worker/ws/utf8_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT = 64 * 1024, ROUNDS = 5 };

static const struct {
    const char *name, *words; /* repeated until the text is full */
} languages[] = {
    {"ASCII", "The quick brown fox jumps over the lazy dog, 0123456789. "},
    {"Latin", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "},
    {"Cyrillic", "Съешь же ещё этих мягких французских булок, да выпей чаю. "},
    {"Chinese", "視野無限廣，窗外有藍天。微風迎客，軟語伴茶。"},
    {"emoji", "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰😗"},
};

static bool refused;

/* Fills `text`, and ends it with a character. */
static size_t fill(unsigned char *text, const char *words)
{
    size_t length = 0, piece = strlen(words);
    for (; length + piece <= TEXT; length += piece)
        memcpy(text + length, words, piece);
    return length;
}

/* Time on the processor: others may be running. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What is measured: a piece of text, once. */
typedef struct subject {
    unsigned char *text;
    size_t length;
    mask_run run;
    utf8_scan scan;
    bool unmasks, validates;
} subject;

static void pass(const subject *s)
{
    /* A mask of zeros costs as much as any other, and the text is the same in every pass. */
    if (s->unmasks)
        s->run(s->text, s->length, 0);
    if (s->validates) {
        utf8_state state = {0};
        if (!utf8_feed_by(s->scan, &state, s->text, s->length) || !utf8_complete(state))
            refused = true;
    }
}

/* The best of some rounds, in GB/s: what is slower was disturbed. */
static double speed_of(const subject *s, unsigned passes)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = cpu_ns();
        for (unsigned i = 0; i < passes; i++)
            pass(s);
        double speed = (double)s->length * passes / (double)(cpu_ns() - begin);
        if (speed > best)
            best = speed;
    }
    return best;
}

/* Long enough for the clock, short enough for a slow unit: about 20 ms. */
static unsigned passes_for(const subject *s)
{
    uint64_t begin = cpu_ns();
    for (int i = 0; i < 8; i++)
        pass(s);
    uint64_t each = (cpu_ns() - begin) / 8 + 1;
    return 1 + (unsigned)(UINT64_C(20000000) / each);
}

static void report(const char *what, const char *language, const char *unit, subject s)
{
    char title[64];
    snprintf(title, sizeof title, "%s%s", what, language);
    printf("%-30s %-10s %6.1f GB/s\n", title, unit, speed_of(&s, passes_for(&s)));
}

int main(void)
{
    unsigned char *text = malloc(TEXT);
    mask_unit masks[MASK_UNITS_MAX];
    utf8_unit units[UTF8_UNITS_MAX];
    size_t mask_count = mask_units(masks), unit_count = utf8_units(units);
    const size_t language_count = sizeof languages / sizeof *languages;
    if (!text) {
        fputs("vector: no memory\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < mask_count; i++) {
        subject s = {.text = text, .length = TEXT, .run = masks[i].run, .unmasks = true};
        memset(text, 'x', TEXT);
        report("unmask", "", masks[i].name, s);
    }
    for (size_t l = 0; l < language_count; l++) {
        subject s = {.text = text, .length = fill(text, languages[l].words), .validates = true};
        for (size_t i = 0; i < unit_count; i++) {
            s.scan = units[i].scan;
            report("validate, ", languages[l].name, units[i].name, s);
        }
    }
    for (size_t l = 0; l < language_count; l++) {
        subject s = {
            .text = text, .length = fill(text, languages[l].words), .unmasks = true, .validates = true};
        s.run = masks[0].run;
        s.scan = units[0].scan;
        report("unmask + validate, ", languages[l].name, units[0].name, s);
    }
    free(text);
    if (refused)
        fputs("vector: valid text was refused\n", stderr);
    return refused ? 1 : 0;
}
