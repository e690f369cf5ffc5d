/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - the bytes of a file that is being read: an open descriptor, or memory.
 *
 * A file whose seal has been checked may be changed by somebody else before it is used. A source that was
 * summed therefore keeps a keyed sum (UMAC-64, under a random key) of each 16 KiB block of the bytes that
 * went into the seal's digest, and checks each block again when it is read: what is used is what was summed.
 * A file that is not summed first has a table of the SHA-256 of such blocks instead, and is checked the same
 * way. */
#ifndef SLMT_IO_SOURCE_H
#define SLMT_IO_SOURCE_H

#include <stdint.h>

#include "io/digest.h"
#include "lib/mem.h"
#include "lib/status.h"

typedef struct source_sums source_sums;

typedef struct source {
    mem *mem;
    const char *label;         /* the file, for messages; not owned */
    int fd;                    /* -1: memory */
    const unsigned char *data; /* of memory */
    uint64_t size;
    source_sums *sums; /* NULL: its bytes are not checked */
} source;

/* Sums a file from byte `start` on, writes its SHA-256 and keeps the sums of its blocks. ERR_IO, ERR_CORRUPT
 * (it became shorter), ERR_MEMORY, ERR_LIMIT. */
status source_sum(source *s, uint64_t start, char hex[DIGEST_HEX]);

/* Takes the table of a file's bytes from `start` on (block_table.h), which begins at byte `at` and ends with
 * the file; hex is its SHA-256. From then on the source ends at `at`, and no byte before `start` is read.
 * ERR_CORRUPT: it is not that table; ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status source_take_table(source *s, uint64_t start, uint64_t at, const char *hex);

/* Reads bytes that must lie inside the source. ERR_IO with the system's reason; ERR_CORRUPT: the file was
 * changed or cut since it was opened, or is damaged. A source with sums or a table is read by one thread at a
 * time. */
status source_read(const source *s, uint64_t at, uint64_t size, void *to);

/* Frees the sums or the table; the descriptor stays open. */
void source_release(source *s);

#endif
