/* SPDX-License-Identifier: Apache-2.0 */
/** @file profile.h
 *  Where the time goes. A profile records every kernel call of the sessions and trainers that it is given to,
 * by op, layer and shape, and can be written as a trace that Chrome and Perfetto show. */
#ifndef SLMT_PROFILE_H
#define SLMT_PROFILE_H

#include "slmt/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct slmt_session;
struct slmt_trainer;

/** A profile. It is not synchronised: what it is given to must run on one thread at a time. \since 0.1 */
typedef struct slmt_profile slmt_profile;

/** Calls of one op with one shape for one layer, and the time of all of them together. \since 0.1 */
typedef struct slmt_profile_entry {
    uint32_t struct_size; /**< sizeof(slmt_profile_entry), set by the caller */
    int32_t backward;     /**< 1: the calls compute a gradient; 2: a forward value again, for a gradient */
    const char *op;       /**< "linear", "window_attention", ..., "adam"; a static text */
    const char *layer;    /**< "G.layers2.0.blocks.1.mlp.fc1"; "" where there is none */
    const char *shape;    /**< of the inputs: "[1,4096,128] [512,128]"; "" where there is none */
    uint64_t calls;       /**< how many */
    double seconds;       /**< all calls together */
    double flops;         /**< multiplications and additions in the matrix products of all calls */
} slmt_profile_entry;

/**
 * Make a profile, which has recorded nothing yet.
 *
 * @param context  not NULL
 * @param profile  receives the profile; the caller frees it with slmt_profile_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_profile_create(slmt_context *context, slmt_profile **profile);

/**
 * Free a profile, or give up the caller's share of it while sessions or trainers hold it.
 *
 * @param profile  may be NULL
 * @threads as a run of what it is given to
 * \since 0.1
 */
SLMT_API void slmt_profile_free(slmt_profile *profile);

/**
 * Forget all calls; time starts at 0 again.
 *
 * @param profile  not NULL
 * @threads as a run of what it is given to
 * \since 0.1
 */
SLMT_API void slmt_profile_clear(slmt_profile *profile);

/**
 * Record the calls of a session from now on. This allocates room for an entry for each layer, and later 24
 * bytes for the event of each call. After 2^20 events, calls are counted, but they are not in the trace.
 *
 * @param session  not NULL
 * @param profile  kept alive by the session; NULL: calls are recorded no longer
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT (the session is as before)
 * @threads one thread per session at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_session_set_profile(struct slmt_session *session, slmt_profile *profile);

/**
 * Record the calls of a trainer's steps from now on, those of the optimiser ("adam") included.
 *
 * @param trainer  not NULL
 * @param profile  as slmt_session_set_profile()
 * @return as slmt_session_set_profile()
 * @threads one thread per trainer at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_trainer_set_profile(struct slmt_trainer *trainer, slmt_profile *profile);

/**
 * Number of entries.
 *
 * @param profile  may be NULL: 0
 * @return how many
 * @threads as a run of what it is given to
 * \since 0.1
 */
SLMT_API size_t slmt_profile_entry_count(const slmt_profile *profile);

/**
 * One entry, in the order of first use.
 *
 * @param profile  not NULL
 * @param index    below slmt_profile_entry_count()
 * @param entry    receives the entry; its texts live until the profile is next given away, or freed
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads as a run of what it is given to
 * \since 0.1
 */
SLMT_API slmt_status slmt_profile_entry_at(const slmt_profile *profile, size_t index,
                                           slmt_profile_entry *entry);

/**
 * Write all calls as a trace in Chrome's JSON format (chrome://tracing, ui.perfetto.dev), atomically.
 *
 * @param profile  not NULL
 * @param path     replaced if it exists
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (also where path is a training set that is open anywhere),
 *         SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads as a run of what it is given to
 * @source Trace Event Format, "complete" events
 * \since 0.1
 */
SLMT_API slmt_status slmt_profile_write_trace(const slmt_profile *profile, const char *path);

#ifdef __cplusplus
}
#endif
#endif
