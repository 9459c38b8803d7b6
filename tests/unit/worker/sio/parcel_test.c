/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/sio/parcel.h"

static size_t join(const struct iovec *parts, int count, char *out)
{
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len)
            memcpy(out + length, parts[i].iov_base, parts[i].iov_len);
        length += parts[i].iov_len;
    }
    return length;
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    static char bytes[4096];
    hub_bytes given[PACK_ATTACHMENTS_MAX];
    for (int i = 0; i < PACK_ATTACHMENTS_MAX; i++)
        given[i] = i % 2 ? hub_text("abc") : hub_bytes_of(NULL, 0);
    parcel_head head;
    struct iovec parts[PARCEL_PARTS_MAX];
    static const size_t counts[] = {0, 1, 2, PACK_ATTACHMENTS_MAX};
    for (size_t n = 0; n < 4; n++) {
        int count = parcel_parts(hub_text("[1]"), given, counts[n], &head, parts);
        size_t length = join(parts, count, bytes);
        parcel out;
        assert_true(parcel_read(hub_bytes_of(bytes, length), &out));
        assert_true(hub_equal(out.text, hub_text("[1]")));
        assert_int_equal(out.count, counts[n]);
        for (size_t i = 0; i < counts[n]; i++)
            assert_true(hub_equal(out.attachments[i], given[i]));
    }
}

static void what_is_cut_or_longer_is_no_parcel(void **state)
{
    (void)state;
    char bytes[256];
    hub_bytes given[] = {hub_text("abc"), hub_text("defg")};
    parcel_head head;
    struct iovec parts[PARCEL_PARTS_MAX];
    size_t length = join(parts, parcel_parts(hub_text("[1]"), given, 2, &head, parts), bytes);
    parcel out;
    for (size_t shorter = 0; shorter < length; shorter++)
        assert_false(parcel_read(hub_bytes_of(bytes, shorter), &out));
    bytes[length] = 0;
    assert_false(parcel_read(hub_bytes_of(bytes, length + 1), &out));
    const uint32_t many = PACK_ATTACHMENTS_MAX + 1;
    memcpy(bytes + sizeof many, &many, sizeof many);
    assert_false(parcel_read(hub_bytes_of(bytes, length), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(what_is_cut_or_longer_is_no_parcel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
