/* SPDX-License-Identifier: Apache-2.0 */
/* context.c - entry points of slmt/context.h. */
#include "core/context.h"

#include <string.h>

#include "core/structs.h"

void slmt_context_config_init(slmt_context_config *config)
{
    if (!config)
        return;
    memset(config, 0, sizeof *config);
    config->struct_size = sizeof *config;
    config->log_level = SLMT_LOG_WARNING;
}

static status in_range(const char *name, int32_t value, int32_t low, int32_t high)
{
    if (value >= low && value <= high)
        return OK;
    return fail(ERR_ARGUMENT, "slmt_context_config.%s is %d, expected %d to %d", name, value, low, high);
}

static status check(const slmt_context_config *c)
{
    TRY(in_range("backend", c->backend, SLMT_BACKEND_CPU, SLMT_BACKEND_CUDA));
    TRY(in_range("precision", c->precision, SLMT_FLOAT32, SLMT_FLOAT64));
    TRY(in_range("matrix", c->matrix, SLMT_MATRIX_AUTO, SLMT_MATRIX_OPENBLAS));
    TRY(in_range("threads", c->threads, 0, 1024));
    TRY(in_range("log_level", c->log_level, SLMT_LOG_ERROR, SLMT_LOG_DEBUG));
    TRY(in_range("weights", c->weights, SLMT_WEIGHTS_FULL, SLMT_WEIGHTS_STORED));
    TRY(in_range("arithmetic", c->arithmetic, SLMT_ARITHMETIC_FLOAT32, SLMT_ARITHMETIC_TF32));
    if (!c->alloc != !c->free)
        return fail(ERR_ARGUMENT, "slmt_context_config: set both alloc and free, or neither");
    if (c->precision == SLMT_FLOAT64 && c->backend != SLMT_BACKEND_REFERENCE && !c->backend_name)
        return fail(ERR_UNSUPPORTED, "float64 runs on the reference backend only");
    if (c->weights != SLMT_WEIGHTS_FULL && c->precision != SLMT_FLOAT32)
        return fail(ERR_ARGUMENT,
                    "slmt_context_config.weights is %d: in float64 it must be SLMT_WEIGHTS_FULL", c->weights);
    return OK;
}

slmt_status slmt_context_create(const slmt_context_config *config, slmt_context **context)
{
    slmt_context_config c;
    REQUIRE(context);
    slmt_context_config_init(&c);
    if (config)
        TRY(struct_read(&c, sizeof c, config, "slmt_context_config"));
    TRY(check(&c));
    return context_open(&c, context);
}

void slmt_context_free(slmt_context *context)
{
    if (context && HANDLE_IS(context))
        context_release(context);
}

uint64_t slmt_context_live_bytes(const slmt_context *context)
{
    return context ? context_live_bytes(context) : 0;
}

uint64_t slmt_context_device_bytes(const slmt_context *context)
{
    return context ? context_device_bytes(context) : 0;
}

slmt_status slmt_context_set_nan(slmt_context *context, int32_t nan)
{
    REQUIRE(context);
    TRY(in_range("nan", nan, SLMT_NAN_REFUSE, SLMT_NAN_ZERO));
    context->nan = nan;
    return OK;
}

slmt_status slmt_context_set_warning(slmt_context *context, slmt_warning_fn warning, void *user)
{
    REQUIRE(context);
    context->warning = warning;
    context->warning_user = user;
    return OK;
}

const char *slmt_context_describe(const slmt_context *context)
{
    return context ? context->dev.backend->describe(context->dev.handle) : "";
}
