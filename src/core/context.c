/* SPDX-License-Identifier: Apache-2.0 */
/* context.c - contexts: the opened backend and the allocator behind every other handle. */
#define _GNU_SOURCE
#include "core/context.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cores.h"
#include "core/handles.h"
#include "lib/registry.h"

/* ---- the host's services to a backend ---- */

static bk_status host_alloc(void *user, size_t bytes, void **out)
{
    status s = mem_take(&((slmt_context *)user)->mem, bytes, out);
    return s == OK ? BK_OK : s == ERR_LIMIT ? BK_ERR_LIMIT : BK_ERR_MEMORY;
}

static void host_free(void *user, void *p)
{
    mem_give(&((slmt_context *)user)->mem, p);
}

/* While the backend is being opened, on one thread, its message is kept for the error. */
static void host_log(void *user, int level, const char *message)
{
    slmt_context *context = user;
    if (level == SLMT_LOG_ERROR && !context->opened)
        snprintf(context->reason, sizeof context->reason, "%s", message);
    context_log(context, level, "%s", message);
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

status context_warn(const slmt_context *context, const char *format, ...)
{
    char text[STATUS_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!context->warning) {
        context_log(context, SLMT_LOG_WARNING, "%s", text);
        return OK;
    }
    return context->warning(context->warning_user, text) == 0 ? OK : fail(ERR_CANCELLED, "%s", text);
}

/* ---- life ---- */

/* The backend's options: those that follow from the fields for them, then the caller's own. */
static status write_options(const slmt_context *context, char *options, size_t size)
{
    static const char *const matrix[] = {"", "matrix=onednn,", "matrix=openblas,"};
    static const char *const arithmetic[] = {"", "bf16,", "tf32,"};
    const slmt_context_config *c = &context->config;
    const char *own = c->backend_options ? c->backend_options : "";
    int is_cpu = strcmp(context->dev.backend->name, "cpu") == 0;
    int n =
        snprintf(options, size, "%s%s%s", is_cpu ? matrix[c->matrix] : "", arithmetic[c->arithmetic], own);
    if (n < 0 || (size_t)n >= size)
        return fail(ERR_ARGUMENT, "slmt_context_config.backend_options has %zu characters, at most %zu fit",
                    strlen(own), size - 32);
    if (n > 0 && options[n - 1] == ',')
        options[n - 1] = '\0';
    return OK;
}

/* A backend by its name: built in, or a plug-in. */
static status find_named(slmt_context *context)
{
    const slmt_context_config *c = &context->config;
    context->dev.backend = backend_find(c->backend_name);
    if (context->dev.backend)
        return OK;
    if (!c->backend_path)
        return fail(
            ERR_NOT_FOUND,
            "backend %s is not built in, and slmt_context_config.backend_path names no place for plug-ins",
            c->backend_name);
    TRY(plugin_open(c->backend_name, c->backend_path, &context->plugin));
    context->dev.backend = context->plugin.backend;
    return OK;
}

/* The plug-in is where the caller says, else beside the library. */
static status find_cuda(slmt_context *context)
{
    const char *path = context->config.backend_path;
    if (path)
        TRY(plugin_open("cuda", path, &context->plugin));
    else
        TRY(plugin_open_beside("cuda", &context->plugin));
    context->dev.backend = context->plugin.backend;
    return OK;
}

static status find_backend(slmt_context *context)
{
    const char *name = context->config.backend == SLMT_BACKEND_REFERENCE ? "reference" : "cpu";
    if (context->config.backend_name)
        return find_named(context);
    if (context->config.backend == SLMT_BACKEND_CUDA)
        return find_cuda(context);
    context->dev.backend = backend_find(name);
    return context->dev.backend ? OK : fail(ERR_UNSUPPORTED, "backend %s is not in this build", name);
}

static status open_backend(slmt_context *context)
{
    char options[512], what[768];
    const bk_backend *b = context->dev.backend;
    TRY(write_options(context, options, sizeof options));
    bk_status s = b->open(&context->host, options, &context->dev.handle);
    context->opened = 1;
    if (s == BK_OK)
        return OK;
    snprintf(what, sizeof what, "open(), with the options \"%s\"%s%s", options,
             context->reason[0] ? ": " : "", context->reason);
    return device_failure(context->dev, s, what);
}

/* The configuration's texts are the caller's: the context needs its own. */
static status copy_texts(slmt_context *context)
{
    const char **text[] = {&context->config.backend_name, &context->config.backend_path,
                           &context->config.backend_options};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        if (*text[i]) {
            TRY(mem_text(&context->mem, *text[i], &context->texts[i]));
            *text[i] = context->texts[i];
        }
    return OK;
}

static status open_device(slmt_context *context)
{
    context->host = (bk_host){.user = context,
                              .alloc = host_alloc,
                              .free = host_free,
                              .log = host_log,
                              .threads = context->config.threads};
    if (context->host.threads == 0)
        context->host.threads = usable_cores();
    TRY(copy_texts(context));
    TRY(find_backend(context));
    return open_backend(context);
}

static void close_device(slmt_context *context)
{
    if (context->dev.handle)
        context->dev.backend->close(context->dev.handle);
    plugin_close(&context->plugin);
    for (size_t i = 0; i < sizeof context->texts / sizeof *context->texts; i++)
        mem_give(&context->mem, context->texts[i]);
}

/* The context itself comes from the caller's allocator too, outside the counter it holds. */
static void *take_context(const slmt_context_config *c)
{
    void *p = c->alloc ? c->alloc(c->alloc_user, sizeof(slmt_context)) : malloc(sizeof(slmt_context));
    if (p) {
        memset(p, 0, sizeof(slmt_context));
        ((slmt_context *)p)->word = HANDLE_CONTEXT;
    }
    return p;
}

static void give_context(slmt_context *context)
{
    slmt_context_config c = context->config;
    pthread_mutex_destroy(&context->sets_lock);
    handle_end(context);
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
    pthread_mutex_init(&made->sets_lock, NULL);
    made->config = *config;
    mem_init(&made->mem, config->alloc, config->free, config->alloc_user, config->max_bytes);
    status s = open_device(made);
    if (s != OK) {
        close_device(made);
        give_context(made);
        return s;
    }
    *out = made;
    return OK;
}

status context_plan(slmt_context *context, const graph *g, int flags, plan **out)
{
    return plan_create(g, context->dev, flags, out);
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
    close_device(context);
    give_context(context);
}

uint64_t context_live_bytes(const slmt_context *context)
{
    return atomic_load(&((slmt_context *)context)->mem.live);
}

uint64_t context_device_bytes(const slmt_context *context)
{
    return atomic_load(&((slmt_context *)context)->mem.elsewhere);
}
