/* SPDX-License-Identifier: Apache-2.0 */
/** @file segment.h
 *  Labels of whole volumes, by networks that say for each pixel which class it belongs to. Their output is
 * not for diagnosis. */
#ifndef SLMT_SEGMENT_H
#define SLMT_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "slmt/session.h"
#include "slmt/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How a volume is labelled. Fill with slmt_segmentation_init(). \since 0.1 */
typedef struct slmt_segmentation {
    uint32_t struct_size; /**< sizeof(slmt_segmentation), set by the init function */
    int32_t mirror;    /**< 0; 1: the mean of four runs, with rows and columns mirrored or not: slower, often
                          a little better */
    double overlap;    /**< 0.5: the share of a window that the next one covers too, 0 to 0.9 */
    int32_t crf_steps; /**< 0: none; above: so many steps of a conditional random field refine the
                          probabilities by the image, of 8 contrasts at most. 10 is usual */
    int32_t
        crf_axes; /**< what the field sees: 2: each slice alone; 3: the volume; 0: what the network sees */
    double crf_near_weight;  /**< 3: weight of neighbours by distance alone */
    double crf_near_sd;      /**< 3: their standard deviation in mm */
    double crf_weight;       /**< 10: weight of voxels that are alike */
    double crf_position_sd;  /**< 80: standard deviation of their distance in mm */
    double crf_intensity_sd; /**< 13: that of their intensities, counted from 0 to 255 */
    int32_t largest;         /**< 0; 1: only the largest object of each class but the background is kept, and
                                the others become background. The voxels of an object are joined by faces.
                                Probabilities stay as they are */
    int32_t reserved;        /**< 0 */
} slmt_segmentation;

/**
 * The defaults: windows that overlap by half, no mirroring, no random field, all objects.
 *
 * @param how  filled; NULL: nothing happens
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_segmentation_init(slmt_segmentation *how);

/**
 * Label a whole volume: bring each contrast to crops as the training set had them (of its crop_size; only for
 * models with an option image_size are they resized to it, as in their training), run the network on windows
 * of the session's size, put their probabilities together, and give each voxel of the scan's own grid the
 * value of its most probable class.
 *
 * Windows overlap; a probability counts most where it is in the middle of its window (a Gaussian whose
 * standard deviation is an eighth of the window). Where the model's slices are smaller than a window, zeros
 * are put behind them. Networks of slices take each slice alone. Outside crop and slices of the model's
 * preprocessing the first class, the background, is certain.
 *
 * @param session        of task "segment"; its settings rows and columns (and slices) are the window: best
 * those of the training, which the command takes. Its batch need not be above 1
 * @param sources        n_sources raw volumes of any orientation on one grid, in the order of
 *                       slmt_model_contrast()
 * @param n_sources      as many as the model's option `channels`
 * @param how            NULL: the defaults
 * @param labels         receives a volume on the grid of sources[0], of the values that option `classes`
 *                       names; slmt_volume_write() writes it as integers. The caller frees it with
 *                       slmt_volume_free()
 * @param probabilities  NULL, or receives a volume for each class in the order of `classes`, from 0 to 1; the
 *                       caller frees each with slmt_volume_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (another number of volumes, grids that differ, voxels of another size
 *         than the training's, a constant volume), SLMT_ERR_UNSUPPORTED (the session's task labels nothing),
 *         SLMT_ERR_NONFINITE (the network overflows), SLMT_ERR_CANCELLED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT,
 *         SLMT_ERR_BACKEND; on an error nothing is made
 * @threads one thread per session at a time
 * @source the windows and their weights: Isensee et al., Nature Methods 18 (2021), section "Inference"
 * \since 0.1
 */
SLMT_API slmt_status slmt_segment_volume(slmt_session *session, const slmt_volume *const *sources,
                                         size_t n_sources, const slmt_segmentation *how, slmt_volume **labels,
                                         slmt_volume **probabilities);

/**
 * Label slices that are prepared already, such as those that slmt_dataset_read() gives of a training set:
 * what slmt_segment_volume() does between a scan and its label map. Slices of the training's crop_size are
 * resized for models with an option image_size, and their probabilities back; others are not.
 *
 * @param session        of task "segment"
 * @param image          [channels][size[0]][size[1]][size[2]] float32, row-major: the slices of each
 *                       contrast, in the order of slmt_model_contrast(), with intensities as in the training,
 *                       which for sets of MR volumes are in [0, 1]; not modified
 * @param size           slices, rows and columns, each at least 1
 * @param spacing        mm from a slice to the next, from a row, from a column: for the random field; NULL: 1
 * @param how            NULL: the defaults
 * @param labels         [size[0]][size[1]][size[2]] int32: receives values of the option `classes`
 * @param probabilities  NULL, or [classes][size[0]][size[1]][size[2]] float32: receives numbers from 0 to 1
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_UNSUPPORTED (the session's task labels nothing),
 *         SLMT_ERR_NONFINITE (the image has, or the network makes, what is no number), SLMT_ERR_CANCELLED,
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND; on an error labels and probabilities are
 *         undefined
 * @threads one thread per session at a time
 * @source as slmt_segment_volume(); the random field: Kraehenbuehl and Koltun, NIPS 24 (2011)
 * \since 0.1
 */
SLMT_API slmt_status slmt_segment_slices(slmt_session *session, const float *image, const int64_t size[3],
                                         const double spacing[3], const slmt_segmentation *how,
                                         int32_t *labels, float *probabilities);

/** How well the voxels of one class agree with the truth: T are those that have it in the truth, A those that
 *  have it in the labels that are compared. A figure is NaN where it is 0/0. \since 0.1 */
typedef struct slmt_label_scores {
    uint32_t struct_size;    /**< sizeof(slmt_label_scores), set by the caller */
    int32_t reserved;        /**< 0 */
    int64_t truth;           /**< voxels of T */
    int64_t answer;          /**< voxels of A */
    int64_t both;            /**< voxels of T and A */
    double dice;             /**< 2 |T and A| / (|T| + |A|) */
    double iou;              /**< |T and A| / |T or A| */
    double precision;        /**< |T and A| / |A| */
    double recall;           /**< |T and A| / |T| */
    double specificity;      /**< of the voxels outside T, the share outside A */
    double hausdorff95;      /**< mm: the 95th percentile of the distances from the surface of one to that of
                                  the other, of the worse direction; infinite if one alone is empty */
    double surface_distance; /**< mm: the mean of those distances, both directions together */
} slmt_label_scores;

/**
 * Compare a label map with the truth, for one of its labels.
 *
 * @param labels  what is judged, such as the labels of slmt_segment_volume()
 * @param truth   on the same grid
 * @param label   value of the class
 * @param scores  struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also: grids that differ), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * @source Reinke et al., Nature Methods 21 (2024), for the definitions
 * \since 0.1
 */
SLMT_API slmt_status slmt_compare_labels(const slmt_volume *labels, const slmt_volume *truth, int32_t label,
                                         slmt_label_scores *scores);

/**
 * The figures of one class that follow from counts of voxels, such as those of all subjects together: all but
 * the distances of the surfaces, which are NaN.
 *
 * @param counts   [classes][classes], a row for each class of the truth: how many of its voxels have each
 *                 class in the labels
 * @param classes  1 to 64
 * @param index    of the class, below `classes`
 * @param scores   struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also: a count below 0)
 * @threads any thread
 * @source Reinke et al., Nature Methods 21 (2024), for the definitions
 * \since 0.1
 */
SLMT_API slmt_status slmt_label_scores_of_counts(const int64_t *counts, size_t classes, size_t index,
                                                 slmt_label_scores *scores);

#ifdef __cplusplus
}
#endif

#endif
