/* SPDX-License-Identifier: Apache-2.0 */
/* validation.h - figures on the validation subjects while a model is trained, and the weights that had the
 * best one. */
#ifndef SLMT_TOOL_VALIDATION_H
#define SLMT_TOOL_VALIDATION_H

#include "training_parts.h"

/* Complains if the task or the set leaves nothing to validate, and finds what an earlier part of the run that
 * goes on has found. Returns an exit code. */
int validation_open(training *t);

/* Returns true if figures are due after the step that was done last. */
bool validation_due(const training *t, const slmt_training_state *state);

/* Scores the model, logs the figures, and keeps the weights beside --out if they are the best so far and
 * --keep asks for it. */
int validation_run(training *t);

/* At the end of the schedule: with --keep best the best weights become --out. */
int validation_close(training *t);

/* Frees what validation_open() took. */
void validation_free(training *t);

#endif
