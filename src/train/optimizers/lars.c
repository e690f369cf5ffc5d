/* SPDX-License-Identifier: Apache-2.0 */
/* lars.c - layer-wise rates (You, Gitman & Ginsburg 2017), as in Barlow Twins' code: u = g + decay w,
 * q = trust |w| / |u| where both norms are above 0, else 1; m' = mu m + q u; w' = w - rate m'. Tensors of one
 * axis (biases, gains) take u = g and q = 1, and have a rate of their own: rate times vector_rate. */
#include "lib/ops.h"
#include "train/optimizers/optimizer.h"

static void scalars_lars(const optimizer_settings *set, double rate, double t, double *scalar)
{
    (void)t;
    scalar[0] = rate;
    scalar[1] = rate * set->vector_rate;
    scalar[2] = 0;
}

static value norm(graph *g, value x)
{
    return op_sqrt(g, op_sum_all(g, op_mul(g, x, x)));
}

/* both trust |w| / |u| + (1 - both), both = 1 where neither norm is 0. */
static value trust_ratio(const update_values *u, value way)
{
    graph *g = u->g;
    double tiny = 1e-30;
    value least = graph_constant(g, shape_of(g->real, 0, NULL), &tiny);
    value w = norm(g, u->weight), d = norm(g, way);
    value both = op_mul(g, op_step(g, w, 0), op_step(g, d, 0));
    value ratio = op_div(g, op_affine(g, w, u->set->trust, 0), op_maximum(g, d, least));
    return op_add(g, op_mul(g, both, ratio), op_affine(g, both, -1, 1));
}

static void build_lars(const update_values *u)
{
    graph *g = u->g;
    value way = u->gradient, rate = u->scalar[1];
    if (u->weight != NONE && graph_shape(g, u->weight)->rank > 1) {
        way = decayed_gradient(u);
        way = op_mul(g, way, trust_ratio(u, way));
        rate = u->scalar[0];
    }
    value momentum = op_add(g, op_affine(g, u->state[0], u->set->momentum, 0), way);
    graph_assign(g, u->state[0], momentum);
    graph_assign(g, u->weight, op_sub(g, u->weight, op_mul(g, momentum, rate)));
}

const optimizer optimizer_lars = {
    .name = "lars", .n_states = 1, .states = {{"momentum", 0}}, .scalars = scalars_lars, .build = build_lars};
