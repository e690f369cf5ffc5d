/* SPDX-License-Identifier: Apache-2.0 */
/* sgd.c - gradient descent with momentum: u = g + decay w; m' = mu m + u; w' = w - rate m', or with
 * Nesterov's momentum w' = w - rate (u + mu m'). */
#include "lib/ops.h"
#include "train/optimizers/optimizer.h"

static void scalars_sgd(const optimizer_settings *set, double rate, double t, double *scalar)
{
    (void)set, (void)t;
    scalar[0] = rate;
    scalar[1] = scalar[2] = 0;
}

static void build_sgd(const update_values *u)
{
    graph *g = u->g;
    double mu = u->set->momentum;
    value way = decayed_gradient(u), momentum = op_add(g, op_affine(g, u->state[0], mu, 0), way);
    graph_assign(g, u->state[0], momentum);
    value change = u->set->nesterov != 0 ? op_add(g, way, op_affine(g, momentum, mu, 0)) : momentum;
    graph_assign(g, u->weight, op_sub(g, u->weight, op_mul(g, change, u->scalar[0])));
}

const optimizer optimizer_sgd = {
    .name = "sgd", .n_states = 1, .states = {{"momentum", 0}}, .scalars = scalars_sgd, .build = build_sgd};
