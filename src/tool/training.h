/* SPDX-License-Identifier: Apache-2.0 */
/* What slmt pretrain and slmt finetune share: their options, the run with its checkpoints, and the end by
 * ctrl-C. */
#ifndef SLMT_TOOL_TRAINING_H
#define SLMT_TOOL_TRAINING_H

#include "slmt/slmt.h"

#include "common.h"
#include "options.h"
#include "report.h"

typedef struct training_files {
    const char *data;
    const char *out;
    const char *resume;       /* checkpoint to go on from, or NULL */
    const char *model;        /* fine-tuning: model to start from, or NULL */
    const char *source;       /* contrast; pre-training: NULL for all */
    const char *target;       /* contrast; fine-tuning */
    int32_t checkpoint_every; /* epochs */
    uint64_t max_steps;       /* of this run */
} training_files;

typedef struct training_options {
    int32_t stage;
    common common;
    report report;
    training_files files;
    slmt_model_options sizes;
    slmt_trainer_config config;
} training_options;

/* Trains as the options say. `doc` and `fields` (of training_files) are the subcommand's own. */
int training_command(int32_t stage, const char *doc, const field *fields, int argc, char **argv);

#endif
