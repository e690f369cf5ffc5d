/* SPDX-License-Identifier: Apache-2.0 */
/* trainer.h - what a trainer holds, for src/api and the files that save and load it. */
#ifndef SLMT_TRAIN_TRAINER_H
#define SLMT_TRAIN_TRAINER_H

#include "io/digest.h"
#include "slmt/trainer.h"
#include "train/stepper.h"

struct slmt_trainer {
    uint64_t word;         /* HANDLE_TRAINER, first */
    slmt_context *context; /* whose memory it takes: the model's, or a counting one */
    slmt_model *model;
    uint64_t seed;
    stepper stepper;
    uint64_t steps_in_epoch, total_steps; /* of the set last run; 0 before */
    char set[DIGEST_HEX];        /* what it was, dataset_identity(); "" before, and from older files */
    uint64_t set_records;        /* how many records it had */
    void *samples[METHOD_PORTS]; /* room for one batch of inputs, in slmt_trainer_run() */
    atomic_int cancel;
    int told_of_geometry; /* what it had to say of the set's volumes */
};

/* Makes a trainer whose states and step are those of a fresh one. */
status trainer_open(slmt_context *context, const task *t, uint64_t seed, dry_run *y, slmt_trainer **out);
void trainer_release(slmt_trainer *t); /* NULL is allowed */

/* Counts the bytes that such a trainer would hold. */
status trainer_count(const task *task, held_bytes *held);

slmt_training_state trainer_state_of(const slmt_trainer *t);

/* Runs one step on inputs that have been checked. */
status trainer_step(slmt_trainer *t, const void *const *given, double rate);

typedef struct trainer_run_options {
    slmt_dataset *set;
    const char *source, *target; /* contrasts, or NULL */
    uint64_t max_steps;          /* 0: to the end of the schedule */
    slmt_step_fn step;           /* or NULL */
    void *user;
} trainer_run_options;
status trainer_run(slmt_trainer *t, trainer_run_options o);

/* Tells what such a run would be; max_steps and step are not looked at. */
status trainer_describe_run(slmt_trainer *t, trainer_run_options o, slmt_run_info *info);

#endif
