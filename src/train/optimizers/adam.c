/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c - Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019): one fused op. */
#include <math.h>

#include "lib/ops.h"
#include "train/optimizers/optimizer.h"

static void scalars_adam(const optimizer_settings *set, double rate, double t, double *scalar)
{
    scalar[0] = rate / (1 - pow(set->beta1, t));
    scalar[1] = sqrt(1 - pow(set->beta2, t));
    scalar[2] = 1;
}

static void scalars_adamw(const optimizer_settings *set, double rate, double t, double *scalar)
{
    scalars_adam(set, rate, t, scalar);
    scalar[2] = 1 - rate * set->weight_decay;
}

/* Both moments are means of the same gradients, of which the first weighs each by beta1^age and the second
 * its square by beta2^age: the inequality of Cauchy and Schwarz. */
static double most_adam(const optimizer_settings *set)
{
    double apart = 1 - set->beta1 * set->beta1 / set->beta2;
    return apart > 0 ? (1 - set->beta1) / sqrt((1 - set->beta2) * apart) : INFINITY;
}

static void step_of(const update_values *u, value gradient)
{
    adam_values now = {u->weight, u->state[0], u->state[1]};
    adam_values next = op_adam(u->g, now, gradient, u->exact,
                               (adam_settings){u->set->beta1, u->set->beta2, u->set->epsilon});
    graph_assign(u->g, now.weight, next.weight);
    graph_assign(u->g, now.moment1, next.moment1);
    graph_assign(u->g, now.moment2, next.moment2);
}

static void build_adam(const update_values *u)
{
    step_of(u, decayed_gradient(u));
}

static void build_adamw(const update_values *u)
{
    step_of(u, u->gradient);
}

const optimizer optimizer_adam = {.name = "adam",
                                  .n_states = 2,
                                  .states = {{"moment1", 0}, {"moment2", 1}},
                                  .scalars = scalars_adam,
                                  .build = build_adam,
                                  .most = most_adam};

const optimizer optimizer_adamw = {.name = "adamw",
                                   .n_states = 2,
                                   .states = {{"moment1", 0}, {"moment2", 1}},
                                   .scalars = scalars_adamw,
                                   .build = build_adamw,
                                   .most = most_adam};
