/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ws/deflate.h"
#include "common/buffer.h"
#include "worker/ws/frame.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    /* JSON of 100 KB: 0.4 ms, in which the worker does nothing else, for 24 KB; level 6 takes 1.7 ms for
     * 21 KB. Small messages get nearly as small with either. */
    LEVEL = 1,
    /* A hash table of 16 KB: clearing it before each message costs less than the default's 64 KB, and a
     * client with takeover needs 100 KB less. */
    MEMORY_LEVEL = 6,
    WINDOW_MAX = 1 << DEFLATE_BITS_MAX,
    OUTPUT_STEP = 16 * 1024,
    SCRATCH_KEPT = 64 * 1024,
    RATIO = 16 /* output for each byte of input that gets memory before the message's size is known */
};

struct deflater {
    z_stream stream;
};

struct inflater {
    z_stream stream;
};

/* What ends a flushed block (7.2.1), and is left out on the wire. */
static const unsigned char tail[4] = {0x00, 0x00, 0xFF, 0xFF};

/* What all clients of the worker share. */
static struct {
    deflater *deflaters[DEFLATE_BITS_MAX + 1]; /* by the window's bits */
    inflater *inflater;
    buffer scratch; /* of the message that was deflated last */
} shared;

/* ---- life ---- */

static deflater *deflater_new(unsigned bits)
{
    deflater *d = calloc(1, sizeof *d);
    if (d &&
        deflateInit2(&d->stream, LEVEL, Z_DEFLATED, -(int)bits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(d);
        d = NULL;
    }
    return d;
}

static void deflater_free(deflater *d)
{
    if (d)
        deflateEnd(&d->stream);
    free(d);
}

static inflater *inflater_new(unsigned bits)
{
    inflater *i = calloc(1, sizeof *i);
    if (i && inflateInit2(&i->stream, -(int)bits) != Z_OK) {
        free(i);
        i = NULL;
    }
    return i;
}

static void inflater_free(inflater *i)
{
    if (i)
        inflateEnd(&i->stream);
    free(i);
}

deflate_context *deflate_context_new(deflate_terms terms)
{
    deflate_context *context = calloc(1, sizeof *context);
    if (context)
        context->terms = terms;
    return context;
}

void deflate_context_free(deflate_context *context)
{
    if (!context)
        return;
    deflater_free(context->deflater);
    inflater_free(context->inflater);
    free(context);
}

void deflate_close(void)
{
    for (unsigned bits = 0; bits <= DEFLATE_BITS_MAX; bits++)
        deflater_free(shared.deflaters[bits]);
    inflater_free(shared.inflater);
    buffer_free(&shared.scratch);
    memset(&shared, 0, sizeof shared);
}

/* ---- deflating ---- */

static bool keeps_deflater(const deflate_context *context)
{
    return context && context->terms.server_takeover;
}

/* The client's, or the worker's ready for a message that stands alone. NULL without memory. */
static deflater *deflater_for(deflate_context *context, unsigned bits)
{
    bool keeps = keeps_deflater(context);
    deflater **place = keeps ? &context->deflater : &shared.deflaters[bits];
    if (!*place)
        *place = deflater_new(bits);
    else if (!keeps)
        deflateReset(&(*place)->stream);
    return *place;
}

static uInt step_of(size_t left)
{
    return left < INT_MAX ? (uInt)left : INT_MAX;
}

/* The whole of `body`, flushed; into the scratch, at most `limit` bytes. False: there are more, or no memory.
 */
static bool deflate_into_scratch(z_stream *stream, hub_bytes body, size_t limit)
{
    buffer *out = &shared.scratch;
    size_t given = 0;
    out->length = 0;
    stream->next_in = (Bytef *)(uintptr_t)body.data;
    stream->avail_in = 0;
    for (;;) {
        if (stream->avail_in == 0 && given < body.length) {
            stream->avail_in = step_of(body.length - given);
            given += stream->avail_in;
        }
        size_t room = limit - out->length;
        if (room > OUTPUT_STEP)
            room = OUTPUT_STEP;
        if (room == 0 || buffer_reserve(out, room) != HUB_OK)
            return false;
        stream->next_out = (Bytef *)out->data + out->length;
        stream->avail_out = (uInt)room;
        bool last = given == body.length;
        if (deflate(stream, last ? Z_SYNC_FLUSH : Z_NO_FLUSH) == Z_STREAM_ERROR)
            return false;
        out->length += room - stream->avail_out;
        if (last && stream->avail_out > 0) /* room was left: nothing is held back */
            return true;
    }
}

bool deflate_message(deflate_context *context, unsigned bits, hub_bytes body, hub_bytes *out)
{
    deflater *d = deflater_for(context, bits);
    if (!d)
        return false;
    /* One byte of room more than the largest useful form with its tail: zlib shows by it that it is done. */
    bool smaller = deflate_into_scratch(&d->stream, body, body.length + sizeof tail);
    size_t length = shared.scratch.length;
    smaller = smaller && length >= sizeof tail &&
              memcmp(shared.scratch.data + length - sizeof tail, tail, sizeof tail) == 0;
    if (!smaller) {
        deflate_unsent(context);
        deflate_trim();
        return false;
    }
    *out = hub_bytes_of(shared.scratch.data, length - sizeof tail);
    return true;
}

void deflate_unsent(deflate_context *context)
{
    if (keeps_deflater(context) && context->deflater)
        deflateReset(&context->deflater->stream);
}

void deflate_trim(void)
{
    if (shared.scratch.capacity > SCRATCH_KEPT)
        buffer_free(&shared.scratch);
}

/* Bytes of the header of a frame that this server made. */
static size_t header_size(const unsigned char *frame)
{
    return frame[1] == 127 ? 10 : frame[1] == 126 ? 4 : 2;
}

/* The length that the header declares. */
static uint64_t declared_length(const unsigned char *frame, size_t header)
{
    if (header == 2)
        return frame[1];
    uint64_t length = 0;
    for (size_t i = 2; i < header; i++)
        length = length << 8 | frame[i];
    return length;
}

chunk *deflate_frame(deflate_context *context, unsigned bits, chunk *body, size_t threshold)
{
    size_t plain_header = header_size(body->bytes);
    if (declared_length(body->bytes, plain_header) != body->length - plain_header)
        return chunk_hold(body);
    hub_bytes payload = hub_bytes_of(body->bytes + plain_header, body->length - plain_header), small;
    if (payload.length < threshold || !deflate_message(context, bits, payload, &small))
        return chunk_hold(body);

    unsigned char header[FRAME_HEADER_MAX];
    size_t length =
        frame_header(header, (frame_opcode)(body->bytes[0] & 0x0F), true, FRAME_RSV1, small.length);
    chunk *made = chunk_new(CHUNK_SHARED, length + small.length);
    if (made) {
        memcpy(made->bytes, header, length);
        memcpy(made->bytes + length, small.data, small.length);
        made->length = length + small.length;
    } else {
        deflate_unsent(context);
    }
    deflate_trim();
    return made ? made : chunk_hold(body);
}

/* ---- inflating ---- */

static bool keeps_inflater(const deflate_context *context)
{
    return context && context->terms.client_takeover;
}

/*
 * Clients that announce a window of 256 bytes may be using 512 (zlib did so for long), and one without
 * takeover may use any: the larger window costs nothing but its memory.
 */
static inflater *inflater_for(deflate_context *context)
{
    bool keeps = keeps_inflater(context);
    inflater **place = keeps ? &context->inflater : &shared.inflater;
    unsigned bits = keeps ? context->terms.client_bits : DEFLATE_BITS_MAX;
    if (!*place)
        *place = inflater_new(bits < DEFLATE_BITS_MIN ? DEFLATE_BITS_MIN : bits);
    else if (!keeps)
        inflateReset(&(*place)->stream);
    return *place;
}

typedef enum inflate_state {
    INFLATE_GOES_ON,
    INFLATE_WHOLE,
    INFLATE_BROKEN,
    INFLATE_NO_MEMORY
} inflate_state;

/* A message on its way through an inflater: its payload, then the tail. */
typedef struct passage {
    z_stream *stream;
    hub_bytes body;
    size_t given; /* bytes of the payload that the stream was given */
    bool in_tail;
} passage;

static void begin(passage *p)
{
    p->given = 0;
    p->in_tail = false;
    p->stream->next_in = (Bytef *)(uintptr_t)p->body.data;
    p->stream->avail_in = 0;
}

/* Bytes of the payload that were used up. */
static size_t used(const passage *p)
{
    return p->in_tail ? p->body.length : p->given - p->stream->avail_in;
}

static void give_input(passage *p)
{
    z_stream *stream = p->stream;
    if (stream->avail_in > 0 || p->in_tail)
        return;
    if (p->given < p->body.length) {
        stream->avail_in = step_of(p->body.length - p->given);
        p->given += stream->avail_in;
    } else {
        p->in_tail = true;
        stream->next_in = (Bytef *)(uintptr_t)tail;
        stream->avail_in = sizeof tail;
    }
}

/*
 * Inflates up to `room` bytes to `out`; *made says how many. A message may use blocks that say they are the
 * last (7.2.3.4); the next one goes on behind it with the same window.
 */
static inflate_state step(passage *p, unsigned char *out, size_t room, size_t *made)
{
    z_stream *stream = p->stream;
    *made = 0;
    for (;;) {
        give_input(p);
        stream->next_out = out + *made;
        stream->avail_out = step_of(room - *made);
        uInt before = stream->avail_out;
        int answer = inflate(stream, Z_SYNC_FLUSH);
        *made += before - stream->avail_out;
        switch (answer) {
        case Z_STREAM_END:
            if (inflateResetKeep(stream) != Z_OK)
                return INFLATE_BROKEN;
            if (used(p) == p->body.length && !p->in_tail)
                return INFLATE_WHOLE;
            break;
        case Z_OK:
        case Z_BUF_ERROR: /* no room, or no input */
            break;
        case Z_MEM_ERROR:
            return INFLATE_NO_MEMORY;
        default:
            return INFLATE_BROKEN;
        }
        if (*made == room)
            return INFLATE_GOES_ON;
        if (p->in_tail && stream->avail_in == 0 && stream->avail_out > 0) {
            /* 128: at the start of a block; the low bits count bits that are left over of the last byte. */
            bool at_start = (stream->data_type & 128) && (stream->data_type & 63) == 0;
            return at_start ? INFLATE_WHOLE : INFLATE_BROKEN;
        }
    }
}

static hub_status status_of(inflate_state state)
{
    return state == INFLATE_NO_MEMORY ? HUB_ENOMEM : state == INFLATE_BROKEN ? HUB_EINVAL : HUB_OK;
}

/* Counts the rest of a message in a piece of memory that is used over and over. */
static hub_status count_rest(passage *p, size_t limit, size_t *total)
{
    static unsigned char sink[OUTPUT_STEP];
    for (;;) {
        size_t made;
        inflate_state state = step(p, sink, sizeof sink, &made);
        *total += made;
        if (*total > limit)
            return HUB_ETOOBIG;
        if (state != INFLATE_GOES_ON)
            return status_of(state);
    }
}

/* The whole message into memory of just its size, which is known. */
static hub_status inflate_counted(passage *p, size_t total, unsigned char **data)
{
    unsigned char *out = malloc(total + 1); /* one byte of room: zlib shows by it that it is done */
    if (!out)
        return HUB_ENOMEM;
    size_t made;
    inflate_state state = step(p, out, total + 1, &made);
    if (state != INFLATE_WHOLE || made != total) {
        free(out);
        return state == INFLATE_NO_MEMORY ? HUB_ENOMEM : HUB_EINVAL;
    }
    *data = out;
    return HUB_OK;
}

/*
 * Memory grows as long as the message inflates no more than most do. From there on it is only counted, and
 * when it is within the limit, inflated once more, from the window that it began with.
 */
static hub_status inflate_within(passage *p, hub_bytes window, size_t limit, unsigned char **data,
                                 size_t *length)
{
    hub_status status = HUB_OK;
    unsigned char *out = NULL;
    size_t capacity = 0, total = 0;
    inflate_state state = INFLATE_GOES_ON;
    begin(p);
    while (state == INFLATE_GOES_ON) {
        size_t allowed = OUTPUT_STEP + RATIO * used(p);
        size_t wanted = capacity ? capacity * 2 : 4 * p->body.length + 256;
        if (wanted > allowed)
            wanted = allowed;
        if (wanted > limit)
            wanted = limit + 1;
        if (wanted <= capacity)
            break;
        unsigned char *grown = realloc(out, wanted);
        if (!grown) {
            status = HUB_ENOMEM;
            goto failed;
        }
        out = grown;
        capacity = wanted;
        size_t made;
        state = step(p, out + total, capacity - total, &made);
        total += made;
        if (total > limit) {
            status = HUB_ETOOBIG;
            goto failed;
        }
    }
    status = status_of(state);
    if (status != HUB_OK)
        goto failed;
    if (state == INFLATE_WHOLE) {
        *data = out;
        *length = total;
        return HUB_OK;
    }

    free(out);
    out = NULL;
    status = count_rest(p, limit, &total);
    if (status != HUB_OK)
        goto failed;
    inflateReset(p->stream);
    if (window.length && inflateSetDictionary(p->stream, window.data, (uInt)window.length) != Z_OK) {
        status = HUB_EINVAL;
        goto failed;
    }
    begin(p);
    *length = total;
    return inflate_counted(p, total, data);
failed:
    free(out);
    return status;
}

hub_status deflate_inflate(deflate_context *context, hub_bytes body, size_t limit, unsigned char **data,
                           size_t *length)
{
    static unsigned char kept[WINDOW_MAX];
    *data = NULL;
    *length = 0;
    if (body.length == 0)
        return HUB_OK;
    inflater *i = inflater_for(context);
    if (!i)
        return HUB_ENOMEM;
    uInt window = 0;
    if (keeps_inflater(context) && inflateGetDictionary(&i->stream, kept, &window) != Z_OK)
        return HUB_EINVAL;
    passage p = {.stream = &i->stream, .body = body};
    hub_status status = inflate_within(&p, hub_bytes_of(kept, window), limit, data, length);
    if (status == HUB_OK && *length == 0) {
        free(*data);
        *data = NULL;
    }
    return status;
}
