/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON file beside a result: what it was made from, by which model and program, and that it is synthetic.
 */
#ifndef SLMT_TOOL_SIDECAR_H
#define SLMT_TOOL_SIDECAR_H

#include <cjson/cJSON.h>

#include "slmt/slmt.h"

/* What is the same for all results of a run: model, program, settings. */
typedef struct sidecar {
    cJSON *facts; /* NULL: no sidecars are written */
} sidecar;

/* NAME.json for NAME.nii or NAME.nii.gz; the caller frees it. */
char *sidecar_path(const char *result);

/* Checks that the file at `path` may be replaced: it is not there, or an earlier sidecar. Complains and
 * returns an exit code. */
int sidecar_may_replace(const char *path);

/* Takes down the facts of a run; digests the model's file. to: contrast that is made, NULL: the one of the
 * model's card. Reports an error and returns its exit code. */
int sidecar_open(sidecar *s, slmt_session *session, const char *model_path, const char *to);

/* Adds a setting of the run by its option's name. Nothing happens where no sidecars are written. */
void sidecar_set_number(sidecar *s, const char *name, double value);
void sidecar_set_text(sidecar *s, const char *name, const char *value);

/* Writes the sidecar of a result made from `input`, whose contrast may be NULL, with the warnings from number
 * `first_warning` on. Reports an error and returns its exit code. */
int sidecar_write(const sidecar *s, const char *input, const char *from, const char *result,
                  size_t first_warning);

void sidecar_close(sidecar *s);

#endif
