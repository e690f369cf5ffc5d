/* SPDX-License-Identifier: Apache-2.0 */
/** @file trainer.h
 *  Training models of any method.
 *
 *  A trainer can be fed by hand, step by step, or run over a training set. Its checkpoint holds everything
 *  needed to go on: a run that was stopped and resumed equals the uninterrupted one bit for bit. */
#ifndef SLMT_TRAINER_H
#define SLMT_TRAINER_H

#include "slmt/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A trainer: a model it may write, optimiser, schedule, step, random state. \since 0.1 */
typedef struct slmt_trainer slmt_trainer;

/** What is computed again for the gradients instead of being kept, by growing time and falling memory.
 *  @source Chen et al. 2016, Training deep nets with sublinear memory cost \since 0.1 */
enum {
    SLMT_RECOMPUTE_NOTHING = 0, /**< everything is kept */
    SLMT_RECOMPUTE_CHEAP = 1,   /**< activations, layer norms, copies, and the linear layers of a snapshot */
    SLMT_RECOMPUTE_LINEAR = 2   /**< and the linear layers before activations and attention */
};

/** Where training is. \since 0.1 */
typedef struct slmt_training_state {
    uint32_t struct_size;    /**< sizeof(slmt_training_state), set by the caller */
    int32_t reserved;        /**< 0 */
    uint64_t step;           /**< steps done */
    uint64_t steps_in_epoch; /**< steps of an epoch on the set last run; 0 before */
    uint64_t total_steps;    /**< steps of the whole run on that set; 0 before */
    uint64_t seed;           /**< of slmt_trainer_create() */
} slmt_training_state;

/** A run of a trainer over a set, described before it begins. \since 0.1 */
typedef struct slmt_run_info {
    uint32_t struct_size;    /**< sizeof(slmt_run_info), set by the caller */
    int32_t is_other_set;    /**< 1: the trainer has learned from a set with other contents; moved and renamed
                                  sets are the same; 0 too where the trainer does not know */
    uint64_t samples;        /**< samples of an epoch, such as slices or pairs of them, that the set has */
    uint64_t samples_used;   /**< those that setting data_rate leaves: the first ones */
    uint64_t records;        /**< training records (subjects) with such samples */
    uint64_t records_used;   /**< those of the samples that are used */
    uint64_t steps_in_epoch; /**< samples used / batch, rounded down */
    uint64_t total_steps;    /**< of all epochs */
    uint64_t checkpoint_bytes; /**< tensors in a file of slmt_trainer_save(), which is a little larger */
} slmt_run_info;

/** What a checkpoint says of its training. \since 0.1 */
typedef struct slmt_checkpoint_info {
    uint32_t struct_size; /**< sizeof(slmt_checkpoint_info), set by the caller */
    int32_t reserved;     /**< 0 */
    const char *task;     /**< task that the file's trainer runs; "" for a model without training state; lives
                               as long as the library */
    uint64_t step;        /**< steps done */
    uint64_t steps_in_epoch; /**< of the set last run; 0: of none */
    uint64_t total_steps;    /**< likewise, of the whole run: more than `step` where it was stopped */
} slmt_checkpoint_info;

/**
 * Called after each step of slmt_trainer_run(). slmt_trainer_value() gives what the step reports.
 * @return 0 to go on; anything else ends the run with SLMT_ERR_CANCELLED, between steps
 * @threads called on the thread that called slmt_trainer_run()
 * \since 0.1
 */
typedef int32_t (*slmt_step_fn)(void *user, slmt_trainer *trainer, const slmt_training_state *state);

/**
 * Make a trainer for a task of any method.
 *
 * @param model     kept alive by the trainer, changed by its steps
 * @param task      its name, see slmt_method_task(); one that trains
 * @param settings  count settings by name; those not named have their initial values. NULL if count is 0
 * @param count     settings given, 0 or more
 * @param seed      drives order, augmentation and whatever else is random
 * @param trainer   receives the trainer; the caller frees it with slmt_trainer_free()
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such task or setting), SLMT_ERR_STATE (a task that does not
 *         train, or reads tensors that are trained elsewhere and were never set), SLMT_ERR_ARGUMENT,
 *         SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_create(slmt_model *model, const char *task, const slmt_number *settings,
                                         size_t count, uint64_t seed, slmt_trainer **trainer);

/**
 * Bytes that a trainer holds, exactly; see slmt_session_memory().
 *
 * @param model     not NULL
 * @param task      as slmt_trainer_create()
 * @param settings  likewise
 * @param count     likewise
 * @param bytes     receives the number
 * @return as slmt_trainer_create()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_memory(slmt_model *model, const char *task, const slmt_number *settings,
                                         size_t count, uint64_t *bytes);

/**
 * How much of slmt_trainer_memory() is memory of a device; see slmt_session_device_memory().
 *
 * @param model     not NULL
 * @param task      as slmt_trainer_create()
 * @param settings  likewise
 * @param count     likewise
 * @param bytes     receives the number; 0 on a backend that works on the host's memory
 * @return as slmt_trainer_create()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_device_memory(slmt_model *model, const char *task,
                                                const slmt_number *settings, size_t count, uint64_t *bytes);

/**
 * Name of the task that a trainer runs.
 *
 * @param trainer  not NULL
 * @return the name, which lives as long as the library
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_trainer_task(const slmt_trainer *trainer);

/**
 * Read one of a trainer's settings.
 *
 * @param trainer  not NULL
 * @param name     as in slmt_number_info
 * @param value    receives it
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_setting(const slmt_trainer *trainer, const char *name, double *value);

/**
 * Read one of a trainer's settings that is a text.
 *
 * @param trainer  not NULL
 * @param name     as in slmt_number_info
 * @return the text, which lives as long as the trainer; NULL: the task has no text of this name
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_trainer_setting_text(const slmt_trainer *trainer, const char *name);

/**
 * The shape of an input under the trainer's settings.
 *
 * @param trainer  not NULL
 * @param name     of the input
 * @param shape    receives 6 extents, unused ones 0; the first of a batched one is the batch setting
 * @param rank     receives their number
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_shape(const slmt_trainer *trainer, const char *name, int64_t shape[6],
                                        int32_t *rank);

/**
 * One step of any task that trains, at a given learning rate.
 *
 * @param trainer  not NULL
 * @param inputs   count tensors, one for each input of the task, in any order, with as many samples as the
 *                 batch setting says; see slmt_session_run()
 * @param count    inputs given
 * @param rate     learning rate, at least 0
 * @return as slmt_session_run(), and SLMT_ERR_STATE: a model is to be attached first; SLMT_ERR_NONFINITE also
 *         where a loss or a gradient is not finite. On every error the weights are as before
 * @threads one thread per trainer at a time; do not use its model elsewhere meanwhile
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_step(slmt_trainer *trainer, const slmt_tensor *inputs, size_t count,
                                       double rate);

/**
 * Attach a second model to a task that reads one: a teacher, or whatever the task names. The trainer keeps
 * the model and does not change it. The trainer's checkpoint holds only a digest of that model, so that the
 * caller attaches the same model again after slmt_trainer_load().
 *
 * @param trainer  not NULL
 * @param name     as the task calls it
 * @param model    of the same method, with the same options and precision; takes the place of the one before
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (the task reads no such model), SLMT_ERR_ARGUMENT (another method,
 *         other shapes, the model that is trained itself, or another one than the loaded trainer's)
 * @threads one thread per trainer at a time; no thread may change the model from then on
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_attach(slmt_trainer *trainer, const char *name, slmt_model *model);

/**
 * Number of values that a step reports: the task's outputs that are single numbers, in their order, then
 * "learning_rate". Of a task with one graph the last output is what is minimised.
 *
 * @param trainer  not NULL
 * @return how many
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_trainer_value_count(const slmt_trainer *trainer);

/**
 * Name of a value.
 *
 * @param trainer  not NULL
 * @param index    below slmt_trainer_value_count()
 * @return the name, which lives as long as the library; "" past the end
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_trainer_value_name(const slmt_trainer *trainer, size_t index);

/**
 * Read a value of the last step that succeeded: a loss before the update of that step, or its learning rate.
 *
 * @param trainer  not NULL
 * @param name     as slmt_trainer_value_name()
 * @param value    receives it
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_STATE (no step since the trainer was made or loaded),
 *         SLMT_ERR_ARGUMENT
 * @threads one thread per trainer at a time; also inside slmt_step_fn
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_value(const slmt_trainer *trainer, const char *name, double *value);

/**
 * Free a trainer; the model stays.
 *
 * @param trainer  may be NULL
 * @threads any thread; no other thread may be using the trainer
 * \since 0.1
 */
SLMT_API void slmt_trainer_free(slmt_trainer *trainer);

/**
 * The trainer's model; borrowed. Between two steps (between runs, or in slmt_step_fn) sessions of it may be
 * made and run, to validate what was learned so far; they see the weights of the last step, change nothing of
 * the run, and are freed before the next step.
 *
 * @param trainer  not NULL
 * @return the model, which lives at least as long as the trainer
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_model *slmt_trainer_model(slmt_trainer *trainer);

/**
 * Tell how far the training has come.
 *
 * @param trainer  not NULL
 * @param state    struct_size set; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads one thread per trainer at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_get_state(const slmt_trainer *trainer, slmt_training_state *state);

/**
 * Ask the call that is running on a trainer to stop, as slmt_session_cancel() does. The running step is
 * dropped as a whole, and the trainer is as it was before that step.
 *
 * @param trainer  not NULL
 * @threads any thread, any time before the trainer is freed
 * \since 0.1
 */
SLMT_API void slmt_trainer_cancel(slmt_trainer *trainer);

/**
 * Train on a set: from where the trainer is to the end of its schedule, or for max_steps steps. After the
 * first step the model has the set's preprocessing, because it learns from slices that were made so. Its card
 * then names the contrasts: "source_contrast" and "target_contrast", or without a target "TASK_contrast".
 *
 * The task decides what a sample is. SLMT-Net's pre-training uses every slice of the training subjects in the
 * named contrast, or in all contrasts; its fine-tuning and the U-Net's training use the slices that have both
 * contrasts. Seq2Seq draws its contrasts itself. A task that labels pixels takes all contrasts of the set, or
 * the named one where the model has one channel. Order, augmentation and masks depend on the seed and the
 * step alone.
 *
 * @param trainer    not NULL
 * @param dataset    not NULL
 * @param source     name of the contrast to start from; NULL: all contrasts of the set, or those that the
 *                   task draws
 * @param target     name of the contrast to make; NULL for a task that does not learn from named pairs
 * @param max_steps  0: to the end of the schedule
 * @param step       called after each step; may be NULL
 * @param user       handed to step
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (image sizes differ, fewer slices than a batch, a contrast that the
 *         task takes is not named, one that it does not take is named, or one contrast is named as both),
 *         SLMT_ERR_NOT_FOUND (no such contrast), SLMT_ERR_UNSUPPORTED (the task takes no sets),
 *         SLMT_ERR_STATE (the set is of another kind than the task takes, or a model is to be attached
 * first), SLMT_ERR_CANCELLED, and as slmt_trainer_step() and slmt_dataset_read_slice()
 * @threads one thread per trainer and set at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source,
                                      const char *target, uint64_t max_steps, slmt_step_fn step, void *user);

/**
 * Describe the run that slmt_trainer_run() would begin with the same arguments, and fail where it would fail.
 * The trainer stays as it is.
 *
 * @param trainer  not NULL
 * @param dataset  not NULL
 * @param source   as slmt_trainer_run()
 * @param target   likewise
 * @param info     struct_size set; filled
 * @return as slmt_trainer_run() before its first step
 * @threads one thread per trainer and set at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_describe_run(slmt_trainer *trainer, slmt_dataset *dataset,
                                               const char *source, const char *target, slmt_run_info *info);

/**
 * Measure how long a step takes: compute the task's graphs once, on inputs of zeros, and drop the results.
 * Weights and training state stay as they are. Left out are reading the samples and the optimiser, a few per
 * cent, and graphs that a step of the task's own runs more than once.
 *
 * @param trainer  not NULL
 * @param seconds  receives the time
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (a model is to be attached first), SLMT_ERR_BACKEND
 * @threads one thread per trainer at a time; do not use its model elsewhere meanwhile
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_time_step(slmt_trainer *trainer, double *seconds);

/**
 * Save model and training state in one checkpoint, atomically. slmt_model_load() reads its model,
 * slmt_trainer_load() all of it.
 *
 * @param trainer  not NULL
 * @param path     a file of HDF5 or an empty one is replaced, another one, such as a scan, is not
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also where path is a training set that is open anywhere),
 *         SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread per trainer at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_save(const slmt_trainer *trainer, const char *path);

/**
 * Load a checkpoint written by slmt_trainer_save() and go on where it stopped.
 *
 * @param context  not NULL
 * @param path     the file
 * @param trainer  receives a trainer with a new model, see slmt_trainer_model()
 * @return as slmt_model_load(), and SLMT_ERR_STATE: the file holds a model and no training state;
 *         SLMT_ERR_UNSUPPORTED: the context's weights are of 16 bits, which cannot be trained
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_load(slmt_context *context, const char *path, slmt_trainer **trainer);

/**
 * Tell how far the training of a checkpoint has come, without the memory and the time of
 * slmt_trainer_load().
 *
 * @param context  not NULL
 * @param path     the file
 * @param info     struct_size set; filled
 * @return as slmt_model_load()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_checkpoint_describe(slmt_context *context, const char *path,
                                              slmt_checkpoint_info *info);

#ifdef __cplusplus
}
#endif
#endif
