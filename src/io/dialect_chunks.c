/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_chunks.c - a tensor's chunks: the B-tree of version 1 that lists them, and rows read from them. */
#include <string.h>

#include <zlib.h>

#include "io/dialect_parts.h"

enum { NODE_HEAD = 24, ENTRIES_MAX = 64, LEVELS_MAX = 8 };

typedef struct node {
    uint64_t address;
    int level; /* 0: a leaf; -1: the root, of any level */
} node;

/* A node lists at most 64 others, one level below it. */
enum { PENDING_MAX = ENTRIES_MAX * (LEVELS_MAX + 1), ENTRY_MAX = 8 + 8 * (STORED_RANK_MAX + 1) + 8 };

typedef struct grid {
    uint64_t along[STORED_RANK_MAX]; /* chunks along an axis */
    uint64_t count;
    unsigned char *seen; /* a bit for each */
    uint64_t seen_count;
    node pending[PENDING_MAX];
    size_t pending_count;
} grid;

static uint64_t chunk_bytes(const catalogue_tensor *t)
{
    return stored_bytes(t->type, t->rank, t->chunk);
}

static int is_deflated(const catalogue_tensor *t)
{
    return t->filter_count > 0 && t->filters[t->filter_count - 1] == STORED_DEFLATED;
}

static size_t entry_size(const catalogue_tensor *t)
{
    return 8 + 8 * ((size_t)t->rank + 1) + 8;
}

/* Each chunk takes an entry of the index: more of them than the file has room for are not stored. */
static status make_grid(const dialect *d, const catalogue_tensor *t, grid *g)
{
    g->pending_count = g->seen_count = 0;
    g->count = 1;
    for (int i = 0; i < t->rank; i++) {
        g->along[i] = (uint64_t)((t->dims[i] - 1) / t->chunk[i] + 1);
        if (__builtin_mul_overflow(g->count, g->along[i], &g->count))
            return dialect_refuse(d, "is not stored in full");
    }
    return g->count > d->bytes->size / entry_size(t) ? dialect_refuse(d, "is not stored in full") : OK;
}

/* Takes the offsets of a chunk and finds its place in the grid. Returns 0 if it has none. */
static int take_offsets(block *b, const catalogue_tensor *t, const grid *g, chunk *k)
{
    int ok = 1;
    for (int i = 0; i < t->rank; i++) {
        uint64_t offset = block_take(b, 8), step = (uint64_t)t->chunk[i];
        ok = ok && offset % step == 0 && offset / step < g->along[i];
        k->index = ok ? k->index * g->along[i] + offset / step : 0;
        if (i == 0)
            k->row = offset;
    }
    return block_take(b, 8) == 0 && ok;
}

static status mark_seen(dialect *d, uint64_t at, grid *g, const chunk *k)
{
    unsigned char *byte = &g->seen[k->index / 8], bit = (unsigned char)(1 << k->index % 8);
    if (*byte & bit)
        return dialect_broken(d, at, "a chunk is listed twice");
    *byte |= bit;
    g->seen_count++;
    return OK;
}

/* Deflate makes what it cannot make smaller a little larger; zlib's variants differ in how much. */
static uint64_t most_stored(uint64_t full)
{
    return full + full / 16 + 1024;
}

/* HDF5 may leave out the last filter, deflate, where it would not make a chunk smaller. */
static int size_ok(const catalogue_tensor *t, const chunk *k)
{
    uint64_t full = chunk_bytes(t);
    if (k->mask)
        return is_deflated(t) && k->mask == 1u << (t->filter_count - 1) && k->size == full;
    return is_deflated(t) ? k->size > 0 && k->size <= most_stored(full) : k->size == full;
}

static status take_chunk(dialect *d, const catalogue_tensor *t, grid *g, block *b, chunk *k)
{
    uint64_t at = b->at + b->next;
    *k = (chunk){.size = block_take(b, 4)};
    k->mask = (uint32_t)block_take(b, 4);
    if (!take_offsets(b, t, g, k))
        return dialect_broken(d, at, "a chunk lies outside its tensor");
    k->address = block_take(b, 8);
    if (!size_ok(t, k))
        return dialect_broken(d, at, "a chunk has not the size that its filters can give it");
    return mark_seen(d, at, g, k);
}

static status visit_entries(dialect *d, const catalogue_tensor *t, grid *g, block *b, int level, int count,
                            chunk_visit visit, void *user)
{
    chunk k;
    for (int i = 0; i < count; i++) {
        if (level == 0) {
            TRY(take_chunk(d, t, g, b, &k));
            TRY(visit(d, &k, user));
        } else {
            block_skip(b, entry_size(t) - 8);
            g->pending[g->pending_count++] = (node){block_take(b, 8), level - 1};
        }
    }
    return OK;
}

/* Reads a node's head to learn how many entries it has. */
static status take_head(dialect *d, const node *n, int *level, int *count)
{
    unsigned char bytes[NODE_HEAD];
    block b = {.data = bytes, .at = d->base + n->address, .size = sizeof bytes};
    uint64_t room = d->bytes->size - d->base;
    if (n->address > room || room - n->address < NODE_HEAD)
        return dialect_broken(d, d->bytes->size, "an index of chunks is not in the file");
    TRY(source_read(d->bytes, b.at, sizeof bytes, bytes));
    int ok = block_is(&b, "TREE", 4) && block_take(&b, 1) == 1;
    *level = (int)block_take(&b, 1);
    *count = (int)block_take(&b, 2);
    if (!ok || *count < 1 || *count > ENTRIES_MAX || *level > LEVELS_MAX ||
        (n->level >= 0 && *level != n->level))
        return dialect_broken(d, b.at, "a node of an index of chunks (TREE) is expected here");
    return OK;
}

static status visit_node(dialect *d, const catalogue_tensor *t, grid *g, const node *n, chunk_visit visit,
                         void *user)
{
    int level = 0, count = 0;
    unsigned char bytes[NODE_HEAD + (ENTRIES_MAX + 1) * ENTRY_MAX];
    TRY(take_head(d, n, &level, &count));
    uint64_t size = NODE_HEAD + (uint64_t)count * entry_size(t) + entry_size(t) - 8;
    block b = {.data = bytes, .at = d->base + n->address, .size = (size_t)size, .next = NODE_HEAD};
    TRY(dialect_claim(d, n->address, size, "an index of chunks is not in the file"));
    TRY(source_read(d->bytes, b.at, size, bytes));
    return visit_entries(d, t, g, &b, level, count, visit, user);
}

/* seen: room for a bit for each chunk of the grid. */
static status visit_grid(dialect *d, const catalogue_tensor *t, grid *g, unsigned char *seen,
                         chunk_visit visit, void *user)
{
    memset(seen, 0, (size_t)(g->count / 8 + 1));
    g->seen = seen;
    g->pending[g->pending_count++] = (node){t->address, -1};
    while (g->pending_count > 0) {
        node n = g->pending[--g->pending_count];
        TRY(visit_node(d, t, g, &n, visit, user));
    }
    return g->seen_count == g->count ? OK : dialect_refuse(d, "is not stored in full");
}

static status claim_chunk(dialect *d, const chunk *k, void *user)
{
    (void)user;
    return dialect_claim(d, k->address, k->size, "a chunk is not in the file");
}

status chunks_claim(dialect *d, const catalogue_tensor *t)
{
    void *p;
    grid g;
    TRY(make_grid(d, t, &g));
    TRY(mem_take(d->mem, (size_t)(g.count / 8 + 1), &p));
    status s = visit_grid(d, t, &g, p, claim_chunk, NULL);
    mem_give(d->mem, p);
    return s;
}

/* ---- values ---- */

typedef struct reading {
    const catalogue_tensor *t;
    uint64_t first, count, row_bytes; /* rows that are wanted */
    unsigned char *values;
    unsigned char *raw, *shuffled; /* of one chunk each */
} reading;

static status inflate_chunk(const dialect *d, const chunk *k, const unsigned char *raw, unsigned char *to,
                            uint64_t bytes)
{
    uLongf got = (uLongf)bytes;
    uLong used = (uLong)k->size;
    int result = uncompress2(to, &got, raw, &used);
    if (result == Z_MEM_ERROR)
        return fail(ERR_MEMORY, "%s: no memory to inflate a chunk", d->bytes->label);
    if (result != Z_OK || got != bytes || used != k->size)
        return fail(ERR_CORRUPT,
                    "%s: byte %llu, of /%s/%s: the chunk from row %llu on does not inflate to its size",
                    d->bytes->label, (unsigned long long)(d->base + k->address), d->path, d->name,
                    (unsigned long long)k->row);
    return OK;
}

/* The bytes of all values lie one behind the other by their place in the value. */
static void unshuffle(const unsigned char *from, unsigned char *to, size_t count, size_t size)
{
    for (size_t byte = 0; byte < size; byte++)
        for (size_t i = 0; i < count; i++)
            to[i * size + byte] = from[byte * count + i];
}

static void copy_rows(const reading *r, const chunk *k, const unsigned char *rows)
{
    uint64_t end = k->row + (uint64_t)r->t->chunk[0], last = r->first + r->count;
    uint64_t from = k->row > r->first ? k->row : r->first, to = end < last ? end : last;
    memcpy(r->values + (from - r->first) * r->row_bytes, rows + (from - k->row) * r->row_bytes,
           (size_t)((to - from) * r->row_bytes));
}

static status read_chunk(dialect *d, const chunk *k, void *user)
{
    reading *r = user;
    uint64_t bytes = chunk_bytes(r->t);
    size_t size = stored_type_size(r->t->type);
    if (k->row >= r->first + r->count || k->row + (uint64_t)r->t->chunk[0] <= r->first)
        return OK;
    TRY(dialect_claim(d, k->address, k->size, "a chunk is not in the file"));
    TRY(source_read(d->bytes, d->base + k->address, k->size, r->raw));
    unsigned char *now = r->raw, *other = r->shuffled;
    for (int i = r->t->filter_count - 1; i >= 0; i--) {
        if (k->mask >> i & 1)
            continue;
        if (r->t->filters[i] == STORED_DEFLATED)
            TRY(inflate_chunk(d, k, now, other, bytes));
        else
            unshuffle(now, other, (size_t)(bytes / size), size);
        unsigned char *next = now;
        now = other;
        other = next;
    }
    copy_rows(r, k, now);
    return OK;
}

/* The largest chunk as it is read and as it is inflated, and the bits of the grid. */
uint64_t dialect_scratch_size(const catalogue_tensor *t)
{
    uint64_t count = 1, most = most_stored(chunk_bytes(t));
    for (int i = 0; i < t->rank && t->chunk[0] > 0; i++)
        count *= (uint64_t)((t->dims[i] - 1) / t->chunk[i] + 1);
    return t->rank > 0 && t->chunk[0] > 0 ? 2 * most + count / 8 + 1 : 0;
}

static status read_chunks(dialect *d, reading *r, unsigned char *scratch)
{
    grid g;
    uint64_t most = most_stored(chunk_bytes(r->t));
    for (int i = 1; i < r->t->rank; i++)
        if (r->t->chunk[i] != r->t->dims[i])
            return dialect_refuse(d, "has chunks that are not whole rows");
    r->raw = scratch;
    r->shuffled = scratch + most;
    TRY(make_grid(d, r->t, &g));
    return visit_grid(d, r->t, &g, scratch + 2 * most, read_chunk, r);
}

/* Takes memory where the caller gave none, or not enough. */
static status read_chunked(dialect *d, reading *r, dialect_scratch scratch)
{
    void *p = NULL;
    uint64_t need = dialect_scratch_size(r->t);
    if (scratch.size < need)
        TRY(mem_take(d->mem, (size_t)need, &p));
    status s = read_chunks(d, r, p ? p : scratch.bytes);
    mem_give(d->mem, p);
    return s;
}

static status read_rows(const source *bytes, uint64_t user_block, reading *r, dialect_scratch scratch)
{
    const catalogue_tensor *t = r->t;
    dialect d = {.bytes = bytes, .mem = bytes->mem, .base = user_block, .path = t->group, .name = t->name};
    uint64_t size = r->row_bytes * r->count;
    status s;
    if (t->rank > 0 && t->chunk[0] > 0)
        s = read_chunked(&d, r, scratch);
    else
        s = source_read(bytes, user_block + t->address + r->first * r->row_bytes, size, r->values);
    if (s == OK && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
        dialect_swap(r->values, size / stored_type_size(t->type), stored_type_size(t->type));
    return s;
}

status dialect_read_rows(const source *bytes, uint64_t user_block, const catalogue_tensor *t, int64_t first,
                         int64_t count, dialect_scratch scratch, void *values)
{
    reading r = {.t = t, .first = (uint64_t)first, .count = (uint64_t)count, .values = values};
    r.row_bytes = stored_bytes(t->type, t->rank, t->dims) / (t->rank ? (uint64_t)t->dims[0] : 1);
    return read_rows(bytes, user_block, &r, scratch);
}

status dialect_read(const source *bytes, uint64_t user_block, const catalogue_tensor *t, void *values)
{
    return dialect_read_rows(bytes, user_block, t, 0, t->rank ? t->dims[0] : 1, (dialect_scratch){0}, values);
}
