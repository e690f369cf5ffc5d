/* SPDX-License-Identifier: Apache-2.0 */
/* fit_state.h - how far a fit is, in a file of its work folder, so that the same command line goes on. */
#ifndef SLMT_TOOL_FIT_STATE_H
#define SLMT_TOOL_FIT_STATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

typedef struct fit_state {
    char *path;
    cJSON *root;
    bool resumed; /* it was there before */
} fit_state;

/* Reads the state of a work folder, or has an empty one: nothing is written yet. `request` is what the run
 * was asked for: if the folder's run was asked for something else, that is complained of. Returns an exit
 * code. */
int fit_state_open(fit_state *state, const char *folder, const char *request);

/* Makes the folder if need be and writes the state into it. Reports an error and returns its exit code. */
int fit_state_begin(const fit_state *state, const char *folder);

/* Numbers by part ("slmt-net-finetune") and name ("seconds"). */
double fit_state_get(const fit_state *state, const char *part, const char *name, double otherwise);
void fit_state_set(fit_state *state, const char *part, const char *name, double value);

/* Reports an error and returns its exit code. */
int fit_state_save(const fit_state *state);

void fit_state_free(fit_state *state);

#endif
