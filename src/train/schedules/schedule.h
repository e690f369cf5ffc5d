/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - the learning rate as a function of the epoch: one row for each way to fall after the warm-up.
 */
#ifndef SLMT_TRAIN_SCHEDULES_SCHEDULE_H
#define SLMT_TRAIN_SCHEDULES_SCHEDULE_H

#include <stdint.h>

/* A point of the run, after the warm-up, and the settings. */
typedef struct schedule_point {
    double epoch, epochs, warmup; /* epoch is counted from the start of the run */
    double peak, minimum, decay_epochs, decay_factor, power;
} schedule_point;

typedef struct schedule {
    const char *name;
    double (*rate)(const schedule_point *p);
} schedule;

/* Returns the row of a choice of setting `schedule`, SCHEDULE_...; NULL past the last. */
const schedule *schedule_at(int32_t index);

/* Returns the rate at an epoch (steps done / steps of an epoch) under a task's settings. */
double schedule_rate(const double *setting, double epoch);

#endif
