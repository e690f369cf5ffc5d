/* SPDX-License-Identifier: Apache-2.0 */
/* fit_speed.h - how long a training step takes on this machine now, and how much memory it needs. */
#ifndef SLMT_TOOL_FIT_SPEED_H
#define SLMT_TOOL_FIT_SPEED_H

#include "slmt/slmt.h"

#include "numbers.h"

typedef struct fit_speed {
    double seconds; /* a step */
    uint64_t bytes; /* of the model and the trainer, exactly */
} fit_speed;

/* Makes a model and trains it for a few steps on noise, which takes about `patience` seconds, and one step at
 * least. A trainer that would hold more than `most_bytes` (0: any) is not made: then `seconds` is infinite.
 * Reports an error and returns its exit code. */
int fit_speed_measure(slmt_context *context, const char *method, const number_list *options, const char *task,
                      const number_list *settings, double patience, uint64_t most_bytes, fit_speed *speed);

#endif
