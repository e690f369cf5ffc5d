/* SPDX-License-Identifier: Apache-2.0 */
/* fit_size.h - sizes, batches and epochs that fit into a time and a memory. */
#ifndef SLMT_TOOL_FIT_SIZE_H
#define SLMT_TOOL_FIT_SIZE_H

#include "slmt/slmt.h"

#include "fit_plan.h"

typedef struct fit_budget {
    double seconds; /* for all trainings together */
    uint64_t bytes; /* 0: any */
    size_t pairs;   /* of training slices */
    size_t singles; /* training slices of all contrasts */
} fit_budget;

/* What was found out, for the report. */
typedef struct fit_size {
    const char *method, *size; /* name of the size */
    double step_seconds[FIT_STAGES];
    uint64_t bytes; /* the largest stage's */
} fit_size;

/* Adds a candidate to the plan for each method that this library has and knows a recipe for, and chooses the
 * image size. `sizes` receives one for each candidate. Takes some seconds: steps are measured. Reports an
 * error and returns its exit code. */
int fit_size_choose(slmt_context *context, const fit_budget *budget, fit_plan *plan,
                    fit_size sizes[FIT_CANDIDATES]);

/* Number of epochs of `samples` in steps of `batch` that fit into a time, between 1 and the most that is
 * useful. Of many samples an epoch may not fit: then `part` of them does. */
int fit_epochs(double seconds, double step_seconds, size_t samples, size_t batch, double *part);

/* Returns true if there is a recipe for a method, and the library has it. */
bool fit_knows(const char *method);

#endif
