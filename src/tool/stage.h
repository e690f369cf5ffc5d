/* SPDX-License-Identifier: Apache-2.0 */
/* What slmt pretrain and slmt finetune share: an option of the command for each option of SLMT-Net and each
 * setting of its stages. */
#ifndef SLMT_TOOL_STAGE_H
#define SLMT_TOOL_STAGE_H

#include "training.h"

#define STAGE_METHOD_FIELD                                                                                   \
    {                                                                                                        \
        "method", "METHOD", "method of a fresh model, see slmt methods [slmt-net]", FIELD_TEXT,              \
            .offset = offsetof(training_files, method)                                                       \
    }

/* Trains as the options say. `doc` and `fields` (of training_files) are the subcommand's own. */
int stage_command(int32_t stage, const char *doc, const field *fields, int argc, char **argv);

#endif
