/* SPDX-License-Identifier: Apache-2.0 */
/* train.h - what slmt train, pretrain and finetune share: an option of the command for each option of the
 * method and each setting of its training tasks. */
#ifndef SLMT_TOOL_TRAIN_H
#define SLMT_TOOL_TRAIN_H

#include "training.h"

typedef struct train_form {
    const char *doc;
    const field *fields; /* of training_files */
    const char *method;  /* NULL: the command's argument */
    const char *task;    /* NULL: option --task */
    bool pairs;          /* both contrasts are needed */
} train_form;

int train_command(const train_form *form, int argc, char **argv);

#endif
