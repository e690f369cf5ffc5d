/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_heap.c - fractal heaps, in which the links or attributes of a group lie that has many.
 *
 * A heap is a space of its own addresses, cut into direct blocks, which double in size every row of four;
 * indirect blocks list them. Objects above 4096 bytes lie outside, found by a B-tree. */
#include <stdlib.h>

#include "io/dialect_parts.h"

enum {
    WIDTH = 4,
    DIRECT_LARGEST = 65536,
    OBJECT_LARGEST = 4096,
    HEAD = 146,
    FLAG_WRAPPED = 1,
    FLAG_SUMS = 2,
    HUGE_TREE = 1,
    HUGE_RECORD = 24
};

typedef struct place {
    uint64_t address, offset, size; /* offset: in the heap's own addresses */
    int rows;                       /* 0: a direct block */
} place;

typedef struct piece {
    uint64_t offset;
    block bytes;
} piece;

typedef struct huge {
    uint64_t address, size, id;
} huge;

typedef struct heap {
    uint64_t address;
    int id_bytes, offset_bytes, has_sums;
    uint64_t start; /* size of the smallest block */
    place root;
    uint64_t huge_tree, huge_count;
    place *pending;
    size_t pending_count, pending_room;
    piece *pieces; /* the direct blocks; later in order of their offsets */
    size_t piece_count, piece_room;
    huge *huges;
    size_t huges_count, huges_room;
    object_visit visit;
    void *user;
    int tree_type;
} heap;

static int log2_of(uint64_t power)
{
    return 63 - __builtin_clzll(power);
}

static uint64_t row_size(const heap *h, int row)
{
    return h->start << (row > 1 ? row - 1 : 0);
}

/* ---- the head ---- */

/* The one form in which HDF5 makes heaps of links (first block of 512 bytes, 32 bits of addresses) and of
 * attributes (1024, 40). */
static int sizes_ok(block *b, heap *h)
{
    uint64_t width = block_take(b, 2), bits;
    h->start = block_take(b, 8);
    uint64_t largest = block_take(b, 8);
    bits = block_take(b, 2);
    h->offset_bytes = (int)bits / 8;
    return width == WIDTH && largest == DIRECT_LARGEST && (h->start == 512 || h->start == 1024) &&
           (bits == 32 || bits == 40) && h->id_bytes == 1 + h->offset_bytes + 2;
}

static status take_head(dialect *d, heap *h, block *b)
{
    int ok = block_is(b, "FRHP", 4) && block_take(b, 1) == 0;
    h->id_bytes = (int)block_take(b, 2);
    ok = block_take(b, 2) == 0 && ok; /* no filters */
    int flags = (int)block_take(b, 1);
    h->has_sums = flags & FLAG_SUMS;
    ok = block_take(b, 4) == OBJECT_LARGEST && flags <= (FLAG_SUMS | FLAG_WRAPPED) && ok;
    block_skip(b, 8); /* the next number of a huge object */
    h->huge_tree = block_take(b, 8);
    block_skip(b, 6 * 8); /* free space, space in all and used, where writing goes on, objects */
    block_skip(b, 8);     /* bytes of huge objects */
    h->huge_count = block_take(b, 8);
    block_skip(b, 2 * 8); /* tiny objects */
    ok = sizes_ok(b, h) && ok;
    block_skip(b, 2); /* rows at the start */
    h->root.address = block_take(b, 8);
    h->root.rows = (int)block_take(b, 2);
    if (!ok || b->cut || b->next != HEAD - 4)
        return dialect_broken(d, b->at, "the head of a fractal heap (FRHP) is expected here");
    return block_checksum(d, b, HEAD - 4);
}

/* ---- blocks ---- */

static status add_pending(dialect *d, heap *h, place p)
{
    void *array = h->pending;
    status s = dialect_grow(d->mem, &array, h->pending_count, &h->pending_room, sizeof *h->pending);
    h->pending = array;
    TRY(s);
    h->pending[h->pending_count++] = p;
    return OK;
}

static int frame_ok(const heap *h, block *b, const char *signature, const place *p)
{
    return block_is(b, signature, 4) && block_take(b, 1) == 0 && block_take(b, 8) == h->address &&
           block_take(b, h->offset_bytes) == p->offset;
}

/* The checksum of a direct block is that of the block with four zeros in its own place. */
static status check_sum(const dialect *d, block *b)
{
    unsigned char stored[4];
    unsigned char *at = b->data + b->next;
    uint64_t sum = block_take(b, 4);
    for (int i = 0; i < 4; i++) {
        stored[i] = at[i];
        at[i] = 0;
    }
    int same = dialect_sum_ok(sum, b->data, b->size);
    for (int i = 0; i < 4; i++)
        at[i] = stored[i];
    return same ? OK : dialect_broken(d, b->at, "its checksum is wrong");
}

static status load_direct(dialect *d, heap *h, const place *p)
{
    void *array = h->pieces;
    status s = dialect_grow(d->mem, &array, h->piece_count, &h->piece_room, sizeof *h->pieces);
    h->pieces = array;
    TRY(s);
    piece *new = &h->pieces[h->piece_count++];
    *new = (piece){.offset = p->offset};
    TRY(block_load(d, p->address, p->size, "a block of a heap is not in the file", &new->bytes));
    if (!frame_ok(h, &new->bytes, "FHDB", p))
        return dialect_broken(d, new->bytes.at, "FHDB of a heap is expected here");
    return h->has_sums ? check_sum(d, &new->bytes) : OK;
}

/* Notes the blocks that an indirect one lists: rows of direct ones, then rows of indirect ones. */
static status list_blocks(dialect *d, heap *h, block *b, const place *p)
{
    uint64_t offset = p->offset;
    for (int row = 0; row < p->rows; row++)
        for (int i = 0; i < WIDTH; i++, offset += row_size(h, row)) {
            place child = {.address = block_take(b, 8), .offset = offset, .size = row_size(h, row)};
            if (child.size > DIRECT_LARGEST)
                child.rows = log2_of(child.size) - log2_of(h->start * WIDTH) + 1;
            if (child.address != NOWHERE)
                TRY(add_pending(d, h, child));
        }
    return OK;
}

static status load_indirect(dialect *d, heap *h, const place *p, block *b)
{
    if (p->rows > 8 * h->offset_bytes - log2_of(h->start * WIDTH) + 1)
        return dialect_broken(d, d->base + h->address, "a heap has more rows than addresses");
    uint64_t size = 13 + (uint64_t)h->offset_bytes + 8 * WIDTH * (uint64_t)p->rows + 4;
    TRY(block_load(d, p->address, size, "a block of a heap is not in the file", b));
    if (!frame_ok(h, b, "FHIB", p))
        return dialect_broken(d, b->at, "FHIB of a heap is expected here");
    TRY(list_blocks(d, h, b, p));
    return block_checksum(d, b, b->next);
}

static int by_offset(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static status load_blocks(dialect *d, heap *h)
{
    h->root.size = h->start;
    if (h->root.address != NOWHERE)
        TRY(add_pending(d, h, h->root));
    while (h->pending_count > 0) {
        place p = h->pending[--h->pending_count];
        block b = {0};
        status s = p.rows ? load_indirect(d, h, &p, &b) : load_direct(d, h, &p);
        block_free(d, &b);
        TRY(s);
    }
    if (h->piece_count > 0)
        qsort(h->pieces, h->piece_count, sizeof *h->pieces, by_offset);
    return OK;
}

/* ---- huge objects ---- */

static status add_huge(dialect *d, block *record, void *user)
{
    heap *h = user;
    void *array = h->huges;
    status s = dialect_grow(d->mem, &array, h->huges_count, &h->huges_room, sizeof *h->huges);
    h->huges = array;
    TRY(s);
    huge *new = &h->huges[h->huges_count++];
    new->address = block_take(record, 8);
    new->size = block_take(record, 8);
    new->id = block_take(record, 8);
    return OK;
}

static int by_id(const void *a, const void *b)
{
    const huge *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static status list_huges(dialect *d, heap *h)
{
    if (h->huge_count == 0)
        return OK;
    TRY(tree_visit(d, h->huge_tree, HUGE_TREE, HUGE_RECORD, add_huge, h));
    if (h->huges_count > 0)
        qsort(h->huges, h->huges_count, sizeof *h->huges, by_id);
    return OK;
}

static status visit_huge(dialect *d, heap *h, block *id)
{
    huge wanted = {.id = block_take(id, h->id_bytes - 1)};
    const huge *found =
        h->huges_count ? bsearch(&wanted, h->huges, h->huges_count, sizeof *h->huges, by_id) : NULL;
    block b = {0};
    if (!found || found->size > DIRECT_LARGEST + OBJECT_LARGEST)
        return dialect_broken(d, id->at, "a heap has no such object");
    status s = block_load(d, found->address, found->size, "a large attribute is not in the file", &b);
    if (s == OK)
        s = h->visit(d, &b, h->user);
    block_free(d, &b);
    return s;
}

/* ---- objects ---- */

/* Returns the last block that begins at or before an offset; NULL if there is none. */
static piece *piece_at(const heap *h, uint64_t offset)
{
    size_t low = 0, high = h->piece_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (h->pieces[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &h->pieces[low - 1] : NULL;
}

static status visit_managed(dialect *d, heap *h, block *id)
{
    uint64_t offset = block_take(id, h->offset_bytes), size = block_take(id, 2);
    piece *p = piece_at(h, offset);
    uint64_t skip = p ? offset - p->offset : 0;
    if (!p || skip < p->bytes.next || skip > p->bytes.size || size > p->bytes.size - skip)
        return dialect_broken(d, id->at, "a heap has no such object");
    block object = {.data = p->bytes.data + skip, .at = p->bytes.at + skip, .size = (size_t)size};
    return h->visit(d, &object, h->user);
}

/* A record of a tree of links is a hash and the object's number in the heap, one of attributes the other way
 * round. */
static status visit_record(dialect *d, block *record, void *user)
{
    enum { HUGE = 1 << 4 };
    heap *h = user;
    if (h->tree_type == 5)
        block_skip(record, 4);
    block id = block_part(record, (uint64_t)h->id_bytes);
    int kind = (int)block_take(&id, 1);
    if (h->tree_type == 8 && block_take(record, 1) & 2)
        return dialect_refuse(d, "holds an attribute that shares a part with others");
    if (kind == 0)
        return visit_managed(d, h, &id);
    return kind == HUGE ? visit_huge(d, h, &id) : dialect_broken(d, id.at, "a heap has no such object");
}

static void close_heap(dialect *d, heap *h)
{
    for (size_t i = 0; i < h->piece_count; i++)
        block_free(d, &h->pieces[i].bytes);
    mem_give(d->mem, h->pieces);
    mem_give(d->mem, h->pending);
    mem_give(d->mem, h->huges);
}

static status open_heap(dialect *d, heap *h)
{
    block b = {0};
    status s = block_load(d, h->address, HEAD, "a heap is not in the file", &b);
    if (s == OK)
        s = take_head(d, h, &b);
    block_free(d, &b);
    TRY(s);
    TRY(load_blocks(d, h));
    return list_huges(d, h);
}

status heap_visit(dialect *d, const info *where, int tree_type, object_visit visit, void *user)
{
    heap h = {.address = where->heap, .visit = visit, .user = user, .tree_type = tree_type};
    status s = open_heap(d, &h);
    size_t record = (size_t)h.id_bytes + (tree_type == 5 ? 4 : 9);
    if (s == OK)
        s = tree_visit(d, where->tree, tree_type, record, visit_record, &h);
    close_heap(d, &h);
    return s;
}
