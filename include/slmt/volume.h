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
 * Read a scan: NIfTI-1, NIfTI-2 (.nii, .nii.gz, .hdr/.img) or FreeSurfer's MGH (.mgh, .mgz), of integers or
 * floats of up to 64 bits, scaling applied. The bytes decide what a file is; its name matters for pairs
 * alone. Trailing axes of length 1 are dropped. A file of several volumes needs the number of one behind its
 * name, from 0 on, as in "scan.nii.gz[2]"; a file of just that name comes first.
 *
 * The affine is that of the sform, else of the qform, else the spacing alone, with x to the right; lengths in
 * metres or micrometres are turned into millimetres. The call warns if the file gives no orientation or no
 * spacing, if its forms contradict each other, and if it does not count in millimetres.
 *
 * @param context  not NULL
 * @param path     the file
 * @param volume   receives the volume; the caller frees it with slmt_volume_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (no scan: the
 *         message says what it is; not scalar, several volumes), SLMT_ERR_CORRUPT (damaged, cut short),
 *         SLMT_ERR_NONFINITE (a NaN, an infinity, a number beyond float32), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT,
 *         SLMT_ERR_CANCELLED (a warning was not accepted)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_read(slmt_context *context, const char *path, slmt_volume **volume);

/**
 * Read a scan from memory by the rules of slmt_volume_read(): a NIfTI header as another library holds it, and
 * its voxels. This call interprets the header; for slmt_volume_create() a program would have to do that
 * itself.
 *
 * @param context       not NULL
 * @param header        NIfTI-1 (348 bytes) or NIfTI-2 (540 bytes), in either byte order, for one volume; what
 *                      it says of their place in a file does not count
 * @param header_bytes  bytes of it, at least as many
 * @param voxels        what the header promises, of its type and byte order, i fastest; copied
 * @param voxel_bytes   bytes of them
 * @param volume        receives the volume; the caller frees it with slmt_volume_free()
 * @return as slmt_volume_read(), and SLMT_ERR_ARGUMENT if voxel_bytes is not what the header promises
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_from_nifti(slmt_context *context, const void *header, size_t header_bytes,
                                            const void *voxels, size_t voxel_bytes, slmt_volume **volume);

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
 * Make a volume of other voxels on the grid of another volume. The new volume has the geometry and units of
 * the source, and nothing that described its values.
 *
 * @param source       not NULL
 * @param voxels       as many float32 as source has, i fastest; copied; finite
 * @param description  what they are, for the header's description; cut with "libslmt VERSION: " in front of
 *                     it to 79 bytes. NULL: nothing is said
 * @param volume       receives the volume, of source's context; the caller frees it with slmt_volume_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_like(const slmt_volume *source, const float *voxels, const char *description,
                                      slmt_volume **volume);

/**
 * Make a volume of another voxel size over the same field of view: its middle stays from left to right and
 * from front to back, and its lower end from bottom to top, as crops and slices are counted. Values are
 * interpolated linearly between centres; a voxel that is larger than the old ones is the mean over its width.
 *
 * @param volume     not NULL; not modified
 * @param spacing    millimetres from the middle of a voxel to that of the next, from left to right, from
 *                   front to back and upwards; above 0
 * @param resize     SLMT_RESIZE_BILINEAR, or SLMT_RESIZE_NEAREST for label maps: the nearest old voxel's
 *                   value
 * @param resampled  receives a volume whose axes go to the left, to the back and up; the caller frees it with
 *                   slmt_volume_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also: there would be too many voxels), SLMT_ERR_MEMORY,
 *         SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_resample(const slmt_volume *volume, const double spacing[3], int32_t resize,
                                          slmt_volume **resampled);

/**
 * Free a volume.
 *
 * @param volume  may be NULL
 * @threads any thread; no other thread may be using the volume
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
 * Voxels that were NaN in the file and became 0 (slmt_context_set_nan()).
 *
 * @param volume  NULL: 0
 * @return how many; 0 of a volume that was not read
 * @threads any thread
 * \since 0.1
 */
SLMT_API uint64_t slmt_volume_zeroed(const slmt_volume *volume);

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
 * Write a volume as float32 NIfTI-1, the labels of slmt_segment_volume() as integers of 16 bits, or of 32
 * where those are too few; gzip-compressed if the name ends in .gz. Written beside `path` and
 * renamed over it. A volume that was read from a file keeps that file's header with its extensions. One that
 * was made from such a volume has its geometry and units, and nothing that spoke of the old values: no
 * display range, intent, slice timing, names or extensions; its description says what it is, and of a
 * synthesized one that it is synthetic and not for diagnosis.
 *
 * @param volume  not NULL
 * @param path    ends in .nii or .nii.gz; replaced if it exists
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (the name ends in neither .nii nor .nii.gz, or is that of a
 *         training set that is open anywhere), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_write(const slmt_volume *volume, const char *path);

/**
 * The NIfTI-1 header that slmt_volume_write() would write, in this machine's byte order and without
 * extensions.
 *
 * @param volume  not NULL
 * @param header  receives 348 bytes
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also: an axis is longer than NIfTI-1 can say)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_volume_nifti_header(const slmt_volume *volume, void *header);

/** By what definition the figures of slices become those of a subject. A slice has signal if its target holds
 *  a value above 0.01, a hundredth of the range of intensities. \since 0.1 */
enum {
    SLMT_DEFINITION_VOLUME = 1, /**< all pixels of all slices are one image; SSIM: over the windows of the
                                     slices with signal; there is no spectral NMSE */
    SLMT_DEFINITION_SLICE = 2,  /**< the mean over the slices with signal */
    SLMT_DEFINITION_PAPER = 3   /**< the mean over all slices, an NMSE of 0 where the target is all 0: the
                                     paper's code, whose figures grow with the number of such slices */
};

/** Agreement of two slices, or of two stacks of them; intensities in [0, 1]. p is the prediction, t the
 *  target. A figure that is not defined is a NaN. \since 0.1 */
typedef struct slmt_metrics {
    uint32_t struct_size; /**< sizeof(slmt_metrics), set by the caller */
    int32_t reserved;     /**< 0 */
    double psnr;          /**< 20 log10(1/sqrt(MSE)) in dB, at most 100, which is also that of equal images */
    double ssim;          /**< structural similarity, 7x7 uniform window, data range 1 */
    double ssim_range_2;  /**< the same with data range 2: only to compare with the paper */
    double nmse;          /**< sum (p-t)^2 / sum t^2; NaN where t is all 0 */
    double nmse_spectral; /**< ||(p-t)^2||_2 / ||t^2||_2, spectral norms: the paper's code; NaN where t is
                               all 0 */
    double mae;           /**< mean |p-t| */
    double squares;       /**< sum (p-t)^2 */
    double energy;        /**< sum t^2 */
    int64_t pixels;       /**< compared: all of them, or those of the mask */
    int64_t windows;      /**< of SSIM: those that lie inside a slice and have their centre in the mask */
    int64_t slices;       /**< in which a pixel was compared */
    int64_t with_signal;  /**< slices among them whose target has signal: a compared pixel above 0.01 */
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
 * Compare a slice with its target inside a mask. PSNR, NMSE and MAE are those of the pixels in the mask, SSIM
 * is the mean over the windows whose centre is in it, and for the spectral norm both images are 0 outside.
 *
 * @param prediction  [height][width] float32
 * @param target      [height][width] float32
 * @param mask        [height][width], not 0 where pixels count; NULL: everywhere
 * @param height,width  pixels, each at least 7
 * @param metrics     struct_size set by the caller; filled. With an empty mask all figures are NaN and all
 *                    numbers 0
 * @return as slmt_compare()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_compare_masked(const float *prediction, const float *target, const uint8_t *mask,
                                         size_t height, size_t width, slmt_metrics *metrics);

/**
 * The figures of a stack of slices, such as a subject's, from those of its slices.
 *
 * Slices without a compared pixel do not count. With SLMT_DEFINITION_SLICE and _PAPER a figure that a slice
 * lacks is left out of its mean. A volume whose target has no signal at all has no SSIM and no NMSE, and no
 * figures by slice: its error says nothing of a synthesis.
 *
 * @param slices      count results of slmt_compare() or slmt_compare_masked(); the struct_size of all is
 *                    sizeof(slmt_metrics)
 * @param count       at least 1
 * @param definition  SLMT_DEFINITION_...
 * @param metrics     struct_size set by the caller; filled: numbers and sums are those of all slices
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_metrics_combine(const slmt_metrics *slices, size_t count, int32_t definition,
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
