/* SPDX-License-Identifier: Apache-2.0 */
/** @file session.h
 *  Running a model: a session is a task of a model, its settings, and the planned memory to run it. Typed
 *  calls for SLMT-Net, calls by name for every method (method.h). */
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

/** What a session is made with. Fill with slmt_session_config_init(). \since 0.1 */
typedef struct slmt_session_config {
    uint32_t struct_size;      /**< sizeof(slmt_session_config) */
    int32_t batch;             /**< slices computed together, at most: fewer where that is faster (1) */
    slmt_progress_fn progress; /**< called after slices that were computed together; NULL: no calls */
    void *progress_user;       /**< handed to progress */
} slmt_session_config;

/** Fill a configuration with the defaults named beside its fields. \since 0.1 */
SLMT_API void slmt_session_config_init(slmt_session_config *config);

/**
 * Bytes that a session holds through the context's allocator, exactly. While it is made, planning holds a
 * little more for a moment (well below 1 MB for a small network): a max_bytes cut to the last byte may refuse
 * it.
 *
 * @param config  NULL for the defaults
 * @param bytes   receives the number
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY (planning itself takes a little)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_memory(slmt_model *model, const slmt_session_config *config,
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
SLMT_API slmt_status slmt_session_create(slmt_model *model, const slmt_session_config *config,
                                         slmt_session **session);

/** Free a session. @param session may be NULL; no call may be running on it \since 0.1 */
SLMT_API void slmt_session_free(slmt_session *session);

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
 * Have a session call back from now on. As the configuration's field, for any session.
 *
 * @param progress  called after samples that were computed together; NULL: no calls
 * @param user      handed to progress
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set_progress(slmt_session *session, slmt_progress_fn progress, void *user);

/**
 * Synthesize target-contrast slices from source-contrast slices.
 *
 * Any method whose task takes slices: slmt_session_create(), or "synthesize" of seq2seq, after the sequence
 * to make was given to slmt_session_set(). With SLMT-Net each slice stands alone, and the call allocates
 * nothing unless the session has a profile. Seq2seq takes the slices for neighbours in one volume, bottom to
 * top: in 2D each is made with those beside it, in 3D in blocks of `depth`; the first and the last are
 * repeated where there are none, and room for one run is taken and given back.
 *
 * A slice's result does not depend on earlier calls, and with SLMT-Net not on the other slices of the call;
 * on a processor with AVX2 and no AVX-512 the latter holds with SLMT_MATRIX_AUTO only, as the kernels of
 * oneDNN may round a row otherwise at another place of the batch.
 *
 * @param session  of a task that takes slices; its images are height x width (SLMT-Net: image_size, both)
 * @param source   [count][height][width] float32 in [0, 1], row-major; not modified
 * @param count    number of slices, at least 1; need not be a multiple of the session's batch
 * @param target   [count][height][width] float32, written in [0, 1]; may not overlap source
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT    a pointer is NULL, count is 0, the arrays overlap;
 *         SLMT_ERR_NONFINITE   source holds a NaN or an infinity (the text names the first): target is
 *                              untouched;
 *         SLMT_ERR_UNSUPPORTED the task takes no slices, or not with its options and settings;
 *         SLMT_ERR_STATE       a shared input was not set;
 *         SLMT_ERR_CANCELLED   target is undefined; SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND
 * @threads one thread per session at a time
 * @source Li et al., IEEE TMI 2023, section III-B (MT-UNet)
 * \since 0.1
 */
SLMT_API slmt_status slmt_synthesize(slmt_session *session, const float *source, size_t count, float *target);

/**
 * Synthesize a whole volume: reorient, normalise, crop, resize with the model's preprocessing, synthesize,
 * and bring the result back to the source's own grid, where everything outside crop and slice range is 0.
 *
 * Slices become slices as by slmt_synthesize(). The session's height and width are those of the model's
 * preprocessing.
 *
 * @param source  a raw volume of the source contrast, any orientation
 * @param target  receives a volume on the same grid with values in [0, 1]; the caller frees it
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (a constant volume, too few slices, another image size),
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
 * @param normalized  receives a volume on the source's grid with values in [0, 1]; the caller frees it
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (a constant volume, too few slices), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_normalize_volume(const slmt_model *model, const slmt_volume *source,
                                           slmt_volume **normalized);

/**
 * Make a session for a task of any method.
 *
 * @param model     kept alive by the session; not to be trained while sessions use it
 * @param task      its name, see slmt_method_task(); one that does not train
 * @param settings  count settings by name; those not named have their initial values. NULL if count is 0
 * @param session   receives the session; the caller frees it with slmt_session_free()
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such task or setting), SLMT_ERR_STATE (a task that trains, or
 *         that reads tensors which are trained elsewhere and were never set), and as slmt_session_create()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_create_task(slmt_model *model, const char *task,
                                              const slmt_number *settings, size_t count,
                                              slmt_session **session);

/** Bytes that such a session holds, exactly. As slmt_session_memory(). \since 0.1 */
SLMT_API slmt_status slmt_session_task_memory(slmt_model *model, const char *task,
                                              const slmt_number *settings, size_t count, uint64_t *bytes);

/**
 * The shape of an input or output under the session's settings.
 *
 * @param name   of the input or output
 * @param shape  receives 6 extents, unused ones 0; the first of a batched one is the batch setting
 * @param rank   receives their number
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
 * @param input  as in slmt_session_run()
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such shared input), SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set(slmt_session *session, const slmt_tensor *input);

/**
 * Run the session's task. Allocates nothing, unless the session has a profile.
 *
 * @param inputs   n_inputs tensors, one for each input of the task, in any order; compact and row-major, not
 *                 modified. The first axis of batched ones may have any length, the same for all
 * @param outputs  n_outputs tensors, one for each output, likewise; written. None may overlap an input
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT  one is missing, or of another type or shape than the text says;
 *         SLMT_ERR_NOT_FOUND one is for no input or output of the task;
 *         SLMT_ERR_NONFINITE an input holds a NaN or an infinity: nothing was written;
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
