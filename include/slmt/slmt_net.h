/* SPDX-License-Identifier: Apache-2.0 */
/** @file slmt_net.h
 *  SLMT-Net by structs: its options, its sessions, and the trainers of its two stages.
 *
 *  Each call does what a call by name does (model.h, session.h, trainer.h) with the method "slmt-net", and
 *  gives the same bits. Its handles are those of the other headers, and all other calls take them. The
 *  functions are in builds with this method only, so that slmt.h does not bring this header.
 *
 *  Source: Li et al., "Multi-scale Transformer Network with Edge-aware Pre-training for
 *  Cross-Modality MR Image Synthesis", IEEE TMI 2023 (arXiv 2212.01108). */
#ifndef SLMT_SLMT_NET_H
#define SLMT_SLMT_NET_H

#include "slmt/session.h"
#include "slmt/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- models ---- */

/** Named sets of options. \since 0.1 */
enum {
    SLMT_NET_PRESET_BASE = 0,  /**< the paper's: image 256, width 128, depth 12; 2.5 M + 137 M parameters */
    SLMT_NET_PRESET_SMALL = 1, /**< image 256, width 48, depth 6 */
    SLMT_NET_PRESET_TINY = 2   /**< image 128, width 32, depth 4: minutes on two cores */
};

/** Sizes of the networks. All are checked by slmt_net_create(). \since 0.1 */
typedef struct slmt_net_options {
    uint32_t struct_size;        /**< sizeof(slmt_net_options) */
    int32_t image_size;          /**< height and width of a slice in pixels; a multiple of 16 mae_patch */
    int32_t mae_patch;           /**< encoder patch side in pixels (8); image_size is a multiple */
    int32_t patch;               /**< generator patch side in pixels (4); half of mae_patch */
    int32_t embed_dim;           /**< token width of encoder and generator (128); a multiple of 4 */
    int32_t depth;               /**< encoder blocks (12) */
    int32_t num_heads;           /**< encoder heads (16); divides embed_dim */
    int32_t mlp_ratio;           /**< MLP width over token width (4) */
    int32_t decoder_dim;         /**< Edge-MAE decoder width (64); a multiple of 4 */
    int32_t decoder_depth;       /**< Edge-MAE decoder blocks (8) */
    int32_t decoder_heads;       /**< Edge-MAE decoder heads (8); divides decoder_dim */
    int32_t generator_depths[4]; /**< Swin blocks of each stage, finest first (2,2,2,2) */
    int32_t generator_heads[4];  /**< heads of each stage, finest first (8,8,16,32) */
    int32_t window;              /**< window side in tokens (8) */
} slmt_net_options;

/**
 * Fill options with a preset.
 *
 * @param options  not NULL
 * @param preset   SLMT_NET_PRESET_...
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT: options is NULL, no such preset
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_options_init(slmt_net_options *options, int32_t preset);

/**
 * Make a model with fresh weights.
 *
 * Linear and patch-projection weights of the Edge-MAE are Xavier uniform, cls and mask tokens
 * N(0, 0.02), generator weights and bias tables N(0, 0.02) truncated at two standard deviations,
 * LayerNorm 1 and 0, biases 0, position tables fixed sine-cosine.
 *
 * @param context  not NULL
 * @param options  NULL for SLMT_NET_PRESET_BASE
 * @param seed     equal seeds give equal weights, whatever backend and threads
 * @param model    receives the model; the caller frees it with slmt_model_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (the message names the option and its rule), SLMT_ERR_VERSION,
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * @source sections III-A and III-B
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_create(slmt_context *context, const slmt_net_options *options, uint64_t seed,
                                     slmt_model **model);

/**
 * Read the options of a model of SLMT-Net.
 *
 * @param model    not NULL
 * @param options  struct_size set by the caller (an init function does); filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the model is of another method)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_get_options(const slmt_model *model, slmt_net_options *options);

/* ---- sessions ---- */

/** What a session is made with. Fill with slmt_net_session_config_init(). \since 0.1 */
typedef struct slmt_net_session_config {
    uint32_t struct_size;      /**< sizeof(slmt_net_session_config) */
    int32_t batch;             /**< slices computed together, at most: fewer where that is faster (1) */
    slmt_progress_fn progress; /**< called after slices that were computed together; NULL: no calls */
    void *progress_user;       /**< handed to progress */
} slmt_net_session_config;

/**
 * Fill a configuration with the defaults named beside its fields.
 *
 * @param config  not NULL
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_net_session_config_init(slmt_net_session_config *config);

/**
 * Bytes that a session holds through the context's allocator, exactly. While it is made, planning holds a
 * little more for a moment (well below 1 MB for a small network): a max_bytes cut to the last byte may refuse
 * it.
 *
 * @param model   not NULL
 * @param config  NULL for the defaults
 * @param bytes   receives the number
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY (planning itself takes a little)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_session_memory(slmt_model *model, const slmt_net_session_config *config,
                                             uint64_t *bytes);

/**
 * Make a session: build and plan the network for the batch size and take the memory.
 *
 * @param model    kept alive by the session; not to be trained while sessions use it
 * @param config   NULL for the defaults
 * @param session  receives the session; the caller frees it with slmt_session_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_session_create(slmt_model *model, const slmt_net_session_config *config,
                                             slmt_session **session);

/* ---- trainers ---- */

/** Stages of training. \since 0.1 */
enum {
    SLMT_NET_STAGE_PRETRAIN = 1, /**< Edge-MAE on single slices (section III-A) */
    SLMT_NET_STAGE_FINETUNE = 2  /**< MT-Net on pairs of slices (section III-B) */
};

/** How reconstruction errors of removed patches are weighted (section III-A). \since 0.1 */
enum {
    SLMT_NET_PATCH_WEIGHT_HARD = 0, /**< 1 + the 3x3 mean of the mask, from the start (reference code) */
    SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD =
        1 /**< 2 - that mean until half of training, then as above (paper) */
};

/** What a trainer is made with. Fill with slmt_net_trainer_config_init(). \since 0.1 */
typedef struct slmt_net_trainer_config {
    uint32_t struct_size;  /**< sizeof(slmt_net_trainer_config) */
    int32_t stage;         /**< SLMT_NET_STAGE_... */
    int32_t batch;         /**< slices a step (20; 10) */
    int32_t epochs;        /**< passes over the training slices (100; 150) */
    uint64_t seed;         /**< 0; drives order, augmentation and masks */
    int32_t patch_weight;  /**< SLMT_NET_PATCH_WEIGHT_HARD (pre-training) */
    int32_t augment;       /**< 1; 0: slices as they are */
    int32_t decay_epochs;  /**< 50: pre-training's rate falls by decay_factor every so many epochs */
    int32_t warmup_epochs; /**< 5: fine-tuning's rate rises linearly over so many epochs */
    double decay_factor;   /**< 0.1 */
    double learning_rate;  /**< 3e-3; 1e-3 */
    double minimum_rate;   /**< 1e-5: fine-tuning's cosine ends here */
    double beta1;          /**< Adam: 0.9; 0.9 */
    double beta2;          /**< Adam: 0.95; 0.999 */
    double epsilon;        /**< Adam: 1e-8 */
    double mask_ratio;     /**< 0.7: part of the patches removed (pre-training) */
    double rec_weight;     /**< 10: weight of the reconstruction loss beside the edge loss (pre-training) */
    double l1_weight;      /**< 10000: weight of mean |error| beside feature consistency (fine-tuning) */
    double data_rate;      /**< 1; 0.7: part of the training slices that is used, the first ones */
    int32_t recompute;     /**< SLMT_RECOMPUTE_LINEAR; SLMT_RECOMPUTE_CHEAP: memory against time */
    int32_t reserved;      /**< 0 */
} slmt_net_trainer_config;

/**
 * Fill a configuration with the paper's values for a stage (named beside the fields: pre-training;
 * fine-tuning).
 *
 * @param config  not NULL
 * @param stage   SLMT_NET_STAGE_...
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT: config is NULL or there is no such stage
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_trainer_config_init(slmt_net_trainer_config *config, int32_t stage);

/**
 * Bytes that a trainer holds, exactly; see slmt_net_session_memory().
 *
 * @param model   not NULL
 * @param config  not NULL
 * @param bytes   receives the number
 * @return as slmt_net_trainer_create()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_trainer_memory(slmt_model *model, const slmt_net_trainer_config *config,
                                             uint64_t *bytes);

/**
 * Make a trainer. For fine-tuning, a snapshot of the encoder as it is now becomes the teacher of feature
 * consistency.
 *
 * @param model    kept alive by the trainer, changed by its steps
 * @param config   not NULL
 * @param trainer  receives the trainer; the caller frees it with slmt_trainer_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_trainer_create(slmt_model *model, const slmt_net_trainer_config *config,
                                             slmt_trainer **trainer);

/**
 * Read the configuration of a trainer of SLMT-Net.
 *
 * @param trainer  not NULL
 * @param config   struct_size set; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (a trainer of another method)
 * @threads one thread per trainer at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_trainer_get_config(const slmt_trainer *trainer,
                                                 slmt_net_trainer_config *config);

/**
 * One pre-training step at a given learning rate: no augmentation, masks drawn from the trainer's random
 * state.
 *
 * @param trainer  of SLMT_NET_STAGE_PRETRAIN
 * @param images   [batch][image_size][image_size] float32 in [0, 1]
 * @param rate     learning rate, at least 0
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (another stage), SLMT_ERR_NONFINITE (input, a loss
 *         or a gradient: the weights are as before), SLMT_ERR_CANCELLED (likewise), SLMT_ERR_BACKEND
 * @threads one thread per trainer at a time; do not use its model elsewhere meanwhile
 * @source Li et al., section III-A
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_pretrain_step(slmt_trainer *trainer, const float *images, double rate);

/**
 * One fine-tuning step at a given learning rate: no augmentation.
 *
 * @param trainer  of SLMT_NET_STAGE_FINETUNE
 * @param source   [batch][image_size][image_size] float32 in [0, 1]
 * @param target   likewise
 * @param rate     as slmt_net_pretrain_step()
 * @return as slmt_net_pretrain_step()
 * @threads as slmt_net_pretrain_step()
 * @source Li et al., section III-B
 * \since 0.1
 */
SLMT_API slmt_status slmt_net_finetune_step(slmt_trainer *trainer, const float *source, const float *target,
                                            double rate);

#ifdef __cplusplus
}
#endif
#endif
