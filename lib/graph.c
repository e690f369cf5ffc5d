/* SPDX-License-Identifier: Apache-2.0 */
/* graph.c - building a graph: values, nodes, outputs. Gradients are in gradient.c, op rules in ops/. */
#include "lib/graph.h"

#include <stdio.h>
#include <string.h>

#include "lib/ops/rules.h"
#include "lib/size.h"

status graph_create(mem *m, bk_dtype real, graph **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof(graph), &p));
    *out = p;
    (*out)->mem = m;
    (*out)->real = real;
    (*out)->layer = -1;
    return OK;
}

void graph_free(graph *g)
{
    if (!g)
        return;
    for (int32_t i = 0; i < g->n_constants; i++)
        mem_give(g->mem, g->constants[i]);
    mem_give(g->mem, g->constants);
    for (int32_t i = 0; i < g->n_layers; i++)
        mem_give(g->mem, g->layers[i]);
    mem_give(g->mem, g->layers);
    mem_give(g->mem, g->bound);
    mem_give(g->mem, g->values);
    mem_give(g->mem, g->nodes);
    mem_give(g->mem, g);
}

status graph_status(const graph *g)
{
    return g->error;
}

value graph_fail(graph *g, status code)
{
    if (g->error == OK)
        g->error = code;
    return NONE;
}

bk_shape shape_of(bk_dtype dtype, int32_t rank, const int64_t *dim)
{
    bk_shape s = {.dtype = dtype, .rank = rank};
    for (int32_t i = 0; i < rank; i++)
        s.dim[i] = dim[i];
    return s;
}

const char *shape_text(const bk_shape *s, char text[128])
{
    size_t at = 0;
    at += (size_t)snprintf(text, 128, "[");
    for (int32_t i = 0; i < s->rank && at < 100; i++)
        at += (size_t)snprintf(text + at, 128 - at, i ? ",%lld" : "%lld", (long long)s->dim[i]);
    snprintf(text + at, 128 - at, "]");
    return text;
}

const bk_shape *graph_shape(const graph *g, value v)
{
    return &g->values[v].shape;
}

int64_t graph_dim(const graph *g, value v, int axis)
{
    if (g->error != OK || v == NONE)
        return 1;
    const bk_shape *s = graph_shape(g, v);
    return s->dim[axis < 0 ? s->rank + axis : axis];
}

/* Makes room for one more element in a growing array. */
static status grow(mem *m, void **array, int32_t used, int32_t *capacity, size_t size)
{
    if (used < *capacity)
        return OK;
    int32_t more = *capacity ? *capacity * 2 : 64;
    TRY(mem_resize(m, array, (size_t)more, size));
    *capacity = more;
    return OK;
}

value graph_add_value(graph *g, value_info info)
{
    status s = size_check(&info.shape, "an array of the network");
    if (s == OK)
        s = grow(g->mem, (void **)&g->values, g->n_values, &g->cap_values, sizeof *g->values);
    if (s != OK)
        return graph_fail(g, s);
    info.output = info.held = -1;
    info.next = info.replaces = NONE;
    g->values[g->n_values] = info;
    return g->n_values++;
}

static status room_for_slot(graph *g, int32_t slot)
{
    if (slot < 0)
        return fail(ERR_INTERNAL, "slot %d is below 0", slot);
    while (slot >= g->cap_bound)
        TRY(grow(g->mem, (void **)&g->bound, g->cap_bound, &g->cap_bound, sizeof *g->bound));
    while (g->n_bound <= slot)
        g->bound[g->n_bound++] = NONE;
    return OK;
}

static value slot_mismatch(graph *g, int32_t slot, const bk_shape *shape)
{
    char is[128], asked[128];
    const bk_shape *first = &g->values[g->bound[slot]].shape;
    return graph_fail(g,
                      fail(ERR_INTERNAL, "slot %d is bound as %s of type %d and again as %s of type %d", slot,
                           shape_text(first, is), first->dtype, shape_text(shape, asked), shape->dtype));
}

value graph_bound(graph *g, int32_t slot, bk_shape shape)
{
    if (g->error != OK)
        return NONE;
    status s = room_for_slot(g, slot);
    if (s != OK)
        return graph_fail(g, s);
    if (g->bound[slot] == NONE)
        g->bound[slot] =
            graph_add_value(g, (value_info){.shape = shape, .kind = VALUE_BOUND, .node = -1, .slot = slot});
    else if (!shape_equal(&g->values[g->bound[slot]].shape, &shape))
        return slot_mismatch(g, slot, &shape);
    return g->bound[slot];
}

value graph_state(graph *g, int32_t slot, bk_shape shape)
{
    value v = graph_bound(g, slot, shape);
    if (v != NONE)
        g->values[v].state = 1;
    return v;
}

static void store(void *block, bk_dtype dtype, int64_t i, double x)
{
    if (dtype == BK_F32)
        ((float *)block)[i] = (float)x;
    else if (dtype == BK_F64)
        ((double *)block)[i] = x;
    else
        ((int32_t *)block)[i] = (int32_t)x;
}

value graph_constant(graph *g, bk_shape shape, const double *values)
{
    if (g->error != OK)
        return NONE;
    if (bk_is_half(shape.dtype))
        return graph_fail(g, fail(ERR_INTERNAL, "a constant is not stored as 16-bit floats"));
    int64_t n = 0;
    void *block;
    status s = size_check(&shape, "a constant of the network");
    if (s == OK) {
        n = bk_count(&shape);
        s = grow(g->mem, (void **)&g->constants, g->n_constants, &g->cap_constants, sizeof *g->constants);
    }
    if (s == OK)
        s = mem_array(g->mem, (size_t)n, bk_dtype_size(shape.dtype), &block);
    if (s != OK)
        return graph_fail(g, s);
    for (int64_t i = 0; i < n; i++)
        store(block, shape.dtype, i, values[i]);
    g->constants[g->n_constants] = block;
    return graph_add_value(
        g, (value_info){.shape = shape, .kind = VALUE_CONSTANT, .node = -1, .slot = g->n_constants++});
}

int graph_is_root(const graph *g, value v)
{
    const value_info *info = &g->values[v];
    return info->output >= 0 || info->held >= 0 || info->replaces != NONE;
}

static int is_output(const graph *g, value root)
{
    for (value v = 0; v < g->n_values; v++)
        if (graph_is_root(g, v) && op_storage(g, v) == root)
            return 1;
    return 0;
}

/* Returns v, or a copy of v if another output already owns its memory. */
static value own_memory(graph *g, value v)
{
    if (g->error != OK || v == NONE)
        return NONE;
    value root = op_storage(g, v);
    if (g->values[root].kind == VALUE_NODE && !is_output(g, root))
        return v;
    bk_attr copy = {.alpha = 1};
    return graph_node(g, BK_AFFINE, &copy, &v, 1, NULL);
}

void graph_output(graph *g, value v, int32_t slot)
{
    v = own_memory(g, v);
    if (v != NONE)
        g->values[v].output = slot;
}

void graph_invariant(graph *g, const unsigned char *invariant, int32_t n_slots)
{
    for (value v = 0; v < g->n_values; v++) {
        value_info *info = &g->values[v];
        if (info->kind == VALUE_BOUND && info->slot < n_slots)
            info->invariant = invariant[info->slot];
    }
}

void graph_hold(graph *g, value v, int32_t held)
{
    v = own_memory(g, v);
    if (v != NONE)
        g->values[v].held = held;
}

static status check_assign(const graph *g, value state, value next)
{
    char is[128], has[128];
    const value_info *info = &g->values[state];
    if (info->kind != VALUE_BOUND || !info->state)
        return fail(ERR_INTERNAL, "only a state can be assigned");
    if (shape_equal(&info->shape, graph_shape(g, next)))
        return OK;
    return fail(ERR_INTERNAL, "the state of slot %d is %s, its next value %s, or of another type", info->slot,
                shape_text(&info->shape, is), shape_text(graph_shape(g, next), has));
}

void graph_assign(graph *g, value state, value next)
{
    if (g->error != OK || state == NONE || next == NONE)
        return;
    status s = check_assign(g, state, next);
    if (s != OK) {
        graph_fail(g, s);
        return;
    }
    if (g->values[state].next != NONE)
        g->values[g->values[state].next].replaces = NONE;
    g->values[state].next = NONE;
    next = own_memory(g, next);
    if (next == NONE)
        return;
    g->values[state].next = next;
    g->values[next].replaces = state;
}

value graph_latest(const graph *g, value state)
{
    return g->error != OK || state == NONE || g->values[state].next == NONE ? state : g->values[state].next;
}

void graph_layer(graph *g, const char *name)
{
    if (g->error != OK)
        return;
    for (g->layer = g->n_layers - 1; g->layer >= 0; g->layer--)
        if (strcmp(g->layers[g->layer], name) == 0)
            return;
    char *copy;
    status s = grow(g->mem, (void **)&g->layers, g->n_layers, &g->cap_layers, sizeof *g->layers);
    if (s == OK)
        s = mem_text(g->mem, name, &copy);
    if (s != OK) {
        graph_fail(g, s);
        return;
    }
    g->layer = g->n_layers;
    g->layers[g->n_layers++] = copy;
}

/* 16-bit floats are only allowed as the weights of linear layers. */
static int reads_half(const node *n, int32_t input)
{
    return op_has(n->op, OP_VIEW) || (op_has(n->op, OP_HALF_WEIGHT) && input == 1);
}

static status infer(graph *g, const node *n, const bk_shape *wanted, bk_shape out[BK_MAX_OUT])
{
    const op_rule *rule = op_rules[n->op];
    const bk_shape *in[BK_MAX_IN];
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = graph_shape(g, n->in[i]);
        if (bk_is_half(in[i]->dtype) && !reads_half(n, i))
            return fail(ERR_INTERNAL, "op %s reads 16-bit floats: only the weight of a linear layer may be",
                        rule->name);
    }
    if (wanted)
        out[0] = *wanted;
    op_args args = {.rule = rule, .attr = &n->attr, .n_in = n->n_in, .in = in};
    return rule->shape(&args, out);
}

value graph_node(graph *g, bk_op op, const bk_attr *attr, const value *in, int32_t n_in,
                 const bk_shape *wanted)
{
    if (g->error != OK)
        return NONE;
    const op_rule *rule = op_rules[op];
    if (n_in < rule->arity.min_in || n_in > rule->arity.max_in)
        return graph_fail(g, fail(ERR_INTERNAL, "%s takes %d to %d inputs, not %d", rule->name,
                                  rule->arity.min_in, rule->arity.max_in, n_in));
    node n = {.op = op, .attr = *attr, .n_in = n_in, .n_out = rule->arity.n_out};
    n.layer = g->layer;
    n.backward = g->backward;
    for (int32_t i = 0; i < n_in; i++) {
        if (in[i] == NONE)
            return graph_fail(g, fail(ERR_INTERNAL, "input %d of %s is missing", i, rule->name));
        n.in[i] = in[i];
    }
    bk_shape out[BK_MAX_OUT] = {{0}};
    status s = infer(g, &n, wanted, out);
    if (s == OK)
        s = grow(g->mem, (void **)&g->nodes, g->n_nodes, &g->cap_nodes, sizeof *g->nodes);
    if (s != OK)
        return graph_fail(g, s);
    for (int32_t k = 0; k < n.n_out; k++) {
        n.out[k] = graph_add_value(
            g, (value_info){.shape = out[k], .kind = VALUE_NODE, .node = g->n_nodes, .index = k});
        if (n.out[k] == NONE)
            return NONE;
    }
    g->nodes[g->n_nodes++] = n;
    return n.out[0];
}
