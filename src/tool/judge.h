/* SPDX-License-Identifier: Apache-2.0 */
/* Models that carry another one, whose weights were trained elsewhere. */
#ifndef SLMT_TOOL_JUDGE_H
#define SLMT_TOOL_JUDGE_H

#include "slmt/slmt.h"

/* Copies every tensor of the model in `file` into `model`, where its method's name stands in front:
 * features.0 of a vgg19 becomes vgg19.features.0. Reports an error and returns its exit code; then some may
 * have been copied. */
int judge_copy(slmt_context *context, const char *file, slmt_model *model);

#endif
