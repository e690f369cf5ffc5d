/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - reads bytes of a file or of memory, and checks them against the sums of their blocks. */
#include "io/source.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>
#include <unistd.h>

#include <nettle/sha2.h>
#include <nettle/umac.h>

#include "io/block_table.h"

enum { BLOCK = BLOCK_TABLE_BLOCK, KEPT = 16 };

typedef struct kept_block {
    uint64_t number; /* UINT64_MAX: none */
    unsigned char bytes[BLOCK];
} kept_block;

struct source_sums {
    struct umac64_ctx mac;
    uint64_t *of_block;   /* our sum of each block; with a table 0 until the block is read first */
    unsigned char *table; /* the SHA-256 of each block; NULL */
    uint64_t start;       /* the byte at which the first block begins */
    size_t kept_count;
    kept_block kept[]; /* block n is kept in place n modulo kept_count */
};

static status changed(const source *s)
{
    return fail(ERR_CORRUPT, "%s: the file was changed while it was read", s->label);
}

/* Reads from the descriptor. Fewer bytes than there were when it was opened mean that the file was cut. */
static status read_file(const source *s, uint64_t at, uint64_t size, unsigned char *to)
{
    while (size > 0) {
        ssize_t n = pread(s->fd, to, size < ((size_t)1 << 30) ? (size_t)size : (size_t)1 << 30, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(ERR_IO, "%s: cannot read: %s", s->label, strerror(errno));
        if (n == 0)
            return changed(s);
        at += (uint64_t)n;
        to += n;
        size -= (uint64_t)n;
    }
    return OK;
}

static uint64_t sum_of(source_sums *sums, uint64_t block, const void *bytes, size_t size)
{
    uint8_t nonce[8], digest[8];
    uint64_t sum;
    memcpy(nonce, &block, sizeof nonce);
    umac64_set_nonce(&sums->mac, sizeof nonce, nonce);
    umac64_update(&sums->mac, size, bytes);
    umac64_digest(&sums->mac, sizeof digest, digest);
    memcpy(&sum, digest, sizeof sum);
    return sum;
}

static size_t block_size(const source *s, uint64_t block)
{
    uint64_t rest = s->size - s->sums->start - block * BLOCK;
    return rest < BLOCK ? (size_t)rest : BLOCK;
}

/* count: of blocks. */
static status take(source *s, uint64_t start, uint64_t count, size_t kept)
{
    void *p;
    uint8_t key[UMAC_KEY_SIZE];
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        return fail(ERR_IO, "%s: the system gives no random numbers: %s", s->label, strerror(errno));
    TRY(mem_zeros(s->mem, 1, sizeof *s->sums + kept * sizeof(kept_block), &p));
    s->sums = p;
    s->sums->start = start;
    s->sums->kept_count = kept;
    for (size_t i = 0; i < kept; i++)
        s->sums->kept[i].number = UINT64_MAX;
    umac64_set_key(&s->sums->mac, key);
    TRY(mem_zeros(s->mem, (size_t)count + 1, sizeof(uint64_t), &p));
    s->sums->of_block = p;
    return OK;
}

status source_sum(source *s, uint64_t start, char hex[DIGEST_HEX])
{
    struct sha256_ctx sha;
    TRY(take(s, start, block_table_count(s->size - start), 1));
    sha256_init(&sha);
    for (uint64_t block = 0, at = start; at < s->size; block++, at += BLOCK) {
        size_t size = block_size(s, block);
        unsigned char *bytes = s->sums->kept[0].bytes;
        TRY(read_file(s, at, size, bytes));
        sha256_update(&sha, size, bytes);
        s->sums->of_block[block] = sum_of(s->sums, block, bytes, size);
    }
    digest_finish(&sha, hex);
    return OK;
}

status source_take_table(source *s, uint64_t start, uint64_t at, const char *hex)
{
    void *p;
    char is[DIGEST_HEX];
    uint64_t count = at >= start && at <= s->size ? block_table_count(at - start) : UINT64_MAX;
    if (count > s->size / BLOCK_TABLE_DIGEST || s->size - at != count * BLOCK_TABLE_DIGEST)
        return fail(ERR_CORRUPT, "%s: damaged or cut short: it has %llu bytes, not as many as it says",
                    s->label, (unsigned long long)s->size);
    TRY(take(s, start, count, KEPT));
    TRY(mem_take(s->mem, (size_t)(s->size - at), &p));
    s->sums->table = p;
    TRY(read_file(s, at, s->size - at, p));
    digest_memory(p, (size_t)(s->size - at), is);
    if (strcmp(is, hex) != 0)
        return fail(ERR_CORRUPT, "%s: damaged: its table of digests has another SHA-256 than is recorded",
                    s->label);
    s->size = at;
    return OK;
}

/* The SHA-256 is compared once; from then on the faster sum. */
static status check_digest(const source *s, uint64_t block, const void *bytes, size_t size)
{
    struct sha256_ctx sha;
    uint64_t sum = sum_of(s->sums, block, bytes, size);
    if (s->sums->of_block[block] == sum && sum != 0)
        return OK;
    uint8_t is[BLOCK_TABLE_DIGEST];
    uint64_t from = s->sums->start + block * BLOCK;
    sha256_init(&sha);
    sha256_update(&sha, size, bytes);
    sha256_digest(&sha, sizeof is, is);
    if (memcmp(is, s->sums->table + block * sizeof is, sizeof is) == 0) {
        s->sums->of_block[block] = sum;
        return OK;
    }
    return fail(ERR_CORRUPT, "%s: damaged: bytes %llu to %llu have another SHA-256 than is recorded",
                s->label, (unsigned long long)from, (unsigned long long)(from + size - 1));
}

/* Reads a whole block to a place of its size and checks it. */
static status read_block(const source *s, uint64_t block, unsigned char *to)
{
    size_t size = block_size(s, block);
    TRY(read_file(s, s->sums->start + block * BLOCK, size, to));
    if (s->sums->table)
        return check_digest(s, block, to, size);
    return sum_of(s->sums, block, to, size) == s->sums->of_block[block] ? OK : changed(s);
}

static status read_kept(const source *s, uint64_t block, const unsigned char **bytes)
{
    kept_block *kept = &s->sums->kept[block % s->sums->kept_count];
    *bytes = kept->bytes;
    if (kept->number == block)
        return OK;
    kept->number = UINT64_MAX;
    TRY(read_block(s, block, kept->bytes));
    kept->number = block;
    return OK;
}

/* Whole blocks go to the caller's memory, parts of blocks through the block that is kept. */
static status read_summed(const source *s, uint64_t at, uint64_t size, unsigned char *to)
{
    for (at -= s->sums->start; size > 0;) {
        uint64_t block = at / BLOCK;
        size_t skip = (size_t)(at % BLOCK), n = block_size(s, block) - skip;
        if (n > size)
            n = (size_t)size;
        if (n == block_size(s, block)) {
            TRY(read_block(s, block, to));
        } else {
            const unsigned char *bytes;
            TRY(read_kept(s, block, &bytes));
            memcpy(to, bytes + skip, n);
        }
        at += n;
        to += n;
        size -= n;
    }
    return OK;
}

status source_read(const source *s, uint64_t at, uint64_t size, void *to)
{
    if (at > s->size || size > s->size - at || (s->sums && at < s->sums->start))
        return fail(ERR_FORMAT, "%s: byte %llu: %llu bytes are expected here, beyond the end of the file",
                    s->label, (unsigned long long)at, (unsigned long long)size);
    if (size == 0)
        return OK;
    if (s->sums)
        return read_summed(s, at, size, to);
    if (s->fd >= 0)
        return read_file(s, at, size, to);
    memcpy(to, s->data + at, (size_t)size);
    return OK;
}

void source_release(source *s)
{
    if (s->sums) {
        mem_give(s->mem, s->sums->of_block);
        mem_give(s->mem, s->sums->table);
    }
    mem_give(s->mem, s->sums);
    s->sums = NULL;
}
