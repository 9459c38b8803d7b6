/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/deflate.h"
#include "worker/ws/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 1 << 24 };

static const deflate_terms takeover = {15, 15, true, true};

static char *json(size_t length)
{
    static const char line[] =
        "{\"room\": \"lobby\", \"from\": \"somebody\", \"text\": \"hello\", \"at\": 17}, ";
    char *text = malloc(length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = line[i % (sizeof line - 1)];
    text[length] = '\0';
    return text;
}

static char *noise(size_t length)
{
    uint32_t seed = 4711;
    char *bytes = malloc(length + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (char)(seed >> 24);
    }
    return bytes;
}

/* What `deflated` inflates to must be `length` bytes of `data`. */
static void assert_inflates(deflate_context *context, hub_bytes deflated, const void *data, size_t length)
{
    unsigned char *out;
    size_t got;
    assert_int_equal(deflate_inflate(context, deflated, LIMIT, &out, &got), HUB_OK);
    assert_int_equal(got, length);
    if (length > 0)
        assert_memory_equal(out, data, length);
    free(out);
}

static hub_status inflate_status(hub_bytes deflated, size_t limit)
{
    unsigned char *out;
    size_t length;
    hub_status status = deflate_inflate(NULL, deflated, limit, &out, &length);
    if (status == HUB_OK)
        free(out);
    else
        assert_null(out);
    return status;
}

static int close_all(void **state)
{
    (void)state;
    deflate_close();
    chunk_trim();
    return 0;
}

/* Bytes that `size` times the letter x deflate to, as any client may send them. */
static hub_bytes bomb(size_t size, unsigned char **memory)
{
    z_stream stream = {0};
    char block[4096];
    memset(block, 'x', sizeof block);
    size_t capacity = size / 500 + 1000;
    *memory = malloc(capacity);
    assert_non_null(*memory);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = *memory;
    stream.avail_out = (uInt)capacity;
    for (size_t done = 0; done < size; done += sizeof block) {
        stream.next_in = (Bytef *)block;
        stream.avail_in = sizeof block;
        assert_int_equal(deflate(&stream, done + sizeof block < size ? Z_NO_FLUSH : Z_SYNC_FLUSH), Z_OK);
    }
    size_t length = capacity - stream.avail_out;
    deflateEnd(&stream);
    return hub_bytes_of(*memory, length - 4);
}

/* ---- deflating ---- */

static void messages_of_all_sizes_and_windows_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {100, 1000, 16383, 16384, 40000, 70000, 1 << 20};
    for (unsigned bits = DEFLATE_BITS_MIN; bits <= DEFLATE_BITS_MAX; bits++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char *text = json(sizes[i]);
            hub_bytes small;
            assert_true(deflate_message(NULL, bits, hub_bytes_of(text, sizes[i]), &small));
            assert_true(small.length < sizes[i]);
            assert_inflates(NULL, small, text, sizes[i]);
            free(text);
        }
    deflate_trim();
}

static void messages_of_every_small_size_come_back_or_are_left_alone(void **state)
{
    (void)state;
    char *text = json(600);
    for (size_t length = 0; length <= 600; length++) {
        hub_bytes small;
        if (deflate_message(NULL, 15, hub_bytes_of(text, length), &small)) {
            assert_true(small.length < length);
            assert_inflates(NULL, small, text, length);
        } else {
            assert_true(length < 100);
        }
    }
    free(text);
}

static void a_message_without_takeover_stands_alone(void **state)
{
    (void)state;
    char *text = json(500);
    hub_bytes small;
    unsigned char first[500];
    assert_true(deflate_message(NULL, 15, hub_bytes_of(text, 500), &small));
    size_t length = small.length;
    memcpy(first, small.data, length);
    assert_true(deflate_message(NULL, 15, hub_bytes_of(text, 500), &small));
    assert_int_equal(small.length, length);
    assert_memory_equal(small.data, first, length);
    free(text);
}

static void what_does_not_shrink_is_left_alone(void **state)
{
    (void)state;
    char *bytes = noise(100000);
    hub_bytes small;
    assert_false(deflate_message(NULL, 15, hub_bytes_of(bytes, 100000), &small));
    assert_false(deflate_message(NULL, 15, hub_bytes_of(bytes, 16384), &small));
    assert_false(deflate_message(NULL, 15, hub_bytes_of(bytes, 1), &small));
    assert_false(deflate_message(NULL, 15, hub_bytes_of(NULL, 0), &small));
    free(bytes);
}

static void a_window_that_is_kept_makes_the_next_message_smaller(void **state)
{
    (void)state;
    deflate_context *server = deflate_context_new(takeover), *client = deflate_context_new(takeover);
    char *text = noise(2000);
    memcpy(text, text + 1000, 200);
    hub_bytes small;
    assert_true(deflate_message(server, 15, hub_bytes_of(text, 2000), &small));
    assert_inflates(client, small, text, 2000);
    assert_true(deflate_message(server, 15, hub_bytes_of(text, 2000), &small));
    assert_true(small.length < 100);
    assert_inflates(client, small, text, 2000);
    free(text);
    deflate_context_free(server);
    deflate_context_free(client);
}

static void a_kept_window_survives_messages_that_went_out_plain_or_not_at_all(void **state)
{
    (void)state;
    deflate_context *server = deflate_context_new(takeover), *client = deflate_context_new(takeover);
    char *text = json(3000), *bytes = noise(3000);
    hub_bytes small;
    for (int round = 0; round < 4; round++) {
        assert_true(deflate_message(server, 15, hub_bytes_of(text + round, 2000), &small));
        assert_inflates(client, small, text + round, 2000);
        assert_false(deflate_message(server, 15, hub_bytes_of(bytes, 3000), &small));
        assert_true(deflate_message(server, 15, hub_bytes_of(text + 10 + round, 2000), &small));
        deflate_unsent(server);
    }
    free(text);
    free(bytes);
    deflate_context_free(server);
    deflate_context_free(client);
}

static void only_what_the_terms_keep_is_kept(void **state)
{
    (void)state;
    deflate_terms one = {.server_bits = 15, .client_bits = 15, .client_takeover = true};
    deflate_context *context = deflate_context_new(one);
    char *text = json(1000);
    hub_bytes small;
    assert_true(deflate_message(context, 15, hub_bytes_of(text, 1000), &small));
    assert_null(context->deflater);
    assert_inflates(context, small, text, 1000);
    assert_non_null(context->inflater);
    free(text);
    deflate_context_free(context);
}

/* ---- frames ---- */

static chunk *plain_frame(const char *text, size_t length)
{
    chunk *plain = chunk_new(CHUNK_SHARED, length + FRAME_HEADER_MAX);
    assert_non_null(plain);
    size_t header = frame_header(plain->bytes, FRAME_TEXT, true, 0, length);
    memcpy(plain->bytes + header, text, length);
    plain->length = header + length;
    return plain;
}

static void a_frame_is_deflated_into_one_of_its_own(void **state)
{
    (void)state;
    static const size_t sizes[] = {120, 126, 65535, 65536, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *text = json(sizes[i]);
        chunk *plain = plain_frame(text, sizes[i]);
        chunk *made = deflate_frame(NULL, 15, plain, 1);
        assert_ptr_not_equal(made, plain);
        assert_int_equal(made->kind, CHUNK_SHARED);
        assert_int_equal(made->bytes[0], 0xC1);
        size_t header = made->bytes[1] == 126 ? 4 : 2;
        assert_inflates(NULL, hub_bytes_of(made->bytes + header, made->length - header), text, sizes[i]);
        chunk_drop(made);
        assert_int_equal(plain->references, 1);
        chunk_drop(plain);
        free(text);
    }
}

static void a_small_frame_is_left_alone(void **state)
{
    (void)state;
    char *text = json(999);
    chunk *plain = plain_frame(text, 999);
    chunk *same = deflate_frame(NULL, 15, plain, 1000);
    assert_ptr_equal(same, plain);
    assert_int_equal(plain->references, 2);
    chunk_drop(same);
    same = deflate_frame(NULL, 15, plain, 999);
    assert_ptr_not_equal(same, plain);
    chunk_drop(same);
    chunk_drop(plain);
    free(text);
}

/* ---- inflating ---- */

/* RFC 7692, 7.2.3.1 to 7.2.3.6 */
static void the_examples_of_the_standard_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *text;
    } examples[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7, "Hello"},
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, "Hello"},
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, "Hello"},
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, "Hello"},
        {"\x00", 1, ""},
        {"\x02\x00", 2, ""},
        {"", 0, ""},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        assert_inflates(NULL, hub_bytes_of(examples[i].bytes, examples[i].length), examples[i].text,
                        strlen(examples[i].text));
}

/* RFC 7692, 7.2.3.2 */
static void a_kept_window_is_shared_by_the_examples_messages(void **state)
{
    (void)state;
    deflate_context *client = deflate_context_new(takeover);
    assert_inflates(client, hub_bytes_of("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), "Hello", 5);
    assert_inflates(client, hub_bytes_of("\xf2\x00\x11\x00\x00", 5), "Hello", 5);
    deflate_context_free(client);
    assert_int_equal(inflate_status(hub_bytes_of("\xf2\x00\x11\x00\x00", 5), LIMIT), HUB_EINVAL);
}

static void a_message_may_go_on_behind_a_last_block(void **state)
{
    (void)state;
    deflate_context *client = deflate_context_new(takeover);
    static const char twice[] = "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00";
    assert_inflates(client, hub_bytes_of(twice, 14), "HelloHello", 10);
    assert_inflates(client, hub_bytes_of(twice, 7), "Hello", 5);
    assert_inflates(client, hub_bytes_of("\xf2\x00\x11\x00\x00", 5), "Hello", 5);
    deflate_context_free(client);
}

static void broken_data_is_refused(void **state)
{
    (void)state;
    char *text = json(2000);
    hub_bytes small;
    assert_int_equal(inflate_status(hub_bytes_of("\xff\xff\xff\xff", 4), LIMIT), HUB_EINVAL);
    assert_int_equal(inflate_status(hub_text("not deflated"), LIMIT), HUB_EINVAL);
    assert_true(deflate_message(NULL, 15, hub_bytes_of(text, 2000), &small));
    for (size_t cut = 1; cut < small.length - 1; cut++)
        assert_int_equal(inflate_status(hub_bytes_of(small.data, cut), LIMIT), HUB_EINVAL);
    free(text);
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 255, 1000, 16384, 16385, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory;
        size_t whole = (sizes[i] + 4095) / 4096 * 4096;
        hub_bytes small = bomb(whole, &memory);
        assert_int_equal(inflate_status(small, whole), HUB_OK);
        assert_int_equal(inflate_status(small, whole + 1), HUB_OK);
        assert_int_equal(inflate_status(small, whole - 1), HUB_ETOOBIG);
        assert_int_equal(inflate_status(small, 1), HUB_ETOOBIG);
        free(memory);
    }
}

#ifdef __has_feature
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Lets the process have so many bytes of memory more, or, with 0, as many as it likes. */
static void limit_memory(size_t more)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    if (more) {
        unsigned long pages;
        FILE *statm = fopen("/proc/self/statm", "r");
        assert_non_null(statm);
        assert_int_equal(fscanf(statm, "%lu", &pages), 1);
        fclose(statm);
        limit.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + more;
    }
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static void a_bomb_ends_at_the_limit_without_memory_for_it(void **state)
{
    (void)state;
    unsigned char *memory;
    hub_bytes small = bomb(64u << 20, &memory);
    assert_int_equal(inflate_status(small, 1000), HUB_ETOOBIG); /* makes the worker's inflater */
    if (!SANITIZED)                                             /* its own needs would be in the way */
        limit_memory(256 * 1024);
    hub_status status = inflate_status(small, 32u << 20);
    limit_memory(0);
    assert_int_equal(status, HUB_ETOOBIG);
    free(memory);
}

static void a_message_that_inflates_much_comes_whole_when_it_is_within_the_limit(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    unsigned char *memory;
    char *expected = malloc(SIZE);
    assert_non_null(expected);
    memset(expected, 'x', SIZE);
    hub_bytes small = bomb(SIZE, &memory);
    assert_inflates(NULL, small, expected, SIZE);

    deflate_context *client = deflate_context_new(takeover);
    assert_inflates(client, hub_bytes_of("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), "Hello", 5);
    assert_inflates(client, small, expected, SIZE);
    assert_inflates(client, small, expected, SIZE);
    deflate_context_free(client);
    free(memory);
    free(expected);
}

/* A large message that refers to the one before it is inflated twice: both times from the same window. */
static void a_window_is_kept_through_a_message_that_is_inflated_twice(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    deflate_context *server = deflate_context_new(takeover), *client = deflate_context_new(takeover);
    char *bytes = noise(SIZE), *many = malloc(SIZE);
    assert_non_null(many);
    for (size_t i = 0; i < SIZE; i++)
        many[i] = bytes[i % 3000];
    hub_bytes small;
    assert_false(deflate_message(server, 15, hub_bytes_of(bytes, 3000), &small));
    for (int round = 0; round < 3; round++) {
        assert_true(deflate_message(server, 15, hub_bytes_of(many, SIZE), &small));
        assert_inflates(client, small, many, SIZE);
    }
    free(bytes);
    free(many);
    deflate_context_free(server);
    deflate_context_free(client);
    deflate_trim();
}

static void random_messages_come_back_with_kept_windows_of_all_sizes(void **state)
{
    (void)state;
    unsigned seed = 815;
    char *text = json(100000), *bytes = noise(100000);
    for (unsigned bits = DEFLATE_BITS_MIN; bits <= DEFLATE_BITS_MAX; bits++) {
        deflate_terms terms = {(uint8_t)bits, (uint8_t)bits, true, true};
        deflate_context *server = deflate_context_new(terms), *client = deflate_context_new(terms);
        for (int round = 0; round < 60; round++) {
            size_t length = (size_t)rand_r(&seed) % (round % 10 == 0 ? 90000 : 3000);
            size_t at = (size_t)rand_r(&seed) % 5000;
            const char *from = rand_r(&seed) % 4 == 0 ? bytes + at : text + at;
            hub_bytes small;
            if (deflate_message(server, bits, hub_bytes_of(from, length), &small))
                assert_inflates(client, small, from, length);
        }
        deflate_context_free(server);
        deflate_context_free(client);
    }
    free(text);
    free(bytes);
    deflate_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_all_sizes_and_windows_come_back),
        cmocka_unit_test(messages_of_every_small_size_come_back_or_are_left_alone),
        cmocka_unit_test(a_message_without_takeover_stands_alone),
        cmocka_unit_test(what_does_not_shrink_is_left_alone),
        cmocka_unit_test(a_window_that_is_kept_makes_the_next_message_smaller),
        cmocka_unit_test(a_kept_window_survives_messages_that_went_out_plain_or_not_at_all),
        cmocka_unit_test(only_what_the_terms_keep_is_kept),
        cmocka_unit_test(a_frame_is_deflated_into_one_of_its_own),
        cmocka_unit_test(a_small_frame_is_left_alone),
        cmocka_unit_test(the_examples_of_the_standard_are_understood),
        cmocka_unit_test(a_kept_window_is_shared_by_the_examples_messages),
        cmocka_unit_test(a_message_may_go_on_behind_a_last_block),
        cmocka_unit_test(broken_data_is_refused),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(a_bomb_ends_at_the_limit_without_memory_for_it),
        cmocka_unit_test(a_message_that_inflates_much_comes_whole_when_it_is_within_the_limit),
        cmocka_unit_test(a_window_is_kept_through_a_message_that_is_inflated_twice),
        cmocka_unit_test(random_messages_come_back_with_kept_windows_of_all_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, close_all);
}
