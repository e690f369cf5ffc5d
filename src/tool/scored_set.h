/* SPDX-License-Identifier: Apache-2.0 */
/* scored_set.h - what commands share that score a model on a training set: their options, what they open and
 * close, which subjects, and whether the set fits. */
#ifndef SLMT_TOOL_SCORED_SET_H
#define SLMT_TOOL_SCORED_SET_H

#include <stdbool.h>
#include <stdio.h>

#include "slmt/slmt.h"

#include "common.h"
#include "journal.h"
#include "measure.h"
#include "options.h"
#include "table_file.h"

extern const field_choice split_choices[]; /* of --split: SLMT_SPLIT_... */

/* Its name in that list. */
const char *split_name(int32_t split);

bool in_split(const slmt_dataset *set, size_t subject, int32_t split);

/* A run of such a command. */
typedef struct scored {
    const char *model_path, *set_path;
    const char *csv_path; /* NULL: no table, and table.out stays NULL */
    int32_t split, batch;
    measure_options measure;
    common common;
    slmt_context *context;
    slmt_model *model;
    slmt_dataset *set;
    slmt_session *session; /* opened by the command itself */
    journal log;
    table_file table;
} scored;

#define SCORED_DEFAULTS                                                                                      \
    {                                                                                                        \
        .split = SLMT_SPLIT_TEST, .batch = 1, .measure = MEASURE_DEFAULTS,                                   \
        .common.weights = SLMT_WEIGHTS_STORED                                                                \
    }

/* Parses the line: the command's own fields, which set `target`, and those of every such command. */
void scored_parse(command_line *line, const field *fields, void *target, scored *s, int argc, char **argv);

/* The context, the model and the set; then the files that are written. Both complain and return an exit code.
 */
int scored_open(scored *s);
int scored_begin(scored *s);

/* Closes everything that is open, and writes the table if the run's code is EXIT_OK. Returns that code, or
 * another, for what is written last can fail. */
int scored_close(scored *s, int code);

/* Reads the set's preprocessing. Slices of another size cannot be used: complains and returns an exit code;
 * slices made otherwise can, but it should be known: warns. */
int scored_check(const scored *s, slmt_preprocess *data);

#endif
