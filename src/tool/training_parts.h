/* SPDX-License-Identifier: Apache-2.0 */
/* training_parts.h - what the files of a training share: its state, how it is opened, and what is said of it
 * before its first step. */
#ifndef SLMT_TOOL_TRAINING_PARTS_H
#define SLMT_TOOL_TRAINING_PARTS_H

#include "console.h"
#include "journal.h"
#include "training.h"
#include "watch.h"

typedef enum stop_reason { STOP_NONE, STOP_PAUSE, STOP_WARNING, STOP_INTERRUPT } stop_reason;

/* What the validation subjects said so far. */
typedef struct validation {
    uint64_t last_step, best_step;
    double best;     /* NaN: none yet */
    char *best_file; /* beside --out */
} validation;

typedef struct training {
    const training_options *options;
    slmt_context *context;
    slmt_dataset *dataset;
    slmt_trainer *trainer;
    slmt_model *teacher; /* or NULL */
    slmt_profile *profile;
    const char *method;
    const char *task;
    number_list settings;
    slmt_run_info run;
    double step_seconds; /* measured before the first step; 0: not */
    watch watch;
    validation validation;
    journal log;
    progress bar;
    char *source; /* contrasts that are trained on */
    char *target;
    uint64_t steps; /* of this run */
    stop_reason stop;
} training;

/* training_open.c: the set, the trainer, new or resumed, and the contrasts. Complains and returns an exit
 * code; what was opened is closed by training_run(). */
int training_open(training *t);

/* teacher.c: loads --teacher, and attaches it to the trainer. */
int teacher_load(training *t);
int teacher_attach(training *t);

/* "50 of 72 pairs of slices of 7 of 9 training subjects"; the caller frees it. */
char *training_samples(const training *t);

/* training_forecast.c: says how long the run will take, how much memory it holds and how much disk a
 * checkpoint needs, and logs it. Returns EXIT_WARNING after a warning that is a failure. */
int training_forecast(training *t);

#endif
