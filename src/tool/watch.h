/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - whether a training has left its plateau when the warm-up is over: its loss against that of the
 * first epoch, and the error of its slices, where the task reports one, against that of a single grey. */
#ifndef SLMT_TOOL_WATCH_H
#define SLMT_TOOL_WATCH_H

#include <stdbool.h>

#include "slmt/slmt.h"

typedef struct watch {
    uint64_t looks; /* at the end of this epoch, from 1 */
    uint64_t epoch; /* of the sums */
    uint64_t steps;
    double loss, error; /* sums */
    double first;       /* mean loss of the first epoch; NaN: not seen */
    double grey;        /* mean error of one grey in all pixels, the best one; NaN: not known */
} watch;

/* Watches a run of so many epochs, in whose first ones the learning rate rises. It looks once: two epochs
 * after the warm-up, or at a tenth of the run if that is later. */
void watch_begin(watch *w, double warmup_epochs, double epochs, double grey);

/* Takes a step of an epoch, from 1; error: NaN where the task reports none. Returns why the training is still
 * on its plateau, once; the caller frees it. Else NULL. */
char *watch_step(watch *w, uint64_t epoch, bool is_last, double loss, double error);

/* Returns the mean |value - median| of some training slices of a contrast, as they are trained on; NaN if
 * there is no such contrast. */
double watch_grey(slmt_dataset *set, const char *contrast);

#endif
