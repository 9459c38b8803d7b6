/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Socket.IO event costs as text: reading its packet, and writing its arguments as another's, which is
 * all of an echo but the transport. One line for each step and event:
 *
 *     read                 a small event                  48 bytes       37.4 ns     1.28 GB/s
 */
#include "worker/sio/json.h"
#include "worker/sio/pack.h"
#include "worker/sio/packet.h"
#include "worker/sio/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LARGEST = 80 * 1024, ROUNDS = 7, ATTACHMENTS = 2 };

static const packet_limits limits = {.attachments = 10, .depth = 64, .name_space = 255};
static const hub_bytes attachments[ATTACHMENTS] = {{"\1\2\3", 3}, {"\4\5\6", 3}};

/* What is measured, and what it is done with. */
typedef struct subject {
    const char *name;
    char *text; /* of a packet */
    size_t length;
    packet read;
    packing packed;
    bool failed;
} subject;

static void read_packet(subject *s)
{
    s->failed |= packet_read(&s->read, hub_bytes_of(s->text, s->length), &limits) != HUB_OK;
}

static hub_value data_of(const subject *s)
{
    return value_checked(s->read.data, attachments, s->read.attachments);
}

/* The event's values as another event's. */
static void write_values(subject *s)
{
    pack_clear(&s->packed);
    s->failed |= pack_items(&s->packed, data_of(s)) != HUB_OK;
}

static hub_status pack_format(packing *to, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    hub_status status = pack_values(to, format, values);
    va_end(values);
    return status;
}

/* The same, by a format. */
static void write_format(subject *s)
{
    pack_clear(&s->packed);
    s->failed |= pack_format(&s->packed, "sV", "message-back", data_of(s)) != HUB_OK;
}

static void read_and_write(subject *s)
{
    read_packet(s);
    write_format(s);
}

/* An application that makes the event of its own text. */
static void check_and_write(subject *s)
{
    pack_clear(&s->packed);
    s->failed |=
        pack_items(&s->packed, (hub_value){s->read.data, attachments, s->read.attachments, false}) != HUB_OK;
}

static void take_apart(subject *s)
{
    hub_value data = data_of(s), last = hub_value_at(data, hub_value_count(data) - 1);
    s->failed |= hub_value_kind(last) == HUB_MISSING;
}

static void write_numbers(subject *s)
{
    pack_clear(&s->packed);
    s->failed |= pack_format(&s->packed, "s{s:i,s:f,s:f}", "position", "id", 12345, "lat", 52.520008, "lon",
                             1.0 / 3) != HUB_OK;
}

static const struct {
    const char *name;
    void (*run)(subject *s);
} steps[] = {
    {"read", read_packet},
    {"write", write_values},
    {"write, by a format", write_format},
    {"read and write", read_and_write},
    {"check and write", check_and_write},
    {"take apart", take_apart},
};

/* Time on the processor: others may be running. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double time_of(subject *s, void (*run)(subject *s), unsigned passes)
{
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begin = cpu_ns();
        for (unsigned i = 0; i < passes; i++) {
            run(s);
            __asm__ volatile("" : : "r"(s) : "memory");
        }
        double each = (double)(cpu_ns() - begin) / passes;
        if (each < best)
            best = each;
    }
    return best;
}

static void report(subject *s, const char *step, void (*run)(subject *s))
{
    run(s);
    double few = time_of(s, run, 8), each = time_of(s, run, 1 + (unsigned)(5e6 / (few + 1)));
    printf("%-20s %-26s %6zu bytes %10.1f ns %8.2f GB/s\n", step, s->name, s->length, each,
           (double)s->length / each);
}

/* ---- events ---- */

static void small(subject *s)
{
    s->length = (size_t)sprintf(s->text, "2[\"message\",\"hello world, of thirty-two bytes.\"]");
}

static void acknowledged(subject *s)
{
    s->length = (size_t)sprintf(
        s->text, "2/chat,417[\"say\",{\"room\":\"lobby\",\"text\":\"good morning\",\"at\":1763900000}]");
}

static void with_binary(subject *s)
{
    s->length = (size_t)sprintf(
        s->text, "52-[\"file\",{\"_placeholder\":true,\"num\":0},{\"head\":{\"_placeholder\":true,"
                 "\"num\":1},\"name\":\"a.png\"}]");
}

/* Objects as lists of records have them. */
static void records(subject *s, size_t length)
{
    char *p = s->text + sprintf(s->text, "2[\"rows\",[");
    for (int i = 0; p + 120 < s->text + length; i++)
        p += sprintf(
            p, "%s{\"id\":%d,\"name\":\"somebody %d\",\"active\":%s,\"score\":%d.25,\"tags\":[\"a\",\"bc\"]}",
            i ? "," : "", i * 7919, i, i % 3 ? "true" : "false", i * 3);
    s->length = (size_t)(p + sprintf(p, "]]") - s->text);
}

static void records_of_1_kb(subject *s)
{
    records(s, 1024);
}

static void records_of_64_kb(subject *s)
{
    records(s, 65536);
}

static void text_of_64_kb(subject *s)
{
    char *p = s->text + sprintf(s->text, "2[\"text\",\"");
    while (p < s->text + 65536)
        p += sprintf(p, "the quick brown fox jumps over the lazy dog, and once more. ");
    s->length = (size_t)(p + sprintf(p, "\"]") - s->text);
}

static const struct {
    const char *name;
    void (*make)(subject *s);
} events[] = {
    {"a small event", small},
    {"a namespace, an ack", acknowledged},
    {"two attachments", with_binary},
    {"1 KB of records", records_of_1_kb},
    {"64 KB of records", records_of_64_kb},
    {"64 KB of text", text_of_64_kb},
};

int main(void)
{
    subject s = {.text = malloc(LARGEST)};
    if (!s.text) {
        fputs("values: no memory\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        s.name = events[i].name;
        events[i].make(&s);
        for (size_t step = 0; step < sizeof steps / sizeof *steps; step++)
            report(&s, steps[step].name, steps[step].run);
    }
    s.name = "three numbers";
    s.length = s.packed.text.length;
    write_numbers(&s);
    s.length = s.packed.text.length;
    report(&s, "write, by a format", write_numbers);
    free(s.text);
    pack_free(&s.packed);
    if (s.failed)
        fputs("values: an event was refused\n", stderr);
    return s.failed ? 1 : 0;
}
