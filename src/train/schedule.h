/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - the learning rate of a step, for both stages. */
#ifndef SLMT_TRAIN_SCHEDULE_H
#define SLMT_TRAIN_SCHEDULE_H

#include "slmt/trainer.h"

/* epoch: step / steps of an epoch, as a real number.
 * Pre-training: learning_rate * decay_factor^floor(epoch / decay_epochs).
 * Fine-tuning: linearly from 0 over warmup_epochs, then a half cosine down to minimum_rate at `epochs`. */
double schedule_rate(const slmt_trainer_config *c, double epoch);

/* 1 while pre-training is in its easy phase: patch_weight easy-then-hard, first half of the epochs. */
int schedule_easy(const slmt_trainer_config *c, double epoch);

#endif
