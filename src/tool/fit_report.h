/* SPDX-License-Identifier: Apache-2.0 */
/* fit_report.h - what slmt fit has found, as a page of HTML. */
#ifndef SLMT_TOOL_FIT_REPORT_H
#define SLMT_TOOL_FIT_REPORT_H

#include "fit_data.h"
#include "fit_evaluate.h"
#include "fit_notes.h"
#include "fit_size.h"

typedef struct fit_story {
    const fit_run *run;
    const fit_data *data;
    const fit_evaluation *evaluation;
    const fit_size *sizes; /* of the plan's candidates; NULL: the plan was given */
    const fit_notes *notes;
    const char *model, *set, *plan_path; /* files */
    const char *place;                   /* of the source: --source */
    double seconds;                      /* of the whole run */
    double asked;                        /* --time; 0: the plan was given */
    int32_t threads;
} fit_story;

/* Reports an error and returns its exit code. */
int fit_report_write(const char *path, const fit_story *story);

#endif
