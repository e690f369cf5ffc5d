/* SPDX-License-Identifier: Apache-2.0 */
/* random.c - random numbers inside a graph.
 *
 * They are a pure function of a key, which is bound anew for each step (random_key() in lib/random.h), and of
 * the node's purpose. A plan therefore draws new numbers in each step, the same ones on every backend; and a
 * value that is computed again (recompute.h) has the same numbers, so that recomputing these ops is safe.
 * They are hoisted (fold.h) if the key is invariant, because then no step changes them. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

static status shape_random(const op_args *a, bk_shape *out)
{
    const bk_shape *key = a->in[0];
    return key->dtype == BK_I32 && key->rank == 1 && key->dim[0] == 4 && out[0].dtype != BK_I32
               ? OK
               : shape_error(a, "expected an int32 key[4] and a real shape to fill");
}

static void grad_none(graph *g, const node *n, const value *dy, value *dx)
{
    (void)g, (void)n, (void)dy, (void)dx;
}

OP_RULE(UNIFORM, uniform, .arity = {1, 1, 1}, .shape = shape_random, .gradient = grad_none,
        .traits = OP_CHEAP);
OP_RULE(NORMAL, normal, .arity = {1, 1, 1}, .shape = shape_random, .gradient = grad_none, .traits = OP_CHEAP);

static value draw(graph *g, bk_op op, value key, uint64_t purpose, const bk_shape *shape)
{
    bk_shape s = *shape;
    s.dtype = g->real;
    return graph_node(g, op, &(bk_attr){.purpose = purpose}, &key, 1, &s);
}

value op_uniform(graph *g, value key, uint64_t purpose, const bk_shape *shape)
{
    return draw(g, BK_UNIFORM, key, purpose, shape);
}

value op_normal(graph *g, value key, uint64_t purpose, const bk_shape *shape)
{
    return draw(g, BK_NORMAL, key, purpose, shape);
}

value op_bernoulli(graph *g, value key, uint64_t purpose, const bk_shape *shape, double odds)
{
    return op_less(g, op_uniform(g, key, purpose, shape), op_number(g, odds));
}

value op_dropout(graph *g, value x, value key, uint64_t purpose, double rate)
{
    if (g->error != OK || x == NONE || rate <= 0)
        return x;
    if (rate >= 1)
        return op_affine(g, x, 0, 0);
    bk_shape shape = *graph_shape(g, x); /* a copy: a new node may move the shapes of the graph */
    value kept = op_bernoulli(g, key, purpose, &shape, 1 - rate);
    return op_mul(g, x, op_affine(g, kept, 1 / (1 - rate), 0));
}
