/* SPDX-License-Identifier: Apache-2.0 */
/* gz_output.c - deflate as gzip writes it, to a descriptor. */
#include "io/gz_output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { GZIP = 16, MEMORY_LEVEL = 8 /* zlib's default */ };

static status write_all(const gz_output *o, const unsigned char *p, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(o->fd, p, bytes < ((size_t)1 << 30) ? bytes : (size_t)1 << 30);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(ERR_IO, "%s cannot be written: %s", o->path, strerror(n < 0 ? errno : EIO));
        p += n;
        bytes -= (size_t)n;
    }
    return OK;
}

/* Writes the part of the room that is filled, and empties it. */
static status write_room(gz_output *o)
{
    TRY(write_all(o, o->room, sizeof o->room - o->stream.avail_out));
    o->stream.next_out = o->room;
    o->stream.avail_out = sizeof o->room;
    return OK;
}

status gz_output_begin(gz_output *o, int fd, int compressed, const char *path)
{
    memset(&o->stream, 0, sizeof o->stream);
    o->fd = fd;
    o->compressed = compressed;
    o->path = path;
    o->stream.next_out = o->room;
    o->stream.avail_out = sizeof o->room;
    if (compressed && deflateInit2(&o->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP,
                                   MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return fail_memory();
    return OK;
}

static status put_part(gz_output *o, const unsigned char *p, size_t bytes)
{
    o->stream.next_in = (Bytef *)p;
    o->stream.avail_in = (uInt)bytes;
    while (o->stream.avail_in > 0) {
        deflate(&o->stream, Z_NO_FLUSH);
        if (o->stream.avail_out == 0)
            TRY(write_room(o));
    }
    return OK;
}

status gz_output_put(gz_output *o, const void *data, size_t bytes)
{
    const size_t most = (size_t)1 << 30; /* uInt holds it */
    const unsigned char *p = data;
    if (!o->compressed)
        return write_all(o, p, bytes);
    for (size_t at = 0; at < bytes; at += most)
        TRY(put_part(o, p + at, bytes - at < most ? bytes - at : most));
    return OK;
}

static status finish(gz_output *o)
{
    int code = Z_OK;
    while (code != Z_STREAM_END) {
        code = deflate(&o->stream, Z_FINISH);
        TRY(write_room(o));
    }
    return OK;
}

status gz_output_end(gz_output *o, status s)
{
    if (!o->compressed)
        return s;
    if (s == OK)
        s = finish(o);
    deflateEnd(&o->stream);
    return s;
}
