/* SPDX-License-Identifier: Apache-2.0 */
/* context.h - what a context holds, for everything below the entry points. */
#ifndef SLMT_CORE_CONTEXT_H
#define SLMT_CORE_CONTEXT_H

#include <pthread.h>
#include <stdint.h>

#include "backends/backend.h"
#include "lib/mem.h"
#include "lib/plan.h"
#include "lib/plugin.h"
#include "slmt/context.h"

struct slmt_context {
    uint64_t word; /* HANDLE_CONTEXT, first */
    _Atomic int64_t owners;
    mem mem; /* every allocation of every handle of this context goes through it */
    slmt_context_config config;
    bk_host host;
    device dev;       /* the backend, opened with host */
    plugin plugin;    /* where the backend comes from, if it is not built in */
    char *texts[3];   /* copies of those in config */
    int opened;       /* the backend's open() has returned */
    char reason[160]; /* what the backend said while it was being opened */
    int32_t nan;      /* SLMT_NAN_... */
    slmt_warning_fn warning;
    void *warning_user;
    pthread_mutex_t sets_lock;
    struct set_file *sets; /* the training sets that are open */
};

/* Makes a context with one owner, of a configuration whose fields have been checked. ERR_UNSUPPORTED,
 * ERR_BACKEND, ERR_MEMORY, ERR_LIMIT. */
status context_open(const slmt_context_config *config, slmt_context **out);

slmt_context *context_retain(slmt_context *context);

/* Gives one owner back; the last one closes the device and frees the context. NULL is allowed. */
void context_release(slmt_context *context);

/* Returns the bytes that its handles hold. */
uint64_t context_live_bytes(const slmt_context *context);
uint64_t context_device_bytes(const slmt_context *context);

/* Calls plan_create() on the context's device. */
status context_plan(slmt_context *context, const graph *g, int flags, plan **out);

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void context_log(const slmt_context *context, int32_t level, const char *format, ...);

/* Warns through the callback, or without one in the log. ERR_CANCELLED, with the warning as its message: the
 * callback does not accept it. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
status
context_warn(const slmt_context *context, const char *format, ...);

#endif
