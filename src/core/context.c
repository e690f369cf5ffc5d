/* SPDX-License-Identifier: Apache-2.0 */
/* context.c - contexts: the opened backend and the allocator behind every other handle. */
#define _GNU_SOURCE
#include "core/context.h"

#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry.h"

static int32_t usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > 1024 ? 1024 : n;
}

/* ---- the host's services to a back end ---- */

/* A back end can only say that memory ran out; this is what the allocator said on this thread. */
static _Thread_local status host_refusal;

static void *host_alloc(void *user, size_t bytes)
{
    void *p;
    slmt_context *context = user;
    host_refusal = mem_take(&context->mem, bytes, &p);
    return p;
}

/* s after a call into the back end that began with host_refusal = OK. */
static status memory_status(const slmt_context *context, status s)
{
    if (s != ERR_MEMORY || host_refusal != ERR_LIMIT)
        return s;
    return fail(ERR_LIMIT, "what the back end needs would pass the limit max_bytes = %llu",
                (unsigned long long)context->mem.limit);
}

static void host_free(void *user, void *p)
{
    mem_give(&((slmt_context *)user)->mem, p);
}

/* Why a back end would not open: it says so in the log. */
static _Thread_local char host_reason[160];

static void host_log(void *user, int level, const char *text)
{
    if (level == SLMT_LOG_ERROR)
        snprintf(host_reason, sizeof host_reason, "%s", text);
    context_log(user, level, "%s", text);
}

void context_log(const slmt_context *context, int32_t level, const char *format, ...)
{
    const slmt_context_config *c = &context->config;
    if (!c->log || level > c->log_level)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->log(c->log_user, level, text);
}

/* ---- life ---- */

static status open_device(slmt_context *context)
{
    const char *name = context->config.backend == SLMT_BACKEND_REFERENCE ? "reference" : "cpu";
    context->host = (bk_host){.user = context,
                              .alloc = host_alloc,
                              .free = host_free,
                              .log = host_log,
                              .threads = context->config.threads,
                              .bf16_arithmetic = context->config.arithmetic == SLMT_ARITHMETIC_BFLOAT16};
    if (context->host.threads == 0)
        context->host.threads = usable_cores();
    context->backend = backend_find(name);
    if (!context->backend)
        return fail(ERR_UNSUPPORTED, "back end %s is not in this build", name);
    host_refusal = OK;
    host_reason[0] = '\0';
    bk_status s = context->backend->open(&context->host, (bk_matrix)context->config.matrix, &context->device);
    if (s == BK_ERR_MEMORY)
        return memory_status(context, fail_memory());
    if (s == BK_ERR_UNSUPPORTED)
        return fail(ERR_UNSUPPORTED,
                    "back end %s cannot be opened with matrix library %s: not in this build, or this "
                    "machine is too old%s%s",
                    name, (const char *[]){"auto", "onednn", "openblas"}[context->config.matrix],
                    host_reason[0] ? "; " : "", host_reason);
    return s == BK_OK ? OK : fail(ERR_BACKEND, "back end %s failed to open", name);
}

/* The context itself comes from the caller's allocator too, outside the counter it holds. */
static void *take_context(const slmt_context_config *c)
{
    void *p = c->alloc ? c->alloc(c->alloc_user, sizeof(slmt_context)) : malloc(sizeof(slmt_context));
    if (p)
        memset(p, 0, sizeof(slmt_context));
    return p;
}

static void give_context(slmt_context *context)
{
    slmt_context_config c = context->config;
    if (c.free)
        c.free(c.alloc_user, context);
    else
        free(context);
}

status context_open(const slmt_context_config *config, slmt_context **out)
{
    slmt_context *made = take_context(config);
    if (!made)
        return fail_memory();
    atomic_init(&made->owners, 1);
    made->config = *config;
    mem_init(&made->mem, config->alloc, config->free, config->alloc_user, config->max_bytes);
    status s = open_device(made);
    if (s != OK) {
        give_context(made);
        return s;
    }
    *out = made;
    return OK;
}

status context_plan(slmt_context *context, const graph *g, int arena, plan **out)
{
    host_refusal = OK;
    return memory_status(context, plan_create(g, (device){context->backend, context->device}, arena, out));
}

slmt_context *context_retain(slmt_context *context)
{
    atomic_fetch_add(&context->owners, 1);
    return context;
}

void context_release(slmt_context *context)
{
    if (!context || atomic_fetch_sub(&context->owners, 1) != 1)
        return;
    context->backend->close(context->device);
    give_context(context);
}

uint64_t context_live_bytes(const slmt_context *context)
{
    return atomic_load(&((slmt_context *)context)->mem.live);
}
