/* SPDX-License-Identifier: Apache-2.0 */
/* norm.c - batch norm and group norm as layers. */
#include "nn/norm.h"

/* `layer.part` follows the batch: what an earlier use of the layer in this graph left, moved by `momentum`.
 */
static void follow(nn *n, layer_name layer, const char *part, value batch, double momentum)
{
    graph *g = n->g;
    value state = nn_buffer(n, layer, part);
    if (g->error != OK)
        return;
    value kept = op_affine(g, graph_latest(g, state), 1 - momentum, 0);
    graph_assign(g, state, op_add(g, kept, op_affine(g, batch, momentum, 0)));
}

/* Numbers of each channel. */
static int64_t numbers_of(const graph *g, value x)
{
    return g->error == OK && x != NONE ? bk_count(graph_shape(g, x)) / graph_dim(g, x, -1) : 2;
}

static value with_batch_statistics(nn *n, layer_name layer, value x, batch_norm how)
{
    graph *g = n->g;
    int64_t count = numbers_of(g, x);
    if (count < 2)
        return graph_fail(g, fail(ERR_ARGUMENT,
                                  "batch norm %s%s: the batch gives one number for each channel, and a "
                                  "variance needs at least 2: use a larger batch",
                                  n->prefix, layer.text));
    batch_moments m;
    value y = op_batch_norm(g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"), how.eps,
                            how.slope, &m);
    if (how.from == NORM_UPDATE) {
        double share = how.biased ? 1 : (double)count / (double)(count - 1);
        follow(n, layer, "running_mean", m.mean, how.momentum);
        follow(n, layer, "running_var", op_affine(g, m.variance, share, 0), how.momentum);
    }
    return y;
}

static value with_frozen_estimates(nn *n, layer_name layer, value x, batch_norm how)
{
    graph *g = n->g;
    value off = op_sub(g, x, nn_weight(n, layer, "running_mean"));
    value deviation = op_sqrt(g, op_affine(g, nn_weight(n, layer, "running_var"), 1, how.eps));
    value y = op_mul(g, op_div(g, off, deviation), nn_weight(n, layer, "weight"));
    y = op_add(g, y, nn_weight(n, layer, "bias"));
    return how.slope == 1 ? y : op_leaky_relu(g, y, how.slope);
}

value nn_batch_norm(nn *n, layer_name layer, value x, batch_norm how)
{
    nn_enter(n, layer);
    if (how.from == NORM_FROZEN)
        return with_frozen_estimates(n, layer, x, how);
    if (how.from != NORM_RUNNING)
        return with_batch_statistics(n, layer, x, how);
    value y = op_batch_norm_inference(n->g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"),
                                      nn_weight(n, layer, "running_mean"), nn_weight(n, layer, "running_var"),
                                      how.eps);
    return how.slope == 1 ? y : op_leaky_relu(n->g, y, how.slope);
}

value nn_group_norm(nn *n, layer_name layer, value x, int groups, double slope)
{
    nn_enter(n, layer);
    return op_group_norm(n->g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"), groups, 1e-5,
                         slope);
}
