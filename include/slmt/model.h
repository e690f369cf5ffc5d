/* SPDX-License-Identifier: Apache-2.0 */
/** @file model.h
 *  Models of any method (method.h): options, weights, and the checkpoint file that holds them. */
#ifndef SLMT_MODEL_H
#define SLMT_MODEL_H

#include "slmt/context.h"
#include "slmt/method.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A model: options and weights. Reference-counted; many sessions may share one. \since 0.1 */
typedef struct slmt_model slmt_model;

/** Resampling. \since 0.1 */
enum {
    SLMT_RESIZE_BILINEAR = 0, /**< half-pixel centres, no antialiasing */
    SLMT_RESIZE_NEAREST = 1   /**< source index floor(i * in / out) */
};

/** How a volume's intensities become 0 to 1. \since 0.1 */
enum {
    SLMT_SCALE_PERCENTILES = 0, /**< the head clipped to two percentiles, over its maximum (Li et al. 2023) */
    SLMT_SCALE_TWICE_P99 = 1    /**< clipped to 0 and twice the 99th percentile of all voxels, over that
                                     (Han et al. 2024); the percentile fields are not used */
};

/** How the background of a volume is found, which is kept out of the range of intensities. \since 0.1 */
enum {
    SLMT_BACKGROUND_CORNER = 0, /**< every voxel that equals the corner voxel; it is not clipped, so that a
                                   corner brighter than the head sets the range. Negative values become 0. The
                                   rule of files that name none */
    SLMT_BACKGROUND_SURFACE =
        1 /**< the values of flat areas that fill the volume's surface, or lie far from all
               others; they become 0. Negative values of the head keep their order, spikes
               are clipped (docs/data.md). Where the background is 0 and the head is not
               negative, results are those of SLMT_BACKGROUND_CORNER, bit for bit */
};

/** Which slices of a volume. \since 0.1 */
enum {
    SLMT_CENTRE = -1 /**< of a crop's first index: in the middle */
};

/** How a volume becomes slices. Kept in training sets and checkpoints. \since 0.1 */
typedef struct slmt_preprocess {
    uint32_t struct_size;   /**< sizeof(slmt_preprocess) */
    int32_t crop_size;      /**< side of the square crop in voxels (200); smaller volumes are padded with 0 */
    int32_t crop_x;         /**< first voxel of the crop along x (left), SLMT_CENTRE (default): middle */
    int32_t crop_y;         /**< first voxel of the crop along y (back), SLMT_CENTRE (default): middle */
    int32_t slice_first;    /**< first axial slice (50) */
    int32_t slice_count;    /**< number of slices (60); 0: all from slice_first on */
    int32_t image_size;     /**< slices are resized to this side (256) */
    int32_t target_resize;  /**< SLMT_RESIZE_BILINEAR, for fine-tuning targets (the reference: nearest) */
    double low_percentile;  /**< 0.2: intensities inside the head are clipped to these percentiles */
    double high_percentile; /**< 99.8 */
    int32_t scaling;        /**< SLMT_SCALE_PERCENTILES; how intensities become 0 to 1 */
    int32_t background;     /**< SLMT_BACKGROUND_SURFACE; how the background is found */
} slmt_preprocess;

/** What is done with volumes whose voxels are not of the training's size. \since 0.1 */
enum {
    SLMT_SPACING_REFUSE = 0,   /**< the call fails, and the message names both sizes */
    SLMT_SPACING_RESAMPLE = 1, /**< they are resampled to the training's size, and the result back */
    SLMT_SPACING_ANY = 2       /**< they are taken as they are: crop and slices count their voxels */
};

/** Sizes and places of volumes, in millimetres along x (to the left), y (to the back), z (up): of one volume,
 * or the ranges of those in a training set, or that a model was trained on. Sizes are the same when they
 * differ by 2 % at most. The head is what is not background. \since 0.1 */
typedef struct slmt_geometry {
    uint32_t struct_size;    /**< sizeof(slmt_geometry), set by the caller */
    int32_t volumes;         /**< how many; 0: nothing is known, all other fields are 0 */
    double spacing_least[3]; /**< from the middle of a voxel to that of the next */
    double field_least[3];   /**< field of view: number of voxels times spacing */
    double head_least[3];    /**< size of the head */
    double place_least[3];   /**< from the middle of crop and slices to the middle of the head */
    double part_least;       /**< part of the head's voxels that lies in crop and slices, 0 to 1 */
    double spacing_most[3];  /**< the same, the upper ends of the ranges */
    double field_most[3];    /**< see field_least */
    double head_most[3];     /**< see head_least */
    double place_most[3];    /**< see place_least */
    double part_most;        /**< see part_least */
} slmt_geometry;

/** One tensor of a model. \since 0.1 */
typedef struct slmt_tensor_info {
    uint32_t struct_size; /**< sizeof(slmt_tensor_info), set by the caller */
    int32_t rank;         /**< 1 to 6 */
    int64_t dim[6];       /**< row-major extents; unused ones 0 */
    const char *name;     /**< its name in files of the reference implementation, behind a prefix that tells a
                               method's networks apart, such as "E." for SLMT-Net's encoder; lives as long as
                               the model */
    int32_t used;         /**< 1; 0 for tensors that the reference stores and nothing reads */
    int32_t weights;      /**< how the model holds it: SLMT_WEIGHTS_FULL, _BFLOAT16 or _FLOAT16 */
} slmt_tensor_info;

/**
 * Fill preprocessing with the paper's BraTS values, the defaults named beside the fields.
 *
 * @param preprocess  not NULL
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_preprocess_init(slmt_preprocess *preprocess);

/**
 * Make a model of any method with fresh weights.
 *
 * @param context  not NULL
 * @param method   its name, see slmt_method_describe()
 * @param options  count options by name; those not named have their initial values. NULL if count is 0
 * @param count    options given, 0 or more
 * @param seed     equal seeds give equal weights, whatever backend and threads
 * @param model    receives the model; the caller frees it with slmt_model_free()
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or option), SLMT_ERR_ARGUMENT (the message names
 *         the option and its rule), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_create(slmt_context *context, const char *method, const slmt_number *options,
                                       size_t count, uint64_t seed, slmt_model **model);

/**
 * Name of a model's method.
 *
 * @param model  not NULL
 * @return the name, which lives as long as the library
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_model_method(const slmt_model *model);

/**
 * Read one option of a model.
 *
 * @param model  not NULL
 * @param name   as in slmt_number_info
 * @param value  receives it
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_option(const slmt_model *model, const char *name, double *value);

/**
 * Read one of a model's options that is a text.
 *
 * @param model  not NULL
 * @param name   as in slmt_number_info
 * @return the text, which lives as long as the model; NULL: the method has no text of this name
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_model_option_text(const slmt_model *model, const char *name);

/**
 * Load a model from a checkpoint file. The file is not trusted: its SHA-256 is checked before
 * anything in it is parsed, then every name, shape, type and value. Matrices of linear layers that are
 * stored in another type than the context's `weights` are converted, one after the other.
 *
 * @param context  not NULL
 * @param path     a file written by slmt_model_save() or slmt_trainer_save()
 * @param model    receives the model; the caller frees it with slmt_model_free()
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT  also: a weight is too large for the context's 16-bit type (the message names
 *                            it);
 *         SLMT_ERR_NOT_FOUND, SLMT_ERR_IO;
 *         SLMT_ERR_FORMAT    not a libslmt checkpoint;
 *         SLMT_ERR_CORRUPT   the digest does not match, or the file is cut short;
 *         SLMT_ERR_VERSION   written by a newer library;
 *         SLMT_ERR_SCHEMA    tensors missing, unexpected, of another shape or type (the message lists
 *                            names), or a method that this build does not have;
 *         SLMT_ERR_NONFINITE a weight is a NaN or an infinity;
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_load(slmt_context *context, const char *path, slmt_model **model);

/**
 * Load a model from a checkpoint held in memory.
 *
 * @param context  not NULL
 * @param data     the file's bytes; not modified, not kept
 * @param size     their number
 * @param model    receives the model; the caller frees it with slmt_model_free()
 * @return as slmt_model_load()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_load_memory(slmt_context *context, const void *data, size_t size,
                                            slmt_model **model);

/**
 * Reads up to `size` bytes of a file into `buffer`.
 * @return bytes read, 0 at the end, a negative number on failure
 * \since 0.1
 */
typedef int64_t (*slmt_read_fn)(void *user, void *buffer, size_t size);

/**
 * Load a model from whatever a callback reads.
 *
 * @param context  not NULL
 * @param read     called until it returns 0, or until the bytes can be no checkpoint
 * @param user     handed to read
 * @param model    receives the model; the caller frees it with slmt_model_free()
 * @return as slmt_model_load(), and SLMT_ERR_IO where read fails
 * @threads any thread; read is called on the calling thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_load_callback(slmt_context *context, slmt_read_fn read, void *user,
                                              slmt_model **model);

/**
 * Save a model: options, weights (in 16 bits where the model holds them so), preprocessing and card.
 * Written to a new file beside `path`, synced, and renamed over it: at any moment `path` is the old
 * file or the new one, whole.
 *
 * @param model  not NULL
 * @param path   a file of HDF5 or an empty one is replaced, another one, such as a scan, is not
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also where path is a training set that is open anywhere),
 *         SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread, while no trainer is changing the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_save(const slmt_model *model, const char *path);

/**
 * Save a checkpoint or a training set again that another program, such as h5py or h5repack, has written or
 * changed, and that this library therefore refuses. All groups, attributes and tensors are copied. The new
 * file is loaded, or opened and read to its end, before it takes its place.
 *
 * HDF5 reads the file, and HDF5 is not made for hostile files: such a file can end the process. Call this
 * function in a process of its own, with limits, as `slmt convert --import` does. It is the only function
 * that needs HDF5; a library that was built with SLMT_IMPORT=OFF does without.
 *
 * @param context  not NULL; a checkpoint is loaded with its computing type
 * @param path     the file to read. Training sets of version 1 cannot be imported
 * @param out      replaced if it exists, may be path
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also where out is a training set that is open anywhere),
 *         SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (HDF5 cannot read it), SLMT_ERR_SCHEMA (it holds
 *         what no file of this library does), SLMT_ERR_UNSUPPORTED (a build without HDF5), SLMT_ERR_MEMORY,
 *         SLMT_ERR_LIMIT, or as slmt_trainer_load(),
 *         slmt_model_load() or slmt_dataset_read()
 * @threads any thread; another import waits while it reads
 * \since 0.1
 */
SLMT_API slmt_status slmt_file_import(slmt_context *context, const char *path, const char *out);

/**
 * Add an owner to a model.
 *
 * @param model  not NULL
 * @return model
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_model *slmt_model_retain(slmt_model *model);

/**
 * Give up ownership of a model; its last owner frees it.
 *
 * @param model  may be NULL
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_model_free(slmt_model *model);

/**
 * Read the preprocessing kept with a model.
 *
 * @param model       not NULL
 * @param preprocess  struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_get_preprocess(const slmt_model *model, slmt_preprocess *preprocess);

/**
 * Replace the preprocessing kept with a model.
 *
 * @param model       not NULL
 * @param preprocess  copied
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT: a field is out of range, or image_size is not the model's
 * @threads while nothing else uses the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_set_preprocess(slmt_model *model, const slmt_preprocess *preprocess);

/**
 * Sizes and places of the volumes that a model was trained on. slmt_trainer_run() takes them from its
 * training set, whose test and validation parts do not count.
 *
 * @param model     not NULL
 * @param geometry  struct_size set by the caller; filled; `volumes` is 0 where the model does not know
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread, while no trainer is changing the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_get_geometry(const slmt_model *model, slmt_geometry *geometry);

/**
 * Replace what a model knows about the volumes that it was trained on. Converters use this.
 *
 * @param model     not NULL
 * @param geometry  copied; NULL, or `volumes` 0: nothing is known
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT: a number is not finite, a size is not above 0, or a range is empty
 * @threads while nothing else uses the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_set_geometry(slmt_model *model, const slmt_geometry *geometry);

/**
 * Number of tensors, used and unused.
 *
 * @param model  not NULL
 * @return how many
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_model_tensor_count(const slmt_model *model);

/**
 * Describe tensor `index`.
 *
 * @param model  not NULL
 * @param index  below slmt_model_tensor_count()
 * @param info   struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_tensor_info(const slmt_model *model, size_t index, slmt_tensor_info *info);

/**
 * Copy a tensor out, widened where the model holds it in 16 bits.
 *
 * @param model   not NULL
 * @param name    as in slmt_tensor_info
 * @param values  receives count float32, row-major
 * @param count   the tensor's number of elements
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT (another count is expected)
 * @threads any thread, while no trainer is changing the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_get_tensor(const slmt_model *model, const char *name, float *values,
                                           size_t count);

/**
 * Replace a tensor's values, as a converter does. They are rounded where the model holds it in 16 bits.
 *
 * @param model   not NULL
 * @param name    as in slmt_tensor_info
 * @param values  count float32, row-major, finite
 * @param count   the tensor's number of elements
 * @return as slmt_model_get_tensor(), SLMT_ERR_NONFINITE, and SLMT_ERR_ARGUMENT also where a value is too
 *         large for the 16-bit type (nothing is changed)
 * @threads while nothing else uses the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_set_tensor(slmt_model *model, const char *name, const float *values,
                                           size_t count);

/**
 * Read a field of the model card, free text kept in the checkpoint.
 *
 * @param model  not NULL
 * @param key    "name", "data", "intended_use", "source_contrast", "target_contrast", "training" or any of up
 *               to 64 letters, digits and underscores
 * @return the text, valid until the field is set again or the model freed; "" when unset
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_model_card(const slmt_model *model, const char *key);

/**
 * The key of a field of the model card, in the order of the keys.
 *
 * @param model  not NULL
 * @param index  from 0
 * @return the key, valid until a field is set or the model freed; "" past the last one
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_model_card_key(const slmt_model *model, size_t index);

/**
 * Set a field of the model card.
 *
 * @param model  not NULL
 * @param key    as slmt_model_card()
 * @param text   at most 65000 bytes of UTF-8; NULL or "" removes the field
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads while nothing else uses the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_set_card(slmt_model *model, const char *key, const char *text);

/**
 * Number of the names that a model has for the contrasts that it tells apart: those of the first training set
 * it learned from, or what slmt_model_set_contrasts() gave it.
 *
 * @param model  not NULL
 * @return how many; 0 where the method makes one contrast, or the contrasts have no names yet
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_model_contrast_count(const slmt_model *model);

/**
 * Name of the contrast that index `index` means to inputs of SLMT_ROLE_SOURCE_CONTRAST and
 * SLMT_ROLE_TARGET_CONTRAST.
 *
 * @param model  not NULL
 * @param index  from 0
 * @return the name, valid until the names are set again or the model freed; "" past the last one
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_model_contrast(const slmt_model *model, size_t index);

/**
 * Replace the names of the contrasts that a model tells apart, as a converter does.
 *
 * @param model  not NULL
 * @param names  count names in the order of their indices, each of 1 to 64 bytes without a comma, none
 *               twice; may be NULL if count is 0
 * @param count  at most the option of SLMT_ROLE_CONTRASTS; 0 takes the names away
 * @return SLMT_OK, or SLMT_ERR_UNSUPPORTED (the method makes one contrast), SLMT_ERR_ARGUMENT,
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT: nothing is changed
 * @threads while nothing else uses the model
 * \since 0.1
 */
SLMT_API slmt_status slmt_model_set_contrasts(slmt_model *model, const char *const *names, size_t count);

#ifdef __cplusplus
}
#endif
#endif
