/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.h - what a trainer holds, for src/api and the files that save and load it. */
#ifndef SLMT_TRAIN_TRAINER_H
#define SLMT_TRAIN_TRAINER_H

#include "slmt/trainer.h"
#include "train/stepper.h"

struct slmt_trainer {
    slmt_context *context; /* whose memory it takes: the model's, or a counting one */
    slmt_model *model;
    uint64_t seed;
    stepper stepper;
    uint64_t steps_in_epoch, total_steps; /* of the set last run; 0 before */
    void *samples[METHOD_PORTS];          /* room for one batch of inputs, in slmt_trainer_run() */
    atomic_int cancel;
};

/* A trainer whose frozen tensors, moments and step are those of a fresh one. */
status trainer_open(slmt_context *context, const task *t, uint64_t seed, dry_run *y, slmt_trainer **out);

#endif
