/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_write_tensor.c - tensors of a file being written: in one piece, or in chunks that a B-tree of
 * version 1 lists. */
#include <string.h>

#include <zlib.h>

#include "io/dialect_write_parts.h"

enum { NODE_HEAD = 24, ENTRIES = 64, DEFLATE_LEFT_OUT = 2, MESSAGES_MAX = 256 };

/* A chunk that is written. */
typedef struct chunk_entry {
    uint64_t address;
    uint32_t size, mask;
} chunk_entry;

struct dialect_tensor {
    dialect_group *group;
    char *name; /* the member's */
    stored_type type;
    int rank;
    int64_t dims[STORED_RANK_MAX], chunk_rows;
    size_t row_bytes;
    unsigned char *held; /* rows of the chunk that is not full */
    int64_t held_rows;
    chunk_entry *entries;
    size_t count, room;
};

/* ---- headers ---- */

static unsigned char *add_space(unsigned char *at, int rank, const int64_t *dims)
{
    at = dialect_add_head(at, MESSAGE_SPACE, 4 + 8 * (size_t)rank, 0);
    at = dialect_add(at, 2, 1);
    at = dialect_add(at, (uint64_t)rank, 1);
    at = dialect_add(at, 0, 1);
    at = dialect_add(at, rank > 0, 1);
    for (int i = 0; i < rank; i++)
        at = dialect_add(at, (uint64_t)dims[i], 8);
    return at;
}

static unsigned char *add_type(unsigned char *at, stored_type type)
{
    unsigned char form[MESSAGE_TYPE_MAX];
    size_t size = message_type_form(type, form);
    at = dialect_add_head(at, MESSAGE_TYPE, size, 1);
    return dialect_add_bytes(at, form, size);
}

/* No fill value is ever written. */
static unsigned char *add_fill(unsigned char *at, int is_chunked)
{
    enum { IN_ONE_PIECE = 6, IN_CHUNKS = 7 };
    at = dialect_add_head(at, MESSAGE_FILL, 2, 1);
    at = dialect_add(at, 3, 1);
    return dialect_add(at, is_chunked ? IN_CHUNKS : IN_ONE_PIECE, 1);
}

static unsigned char *add_filter(unsigned char *at, int id, uint64_t value)
{
    enum { MAY_BE_LEFT_OUT = 1 };
    at = dialect_add(at, (uint64_t)id, 2);
    at = dialect_add(at, MAY_BE_LEFT_OUT, 2);
    at = dialect_add(at, 1, 2);
    return dialect_add(at, value, 4);
}

static unsigned char *add_filters(unsigned char *at, stored_type type)
{
    enum { DEFLATE = 1, SHUFFLE = 2, LEVEL = 1 };
    at = dialect_add_head(at, MESSAGE_FILTERS, 22, 1);
    at = dialect_add(at, 0x0202, 2); /* version, and how many */
    at = add_filter(at, SHUFFLE, stored_type_size(type));
    return add_filter(at, DEFLATE, LEVEL);
}

static unsigned char *add_chunk_layout(unsigned char *at, const dialect_tensor *t, uint64_t index)
{
    at = dialect_add_head(at, MESSAGE_LAYOUT, 3 + 8 + 4 * ((size_t)t->rank + 1), 0);
    at = dialect_add(at, 0x0203, 2); /* version, and chunks */
    at = dialect_add(at, (uint64_t)t->rank + 1, 1);
    at = dialect_add(at, index, 8);
    at = dialect_add(at, (uint64_t)t->chunk_rows, 4);
    for (int i = 1; i < t->rank; i++)
        at = dialect_add(at, (uint64_t)t->dims[i], 4);
    return dialect_add(at, stored_type_size(t->type), 4);
}

static unsigned char *add_layout(unsigned char *at, uint64_t address, uint64_t size)
{
    at = dialect_add_head(at, MESSAGE_LAYOUT, 18, 0);
    at = dialect_add(at, 0x0103, 2); /* version, and one piece */
    at = dialect_add(at, address, 8);
    return dialect_add(at, size, 8);
}

/* ---- one piece ---- */

/* Writes values in parts, which are turned round on machines that keep the highest byte first. */
static status append_parts(dialect_file *f, const dialect_group *g, const char *name, const void *values,
                           size_t size, size_t value_size)
{
    enum { PART = 4096 };
    unsigned char part[PART];
    const unsigned char *from = values;
    for (size_t done = 0, n; done < size; done += n) {
        uint64_t at;
        n = size - done < PART ? size - done : PART;
        memcpy(part, from + done, n);
        dialect_swap(part, n / value_size, value_size);
        TRY(dialect_append(f, g, name, part, n, &at));
    }
    return OK;
}

static status append_values(dialect_file *f, const dialect_group *g, const char *name, const void *values,
                            size_t size, size_t value_size, uint64_t *address)
{
    *address = f->end;
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
        return append_parts(f, g, name, values, size, value_size);
    return dialect_append(f, g, name, values, size, address);
}

static status write_whole(dialect_file *f, const dialect_group *g, const char *name, stored_type type,
                          int rank, const int64_t *dims, const void *values, uint64_t *at_header)
{
    unsigned char all[DIALECT_HEADER_FRONT + MESSAGES_MAX + 4], *front = all + DIALECT_HEADER_FRONT;
    size_t size = (size_t)stored_bytes(type, rank, dims);
    uint64_t address;
    TRY(append_values(f, g, name, values, size, stored_type_size(type), &address));
    unsigned char *at = add_space(front, rank, dims);
    at = add_type(at, type);
    at = add_fill(at, 0);
    at = add_layout(at, address, size);
    return dialect_append_header(f, g, name, all, (size_t)(at - front), at_header);
}

status dialect_put_tensor(dialect_file *f, dialect_group *g, const char *name, stored_type type, int rank,
                          const int64_t *dims, const void *values)
{
    member *m;
    uint64_t address;
    TRY(write_whole(f, g, name, type, rank, dims, values, &address));
    TRY(dialect_new_member(f, g, name, &m));
    m->address = address;
    return OK;
}

/* ---- chunks ---- */

status dialect_new_tensor(dialect_file *f, dialect_group *g, const char *name, stored_type type, int rank,
                          const int64_t *dims, int64_t chunk_rows, dialect_tensor **t)
{
    void *p;
    member *m;
    TRY(mem_zeros(f->mem, 1, sizeof **t, &p));
    *t = p;
    **t = (dialect_tensor){.group = g, .type = type, .rank = rank, .chunk_rows = chunk_rows};
    memcpy((*t)->dims, dims, (size_t)rank * sizeof *dims);
    (*t)->dims[0] = 1;
    (*t)->row_bytes = (size_t)stored_bytes(type, rank, (*t)->dims);
    (*t)->dims[0] = 0;
    status s = dialect_new_member(f, g, name, &m);
    if (s != OK) {
        mem_give(f->mem, p);
        return s;
    }
    m->tensor = *t;
    (*t)->name = m->name;
    return OK;
}

void dialect_free_tensor(dialect_file *f, dialect_tensor *t)
{
    if (!t)
        return;
    mem_give(f->mem, t->held);
    mem_give(f->mem, t->entries);
    mem_give(f->mem, t);
}

/* The first bytes of all values, then their second ones, and so on, as they are stored: the lowest first. */
static void shuffle(const unsigned char *from, unsigned char *to, size_t count, size_t size)
{
    for (size_t byte = 0; byte < size; byte++) {
        size_t at = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? size - 1 - byte : byte;
        for (size_t i = 0; i < count; i++)
            to[byte * count + i] = from[i * size + at];
    }
}

static status need_scratch(dialect_file *f, size_t size)
{
    void *p = f->scratch;
    if (size <= f->scratch_size)
        return OK;
    TRY(mem_resize(f->mem, &p, size, 1));
    f->scratch = p;
    f->scratch_size = size;
    return OK;
}

static status add_entry(dialect_file *f, dialect_tensor *t, const chunk_entry *e)
{
    void *array = t->entries;
    status s = dialect_grow(f->mem, &array, t->count, &t->room, sizeof *t->entries);
    t->entries = array;
    TRY(s);
    t->entries[t->count++] = *e;
    return OK;
}

/* Writes a chunk, deflated unless that makes it larger. */
static status write_chunk(dialect_file *f, dialect_tensor *t, const unsigned char *rows)
{
    size_t bytes = t->row_bytes * (size_t)t->chunk_rows, size = stored_type_size(t->type);
    uLong bound = compressBound((uLong)bytes), deflated = bound;
    TRY(need_scratch(f, bytes + bound));
    unsigned char *shuffled = f->scratch, *packed = f->scratch + bytes;
    shuffle(rows, shuffled, bytes / size, size);
    if (compress2(packed, &deflated, shuffled, (uLong)bytes, 1) != Z_OK)
        return fail_memory();
    int smaller = deflated < bytes;
    chunk_entry e = {.size = (uint32_t)(smaller ? deflated : bytes), .mask = smaller ? 0 : DEFLATE_LEFT_OUT};
    TRY(dialect_append(f, t->group, t->name, smaller ? packed : shuffled, e.size, &e.address));
    return add_entry(f, t, &e);
}

/* Keeps rows that do not fill a chunk. */
static status hold_rows(dialect_file *f, dialect_tensor *t, int64_t rows, const unsigned char *values)
{
    if (!t->held) {
        void *p;
        TRY(mem_array(f->mem, (size_t)t->chunk_rows, t->row_bytes, &p));
        t->held = p;
    }
    memcpy(t->held + (size_t)t->held_rows * t->row_bytes, values, (size_t)rows * t->row_bytes);
    t->held_rows += rows;
    if (t->held_rows < t->chunk_rows)
        return OK;
    t->held_rows = 0;
    return write_chunk(f, t, t->held);
}

status dialect_add_rows(dialect_file *f, dialect_tensor *t, int64_t rows, const void *values)
{
    const unsigned char *from = values;
    while (rows > 0) {
        int64_t left = t->chunk_rows - t->held_rows, n = rows < left ? rows : left;
        if (n == t->chunk_rows)
            TRY(write_chunk(f, t, from));
        else
            TRY(hold_rows(f, t, n, from));
        t->dims[0] += n;
        rows -= n;
        from += (size_t)n * t->row_bytes;
    }
    return OK;
}

/* ---- the index ---- */

/* Chunk i begins with row i * chunk_rows; the one behind the last bounds it. */
static unsigned char *add_key(unsigned char *at, const dialect_tensor *t, size_t i)
{
    at = dialect_add(at, i < t->count ? t->entries[i].size : 0, 4);
    at = dialect_add(at, i < t->count ? t->entries[i].mask : 0, 4);
    at = dialect_add(at, i * (uint64_t)t->chunk_rows, 8);
    memset(at, 0, 8 * (size_t)t->rank);
    return at + 8 * (size_t)t->rank;
}

/* The nodes of one level lie one behind the other. */
typedef struct level {
    int number;                 /* 0: of leaves */
    size_t children, each;      /* how many, and chunks below each but the last one */
    uint64_t first, below_from; /* addresses of the first node and of the first node below */
    size_t node_bytes;
} level;

static void make_node(const dialect_tensor *t, const level *l, size_t node, size_t nodes,
                      unsigned char *bytes)
{
    size_t first = node * ENTRIES, last = first + ENTRIES < l->children ? first + ENTRIES : l->children;
    unsigned char *at = dialect_add_bytes(bytes, "TREE\1", 5);
    at = dialect_add(at, (uint64_t)l->number, 1);
    at = dialect_add(at, last - first, 2);
    at = dialect_add(at, node ? l->first + (node - 1) * l->node_bytes : NOWHERE, 8);
    at = dialect_add(at, node + 1 < nodes ? l->first + (node + 1) * l->node_bytes : NOWHERE, 8);
    for (size_t i = first; i < last; i++) {
        at = add_key(at, t, i * l->each);
        at = dialect_add(at, l->number ? l->below_from + i * l->node_bytes : t->entries[i].address, 8);
    }
    size_t end = last * l->each;
    at = add_key(at, t, end < t->count ? end : t->count);
    memset(at, 0, l->node_bytes - (size_t)(at - bytes));
}

/* Writes the levels from the leaves up to the one of a single node. *root: its address. */
static status write_index(dialect_file *f, const dialect_tensor *t, uint64_t *root)
{
    enum { NODE_MAX = NODE_HEAD + ENTRIES * 8 + (ENTRIES + 1) * (8 + 8 * (STORED_RANK_MAX + 1)) };
    unsigned char bytes[NODE_MAX];
    level l = {.children = t->count, .each = 1};
    size_t nodes;
    *root = NOWHERE;
    l.node_bytes = NODE_HEAD + ENTRIES * 8 + (ENTRIES + 1) * (8 + 8 * ((size_t)t->rank + 1));
    do {
        nodes = (l.children + ENTRIES - 1) / ENTRIES;
        l.first = f->end;
        for (size_t i = 0; i < nodes; i++) {
            make_node(t, &l, i, nodes, bytes);
            TRY(dialect_append(f, t->group, t->name, bytes, l.node_bytes, root));
        }
        l.below_from = l.first;
        l.children = nodes;
        l.each *= ENTRIES;
        l.number++;
    } while (nodes > 1);
    return OK;
}

/* The rows that the last chunk has beyond the tensor are zeros. */
static status write_last_chunk(dialect_file *f, dialect_tensor *t)
{
    size_t held = (size_t)t->held_rows * t->row_bytes;
    if (held == 0)
        return OK;
    memset(t->held + held, 0, (size_t)t->chunk_rows * t->row_bytes - held);
    return write_chunk(f, t, t->held);
}

static status write_chunked(dialect_file *f, dialect_tensor *t, uint64_t *at_header)
{
    unsigned char all[DIALECT_HEADER_FRONT + MESSAGES_MAX + 4], *front = all + DIALECT_HEADER_FRONT;
    uint64_t index;
    TRY(write_last_chunk(f, t));
    TRY(write_index(f, t, &index));
    unsigned char *at = add_space(front, t->rank, t->dims);
    at = add_type(at, t->type);
    at = add_fill(at, 1);
    at = add_filters(at, t->type);
    at = add_chunk_layout(at, t, index);
    return dialect_append_header(f, t->group, t->name, all, (size_t)(at - front), at_header);
}

status dialect_close_tensor(dialect_file *f, member *m)
{
    status s = write_chunked(f, m->tensor, &m->address);
    dialect_free_tensor(f, m->tensor);
    m->tensor = NULL;
    return s;
}
