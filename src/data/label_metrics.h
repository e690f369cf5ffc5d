/* SPDX-License-Identifier: Apache-2.0 */
/* label_metrics.h - how well label maps agree with the truth: counts of pixels, overlaps of classes,
 * distances of their surfaces. */
#ifndef SLMT_DATA_LABEL_METRICS_H
#define SLMT_DATA_LABEL_METRICS_H

#include "core/method.h"
#include "lib/mem.h"

/* The figures of a class, for `metrics` of a task that labels. */
extern const metric_table label_metrics;

/* ---- counts ---- */

/* Adds to counts[classes][classes], row by truth: how often each class of the truth was answered by each
 * class. Labels are indices below `classes`; a pixel whose truth is below 0 does not count. */
void label_count(const int32_t *truth, const int32_t *answer, size_t n, int32_t classes, int64_t *counts);

/* What a figure of a class is where the class is empty. */
typedef enum label_policy {
    LABEL_SKIP, /* NaN where it is 0/0: left out of means */
    LABEL_ZERO, /* 0 where it is 0/0 */
    LABEL_TRUE, /* NaN where the truth has no pixel of it, as MONAI */
    LABEL_BOTH  /* where the truth has none: 1 if the answer has none either, else 0 (MONAI without
                   ignore_empty) */
} label_policy;

/* Intersection over union n_ii / (t_i + p_i - n_ii), and Dice 2 n_ii / (t_i + p_i), of class i. */
double label_iou(const int64_t *counts, int32_t classes, int32_t i, label_policy policy);
double label_dice(const int64_t *counts, int32_t classes, int32_t i, label_policy policy);

/* n_ii / p_i, n_ii / t_i, TN / (TN + FP); NaN where 0/0. */
double label_precision(const int64_t *counts, int32_t classes, int32_t i);
double label_recall(const int64_t *counts, int32_t classes, int32_t i);
double label_specificity(const int64_t *counts, int32_t classes, int32_t i);

/* Pixel accuracy sum n_ii / sum t_i; the mean of the recalls that are defined; IoU weighted by t_i. */
double label_accuracy(const int64_t *counts, int32_t classes);
double label_mean_accuracy(const int64_t *counts, int32_t classes);
double label_weighted_iou(const int64_t *counts, int32_t classes);

/* Returns the mean of the values that are not NaN; NaN: there is none. */
double label_mean(const double *values, size_t n);

/* ---- surfaces ---- */

/* Distances between the surfaces of two masks. The surface of a mask is the mask without its erosion by the
 * neighbours that share a face; what lies outside the image is background. Distances are Euclidean and exact.
 * If both masks are empty, all are NaN; if one is, distances are infinite and the share is 0. */
typedef struct label_surface {
    double hausdorff;          /* the largest distance, in the unit of the spacing */
    double hausdorff95;        /* the larger of the two directions' 95th percentiles, linearly interpolated */
    double hausdorff95_joined; /* the 95th percentile of both directions together, as MedPy */
    double mean;               /* mean of all distances: average symmetric surface distance */
    double within;             /* share of both surfaces within `tolerance`: normalised surface Dice */
} label_surface;

/* A grid of voxels [dim[0]][dim[1]][dim[2]]. With axes = 2 and dim[0] = 1 it is a slice without neighbours
 * above and below; with axes = 3 what lies there is background. */
typedef struct label_grid {
    int axes;
    int64_t dim[3];
    double spacing[3]; /* of voxels, above 0 */
} label_grid;

/* Masks are 0 or not 0. ERR_MEMORY, ERR_LIMIT. */
status label_surfaces(mem *m, const uint8_t *truth, const uint8_t *answer, const label_grid *g,
                      double tolerance, label_surface *out);

/* Writes the surface of a mask. */
void label_surface_mask(const uint8_t *mask, const label_grid *g, uint8_t *surface);

/* ---- instances ---- */

/* Panoptic quality (Kirillov et al. 2019): instances match where their IoU is above 1/2. */
typedef struct label_panoptic {
    int64_t matched, extra, missed;            /* true positives, false positives, false negatives */
    double quality, segmentation, recognition; /* PQ = SQ * RQ; NaN where neither has an instance */
} label_panoptic;

/* Maps of n pixels with the number of an instance, 0 for the background. ERR_MEMORY, ERR_LIMIT. */
status label_instances(mem *m, const int32_t *truth, const int32_t *answer, size_t n, label_panoptic *out);

#endif
