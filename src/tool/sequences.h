/* SPDX-License-Identifier: Apache-2.0 */
/* sequences.h - models that make slices, and those of them that are told which contrast to make. */
#ifndef SLMT_TOOL_SEQUENCES_H
#define SLMT_TOOL_SEQUENCES_H

#include <stdbool.h>

#include "slmt/slmt.h"

enum { MOST_SEQUENCES = 64 };

/* Returns true if the model can make several sequences and takes one of them as an input. */
bool takes_sequence(const slmt_model *model);

/* Returns the names of the contrasts that the model tells apart, joined by `between`; the caller frees them.
 */
char *sequence_names(const slmt_model *model, const char *between);

/* Returns the index of a contrast's name; -1: the model has no such name. */
int32_t sequence_index(const slmt_model *model, const char *name);

/* Reports an error of the file `path` if no contrast to make was named, or the model has no names for them.
 */
int need_sequences(const slmt_model *model, const char *path);

/* Reports an error of the file `path`: a name is none of the model's sequences. Returns EXIT_USAGE. */
int no_such_sequence(const slmt_model *model, const char *path, const char *name);

/* Reports an error of the file `path` unless `method` is NULL or the model's. */
int check_method(const slmt_model *model, const char *path, const char *method);

/* Makes a session for slices of the size that the model's preprocessing makes, with this
 * batch. Reports an error and returns its exit code. */
int slice_session(slmt_model *model, int32_t batch, slmt_session **session);

/* Has the session make this sequence from slices and volumes from now on. */
slmt_status choose_sequence(slmt_session *session, int32_t index);

#endif
