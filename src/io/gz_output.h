/* SPDX-License-Identifier: Apache-2.0 */
/* gz_output.h - a file written from its start, compressed or not. zlib's gzFile cannot go on with a write
 * that a signal interrupted. */
#ifndef SLMT_IO_GZ_OUTPUT_H
#define SLMT_IO_GZ_OUTPUT_H

#include <zlib.h>

#include "lib/status.h"

enum { GZ_OUTPUT_ROOM = 1 << 14 };

typedef struct gz_output {
    int fd; /* the caller's */
    int compressed;
    const char *path; /* the caller's, for messages */
    z_stream stream;  /* if compressed */
    unsigned char room[GZ_OUTPUT_ROOM];
} gz_output;

/* ERR_MEMORY: then there is nothing to end. */
status gz_output_begin(gz_output *o, int fd, int compressed, const char *path);

/* ERR_IO. */
status gz_output_put(gz_output *o, const void *data, size_t bytes);

/* Writes what is held back, unless `s` is a failure, and ends the stream. Returns s, or ERR_IO. */
status gz_output_end(gz_output *o, status s);

#endif
