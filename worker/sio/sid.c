/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/sid.h"

#include "common/siphash.h"

#include <string.h>

enum { ID_SIZE = 8, SID_BYTES_MAX = 18 };

typedef struct sid_kind {
    unsigned char purpose; /* hashed with the id, so that hashes of one kind say nothing of the other's */
    size_t bytes;          /* a multiple of three: no padding, and no bit that could be set either way */
} sid_kind;

static const sid_kind of_engine = {1, SID_LENGTH / 4 * 3}, of_public = {2, SID_PUBLIC_LENGTH / 4 * 3};

_Static_assert(SID_LENGTH / 4 * 3 == SID_BYTES_MAX && SID_BYTES_MAX - ID_SIZE <= SIPHASH_LENGTH,
               "the hash has as many bytes as an id shows of it");

static hash_key key;

void sid_open(hash_key secret)
{
    key = secret;
}

/* ---- the bytes ---- */

static void put_id(hub_id id, unsigned char *bytes)
{
    for (int i = 0; i < ID_SIZE; i++)
        bytes[i] = (unsigned char)(id >> (8 * (ID_SIZE - 1 - i)));
}

static hub_id get_id(const unsigned char *bytes)
{
    hub_id id = 0;
    for (int i = 0; i < ID_SIZE; i++)
        id = id << 8 | bytes[i];
    return id;
}

static void make_bytes(const sid_kind *kind, hub_id id, unsigned char bytes[SID_BYTES_MAX])
{
    unsigned char input[ID_SIZE + 1], hash[SIPHASH_LENGTH];
    put_id(id, input);
    input[ID_SIZE] = kind->purpose;
    siphash_128(key, input, sizeof input, hash);
    memcpy(bytes, input, ID_SIZE);
    memcpy(bytes + ID_SIZE, hash, kind->bytes - ID_SIZE);
}

static bool equal(const unsigned char *a, const unsigned char *b, size_t length)
{
    unsigned char differs = 0;
    for (size_t i = 0; i < length; i++)
        differs |= a[i] ^ b[i];
    return differs == 0;
}

/* ---- base64url ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const unsigned char *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (unsigned shift = 24; shift > 0;)
            *text++ = alphabet[three >> (shift -= 6) & 63];
    }
    *text = '\0';
}

/* -1: not of the alphabet. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool decode(const char *text, size_t length, unsigned char *bytes)
{
    uint32_t three = 0;
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return false;
        three = three << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            *bytes++ = (unsigned char)(three >> 16);
            *bytes++ = (unsigned char)(three >> 8);
            *bytes++ = (unsigned char)three;
            three = 0;
        }
    }
    return true;
}

/* ---- both kinds ---- */

static void make(const sid_kind *kind, hub_id id, char *text)
{
    unsigned char bytes[SID_BYTES_MAX];
    make_bytes(kind, id, bytes);
    encode(bytes, kind->bytes, text);
}

static bool read_text(const sid_kind *kind, hub_bytes text, hub_id *id)
{
    unsigned char bytes[SID_BYTES_MAX], right[SID_BYTES_MAX];
    if (text.length != kind->bytes / 3 * 4 || !decode((const char *)text.data, text.length, bytes))
        return false;
    hub_id found = get_id(bytes);
    make_bytes(kind, found, right);
    if (!equal(bytes, right, kind->bytes))
        return false;
    *id = found;
    return true;
}

void sid_make(hub_id id, char text[SID_LENGTH + 1])
{
    make(&of_engine, id, text);
}

void sid_make_public(hub_id id, char text[SID_PUBLIC_LENGTH + 1])
{
    make(&of_public, id, text);
}

bool sid_read(hub_bytes text, hub_id *id)
{
    return read_text(&of_engine, text, id);
}

bool sid_read_public(hub_bytes text, hub_id *id)
{
    return read_text(&of_public, text, id);
}
