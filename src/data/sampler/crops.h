/* SPDX-License-Identifier: Apache-2.0 */
/* crops.h - the sampler of two-dimensional crops of several fields at once: images and their labels have the
 * same corner and are flipped together. For sets of any records.
 *
 * Fields have the axes "row,column", "row,column,band" or "slice,row,column", of which one slice is drawn. */
#ifndef SLMT_DATA_SAMPLER_CROPS_H
#define SLMT_DATA_SAMPLER_CROPS_H

#include "core/method.h"

typedef struct crop_shape {
    int64_t rows, columns; /* of a sample */
    int64_t bands;         /* of images */
    int64_t crops;         /* samples of a record in an epoch */
} crop_shape;

/* The settings of a task for the sampler. */
typedef struct crop_rule {
    status (*shape)(numbers at, crop_shape *shape);
    /* By input: SLMT_FIELD_IMAGE ([batch][row][column][band] float32; uint8 becomes [0, 1]) or
     * SLMT_FIELD_LABELS
     * ([batch][row][column] int32). An input takes the set's next field of its kind. */
    const int32_t *kinds;
    int32_t n;
} crop_rule;

/* CROP_FEEDING(rule): the row of a task's table. */
#define CROP_FEEDING(crop_rule)                                                                              \
    {                                                                                                        \
        crops_open, crops_fill, crops_close, crop_rule                                                       \
    }

status crops_open(feed *f);
status crops_fill(feed *f, uint64_t step, void *const *in);
void crops_close(feed *f);

#endif
