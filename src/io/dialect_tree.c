/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_tree.c - B-trees of version 2, which name the links or attributes of a group that has many. */
#include "io/dialect_parts.h"

enum { NODE = 512, DEPTH_MAX = 8, HEADER = 38, NODE_HEAD = 6, NODE_FRAME = 10, ADDRESS = 8 };

typedef struct node {
    uint64_t address, records;
    int depth; /* 0: a leaf */
} node;

typedef struct tree {
    int type;
    size_t record_size;
    uint64_t most[DEPTH_MAX + 1];   /* records of a node, by depth */
    int total_bytes[DEPTH_MAX + 1]; /* of the number of records below a node of this depth */
    int count_bytes;                /* of the number of a node's own records */
    node *pending;
    size_t count, room;
    uint64_t visited; /* records */
} tree;

static int bytes_of(uint64_t number)
{
    int bytes = 1;
    while (number >>= 8)
        bytes++;
    return bytes;
}

static uint64_t product_plus(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t value;
    return __builtin_mul_overflow(a, b, &value) || __builtin_add_overflow(value, c, &value) ? UINT64_MAX
                                                                                            : value;
}

static void measure(tree *t, int depth)
{
    uint64_t below = (NODE - NODE_FRAME) / t->record_size;
    t->most[0] = below;
    t->total_bytes[0] = 0;
    t->count_bytes = bytes_of(below);
    for (int i = 1; i <= depth; i++) {
        size_t pointer = ADDRESS + (size_t)t->count_bytes + (size_t)t->total_bytes[i - 1];
        t->most[i] = (NODE - (NODE_FRAME + pointer)) / (t->record_size + pointer);
        below = product_plus(t->most[i] + 1, below, t->most[i]);
        t->total_bytes[i] = bytes_of(below);
    }
}

static status add_pending(dialect *d, tree *t, node n)
{
    void *array = t->pending;
    status s = dialect_grow(d->mem, &array, t->count, &t->room, sizeof *t->pending);
    t->pending = array;
    TRY(s);
    t->pending[t->count++] = n;
    return OK;
}

static status visit_records(dialect *d, tree *t, block *b, uint64_t records, record_visit visit, void *user)
{
    for (uint64_t i = 0; i < records; i++) {
        block record = block_part(b, t->record_size);
        TRY(visit(d, &record, user));
        t->visited++;
    }
    return OK;
}

static status list_children(dialect *d, tree *t, block *b, const node *n)
{
    for (uint64_t i = 0; i <= n->records; i++) {
        node child = {.depth = n->depth - 1};
        child.address = block_take(b, ADDRESS);
        child.records = block_take(b, t->count_bytes);
        if (n->depth > 1)
            block_skip(b, (uint64_t)t->total_bytes[n->depth - 1]);
        TRY(add_pending(d, t, child));
    }
    return OK;
}

static status visit_node(dialect *d, tree *t, const node *n, block *b, record_visit visit, void *user)
{
    TRY(block_load(d, n->address, NODE, "a node of a B-tree is not in the file", b));
    if (!block_is(b, n->depth ? "BTIN" : "BTLF", 4) || block_take(b, 1) != 0 ||
        block_take(b, 1) != (uint64_t)t->type)
        return dialect_broken(
            d, b->at, n->depth ? "BTIN of a B-tree is expected here" : "BTLF of a B-tree is expected here");
    if (n->records == 0 || n->records > t->most[n->depth])
        return dialect_broken(d, b->at, "a node of a B-tree has too many or no records");
    TRY(visit_records(d, t, b, n->records, visit, user));
    if (n->depth > 0)
        TRY(list_children(d, t, b, n));
    return block_checksum(d, b, b->next);
}

static status visit_nodes(dialect *d, tree *t, record_visit visit, void *user)
{
    while (t->count > 0) {
        node n = t->pending[--t->count];
        block b = {0};
        status s = visit_node(d, t, &n, &b, visit, user);
        block_free(d, &b);
        TRY(s);
    }
    return OK;
}

static status take_header(dialect *d, tree *t, block *b, node *root, uint64_t *total)
{
    int ok = block_is(b, "BTHD", 4) && block_take(b, 1) == 0 && block_take(b, 1) == (uint64_t)t->type &&
             block_take(b, 4) == NODE && block_take(b, 2) == t->record_size;
    root->depth = (int)block_take(b, 2);
    block_skip(b, 2); /* when nodes are split and merged */
    root->address = block_take(b, 8);
    root->records = block_take(b, 2);
    *total = block_take(b, 8);
    if (!ok || root->depth > DEPTH_MAX)
        return dialect_broken(d, b->at, "the head of a B-tree of version 2 (BTHD) is expected here");
    return block_checksum(d, b, HEADER - 4);
}

static status visit_tree(dialect *d, tree *t, block *b, uint64_t address, record_visit visit, void *user)
{
    node root;
    uint64_t total;
    TRY(block_load(d, address, HEADER, "a B-tree is not in the file", b));
    TRY(take_header(d, t, b, &root, &total));
    measure(t, root.depth);
    if (total == 0 && root.address == NOWHERE)
        return OK;
    TRY(add_pending(d, t, root));
    TRY(visit_nodes(d, t, visit, user));
    return t->visited == total ? OK : dialect_broken(d, b->at, "a B-tree has not as many records as it says");
}

status tree_visit(dialect *d, uint64_t address, int type, size_t record_size, record_visit visit, void *user)
{
    block b = {0};
    tree t = {.type = type, .record_size = record_size};
    status s = visit_tree(d, &t, &b, address, visit, user);
    block_free(d, &b);
    mem_give(d->mem, t.pending);
    return s;
}
