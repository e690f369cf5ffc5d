/* SPDX-License-Identifier: Apache-2.0 */
/* sequences.h - models that make slices, and those of them that are told which contrast to make. */
#ifndef SLMT_TOOL_SEQUENCES_H
#define SLMT_TOOL_SEQUENCES_H

#include <stdbool.h>

#include "slmt/slmt.h"

enum { MOST_SEQUENCES = 64 };

/* Whether the model is told which sequence to make. */
bool takes_sequence(const slmt_model *model);

/* The names of the contrasts that the model tells apart, joined by `between`; the caller frees them. */
char *sequence_names(const slmt_model *model, const char *between);

/* The index of a contrast's name; -1: the model has no such name. */
int32_t sequence_index(const slmt_model *model, const char *name);

/* Complains, of the file `path`, if the model is not told which contrast to make, or has no names for them.
 */
int need_sequences(const slmt_model *model, const char *path);

/* Complains, of the file `path`, that a name is none of the model's sequences. Returns EXIT_USAGE. */
int no_such_sequence(const slmt_model *model, const char *path, const char *name);

/* Complains, of the file `path`, unless `method` is NULL or the model's. */
int check_method(const slmt_model *model, const char *path, const char *method);

/* Makes a session for slices of the size that the model's preprocessing makes, with this
 * batch. Complains and returns an exit code. */
int slice_session(slmt_model *model, int32_t batch, slmt_session **session);

/* From now on the session makes this sequence of slices and volumes. */
slmt_status choose_sequence(slmt_session *session, int32_t index);

#endif
