/* SPDX-License-Identifier: Apache-2.0 */
/* gz_input.h - a file read from its start, compressed or not; every read is whole or an error that says
 * whether the file is damaged, cut short, or the disk failed. */
#ifndef SLMT_IO_GZ_INPUT_H
#define SLMT_IO_GZ_INPUT_H

#include <zlib.h>

#include "lib/status.h"

typedef struct gz_input {
    const char *path; /* the caller's */
    gzFile file;
    int compressed;
    uint64_t most; /* the most bytes that can come out of it */
} gz_input;

/* ERR_NOT_FOUND (also a link to a file that is not there), ERR_IO (also what is no regular file). On failure
 * `in` need not be closed. */
status gz_input_open(const char *path, gz_input *in);

/* May be called twice. */
void gz_input_close(gz_input *in);

/* Reads exactly `bytes`. ERR_IO, ERR_CORRUPT. */
status gz_input_read(gz_input *in, void *out, size_t bytes);

/* Reads at most `bytes`; *got is less at the end of the file. ERR_IO, ERR_CORRUPT. */
status gz_input_read_some(gz_input *in, void *out, size_t bytes, size_t *got);

/* Goes to a position from the start; going back begins anew. ERR_IO, ERR_CORRUPT. */
status gz_input_seek(gz_input *in, uint64_t position);

/* Reads on to the end, where zlib compares the checksum, unless more than a megabyte follows. */
status gz_input_check_end(gz_input *in);

#endif
