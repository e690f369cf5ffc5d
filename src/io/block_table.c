/* SPDX-License-Identifier: Apache-2.0 */
/* block_table.c - sums a file block by block and appends the sums, a part of the table at a time. */
#include "io/block_table.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <nettle/sha2.h>

enum { PART = 256 }; /* digests that are written at once */

typedef struct table_writer {
    int fd;
    const char *label;
    uint64_t next; /* where the next part goes */
    struct sha256_ctx all;
    size_t count;
    uint8_t digests[PART][BLOCK_TABLE_DIGEST];
} table_writer;

uint64_t block_table_count(uint64_t bytes)
{
    return bytes / BLOCK_TABLE_BLOCK + (bytes % BLOCK_TABLE_BLOCK > 0);
}

static status write_part(table_writer *w)
{
    const uint8_t *from = w->digests[0];
    size_t size = w->count * BLOCK_TABLE_DIGEST;
    sha256_update(&w->all, size, from);
    while (size > 0) {
        ssize_t n = pwrite(w->fd, from, size, (off_t)w->next);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(ERR_IO, "%s: cannot write: %s", w->label, strerror(n < 0 ? errno : EIO));
        from += n;
        w->next += (uint64_t)n;
        size -= (size_t)n;
    }
    w->count = 0;
    return OK;
}

static status read_block(const table_writer *w, uint64_t at, size_t size, uint8_t *to)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(w->fd, to + done, size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(ERR_IO, "%s: cannot read: %s", w->label, strerror(n < 0 ? errno : EIO));
        done += (size_t)n;
    }
    return OK;
}

static status add_block(table_writer *w, uint64_t at, size_t size)
{
    uint8_t bytes[BLOCK_TABLE_BLOCK];
    struct sha256_ctx sha;
    TRY(read_block(w, at, size, bytes));
    sha256_init(&sha);
    sha256_update(&sha, size, bytes);
    sha256_digest(&sha, BLOCK_TABLE_DIGEST, w->digests[w->count++]);
    return w->count == PART ? write_part(w) : OK;
}

status block_table_append(int fd, uint64_t start, const char *label, uint64_t *at, char hex[DIGEST_HEX])
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return fail(ERR_IO, "%s: cannot read: %s", label, strerror(errno));
    table_writer w = {.fd = fd, .label = label, .next = (uint64_t)file.st_size};
    *at = w.next;
    sha256_init(&w.all);
    for (uint64_t from = start; from < *at; from += BLOCK_TABLE_BLOCK) {
        uint64_t rest = *at - from;
        TRY(add_block(&w, from, rest < BLOCK_TABLE_BLOCK ? (size_t)rest : BLOCK_TABLE_BLOCK));
    }
    TRY(write_part(&w));
    digest_finish(&w.all, hex);
    return OK;
}
