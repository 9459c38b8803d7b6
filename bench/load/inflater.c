/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load/inflater.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a flushed block ends with, and the sender leaves out. */
static const unsigned char TAIL[4] = {0x00, 0x00, 0xFF, 0xFF};

bool inflater_make(load_inflater *inflater, size_t capacity)
{
    inflater->capacity = capacity;
    inflater->kept = malloc(capacity + sizeof TAIL);
    inflater->message = malloc(capacity + 1);
    inflater->open = inflateInit2(&inflater->stream, -MAX_WBITS) == Z_OK;
    if (inflater->kept && inflater->message && inflater->open)
        return true;
    inflater_free(inflater);
    return false;
}

void inflater_free(load_inflater *inflater)
{
    if (inflater->open)
        inflateEnd(&inflater->stream);
    free(inflater->kept);
    free(inflater->message);
    memset(inflater, 0, sizeof *inflater);
}

const unsigned char *inflater_read(load_inflater *inflater, const unsigned char *data, size_t length,
                                   size_t *inflated)
{
    z_stream *stream = &inflater->stream;
    unsigned char *kept = inflater->kept;

    if (length == 0 || length > inflater->capacity)
        return NULL;
    if (length != inflater->kept_length || memcmp(data, kept, length) != 0) {
        memcpy(kept, data, length);
        memcpy(kept + length, TAIL, sizeof TAIL);
        inflater->kept_length = 0;
        inflateReset(stream);
        stream->next_in = kept;
        stream->avail_in = (uInt)(length + sizeof TAIL);
        stream->next_out = inflater->message;
        stream->avail_out = (uInt)(inflater->capacity + 1);
        if (inflate(stream, Z_SYNC_FLUSH) != Z_OK || stream->avail_in > 0 || stream->avail_out == 0)
            return NULL;
        inflater->kept_length = length;
        inflater->message_length = inflater->capacity + 1 - stream->avail_out;
    }
    *inflated = inflater->message_length;
    return inflater->message;
}
