/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.h - what a trainer holds, for src/api and the files that save and load it. */
#ifndef SLMT_API_TRAINER_H
#define SLMT_API_TRAINER_H

#include "train/stepper.h"

struct slmt_trainer {
    slmt_context *context; /* whose memory it takes: the model's, or a counting one */
    slmt_model *model;
    slmt_trainer_config config;
    stepper stepper;
    uint64_t steps_in_epoch, total_steps; /* of the set last run; 0 before */
    float *slices; /* room for one batch of pairs and augmentation, in slmt_trainer_run() */
    atomic_int cancel;
};

/* A trainer whose frozen encoder, moments and step are those of a fresh one. */
status trainer_open(slmt_context *context, slmt_model *model, const slmt_trainer_config *config, tally *t,
                    slmt_trainer **out);

status trainer_config_check(const slmt_trainer_config *c);

#endif
