/* SPDX-License-Identifier: Apache-2.0 */
/* stepper.h - one optimisation step of either stage: loss and gradients by one planned graph, then Adam.
 *
 * Knows nothing of data sets, epochs or files; slmt_trainer does. */
#ifndef SLMT_TRAIN_STEPPER_H
#define SLMT_TRAIN_STEPPER_H

#include <stdatomic.h>

#include "api/model.h"
#include "api/profile.h"
#include "api/tally.h"
#include "lib/plan.h"
#include "slmt/trainer.h"

typedef struct stepper {
    slmt_context *context;
    slmt_model *model; /* borrowed */
    slmt_trainer_config config;
    plan *plan;
    slmt_profile *profile; /* or NULL */
    int32_t adam_entry;    /* in the profile */
    void **bound;
    int32_t n_bound;
    size_t trained;          /* reals of the flat arrays that Adam covers: the Edge-MAE's, or all */
    void *moment1, *moment2; /* trained reals each; where nothing is trained they stay 0 */
    void *frozen;            /* fine-tuning: the judging encoder's weights, laid out as the model's */
    size_t frozen_reals;
    uint64_t step; /* steps done */
    int kept;      /* pre-training: patches that stay */
    /* one batch of input */
    void *image_a, *image_b; /* images and edges, or source and target */
    int32_t *keep, *restore;
    void *weight;
    double *noise;
    int32_t *order;
    unsigned char *mask;
    double losses[3]; /* room for one real each */
} stepper;

/* Takes all memory (or counts it, t->dry) and plans. config is checked. On failure call stepper_close. */
status stepper_open(stepper *s, slmt_context *context, slmt_model *model, const slmt_trainer_config *config,
                    tally *t);
void stepper_close(stepper *s);

/* Steps from now on write to the profile; NULL: to none. On failure nothing has changed. */
status stepper_profile(stepper *s, slmt_profile *profile);

/* images: [batch][S][S], finite. noise: batch * N numbers in [0,1), the masking noise. easy: patch weights of
 * the easy phase. On any status but OK the model and the moments are as before. */
status stepper_pretrain(stepper *s, const float *images, const double *noise, int easy, double rate,
                        const atomic_int *cancel, slmt_losses *losses);
status stepper_finetune(stepper *s, const float *source, const float *target, double rate,
                        const atomic_int *cancel, slmt_losses *losses);

/* The last step's gradient of tensor k; NULL for a tensor without one. */
const void *stepper_gradient(const stepper *s, int32_t k);

/* Patches of a slice. */
int stepper_patches(const stepper *s);

#endif
