/* SPDX-License-Identifier: Apache-2.0 */
/** @file volume.h
 *  A scan: voxels and where they lie in the patient. Read from and written to NIfTI. */
#ifndef SLMT_VOLUME_H
#define SLMT_VOLUME_H

#include "slmt/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A volume of float32 voxels with its geometry. \since 0.1 */
typedef struct slmt_volume slmt_volume;

/**
 * Read a NIfTI file (.nii, .nii.gz, .hdr/.img): any scalar type, scl_slope and scl_inter applied.
 * Trailing axes of length 1 are dropped; more than three axes are refused.
 *
 * @param context  not NULL
 * @param path     the file
 * @param volume   receives the volume; the caller frees it with slmt_volume_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (not NIfTI, not
 *         scalar, not three axes), SLMT_ERR_CORRUPT (cut short), SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY,
 *         SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_read(slmt_context *context, const char *path, slmt_volume **volume);

/**
 * Make a volume from an array.
 *
 * @param context  not NULL
 * @param dims     voxels along i, j, k; each at least 1
 * @param affine   16 numbers, row-major 4x4: voxel index (i,j,k,1) to patient millimetres, NIfTI's convention
 *                 (x to the right, y to the front, z up); NULL: 1 mm voxels, no rotation
 * @param voxels   dims[0]*dims[1]*dims[2] float32, i fastest; copied; finite
 * @param volume   receives the volume; the caller frees it with slmt_volume_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also: the affine is singular), SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY,
 *         SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_create(slmt_context *context, const int64_t dims[3], const double *affine,
                                        const float *voxels, slmt_volume **volume);

/**
 * Free a volume.
 *
 * @param volume  may be NULL
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_volume_free(slmt_volume *volume);

/**
 * Voxels along i, j, k.
 *
 * @param volume  NULL: zeros
 * @param dims    receives three numbers
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_volume_dims(const slmt_volume *volume, int64_t dims[3]);

/**
 * The affine, as in slmt_volume_create().
 *
 * @param volume  NULL: zeros
 * @param affine  receives 16 numbers
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_volume_affine(const slmt_volume *volume, double affine[16]);

/**
 * The voxels, i fastest.
 *
 * @param volume  NULL: no voxels
 * @return an array that lives with the volume, or NULL
 * @threads any thread
 * \since 0.1
 */
SLMT_API const float *slmt_volume_voxels(const slmt_volume *volume);

/**
 * Measure a volume: size of its voxels, field of view, its head, and how that lies to crop and slices.
 *
 * @param volume      not NULL
 * @param preprocess  crop and slices; NULL for the defaults
 * @param geometry    struct_size set by the caller; filled, as of one volume
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also: too few slices), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_geometry(const slmt_volume *volume, const slmt_preprocess *preprocess,
                                          slmt_geometry *geometry);

/**
 * Write a volume as float32 NIfTI-1, gzip-compressed if the name ends in .gz. A volume that was read from a
 * file, or synthesized from such a one, keeps that file's header: affine, units, description, extensions.
 * Written beside `path` and renamed over it.
 *
 * @param volume  not NULL
 * @param path    ends in .nii or .nii.gz; replaced if it exists
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (the name ends in neither .nii nor .nii.gz), SLMT_ERR_IO,
 *         SLMT_ERR_MEMORY
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_write(const slmt_volume *volume, const char *path);

/** Agreement of two slices or volumes, both in [0, 1]. \since 0.1 */
typedef struct slmt_metrics {
    uint32_t struct_size; /**< sizeof(slmt_metrics), set by the caller */
    int32_t reserved;     /**< 0 */
    double psnr;          /**< 20 log10(1/sqrt(MSE)) in dB; 100 where MSE is 0 */
    double ssim;          /**< structural similarity, 7x7 uniform window, data range 1 */
    double ssim_range_2;  /**< the same with data range 2: only to compare with the paper */
    double nmse;          /**< sum (p-t)^2 / sum t^2; 0 where t is all 0 */
    double
        nmse_spectral; /**< ||(p-t)^2||_2 / ||t^2||_2, spectral norms: the paper's code; 0 where t is all 0 */
    double mae;        /**< mean |p-t| */
} slmt_metrics;

/**
 * Compare a slice with its target. Works in memory of malloc(), which no context counts.
 *
 * @param prediction  [height][width] float32
 * @param target      [height][width] float32
 * @param height,width  pixels, each at least 7
 * @param metrics     struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY
 * @threads any thread
 * @source Wang et al. 2004 (SSIM); Li et al., IEEE TMI 2023, section IV
 * \since 0.1
 */
SLMT_API slmt_status slmt_compare(const float *prediction, const float *target, size_t height, size_t width,
                                  slmt_metrics *metrics);

/**
 * One of the figures by the name that slmt_task_metric() lists it under: the name of the field.
 *
 * @param metrics  filled by slmt_compare()
 * @param name     "psnr", "ssim", ...
 * @param value    receives it
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (slmt_compare() gives no such figure), SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_metrics_value(const slmt_metrics *metrics, const char *name, double *value);

#ifdef __cplusplus
}
#endif
#endif
