/* SPDX-License-Identifier: Apache-2.0 */
/* fit_plan.h - what slmt fit is going to do, as a file that people read and change. */
#ifndef SLMT_TOOL_FIT_PLAN_H
#define SLMT_TOOL_FIT_PLAN_H

#include <stdint.h>

#include "slmt/slmt.h"

#include "fit_names.h"
#include "numbers.h"

enum { FIT_CANDIDATES = 4, FIT_STAGES = 4, FIT_PLAN_VERSION = 1 /* of the file */ };

/* A training: one task of a method. */
typedef struct fit_stage {
    char *task;
    double seconds; /* after so long it is stopped, done or not; 0: never */
    number_list settings;
} fit_stage;

/* A method that is tried. The stages follow each other with the same model; the last one's makes the target.
 */
typedef struct fit_candidate {
    char *method;
    number_list options;
    fit_stage stages[FIT_STAGES];
    size_t stage_count;
} fit_candidate;

typedef struct fit_plan {
    char *source, *target; /* names of contrasts */
    char *keep;            /* "auto": the candidate that wins on the validation subjects; or a method */
    double seconds;        /* for everything, from the first scan to the report; 0: as long as it takes */
    uint64_t seed;
    slmt_preprocess preprocess;
    fit_names validation, test; /* subjects; the others train */
    fit_candidate candidates[FIT_CANDIDATES];
    size_t candidate_count;
} fit_plan;

/* A plan with the library's preprocessing and nothing else. */
void fit_plan_init(fit_plan *plan);

/* Reads a plan into an empty one. Keys that are not known, values that will not do and parts that are missing
 * are complained of by name; returns an exit code. */
int fit_plan_read(const char *path, fit_plan *plan);

/* Returns the plan as JSON; the caller frees the text. */
char *fit_plan_text(const fit_plan *plan);

/* Writes fit_plan_text(). Reports an error and returns its exit code. */
int fit_plan_write(const char *path, const fit_plan *plan);

void fit_plan_free(fit_plan *plan);

#endif
