/* SPDX-License-Identifier: Apache-2.0 */
/* segment.h - slices labelled in windows that overlap, and refined by the image: what labels of volumes and
 * of slices have in common. */
#ifndef SLMT_API_SEGMENT_H
#define SLMT_API_SEGMENT_H

#include "api/session.h"
#include "data/blend.h"
#include "slmt/segment.h"

enum { SEGMENT_MOST_CLASSES = 64 };

typedef struct segmenting {
    runner *r;
    mem *m;
    slmt_segmentation how;
    int64_t channels, classes;
    int64_t size[3], extent[3], window[3]; /* slices, rows, columns of the image, of the canvas, and of what
                                              the network takes */
    int volumes;                           /* 1: the network is one of three dimensions */
    blend_axis axis[3];
    float *canvas;                  /* [channels][extent]: the slices, and zeros where a window is longer */
    float *image, *made;            /* of one window: [channels][window], [classes][window] */
    int32_t *labels;                /* of one window */
    float *probabilities, *weights; /* [classes][extent], [extent] */
    int64_t steps, done;            /* windows, and images that are refined */
} segmenting;

/* channels: as many as the caller has images for; how: NULL for the defaults. Nothing is allocated yet.
 * ERR_ARGUMENT, ERR_UNSUPPORTED, ERR_VERSION. */
status segment_begin(segmenting *s, slmt_session *session, int64_t channels, const slmt_segmentation *how);

/* Makes room for slices, rows and columns. ERR_MEMORY, ERR_LIMIT. */
status segment_canvas(segmenting *s, const int64_t size[3]);

/* Copies the slices of a channel [size] to the canvas. */
void segment_draw(segmenting *s, int64_t channel, const float *slices);

/* Runs the network, and the random field if one is wanted; spacing in mm, in the order of size.
 * ERR_NONFINITE, ERR_CANCELLED, ERR_BACKEND, ERR_MEMORY, ERR_LIMIT. */
status segment_run(segmenting *s, const double spacing[3]);

/* Copies the probabilities of a class [size] from the canvas. */
void segment_probability(const segmenting *s, int64_t c, float *slices);

/* Needed after segment_begin() in every case. */
void segment_end(segmenting *s);

/* The value of each class in label maps: those of the option `classes`. ERR_INTERNAL. */
status segment_class_values(const segmenting *s, int32_t values[SEGMENT_MOST_CLASSES]);

/* Keeps only the largest object of each class in a map of indices of classes, [dim[0]][dim[1]][dim[2]], if
 * the caller wants it. ERR_MEMORY, ERR_LIMIT. */
status segment_tidy(const segmenting *s, int32_t *classes, const int64_t dim[3]);

/* Replaces the probabilities on the canvas by those of a conditional random field (data/crf.h): of each
 * slice, or of all together. How many fields that are, and the work. */
int64_t segment_fields(const segmenting *s);
status segment_refine(segmenting *s, const double spacing[3]);

#endif
