/* SPDX-License-Identifier: Apache-2.0 */
/* What commands share that score a model on a training set: which subjects, whether the set fits, and a file
 * of scores. */
#ifndef SLMT_TOOL_SCORED_SET_H
#define SLMT_TOOL_SCORED_SET_H

#include <stdbool.h>
#include <stdio.h>

#include "slmt/slmt.h"

#include "field.h"

extern const field_choice split_choices[]; /* of --split: SLMT_SPLIT_... */

bool in_split(const slmt_dataset *set, size_t subject, int32_t split);

/* Loads both; complains and returns an exit code. */
int open_model_and_set(slmt_context *context, const char *model_path, const char *set_path,
                       slmt_model **model, slmt_dataset **set);

/* The set's preprocessing. Slices of another size cannot be used: complains and returns an exit code; slices
 * made otherwise can, but it should be known: warns. */
int check_set_fits(const slmt_model *model, const slmt_dataset *set, const char *path, slmt_preprocess *data);

/* path NULL: no file, and *csv stays NULL. Complains and returns an exit code. */
int open_csv(const char *path, FILE **csv);
int close_csv(const char *path, FILE *csv);

#endif
