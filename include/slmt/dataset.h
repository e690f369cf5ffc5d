/* SPDX-License-Identifier: Apache-2.0 */
/** @file dataset.h
 *  Training sets: an HDF5 file of preprocessed slices, written once, streamed in training.
 *
 *  A set holds subjects; a subject has, for each contrast of the set, its slices or none. */
#ifndef SLMT_DATASET_H
#define SLMT_DATASET_H

#include "slmt/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A training set open for reading. \since 0.1 */
typedef struct slmt_dataset slmt_dataset;

/** A training set being written. \since 0.1 */
typedef struct slmt_dataset_writer slmt_dataset_writer;

/** Parts of a set, by subject. \since 0.1 */
enum {
    SLMT_SPLIT_ALL = 0,   /**< every subject */
    SLMT_SPLIT_TRAIN = 1, /**< those that are trained on */
    SLMT_SPLIT_TEST = 2   /**< those kept for measuring */
};

/**
 * Start writing a training set.
 *
 * @param context     not NULL
 * @param path        appears, whole, when slmt_dataset_writer_finish() succeeds; replaced if it exists
 * @param preprocess  NULL for the defaults; recorded in the file
 * @param contrasts   count names, each 1 to 64 letters, digits, '-', '_'
 * @param count       1 to 64
 * @param writer      receives the writer; the caller ends it with finish or cancel
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_create(slmt_context *context, const char *path,
                                                const slmt_preprocess *preprocess,
                                                const char *const *contrasts, size_t count,
                                                slmt_dataset_writer **writer);

/**
 * Preprocess a subject's volumes and add them: reorient to axial slices, normalise each volume on its own,
 * crop, choose slices, resize.
 *
 * @param writer   not NULL
 * @param subject  a name new to this set: 1 to 128 letters, digits, '-', '_', '.'
 * @param volumes  one for each contrast, NULL where missing; those present have equal grids
 * @param split    SLMT_SPLIT_TRAIN or SLMT_SPLIT_TEST
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (grids differ, too few slices, a constant volume, ...; the set stays
 *         as it was and more subjects can be added), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_add(slmt_dataset_writer *writer, const char *subject,
                                             const slmt_volume *const *volumes, int32_t split);

/**
 * Finish the file and free the writer, also on failure.
 *
 * @param writer  not NULL; freed
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (writer is NULL), SLMT_ERR_IO
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_finish(slmt_dataset_writer *writer);

/**
 * Drop the unfinished file and free the writer.
 *
 * @param writer  may be NULL
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API void slmt_dataset_writer_cancel(slmt_dataset_writer *writer);

/**
 * Open a training set. Slices are read when they are needed; the set may be larger than memory.
 *
 * @param context  not NULL
 * @param path     a file that slmt_dataset_writer_finish() wrote
 * @param dataset  receives the set; the caller frees it with slmt_dataset_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT, SLMT_ERR_SCHEMA,
 *         SLMT_ERR_VERSION, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread; a set is used by one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_open(slmt_context *context, const char *path, slmt_dataset **dataset);

/**
 * Close a set.
 *
 * @param dataset  may be NULL
 * @threads any thread; no other thread may be using the set
 * \since 0.1
 */
SLMT_API void slmt_dataset_free(slmt_dataset *dataset);

/**
 * The preprocessing its slices went through.
 *
 * @param dataset     not NULL
 * @param preprocess  struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_get_preprocess(const slmt_dataset *dataset, slmt_preprocess *preprocess);

/**
 * Number of contrasts.
 *
 * @param dataset  not NULL
 * @return 1 to 64
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_contrast_count(const slmt_dataset *dataset);

/**
 * Name of a contrast.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @return the name, which lives with the set; NULL past the last
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_dataset_contrast(const slmt_dataset *dataset, size_t index);

/**
 * Number of subjects.
 *
 * @param dataset  not NULL
 * @return how many, 0 if none was added
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_subject_count(const slmt_dataset *dataset);

/**
 * Name of a subject, in the order they were added.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @return the name, which lives with the set; NULL past the last
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_dataset_subject(const slmt_dataset *dataset, size_t index);

/**
 * Part of the set that a subject is in.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @return SLMT_SPLIT_TRAIN or SLMT_SPLIT_TEST; 0 past the last
 * @threads any thread
 * \since 0.1
 */
SLMT_API int32_t slmt_dataset_subject_split(const slmt_dataset *dataset, size_t index);

/**
 * Slices of a subject in one contrast.
 *
 * @param dataset   not NULL
 * @param subject   index of the subject
 * @param contrast  index of the contrast
 * @return how many; 0 where missing or out of range
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_slice_count(const slmt_dataset *dataset, size_t subject, size_t contrast);

/**
 * Read one slice.
 *
 * @param dataset   not NULL
 * @param subject   index of the subject
 * @param contrast  index of the contrast
 * @param slice     below slmt_dataset_slice_count()
 * @param resize    SLMT_RESIZE_BILINEAR, or SLMT_RESIZE_NEAREST for a target as the reference makes it; the
 *                  file holds the cropped slice and resizing happens here
 * @param pixels    receives [image_size][image_size] float32 in [0, 1]
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_CORRUPT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_read(slmt_dataset *dataset, size_t subject, size_t contrast, size_t slice,
                                       int32_t resize, float *pixels);

#ifdef __cplusplus
}
#endif
#endif
