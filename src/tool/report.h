/* SPDX-License-Identifier: Apache-2.0 */
/* --profile and --trace: where the time of a run went. */
#ifndef SLMT_TOOL_REPORT_H
#define SLMT_TOOL_REPORT_H

#include <stdbool.h>

#include "slmt/slmt.h"

#include "field.h"

typedef struct report {
    bool profile;      /* print tables by op and by layer */
    const char *trace; /* file for a Chrome trace, or NULL */
} report;

extern const field report_fields[];

/* Makes the profile if one was asked for, else leaves *profile NULL. */
slmt_status report_open(const report *r, slmt_context *context, slmt_profile **profile);

/* Prints and writes what was asked for; complains and returns an exit code. Frees the profile. */
int report_close(const report *r, slmt_profile *profile);

#endif
