/* SPDX-License-Identifier: Apache-2.0 */
/* perceptual.h - distances of slices by the features of a VGG19 that was trained on photographs. */
#ifndef SLMT_TOOL_PERCEPTUAL_H
#define SLMT_TOOL_PERCEPTUAL_H

#include <stdint.h>

#include "slmt/slmt.h"

typedef struct perceptual {
    slmt_model *model; /* NULL: not open */
    slmt_session *session;
    size_t side;
    int32_t batch;
    float *a, *b; /* one batch each */
} perceptual;

/* Loads the model and plans for slices of this side. Reports an error and returns its exit code. */
int perceptual_open(perceptual *p, slmt_context *context, const char *file, size_t side, int32_t batch);

/* Computes the distance of each pair of slices [side][side] in [0, 1]; a mask of the same shape (NULL: none)
 * makes both 0 outside. Reports an error and returns its exit code. */
int perceptual_distances(perceptual *p, const float *a, const float *b, const uint8_t *mask, size_t slices,
                         double *distance);

void perceptual_close(perceptual *p);

#endif
