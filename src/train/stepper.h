/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.h - one optimisation step of a task that trains: losses and gradients by one planned graph, then
 * Adam. Knows nothing of data sets, epochs or files; slmt_trainer does. */
#ifndef SLMT_TRAIN_STEPPER_H
#define SLMT_TRAIN_STEPPER_H

#include <stdatomic.h>

#include "core/profile.h"
#include "core/task.h"
#include "lib/plan.h"

enum { STEPPER_LOSSES = 4 }; /* at most: outputs of a task that trains */

typedef struct stepper {
    slmt_context *context;
    task task; /* its model is borrowed */
    plan *plan;
    slmt_profile *profile; /* or NULL */
    plan *update;          /* Adam on every tensor that has a gradient, in place */
    void **bound, **update_bound;
    unsigned char *has_gradient; /* by tensor */
    double scalars[3];           /* of BK_ADAM */
    size_t trained;          /* reals of the flat arrays that Adam covers: up to the last trained tensor */
    void *moment1, *moment2; /* trained reals each; where nothing is trained they stay 0 */
    void *frozen;            /* the task's frozen tensors as they were, laid out as the model's; or NULL */
    size_t frozen_reals;
    uint64_t step;            /* steps done */
    void *data[METHOD_PORTS]; /* one batch of inputs */
    double *draws;            /* random numbers of a step */
    size_t n_draws;
    void *room;
    double losses[STEPPER_LOSSES]; /* room for one real each */
} stepper;

/* Takes all memory (or counts it, y->dry) and plans. On failure call stepper_close. */
status stepper_open(stepper *s, slmt_context *context, const task *t, dry_run *y);
void stepper_close(stepper *s);

/* Steps from now on write to the profile; NULL: to none. On failure nothing has changed. */
status stepper_profile(stepper *s, slmt_profile *profile);

/* One step. given: by input of the task, the caller's values (hidden ones NULL), finite. draws: s->n_draws
 * numbers in [0,1). loss: by output. On any status but OK the model and the moments are as before. */
status stepper_run(stepper *s, const void *const *given, double *draws, double epoch, double rate,
                   const atomic_int *cancel, double loss[STEPPER_LOSSES]);

/* The last step's gradient of tensor k; NULL for a tensor without one. */
const void *stepper_gradient(const stepper *s, int32_t k);

#endif
