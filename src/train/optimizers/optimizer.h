/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.h - what turns gradients into changes of weights: one row for each optimiser.
 *
 * A row's build() adds ordinary nodes to an update graph, so that each optimiser runs on every backend and in
 * both types. Numbers that change from step to step are bound scalars, and no graph is built again for them.
 */
#ifndef SLMT_TRAIN_OPTIMIZERS_OPTIMIZER_H
#define SLMT_TRAIN_OPTIMIZERS_OPTIMIZER_H

#include "lib/graph.h"

enum { OPTIMIZER_STATES = 2, OPTIMIZER_SCALARS = 3 }; /* at most */

typedef struct optimizer_settings {
    double beta1, beta2, epsilon, momentum, nesterov, weight_decay, trust, vector_rate;
} optimizer_settings;

/* One tensor of a set in an update graph. */
typedef struct update_values {
    graph *g;
    const optimizer_settings *set;
    value weight, gradient;          /* the weight is a state, which build() assigns */
    value state[OPTIMIZER_STATES];   /* likewise; of the weight's shape, zeros at first */
    value scalar[OPTIMIZER_SCALARS]; /* rank 0, in the graph's real type */
    value exact;                     /* the same as one vector of OPTIMIZER_SCALARS float64 */
} update_values;

typedef struct optimizer_state {
    const char *name;       /* of the group that holds it in a checkpoint: /training/NAME */
    int32_t is_nonnegative; /* a mean of squares: a file that says otherwise is refused */
} optimizer_state;

typedef struct optimizer {
    const char *name;
    int32_t n_states;
    optimizer_state states[OPTIMIZER_STATES];
    /* The scalars of update t, from 1. */
    void (*scalars)(const optimizer_settings *set, double rate, double t, double scalar[OPTIMIZER_SCALARS]);
    void (*build)(const update_values *u);
    /* Returns how many times the square root of the second state the first can be at most, whatever the
     * gradients were; INFINITY: any number. NULL: the states have nothing to do with each other. */
    double (*most)(const optimizer_settings *set);
} optimizer;

extern const optimizer optimizer_sgd, optimizer_adam, optimizer_adamw, optimizer_lars;

/* Returns the row of a choice of setting `optimizer`, OPTIMIZER_...; NULL past the last. */
const optimizer *optimizer_at(int32_t index);
const optimizer *optimizer_named(const char *name); /* NULL: none */

/* gradient + weight_decay * weight; the gradient itself without decay. */
value decayed_gradient(const update_values *u);

#endif
