/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/proxy.h"

#include "common/network.h"

#include <string.h>

/* ---- version 1: a line ---- */

enum { LINE_MAX = 107 };
static const char line_start[] = "PROXY ";

/* The next word of a line, and the one space behind it. An empty one ends the line. */
static hub_bytes next_word(hub_bytes *rest)
{
    const char *text = rest->data;
    const char *space = memchr(text, ' ', rest->length);
    size_t length = space ? (size_t)(space - text) : rest->length;
    hub_bytes word = hub_bytes_of(text, length);
    size_t used = length + (space ? 1 : 0);
    *rest = hub_bytes_of(text + used, rest->length - used);
    return word;
}

static bool parse_port(hub_bytes word, int *port)
{
    const char *text = word.data;
    *port = 0;
    if (word.length == 0 || word.length > 5 || (word.length > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < word.length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *port = *port * 10 + (text[i] - '0');
    }
    return *port <= 65535;
}

static bool parse_address(hub_bytes word, bool is_v6, network_address *address)
{
    bool has_colon = word.length && memchr(word.data, ':', word.length) != NULL;
    return has_colon == is_v6 && network_parse_address(word.data, word.length, address);
}

/* What stands between "PROXY " and CR LF. */
static bool parse_words(hub_bytes rest, proxy_header *header)
{
    hub_bytes family = next_word(&rest);
    if (hub_equal(family, hub_text("UNKNOWN")))
        return true; /* what follows is to be ignored */
    bool is_v6 = hub_equal(family, hub_text("TCP6"));
    if (!is_v6 && !hub_equal(family, hub_text("TCP4")))
        return false;
    network_address source, destination;
    int source_port, destination_port;
    if (!parse_address(next_word(&rest), is_v6, &source) ||
        !parse_address(next_word(&rest), is_v6, &destination) ||
        !parse_port(next_word(&rest), &source_port) || !parse_port(rest, &destination_port))
        return false;
    header->known = true;
    network_format_endpoint(&source, source_port, header->client);
    return true;
}

static proxy_result parse_line(hub_bytes bytes, proxy_header *header)
{
    const char *text = bytes.data;
    size_t start = sizeof line_start - 1;
    size_t seen = bytes.length < LINE_MAX ? bytes.length : LINE_MAX;
    if (memcmp(text, line_start, seen < start ? seen : start) != 0)
        return PROXY_WRONG;
    const char *end = memchr(text, '\n', seen);
    if (!end)
        return bytes.length >= LINE_MAX ? PROXY_WRONG : PROXY_MORE;
    size_t length = (size_t)(end - text) + 1;
    if (length < start + 2 || end[-1] != '\r')
        return PROXY_WRONG;
    header->length = length;
    return parse_words(hub_bytes_of(text + start, length - start - 2), header) ? PROXY_DONE : PROXY_WRONG;
}

/* ---- version 2: binary ---- */

static const unsigned char signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
enum {
    FIXED = 16,
    LOCAL = 0x20,
    PROXIED = 0x21,
    TCP4 = 0x11,
    TCP6 = 0x21,
    UNIX_STREAM = 0x31,
    FAMILY_MAX = 3
};

static unsigned two_bytes(const unsigned char *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* The addresses stand behind the fixed part: source, destination, source port, destination port. */
static bool parse_addresses(const unsigned char *at, unsigned family, size_t length, proxy_header *header)
{
    network_address source = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
    size_t size = family == TCP4 ? 4 : 16;
    if (family >> 4 > FAMILY_MAX || (family & 0xf) > 2)
        return false;
    if (family != TCP4 && family != TCP6)
        return family != UNIX_STREAM || length >= 216;
    if (length < 2 * size + 4)
        return false;
    memcpy(source.bytes + sizeof source.bytes - size, at, size);
    header->known = true;
    network_format_endpoint(&source, (int)two_bytes(at + 2 * size), header->client);
    return true;
}

static proxy_result parse_binary(hub_bytes bytes, proxy_header *header)
{
    const unsigned char *at = bytes.data;
    if (memcmp(at, signature, bytes.length < sizeof signature ? bytes.length : sizeof signature) != 0)
        return PROXY_WRONG;
    if (bytes.length < FIXED)
        return PROXY_MORE;
    size_t length = two_bytes(at + 14);
    if ((at[12] != LOCAL && at[12] != PROXIED) || FIXED + length > PROXY_HEADER_MAX)
        return PROXY_WRONG;
    if (bytes.length < FIXED + length)
        return PROXY_MORE;
    header->length = FIXED + length;
    if (at[12] == LOCAL)
        return PROXY_DONE;
    return parse_addresses(at + FIXED, at[13], length, header) ? PROXY_DONE : PROXY_WRONG;
}

proxy_result proxy_parse(hub_bytes bytes, proxy_header *header)
{
    *header = (proxy_header){0};
    if (bytes.length == 0)
        return PROXY_MORE;
    return *(const char *)bytes.data == line_start[0] ? parse_line(bytes, header)
                                                      : parse_binary(bytes, header);
}
