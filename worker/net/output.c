/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/net/output.h"

#include <stdlib.h>

enum { NODE_CHUNKS = 13, NODES_KEPT = 1024 };

struct output_node {
    output_node *next;
    uint16_t begin, end; /* chunks[begin … end) wait */
    chunk *chunks[NODE_CHUNKS];
};

static output_node *kept_nodes;
static unsigned kept_count;

static output_node *node_new(void)
{
    output_node *node = kept_nodes;
    if (node) {
        kept_nodes = node->next;
        kept_count--;
    } else {
        node = malloc(sizeof *node);
        if (!node)
            return NULL;
    }
    node->next = NULL;
    node->begin = node->end = 0;
    return node;
}

static void node_free(output_node *node)
{
    if (kept_count >= NODES_KEPT) {
        free(node);
        return;
    }
    node->next = kept_nodes;
    kept_nodes = node;
    kept_count++;
}

/* A waiting file costs a descriptor, not its length: it counts like so many bytes until it is done. */
enum { FILE_WEIGHT = 64 * 1024 };

static size_t weight(const chunk *c)
{
    return c->kind == CHUNK_FILE ? FILE_WEIGHT : c->length;
}

hub_status output_push(output *out, chunk *c)
{
    if (!out->first) {
        out->first = c;
        out->sent = 0;
        out->bytes += weight(c);
        return HUB_OK;
    }
    if (!out->last || out->last->end == NODE_CHUNKS) {
        output_node *node = node_new();
        if (!node) {
            chunk_drop(c);
            return HUB_ENOMEM;
        }
        if (out->last)
            out->last->next = node;
        else
            out->nodes = node;
        out->last = node;
    }
    out->last->chunks[out->last->end++] = c;
    out->bytes += weight(c);
    return HUB_OK;
}

/* Where the last chunk's reference stands; the queue is not empty. */
static chunk **tail(output *out)
{
    return out->last ? &out->last->chunks[out->last->end - 1] : &out->first;
}

/*
 * The last chunk when `more` bytes can be put into it. A small one moves to a larger piece of memory first:
 * many short answers then leave as one run of bytes, which the kernel takes faster than a list of them.
 */
static chunk *tail_with_room(output *out, size_t more)
{
    if (!out->first)
        return NULL;
    chunk **place = tail(out), *c = *place;
    if (c->kind != CHUNK_PRIVATE)
        return NULL;
    if (c->capacity - c->length >= more)
        return c;
    size_t wanted = c->length + more;
    if (c->capacity >= CHUNK_LARGE || wanted > CHUNK_LARGE)
        return NULL;
    chunk *larger = chunk_new(CHUNK_PRIVATE, wanted > 4096 ? CHUNK_LARGE : 4096);
    if (!larger)
        return NULL;
    memcpy(larger->bytes, c->bytes, c->length);
    larger->length = c->length;
    *place = larger;
    chunk_drop(c);
    return larger;
}

static void put(chunk *c, hub_bytes run)
{
    if (run.length)
        memcpy(c->bytes + c->length, run.data, run.length);
    c->length += run.length;
}

hub_status output_append(output *out, hub_bytes head, hub_bytes body)
{
    if (body.length > SIZE_MAX / 2)
        return HUB_ENOMEM;
    size_t more = head.length + body.length;
    if (more == 0)
        return HUB_OK;
    chunk *c = tail_with_room(out, more);
    if (c) {
        put(c, head);
        put(c, body);
        out->bytes += more;
        return HUB_OK;
    }
    c = chunk_new(CHUNK_PRIVATE, more);
    if (!c)
        return HUB_ENOMEM;
    put(c, head);
    put(c, body);
    return output_push(out, c);
}

/* The bytes of a chunk from `from` on, in one entry, or two for a pair; how many. */
static int list(chunk *c, size_t from, struct iovec *iov, int limit)
{
    if (__builtin_expect(c->kind != CHUNK_PAIR, 1)) {
        iov[0] = (struct iovec){chunk_data(c) + from, c->length - from};
        return 1;
    }
    int n = 0;
    size_t front = c->length - c->rest->length;
    if (from < front) {
        iov[n++] = (struct iovec){c->bytes + from, front - from};
        from = front;
    }
    if (n < limit)
        iov[n++] = (struct iovec){chunk_data(c->rest) + (from - front), c->length - from};
    return n;
}

int output_gather(const output *out, struct iovec *iov, int limit)
{
    if (!out->first || out->first->kind == CHUNK_FILE || limit < 1)
        return 0;
    int n = list(out->first, out->sent, iov, limit);
    for (const output_node *node = out->nodes; node; node = node->next)
        for (unsigned i = node->begin; i < node->end; i++) {
            chunk *c = node->chunks[i];
            if (n == limit || c->kind == CHUNK_FILE)
                return n;
            n += list(c, 0, iov + n, limit - n);
        }
    return n;
}

chunk *output_front_file(const output *out)
{
    return out->first && out->first->kind == CHUNK_FILE ? out->first : NULL;
}

/* The first chunk is done: the next one takes its place. */
static void shift(output *out)
{
    chunk_drop(out->first);
    out->first = NULL;
    out->sent = 0;
    output_node *node = out->nodes;
    if (!node)
        return;
    out->first = node->chunks[node->begin++];
    if (node->begin < node->end)
        return;
    out->nodes = node->next;
    if (!out->nodes)
        out->last = NULL;
    node_free(node);
}

void output_advance(output *out, size_t length)
{
    while (out->first) {
        chunk *c = out->first;
        if (c->kind == CHUNK_FILE) {
            size_t part = length < c->length ? length : c->length;
            c->offset += (off_t)part;
            c->length -= part;
            length -= part;
            if (c->length)
                return;
            out->bytes -= FILE_WEIGHT;
            shift(out);
            continue;
        }
        size_t rest = c->length - out->sent;
        if (length < rest) {
            out->sent += length;
            out->bytes -= length;
            return;
        }
        out->bytes -= rest;
        length -= rest;
        shift(out);
        if (length == 0)
            return;
    }
}

void output_clear(output *out)
{
    while (out->first)
        shift(out);
    out->bytes = 0;
}

void output_cut(output *out)
{
    chunk *half_sent = out->sent ? chunk_hold(out->first) : NULL;
    size_t sent = out->sent;
    output_clear(out);
    if (half_sent) {
        out->first = half_sent;
        out->sent = sent;
        out->bytes = weight(half_sent) - sent;
    }
}

void output_trim(void)
{
    while (kept_nodes) {
        output_node *next = kept_nodes->next;
        free(kept_nodes);
        kept_nodes = next;
    }
    kept_count = 0;
}
