/* SPDX-License-Identifier: Apache-2.0 */
/* fit_train.h - the trainings of a plan, one stage after the other, with validation and checkpoints. */
#ifndef SLMT_TOOL_FIT_TRAIN_H
#define SLMT_TOOL_FIT_TRAIN_H

#include "slmt/slmt.h"

#include "fit_plan.h"
#include "fit_state.h"
#include "journal.h"

/* Where trainings happen. */
typedef struct fit_run {
    const fit_plan *plan;
    slmt_context *context;
    slmt_dataset *set;
    const char *folder; /* of the work */
    fit_state *state;
    journal *log;
    double deadline; /* of seconds_now(): when the trainings must be done; infinite: never */
} fit_run;

/* Trains every stage that is not done yet. Of the last one the weights that do best on the validation
 * subjects are kept. A candidate whose training fails (its loss is no number) is told and has no model.
 * Interrupted, it saves, and EXIT_INTERRUPTED is returned. Reports an error and returns its exit code. */
int fit_train(const fit_run *run, const fit_candidate *candidate);

/* Name of a stage's part of the state, and the beginning of its files' names: "slmt-net-finetune". The caller
 * frees it. */
char *fit_stage_name(const fit_candidate *candidate, size_t stage);

/* File of a stage in the work folder: NAME.ENDING. The caller frees it. */
char *fit_stage_file(const fit_run *run, const fit_candidate *candidate, size_t stage, const char *ending);

/* Returns the kept weights of a candidate: a file of the work folder. The caller frees it. */
char *fit_best_file(const fit_run *run, const fit_candidate *candidate);

/* PSNR of the kept weights on the validation subjects, in dB; NaN: there is no model. */
double fit_best_psnr(const fit_run *run, const fit_candidate *candidate);

#endif
