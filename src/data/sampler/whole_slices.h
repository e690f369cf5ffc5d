/* SPDX-License-Identifier: Apache-2.0 */
/* whole_slices.h - what samplers of whole slices share: the slices of a set's training part, brought to the
 * size of a square image. */
#ifndef SLMT_DATA_SAMPLER_WHOLE_SLICES_H
#define SLMT_DATA_SAMPLER_WHOLE_SLICES_H

#include "data/sampler/scan_fields.h"

typedef struct whole_slices {
    scan_fields scan;
    int64_t fields; /* the channels, and the labels if they are wanted */
    int64_t side;   /* of an image */
    uint32_t *records, n;
    uint64_t *before; /* by record: slices of the records before it; [n]: of all */
    void *room;       /* a stored slice */
    float *spare;     /* the same as numbers */
} whole_slices;

/* Lists the training records that have all fields, as many of them as data_rate leaves, and counts them in f;
 * scan and side are set. ERR_ARGUMENT: there is none, or slices are not square. */
status whole_slices_open(feed *f, whole_slices *own, int with_labels);
void whole_slices_close(feed *f, whole_slices *own);

/* Slices of record `nth` of the list. */
int64_t whole_slices_of(const whole_slices *own, uint32_t nth);

/* A slice of channel c, or with c = channels of the labels (values, not classes): [side][side]. */
status whole_slices_read(feed *f, whole_slices *own, uint32_t nth, int64_t slice, int64_t c, float *to);

#endif
