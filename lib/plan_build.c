/* SPDX-License-Identifier: Apache-2.0 */
/* plan_build.c - from a graph to a flat list of kernel calls in one arena.
 *
 * Every value that a live node computes gets a block: a size and the first and last call that use it. Views
 * share their source's block; element-wise ops take over an input's block if no later call reads it. Blocks
 * are placed largest first, each at the lowest offset free during its life. */
#include <stdlib.h>

#include "lib/fuse.h"
#include "lib/ops/rules.h"
#include "lib/plan_parts.h"

enum { ALIGN = 64 };

typedef struct block {
    size_t bytes, offset;
    int32_t first, last; /* calls */
    int32_t slot;        /* OF_CALLER: the caller's slot; CONSTANT: its number */
    enum { IN_ARENA, OF_CALLER, CONSTANT } kind;
} block;

/* State that is needed only during planning. */
typedef struct builder {
    const graph *g;
    plan *p;
    node_list list;
    int32_t *block_of;  /* by value */
    int32_t *last_read; /* by value's storage: the last call that reads it */
    block *blocks;
    int32_t n_blocks;
} builder;

/* ---- calls ---- */

static int is_view(const node *n)
{
    return op_has(n->op, OP_VIEW);
}

static int32_t count_calls(const node_list *list)
{
    int32_t n = 0;
    for (int32_t k = 0; k < list->n; k++)
        n += !list->dead[k] && !is_view(&list->nodes[k]);
    return n;
}

static int is_invariant(const graph *g, value v)
{
    const value_info *root = &g->values[op_storage(g, v)];
    return root->kind == VALUE_CONSTANT || (root->kind == VALUE_BOUND && root->invariant);
}

static void fill_call(builder *b, bk_call *c, const node *n)
{
    c->op = n->op;
    c->attr = n->attr;
    c->n_in = n->n_in;
    c->n_out = n->n_out;
    for (int32_t i = 0; i < n->n_in; i++)
        c->in[i] =
            (bk_tensor){.shape = *graph_shape(b->g, n->in[i]), .version = is_invariant(b->g, n->in[i])};
    for (int32_t o = 0; o < n->n_out; o++)
        c->out[o].shape = *graph_shape(b->g, n->out[o]);
}

static status prepare_calls(builder *b)
{
    plan *p = b->p;
    const bk_backend *backend = p->dev.backend;
    void *calls, *origins;
    TRY(mem_zeros(p->mem, (size_t)count_calls(&b->list), sizeof(bk_call), &calls));
    p->calls = calls;
    TRY(mem_zeros(p->mem, (size_t)count_calls(&b->list), sizeof(origin), &origins));
    p->origins = origins;
    for (int32_t k = 0; k < b->list.n; k++) {
        const node *n = &b->list.nodes[k];
        if (b->list.dead[k] || is_view(n))
            continue;
        if (!backend->supports(p->dev.handle, n->op, b->g->real))
            return plan_call_failure(p->dev, BK_ERR_UNSUPPORTED, n->op);
        bk_call *c = &p->calls[p->n_calls++];
        fill_call(b, c, n);
        p->origins[p->n_calls - 1] = (origin){n->layer, n->backward};
        bk_status s = backend->prepare(p->dev.handle, c);
        if (s != BK_OK)
            return plan_call_failure(p->dev, s, n->op);
        p->n_prepared++;
    }
    return OK;
}

/* ---- blocks ---- */

static int32_t new_block(builder *b, block fresh)
{
    b->blocks[b->n_blocks] = fresh;
    return b->n_blocks++;
}

static size_t bytes_of(const bk_shape *s)
{
    return (size_t)bk_count(s) * bk_dtype_size(s->dtype);
}

/* Finds for each value the caller's slot to which its storage is written, or -1. */
static void find_outputs(builder *b, int32_t *slot_of)
{
    const graph *g = b->g;
    for (value v = 0; v < g->n_values; v++)
        slot_of[v] = -1;
    for (value v = 0; v < g->n_values; v++)
        if (g->values[v].output >= 0)
            slot_of[op_storage(g, v)] = g->values[v].output;
}

/* Finds for each value the index of the last call that reads it. Held values stay live to the end. */
static void find_last_reads(builder *b)
{
    int32_t call = 0;
    for (value v = 0; v < b->g->n_values; v++)
        b->last_read[v] = -1;
    for (int32_t k = 0; k < b->list.n; k++) {
        const node *n = &b->list.nodes[k];
        if (b->list.dead[k] || is_view(n))
            continue;
        for (int32_t i = 0; i < n->n_in; i++)
            b->last_read[op_storage(b->g, n->in[i])] = call;
        call++;
    }
    for (value v = 0; v < b->g->n_values; v++)
        if (b->g->values[v].held >= 0)
            b->last_read[op_storage(b->g, v)] = call;
}

static int32_t call_of(const builder *b, int32_t node)
{
    int32_t call = 0;
    for (int32_t k = 0; k < node; k++)
        call += !b->list.dead[k] && !is_view(&b->list.nodes[k]);
    return call;
}

/* An update's out[0] is the new in[0], out[k] the new in[k + 1]. */
static int32_t updated_input(int32_t output)
{
    return output == 0 ? 0 : output + 1;
}

/* Output o of the node may be written over the state although the node reads it. */
static int may_overwrite(const builder *b, const node *n, int32_t o, value state)
{
    const bk_shape *out = graph_shape(b->g, n->out[o]);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (op_storage(b->g, n->in[i]) != state)
            continue;
        if (op_has(n->op, OP_UPDATE) ? i != updated_input(o) : !op_has(n->op, OP_IN_PLACE))
            return 0;
        if (bk_count(graph_shape(b->g, n->in[i])) != bk_count(out))
            return 0;
    }
    return 1;
}

/* The call that makes the state's next value is the last one to read the old one, or comes later. */
static int is_written_in_place(const builder *b, value next, value state)
{
    value root = op_storage(b->g, next);
    int32_t k = b->g->values[root].node, call = call_of(b, k), last = b->last_read[state];
    return last < call ||
           (last == call && may_overwrite(b, &b->list.nodes[k], b->g->values[root].index, state));
}

/* Next values are written to their state by the call that makes them, or wait in the arena to the end. */
static void find_assignments(builder *b, int32_t *slot_of)
{
    const graph *g = b->g;
    for (value v = 0; v < g->n_values; v++) {
        value state = g->values[v].replaces;
        if (state == NONE)
            continue;
        if (b->p->in_place && is_written_in_place(b, v, state))
            slot_of[op_storage(g, v)] = g->values[state].slot;
        else
            b->last_read[op_storage(g, v)] = b->p->n_calls;
    }
}

/* Returns an input whose block this node's first output may take over, or NONE. */
static value reusable(const builder *b, const node *n, int32_t call)
{
    int first = 0, last = n->n_in;
    if (op_has(n->op, OP_RESIDUAL_IN_PLACE))
        first = n->attr.has_residual ? n->n_in - 1 : n->n_in;
    else if (!op_has(n->op, OP_IN_PLACE))
        return NONE;
    else if (n->n_in == 2 && !shape_equal(graph_shape(b->g, n->in[0]), graph_shape(b->g, n->in[1])))
        return NONE;
    const bk_shape *out = graph_shape(b->g, n->out[0]);
    for (int i = first; i < last; i++) {
        value from = op_storage(b->g, n->in[i]);
        int others = 0; /* a linear must not read the same memory as both x and residual */
        for (int j = 0; j < n->n_in; j++)
            others += j != i && op_storage(b->g, n->in[j]) == from;
        int32_t at = b->block_of[from];
        int same = bk_count(graph_shape(b->g, n->in[i])) == bk_count(out) &&
                   graph_shape(b->g, n->in[i])->dtype == out->dtype;
        if (same && !others && at >= 0 && b->blocks[at].kind == IN_ARENA && b->last_read[from] == call)
            return from;
    }
    return NONE;
}

static void place_output(builder *b, const node *n, int32_t o, int32_t call, int32_t slot)
{
    value v = n->out[o];
    if (slot >= 0) {
        b->block_of[v] = new_block(b, (block){.kind = OF_CALLER, .slot = slot});
        return;
    }
    if (o > 0 && b->last_read[v] < 0) /* it has no reader and needs no memory */
        return;
    value from = o == 0 ? reusable(b, n, call) : NONE;
    int32_t last = b->last_read[v] < call ? call : b->last_read[v];
    if (from != NONE) {
        b->block_of[v] = b->block_of[from];
        b->blocks[b->block_of[v]].last = last;
        return;
    }
    b->block_of[v] = new_block(
        b, (block){.kind = IN_ARENA, .bytes = bytes_of(graph_shape(b->g, v)), .first = call, .last = last});
}

static void make_blocks(builder *b, const int32_t *slot_of, int32_t *scratch_block)
{
    const graph *g = b->g;
    for (value v = 0; v < g->n_values; v++) {
        b->block_of[v] = -1;
        if (g->values[v].kind == VALUE_BOUND)
            b->block_of[v] = new_block(b, (block){.kind = OF_CALLER, .slot = g->values[v].slot});
        else if (g->values[v].kind == VALUE_CONSTANT)
            b->block_of[v] = new_block(b, (block){.kind = CONSTANT, .slot = g->values[v].slot});
    }
    int32_t call = 0;
    for (int32_t k = 0; k < b->list.n; k++) {
        const node *n = &b->list.nodes[k];
        if (b->list.dead[k] || is_view(n))
            continue;
        for (int32_t o = 0; o < n->n_out; o++)
            place_output(b, n, o, call, slot_of[n->out[o]]);
        size_t scratch = b->p->calls[call].scratch_bytes;
        scratch_block[call] = -1;
        if (scratch > 0)
            scratch_block[call] =
                new_block(b, (block){.kind = IN_ARENA, .bytes = scratch, .first = call, .last = call});
        call++;
    }
}

/* ---- placing blocks in the arena ---- */

static int larger_first(const void *x, const void *y)
{
    const block *a = *(const block *const *)x, *b = *(const block *const *)y;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return a < b ? -1 : a > b;
}

static int by_offset(const void *x, const void *y)
{
    const block *a = *(const block *const *)x, *b = *(const block *const *)y;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* Returns the lowest offset at which `fresh` overlaps none of placed[0..n-1] that are live at the same time.
 */
static size_t lowest_gap(const block *fresh, block **placed, block **rivals, int32_t n)
{
    int32_t m = 0;
    for (int32_t i = 0; i < n; i++)
        if (placed[i]->first <= fresh->last && fresh->first <= placed[i]->last)
            rivals[m++] = placed[i];
    qsort(rivals, (size_t)m, sizeof *rivals, by_offset);
    size_t at = 0;
    for (int32_t i = 0; i < m; i++) {
        if (rivals[i]->offset >= at + fresh->bytes)
            break;
        size_t end = rivals[i]->offset + rivals[i]->bytes;
        at = end > at ? end : at;
    }
    return at;
}

static status place_blocks(builder *b)
{
    mem *m = b->p->mem;
    void *sorted = NULL, *rivals = NULL;
    status s = mem_array(m, (size_t)b->n_blocks, sizeof(block *), &sorted);
    if (s == OK)
        s = mem_array(m, (size_t)b->n_blocks, sizeof(block *), &rivals);
    int32_t n = 0;
    block **list = sorted;
    for (int32_t i = 0; s == OK && i < b->n_blocks; i++) {
        if (b->blocks[i].kind != IN_ARENA)
            continue;
        b->blocks[i].bytes = (b->blocks[i].bytes + ALIGN - 1) / ALIGN * ALIGN;
        list[n++] = &b->blocks[i];
    }
    if (s == OK) {
        qsort(list, (size_t)n, sizeof *list, larger_first);
        for (int32_t i = 0; i < n; i++) {
            list[i]->offset = lowest_gap(list[i], list, rivals, i);
            size_t end = list[i]->offset + list[i]->bytes;
            if (end > b->p->arena_bytes)
                b->p->arena_bytes = end;
        }
    }
    mem_give(m, sorted);
    mem_give(m, rivals);
    return s;
}

/* ---- pointers ---- */

static void put(plan *p, int32_t call, int32_t operand, size_t offset)
{
    if (p->places)
        p->places[p->n_places++] = (place){offset, call, operand};
}

static void point(builder *b, int32_t call, int32_t operand, bk_tensor *t, value v)
{
    plan *p = b->p;
    int32_t at = b->block_of[op_storage(b->g, v)];
    if (at < 0)
        return;
    const block *k = &b->blocks[at];
    if (k->kind == OF_CALLER) {
        p->bindings[p->n_bindings++] = (bk_binding){call, operand, k->slot};
        if (k->slot >= p->n_bound)
            p->n_bound = k->slot + 1;
    } else if (k->kind == CONSTANT) {
        t->data = p->constants[k->slot];
    } else {
        put(p, call, operand, k->offset);
    }
}

static void point_all(builder *b, const int32_t *scratch_block)
{
    int32_t call = 0;
    for (int32_t k = 0; k < b->list.n; k++) {
        const node *n = &b->list.nodes[k];
        if (b->list.dead[k] || is_view(n))
            continue;
        bk_call *c = &b->p->calls[call];
        for (int32_t i = 0; i < n->n_in; i++)
            point(b, call, i, &c->in[i], n->in[i]);
        for (int32_t o = 0; o < n->n_out; o++)
            point(b, call, BK_MAX_IN + o, &c->out[o], n->out[o]);
        if (scratch_block[call] >= 0)
            put(b->p, call, SCRATCH, b->blocks[scratch_block[call]].offset);
        call++;
    }
}

static status find_held(builder *b)
{
    plan *p = b->p;
    const graph *g = b->g;
    void *held;
    for (value v = 0; v < g->n_values; v++)
        if (g->values[v].held >= p->n_held)
            p->n_held = g->values[v].held + 1;
    TRY(mem_array(p->mem, (size_t)p->n_held, sizeof(size_t), &held));
    p->held = held;
    for (int32_t i = 0; i < p->n_held; i++)
        p->held[i] = NOT_HELD;
    for (value v = 0; v < g->n_values; v++)
        if (g->values[v].held >= 0)
            p->held[g->values[v].held] = b->blocks[b->block_of[op_storage(g, v)]].offset;
    return OK;
}

/* The next values that wait in the arena. */
static status list_assignments(builder *b)
{
    plan *p = b->p;
    const graph *g = b->g;
    void *list;
    int32_t n = 0;
    for (value v = 0; v < g->n_values; v++)
        n += g->values[v].replaces != NONE;
    TRY(mem_zeros(p->mem, (size_t)n, sizeof(assignment), &list));
    p->assignments = list;
    for (value v = 0; v < g->n_values; v++) {
        value state = g->values[v].replaces;
        const block *k = state == NONE ? NULL : &b->blocks[b->block_of[op_storage(g, v)]];
        if (!k || k->kind != IN_ARENA)
            continue;
        int32_t slot = g->values[state].slot;
        p->assignments[p->n_assignments++] =
            (assignment){k->offset, bytes_of(&g->values[v].shape), g->values[v].shape, slot};
        if (slot >= p->n_bound)
            p->n_bound = slot + 1;
    }
    return OK;
}

static status copy_layers(builder *b)
{
    plan *p = b->p;
    void *list;
    TRY(mem_zeros(p->mem, (size_t)b->g->n_layers, sizeof(char *), &list));
    p->layers = list;
    p->n_layers = b->g->n_layers;
    for (int32_t i = 0; i < p->n_layers; i++)
        TRY(mem_text(p->mem, b->g->layers[i], &p->layers[i]));
    return OK;
}

static status copy_constants(builder *b)
{
    const graph *g = b->g;
    plan *p = b->p;
    void *list;
    TRY(mem_zeros(p->mem, (size_t)g->n_constants, sizeof(void *), &list));
    p->constants = list;
    TRY(mem_zeros(p->mem, (size_t)g->n_constants, sizeof(size_t), &list));
    p->constant_bytes = list;
    p->n_constants = g->n_constants;
    for (value v = 0; v < g->n_values; v++) {
        if (g->values[v].kind != VALUE_CONSTANT || b->list.uses[v] == 0)
            continue;
        int32_t i = g->values[v].slot;
        p->constant_bytes[i] = bytes_of(&g->values[v].shape);
        TRY(device_take(p->dev, p->mem, p->constant_bytes[i], &p->constants[i]));
        TRY(device_write(p->dev, p->constants[i], g->constants[i], p->constant_bytes[i]));
    }
    return OK;
}

/* ---- the whole ---- */

/* Lays out, one after the other, the memory that calls keep between runs; without an arena it is only
 * counted. */
static void count_kept(plan *p)
{
    for (int32_t i = 0; i < p->n_calls; i++)
        p->kept_bytes += (p->calls[i].kept_bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static status take_kept(plan *p)
{
    size_t at = 0;
    if (p->kept_bytes == 0)
        return OK;
    TRY(device_take(p->dev, p->mem, p->kept_bytes, &p->kept));
    for (int32_t i = 0; i < p->n_calls; i++) {
        bk_call *c = &p->calls[i];
        if (c->kept_bytes > 0)
            c->kept = (unsigned char *)p->kept + at;
        at += (c->kept_bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    return OK;
}

static status builder_open(builder *b, void *work[5])
{
    mem *m = b->p->mem;
    size_t values = (size_t)b->g->n_values, calls = (size_t)b->g->n_nodes;
    TRY(node_list_create(b->g, &b->list));
    TRY(mem_array(m, values, sizeof(int32_t), &work[0]));
    TRY(mem_array(m, values, sizeof(int32_t), &work[1]));
    TRY(mem_array(m, values, sizeof(int32_t), &work[2]));
    TRY(mem_array(m, calls, sizeof(int32_t), &work[3]));
    TRY(mem_array(m, values + calls, sizeof(block), &work[4]));
    b->block_of = work[0];
    b->last_read = work[1];
    b->blocks = work[4];
    return OK;
}

static status take_pointers(plan *p, int flags)
{
    void *list;
    TRY(mem_array(p->mem, (size_t)p->n_calls * (BK_MAX_IN + BK_MAX_OUT), sizeof(bk_binding), &list));
    p->bindings = list;
    if (!(flags & (PLAN_ARENA | PLAN_LENT)))
        return OK;
    TRY(mem_array(p->mem, (size_t)p->n_calls * (SCRATCH + 1), sizeof(place), &list));
    p->places = list;
    return OK;
}

static status take_arena(plan *p)
{
    void *arena;
    TRY(device_take(p->dev, p->mem, p->arena_bytes, &arena));
    return plan_lend(p, arena);
}

static status build(builder *b, int flags, void *work[5])
{
    plan *p = b->p;
    TRY(builder_open(b, work));
    drop_dead(&b->list);
    fuse_pairs(&b->list);
    TRY(prepare_calls(b));
    count_kept(p);
    TRY(copy_layers(b));
    TRY(copy_constants(b));
    int32_t *slot_of = work[2], *scratch_block = work[3];
    find_outputs(b, slot_of);
    find_last_reads(b);
    find_assignments(b, slot_of);
    make_blocks(b, slot_of, scratch_block);
    TRY(place_blocks(b));
    TRY(take_pointers(p, flags));
    if (flags & (PLAN_ARENA | PLAN_LENT))
        TRY(take_kept(p));
    point_all(b, scratch_block);
    TRY(list_assignments(b));
    TRY(find_held(b));
    if (flags & PLAN_ARENA)
        return take_arena(p);
    return flags & PLAN_LENT ? OK : plan_load(p);
}

status plan_create(const graph *g, device dev, int flags, plan **out)
{
    *out = NULL;
    TRY(graph_status(g));
    void *made, *work[5] = {NULL};
    TRY(mem_zeros(g->mem, 1, sizeof(plan), &made));
    plan *p = made;
    p->mem = g->mem;
    p->dev = dev;
    p->in_place = (flags & PLAN_IN_PLACE) != 0;
    p->is_lent = (flags & PLAN_LENT) != 0;
    builder b = {.g = g, .p = p, .list = {.g = g}};
    status s = build(&b, flags, work);
    node_list_free(&b.list);
    for (int i = 0; i < 5; i++)
        mem_give(p->mem, work[i]);
    if (s != OK)
        plan_free(p);
    else
        *out = p;
    return s;
}
