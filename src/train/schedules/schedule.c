/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c - constant, by steps, half a cosine, polynomial; all after a linear warm-up from 0. */
#include "train/schedules/schedule.h"

#include <math.h>
#include <stddef.h>

#include "core/training.h"

/* Returns the part of the run after the warm-up that is over, 0 to 1. */
static double part_of(const schedule_point *p)
{
    double rest = p->epochs - p->warmup;
    double part = rest > 0 ? (p->epoch - p->warmup) / rest : 1;
    return part > 1 ? 1 : part;
}

static double constant(const schedule_point *p)
{
    return p->peak;
}

static double steps(const schedule_point *p)
{
    return p->peak * pow(p->decay_factor, floor(p->epoch / p->decay_epochs));
}

static double cosine(const schedule_point *p)
{
    return p->minimum + (p->peak - p->minimum) * 0.5 * (1 + cos(3.14159265358979323846 * part_of(p)));
}

static double polynomial(const schedule_point *p)
{
    return p->minimum + (p->peak - p->minimum) * pow(1 - part_of(p), p->power);
}

static const schedule schedules[] = {
    [SCHEDULE_CONSTANT] = {"constant", constant},
    [SCHEDULE_STEPS] = {"steps", steps},
    [SCHEDULE_COSINE] = {"cosine", cosine},
    [SCHEDULE_POLYNOMIAL] = {"polynomial", polynomial},
};

const schedule *schedule_at(int32_t index)
{
    return index >= 0 && index < (int32_t)(sizeof schedules / sizeof *schedules) ? &schedules[index] : NULL;
}

double schedule_rate(const double *v, double epoch)
{
    if (v[TRAIN_RATE_BY] == RATE_BY_EPOCH)
        epoch = floor(epoch);
    if (epoch < v[TRAIN_WARMUP])
        return v[TRAIN_RATE] * epoch / v[TRAIN_WARMUP];
    schedule_point p = {.epoch = epoch,
                        .epochs = v[TRAIN_EPOCHS],
                        .warmup = v[TRAIN_WARMUP],
                        .peak = v[TRAIN_RATE],
                        .minimum = v[TRAIN_MINIMUM_RATE],
                        .decay_epochs = v[TRAIN_DECAY_EPOCHS],
                        .decay_factor = v[TRAIN_DECAY_FACTOR],
                        .power = v[TRAIN_POWER]};
    return schedule_at((int32_t)v[TRAIN_SCHEDULE])->rate(&p);
}
