/* SPDX-License-Identifier: Apache-2.0 */
/* batch_norm.c - batch norm as papers use it: with the statistics of the batch, or with given ones, in which
 * case it is folded into the layer before it. */
#include "lib/ops.h"
#include "lib/ops/rules.h"

value op_batch_norm(graph *g, value x, value gain, value bias, double eps, double slope,
                    batch_moments *moments)
{
    if (moments)
        *moments = (batch_moments){NONE, NONE};
    if (g->error != OK || x == NONE)
        return NONE;
    bk_shape s = *graph_shape(g, x);
    int64_t channels = s.dim[s.rank - 1];
    value y = op_group_norm(g, op_view(g, x, 3, 1, -1, channels), gain, bias, (int)channels, eps, slope);
    if (y != NONE && moments) {
        node made = g->nodes[g->values[y].node];
        moments->mean = op_view(g, made.out[1], 1, channels);
        moments->variance = op_view(g, made.out[2], 1, channels);
    }
    return op_reshape(g, y, s.rank, s.dim);
}

static int has_reader(const graph *g, value v)
{
    int any = g->values[v].output >= 0 || g->values[v].held >= 0;
    for (int32_t k = 0; !any && k < g->n_nodes; k++)
        for (int32_t i = 0; i < g->nodes[k].n_in; i++)
            any |= g->nodes[k].in[i] == v;
    return any;
}

/* The layer that computes x is x = w . + b, with a row of w for each output channel, and x has no other
 * reader so far. */
static int ends_a_layer(const graph *g, value x)
{
    if (g->values[x].kind != VALUE_NODE)
        return 0;
    const node *n = &g->nodes[g->values[x].node];
    return (n->op == BK_CONV || n->op == BK_LINEAR) && n->attr.activation == BK_ACT_NONE &&
           !n->attr.has_residual && !bk_is_half(graph_shape(g, n->in[1])->dtype) && !has_reader(g, x);
}

/* scale (w . + b) + shift = (scale w) . + (scale b + shift). The original layer then has no reader. */
static value fold_into_layer(graph *g, value x, value scale, value shift)
{
    node n = g->nodes[g->values[x].node];
    int64_t row[BK_MAX_RANK] = {graph_dim(g, n.in[1], 0), 1, 1, 1, 1, 1};
    value weight = op_mul(g, n.in[1], op_reshape(g, scale, graph_shape(g, n.in[1])->rank, row));
    if (n.attr.has_bias)
        shift = op_add(g, op_mul(g, n.in[2], scale), shift);
    n.attr.has_bias = 1;
    return graph_node(g, n.op, &n.attr, (const value[]){n.in[0], weight, shift}, 3, NULL);
}

value op_batch_norm_inference(graph *g, value x, value gain, value bias, value mean, value variance,
                              double eps)
{
    value scale = op_div(g, gain, op_sqrt(g, op_affine(g, variance, 1, eps)));
    value shift = op_sub(g, bias, op_mul(g, mean, scale));
    if (g->error != OK || x == NONE)
        return NONE;
    if (ends_a_layer(g, x))
        return fold_into_layer(g, x, scale, shift);
    return op_add(g, op_mul(g, x, scale), shift);
}
