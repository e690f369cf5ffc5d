/* SPDX-License-Identifier: Apache-2.0 */
/** @file session.h
 *  Running a model of any method: a session is a task of a model, its settings, and the planned memory to run
 *  it. */
#ifndef SLMT_SESSION_H
#define SLMT_SESSION_H

#include "slmt/method.h"
#include "slmt/model.h"
#include "slmt/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A session. Sessions that share a model are independent. \since 0.1 */
typedef struct slmt_session slmt_session;

/**
 * Make a session for a task of any method: build and plan the network for the settings and take the memory.
 *
 * @param model     kept alive by the session; not to be trained while there are sessions of it
 * @param task      its name, see slmt_method_task(); one that does not train. NULL: the one with an output of
 *                  SLMT_ROLE_TARGET, which all methods call "synthesize"
 * @param settings  count settings by name; those not named have their initial values. NULL if count is 0
 * @param count     settings given, 0 or more
 * @param session   receives the session; the caller frees it with slmt_session_free()
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such task or setting), SLMT_ERR_STATE (a task that trains, or
 *         that reads tensors which are trained elsewhere and were never set), SLMT_ERR_ARGUMENT,
 *         SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_create(slmt_model *model, const char *task, const slmt_number *settings,
                                         size_t count, slmt_session **session);

/**
 * Bytes that a session holds through the context's allocator and in memory of a device, exactly. While it is
 * made, planning holds a little more for a moment (well below 1 MB for a small network): a max_bytes cut to
 * the last byte may refuse it.
 *
 * @param model     not NULL
 * @param task      as slmt_session_create()
 * @param settings  likewise
 * @param count     likewise
 * @param bytes     receives the number
 * @return as slmt_session_create()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_memory(slmt_model *model, const char *task, const slmt_number *settings,
                                         size_t count, uint64_t *bytes);

/**
 * How much of slmt_session_memory() is memory of a device, such as a graphics card. The weights, which the
 * sessions of a model share there, are not in it.
 *
 * @param model     not NULL
 * @param task      as slmt_session_create()
 * @param settings  likewise
 * @param count     likewise
 * @param bytes     receives the number; 0 on a backend that works on the host's memory
 * @return as slmt_session_create()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_device_memory(slmt_model *model, const char *task,
                                                const slmt_number *settings, size_t count, uint64_t *bytes);

/**
 * Free a session.
 *
 * @param session  may be NULL; no call may be running on it
 * @threads any thread
 * \since 0.1
 */
SLMT_API void slmt_session_free(slmt_session *session);

/**
 * The model that a session runs.
 *
 * @param session  not NULL
 * @return the model, which lives as long as the session; retain it to keep it longer
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_model *slmt_session_model(slmt_session *session);

/**
 * Name of the task that a session runs.
 *
 * @param session  not NULL
 * @return the name, which lives as long as the library
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_session_task(const slmt_session *session);

/**
 * Ask the call that is running on a session to stop: it returns SLMT_ERR_CANCELLED at the next layer. With no
 * call running, the next one stops.
 *
 * @param session  not NULL
 * @threads any thread, any time before the session is freed
 * \since 0.1
 */
SLMT_API void slmt_session_cancel(slmt_session *session);

/**
 * Have a session call back from now on.
 *
 * @param session   not NULL
 * @param progress  called after samples that were computed together; NULL: no calls
 * @param user      handed to progress
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set_progress(slmt_session *session, slmt_progress_fn progress, void *user);

/**
 * Choose what slmt_synthesize_volume() makes of volumes whose voxels are not of the size that the model was
 * trained on. A new session refuses them. A model that does not know that size takes any volume, and the
 * first call says so in a warning.
 *
 * @param session  not NULL
 * @param spacing  SLMT_SPACING_REFUSE, SLMT_SPACING_RESAMPLE or SLMT_SPACING_ANY
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set_spacing(slmt_session *session, int32_t spacing);

/**
 * Choose the contrast that slmt_synthesize() and slmt_synthesize_volume() make from now on, by its name.
 *
 * A model that tells several contrasts apart makes the one that has this name (slmt_model_contrast()); a
 * model that makes one only must have been trained for it, as field "target_contrast" of its card says.
 *
 * @param session   not NULL
 * @param contrast  its name
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (the model does not make it; the message says what it makes),
 *         SLMT_ERR_ARGUMENT
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set_target(slmt_session *session, const char *contrast);

/**
 * Synthesize target-contrast slices from source-contrast slices.
 *
 * The session may be of any method whose task takes slices. The task "synthesize" of seq2seq must be told
 * first which sequence to make (slmt_session_set()).
 *
 * With SLMT-Net each slice stands alone, and the call allocates nothing unless the session has a profile.
 * With SLMT_MATRIX_ONEDNN, oneDNN takes some small blocks from malloc() and frees them; if malloc() fails
 * there, the call returns SLMT_ERR_MEMORY, and the next call works. Seq2Seq takes the slices for neighbours
 * in one volume, from bottom to top. In 2D it makes each slice with the slices beside it, in 3D it makes
 * blocks of `depth` slices; the first and the last slice are repeated if a neighbour is missing. It allocates
 * memory for one run, and frees it.
 *
 * A slice's result does not depend on earlier calls, and with SLMT-Net it does not depend on the other slices
 * of the call. On a processor with AVX2 and without AVX-512 the latter does not hold with SLMT_MATRIX_ONEDNN,
 * whose kernels may round a row differently at another place of the batch.
 *
 * @param session  of a task that takes slices; its images are height x width (SLMT-Net: image_size, both)
 * @param source   [count][height][width] float32 in [0, 1], row-major; not modified
 * @param count    number of slices, at least 1; need not be a multiple of the session's batch
 * @param target   [count][height][width] float32, written in [0, 1]; may not overlap source
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT    a pointer is NULL, count is 0, the arrays overlap;
 *         SLMT_ERR_NONFINITE   source holds a NaN or an infinity (the message names the first): target is
 *                              untouched. Or the result holds some, because the network overflows (the
 *                              message says how many, and where the first is): target is not usable;
 *         SLMT_ERR_UNSUPPORTED the task takes no slices, or not with its options and settings;
 *         SLMT_ERR_STATE       a shared input was not set, or another thread is in a call of the session;
 *         SLMT_ERR_CANCELLED   target is undefined; SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND
 * @threads one thread per session at a time
 * @source the paper of the method, as slmt_method_info names it; of SLMT-Net section III-B (MT-UNet)
 * \since 0.1
 */
SLMT_API slmt_status slmt_synthesize(slmt_session *session, const float *source, size_t count, float *target);

/**
 * Synthesize a whole volume: reorient, normalise, crop, resize with the model's preprocessing, synthesize,
 * and bring the result back to the source's own grid, where everything outside crop and slice range is 0.
 *
 * Voxels must be of the size that the model was trained on, or slmt_session_set_spacing() says what to do. A
 * volume that lies otherwise than those of the training, whose slices are empty, or whose result is 0 in most
 * of the head gives a warning (slmt_context_set_warning()).
 *
 * The slices are synthesized as by slmt_synthesize(). The session's height and width must be those of the
 * model's preprocessing.
 *
 * @param session  as slmt_synthesize()
 * @param source   a raw volume of the source contrast, any orientation
 * @param target   receives a volume on the same grid with values in [0, 1]; the caller frees it
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (a constant volume, too few slices, another image size, voxels of
 *         another size), SLMT_ERR_NONFINITE (the result holds a NaN or an infinity: no volume is made),
 *         SLMT_ERR_UNSUPPORTED (the task takes no slices), SLMT_ERR_STATE (a shared input was not set),
 *         SLMT_ERR_CANCELLED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_synthesize_volume(slmt_session *session, const slmt_volume *source,
                                            slmt_volume **target);

/**
 * The volume as a model sees it: what slmt_synthesize_volume() would give if the network changed nothing.
 *
 * @param model       not NULL
 * @param source      a raw volume, any orientation
 * @param normalized  receives a volume on the source's grid with values in [0, 1]; the caller frees it
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (a constant volume, too few slices, voxels of another size than the
 *         training's), SLMT_ERR_NONFINITE, SLMT_ERR_CANCELLED (a warning was refused), SLMT_ERR_MEMORY,
 *         SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_normalize_volume(const slmt_model *model, const slmt_volume *source,
                                           slmt_volume **normalized);

/**
 * The volume as a session's model sees it, as by slmt_normalize_volume(). If its voxels are not of the
 * training's size, the volume is treated as slmt_session_set_spacing() says.
 *
 * @param session     not NULL
 * @param source      a raw volume, any orientation
 * @param normalized  receives a volume on the source's grid with values in [0, 1]; the caller frees it
 * @return as slmt_normalize_volume()
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_normalize_volume(slmt_session *session, const slmt_volume *source,
                                                   slmt_volume **normalized);

/**
 * The shape of an input or output under the session's settings.
 *
 * @param session  not NULL
 * @param name     of the input or output
 * @param shape    receives 6 extents, unused ones 0; the first of a batched one is the batch setting
 * @param rank     receives their number
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_shape(const slmt_session *session, const char *name, int64_t shape[6],
                                        int32_t *rank);

/**
 * Set an input that all samples share, such as the sequence to make, for slmt_synthesize() and
 * slmt_synthesize_volume().
 *
 * @param session  not NULL
 * @param input    as in slmt_session_run()
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such shared input), SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set(slmt_session *session, const slmt_tensor *input);

/**
 * Run the session's task. Allocates nothing, unless the session has a profile; as slmt_synthesize() says,
 * oneDNN takes small blocks for itself where it is asked for.
 *
 * @param session    not NULL
 * @param inputs     n_inputs tensors, one for each input of the task, in any order; compact and row-major,
 *                   not modified. The first axis of batched ones may have any length, the same for all
 * @param n_inputs   inputs given
 * @param outputs    n_outputs tensors, one for each output, likewise; written. None may overlap an input
 * @param n_outputs  outputs given
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT  one is missing, or of another type or shape than the message says;
 *         SLMT_ERR_NOT_FOUND one is for no input or output of the task;
 *         SLMT_ERR_NONFINITE an input holds a NaN or an infinity: nothing was written. Or an output does
 *                            (the message names it, the number of such elements and the first one);
 *         SLMT_ERR_CANCELLED outputs are undefined; SLMT_ERR_BACKEND
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_run(slmt_session *session, const slmt_tensor *inputs, size_t n_inputs,
                                      const slmt_tensor *outputs, size_t n_outputs);

#ifdef __cplusplus
}
#endif
#endif
