/* SPDX-License-Identifier: Apache-2.0 */
/* model_file.h - a model in a checkpoint: /model/options, /model/preprocess, /model/card, /weights. */
#ifndef SLMT_CORE_MODEL_FILE_H
#define SLMT_CORE_MODEL_FILE_H

#include "core/model.h"
#include "io/checkpoint.h"

/* Changes when the same weights would give other numbers. */
enum { NUMERICS_VERSION = 1 };

/* Writes and reads options or settings as attributes of a group. */
status numbers_put(checkpoint_writer *w, const char *group, number_table t, const double *values);
status numbers_get(const checkpoint *c, const char *group, number_table t, double *values);

status model_put(checkpoint_writer *w, const slmt_model *model);
status model_get(const checkpoint *c, slmt_context *context, slmt_model **out);

status model_save_path(const slmt_model *model, const char *path);
status model_load_path(slmt_context *context, const char *path, slmt_model **out);
status model_load_bytes(slmt_context *context, const void *data, size_t size, slmt_model **out);

#endif
