/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_block.c - blocks of a file's bytes, the numbers in them, and the extents that structures take. */
#include <stdlib.h>
#include <string.h>

#include "io/dialect_parts.h"
#include "io/lookup3.h"

static const char signature[] = "\x89HDF\r\n\x1a\n";

int dialect_is_plain_hdf5(const void *bytes, size_t have)
{
    return have >= sizeof signature - 1 && memcmp(bytes, signature, sizeof signature - 1) == 0;
}

status dialect_broken(const dialect *d, uint64_t at, const char *what)
{
    return fail(ERR_FORMAT, "%s: byte %llu, of /%s%s%s: %s", d->bytes->label, (unsigned long long)at, d->path,
                *d->path && *d->name ? "/" : "", d->name, what);
}

status dialect_refuse(const dialect *d, const char *what)
{
    return fail(ERR_SCHEMA, "%s: /%s%s%s %s", d->bytes->label, d->path, *d->path && *d->name ? "/" : "",
                d->name, what);
}

status dialect_grow(mem *m, void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return OK;
    size_t larger = *room ? 2 * *room : 16;
    TRY(mem_resize(m, array, larger, size));
    *room = larger;
    return OK;
}

/* ---- extents ---- */

/* Neighbours that lie one behind the other, such as the chunks of a tensor, are one extent. */
static status note_extent(dialect *d, uint64_t from, uint64_t to)
{
    if (d->extent_count > 0 && d->extents[d->extent_count - 1].to == from) {
        d->extents[d->extent_count - 1].to = to;
        return OK;
    }
    void *array = d->extents;
    status s = dialect_grow(d->mem, &array, d->extent_count, &d->extent_room, sizeof *d->extents);
    d->extents = array;
    TRY(s);
    d->extents[d->extent_count++] = (extent){from, to};
    return OK;
}

status dialect_claim(dialect *d, uint64_t address, uint64_t size, const char *what)
{
    uint64_t room = d->bytes->size - d->base;
    if (address > room || size > room - address)
        return dialect_broken(d, address > room ? d->bytes->size : d->base + address, what);
    if (!d->c)
        return OK; /* rows are read: the walk has claimed them */
    if (size > room - d->claimed)
        return dialect_broken(d, d->base + address, "the contents are larger than the file");
    d->claimed += size;
    return note_extent(d, address, address + size);
}

static int by_start(const void *a, const void *b)
{
    const extent *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

status dialect_check_extents(dialect *d)
{
    d->path = d->name = "";
    if (d->extent_count > 0)
        qsort(d->extents, d->extent_count, sizeof *d->extents, by_start);
    for (size_t i = 1; i < d->extent_count; i++)
        if (d->extents[i].from < d->extents[i - 1].to)
            return dialect_broken(d, d->base + d->extents[i].from, "two objects take the same bytes");
    return OK;
}

/* ---- blocks ---- */

status block_load(dialect *d, uint64_t address, uint64_t size, const char *what, block *b)
{
    void *p;
    TRY(dialect_claim(d, address, size, what));
    TRY(mem_take(d->mem, (size_t)size, &p));
    *b = (block){.data = p, .at = d->base + address, .size = (size_t)size};
    return source_read(d->bytes, b->at, size, b->data);
}

void block_free(dialect *d, block *b)
{
    mem_give(d->mem, b->data);
    *b = (block){0};
}

block block_part(block *b, uint64_t size)
{
    block part = {.data = b->data + b->next, .at = b->at + b->next};
    if (size > b->size - b->next) {
        b->cut = part.cut = 1;
        return part;
    }
    part.size = (size_t)size;
    b->next += (size_t)size;
    return part;
}

uint64_t block_take(block *b, int bytes)
{
    uint64_t value = 0;
    if (b->cut || (size_t)bytes > b->size - b->next) {
        b->cut = 1;
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)b->data[b->next + (size_t)i] << 8 * i;
    b->next += (size_t)bytes;
    return value;
}

void block_skip(block *b, uint64_t bytes)
{
    block_part(b, bytes);
}

int block_is(block *b, const void *bytes, size_t size)
{
    block part = block_part(b, size);
    return !part.cut && memcmp(part.data, bytes, size) == 0;
}

void dialect_swap(unsigned char *values, uint64_t count, size_t size)
{
    for (uint64_t i = 0; i < count; i++, values += size)
        for (size_t a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char kept = values[a];
            values[a] = values[b];
            values[b] = kept;
        }
}

/* A fuzzer cannot find checksums: built for one, all are taken for right. */
int dialect_sum_ok(uint64_t stored, const void *bytes, size_t size)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)stored;
    (void)bytes;
    (void)size;
    return 1;
#else
    return stored == lookup3(bytes, size);
#endif
}

status block_checksum(const dialect *d, const block *b, size_t size)
{
    block sum = {.data = b->data, .size = b->size, .next = size};
    if (size > b->size || !dialect_sum_ok(block_take(&sum, 4), b->data, size) || sum.cut)
        return dialect_broken(d, b->at, "its checksum is wrong");
    return OK;
}
