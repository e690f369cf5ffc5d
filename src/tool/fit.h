/* SPDX-License-Identifier: Apache-2.0 */
/* fit.h - a run of slmt fit, and its steps that have files of their own. */
#ifndef SLMT_TOOL_FIT_H
#define SLMT_TOOL_FIT_H

#include "slmt/slmt.h"

#include "common.h"
#include "field.h"
#include "fit_data.h"
#include "fit_evaluate.h"
#include "fit_notes.h"
#include "fit_plan.h"
#include "fit_size.h"
#include "fit_state.h"
#include "options.h"

typedef struct fit {
    fit_places places;
    const char *out, *report, *plan_in, *method;
    const char *validation, *test; /* names with commas between, or NULL */
    double validation_part, test_part, seconds;
    uint64_t memory;
    bool plan_only;
    common common;
    const command_line *line;
    slmt_context *context;
    slmt_dataset *set;
    fit_data data;
    fit_plan plan;
    fit_size sizes[FIT_CANDIDATES];
    bool measured;
    fit_state state;
    fit_notes notes;
    fit_evaluation evaluation;
    journal log;
    char *folder, *set_path, *plan_path, *report_path;
    double began;
} fit;

/* ---- fit_options.c ---- */

extern const field fit_fields[]; /* of a fit */

/* What must be the same for a run to go on; the caller frees it. */
char *fit_request(const fit *f);

/* Complains of what cannot be given together, and returns an exit code. */
int fit_check_options(const fit *f);

/* Returns the report's file: --report, or MODEL without its ending and .html. The caller frees it. */
char *fit_report_name(const fit *f);

/* ---- fit_planning.c ---- */

/* Seconds of this run and of those that it goes on with. */
double fit_elapsed(const fit *f);

/* When the trainings must be done, on the clock of seconds_now(). */
double fit_deadline(const fit *f);

/* Looks at the scans, and reads or makes the plan. Reports an error and returns its exit code. */
int fit_make_plan(fit *f);

#endif
