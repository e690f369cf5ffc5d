/* SPDX-License-Identifier: Apache-2.0 */
/* label_loss.c - the losses of fine-tuning, as the authors' code has them. */
#include "methods/contrastive/losses.h"

static value sum_pixels(graph *g, value x)
{
    uint32_t last = g->error == OK ? 1u << (graph_shape(g, x)->rank - 1) : 0;
    return op_sum(g, x, last - 2); /* all axes but the first and the last */
}

static value without_background(graph *g, value x)
{
    if (g->error != OK)
        return NONE;
    int last = graph_shape(g, x)->rank - 1;
    return op_slice(g, x, last, 1, graph_dim(g, x, last) - 1);
}

value overlap_loss(graph *g, value p, value target, int foreground)
{
    if (foreground) {
        p = without_background(g, p);
        target = without_background(g, target);
    }
    value both = op_affine(g, sum_pixels(g, op_mul(g, p, target)), 2, 0);
    value size = op_affine(g, op_add(g, sum_pixels(g, p), sum_pixels(g, target)), 1, 1e-10);
    return op_affine(g, op_mean_all(g, op_div(g, both, size)), -1, 1);
}

/* Unlike other weighted cross-entropies it is not divided by the sum of the weights; a pixel's weight is that
 * of its target. */
value weighted_cross_entropy(graph *g, value logits, value target)
{
    double weight[64];
    int64_t classes = g->error == OK ? graph_dim(g, logits, -1) : 2;
    for (int64_t k = 0; k < classes && k < 64; k++)
        weight[k] = k == 0 ? 0.1 : 0.9 / (double)(classes - 1);
    value w = op_mul(g, target, graph_constant(g, shape_of(g->real, 1, &classes), weight));
    uint32_t last = g->error == OK ? 1u << (graph_shape(g, logits)->rank - 1) : 0;
    value all = op_mul(g, op_sum(g, target, last), op_log_sum_exp(g, logits, last));
    value loss = op_sub(g, all, op_sum(g, op_mul(g, logits, target), last));
    return op_mean_all(g, op_mul(g, loss, op_sum(g, w, last)));
}
