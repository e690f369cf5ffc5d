/* SPDX-License-Identifier: Apache-2.0 */
/* The library's option structs as tables of fields: what can be set by name and shown by name. */
#ifndef SLMT_TOOL_SETTINGS_H
#define SLMT_TOOL_SETTINGS_H

#include "slmt/slmt.h"

#include "field.h"

extern const field size_fields[];       /* of slmt_model_options */
extern const field preset_fields[];     /* --preset, of slmt_model_options */
extern const field preprocess_fields[]; /* of slmt_preprocess */
extern const field trainer_fields[];    /* of slmt_trainer_config, both stages */
extern const field pretrain_fields[];   /* of slmt_trainer_config, pre-training only */
extern const field finetune_fields[];   /* of slmt_trainer_config, fine-tuning only */

/* The fields that belong to one stage, besides trainer_fields. */
const field *stage_fields(int32_t stage);

/* "pretrain" or "finetune". */
const char *stage_name(int32_t stage);

/* Name of the first field in which two structs differ; NULL: none. */
const char *settings_difference(const field *fields, const void *one, const void *other);

#endif
