/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - the reference backend: plain single-threaded loops in float32 and float64, which the other
 * backends are tested against. This file holds its table of functions; the kernels are in the other files of
 * this folder. */
#include "backends/backend.h"
#include "backends/reference/kernel.h"

#include <stdio.h>

typedef struct reference_device {
    const bk_host *host;
} reference_device;

/* By id, then BK_F32 and BK_F64. Views have no kernel. */
static const reference_kernel *const kernels[BK_OP_COUNT][2] = {
#define BK_VIEW(ID, name)
#define BK_OP(ID, name) [BK_##ID] = {&reference_##name##_f32, &reference_##name##_f64},
#include "backends/ops.def"
};

static bool is_op(bk_op op)
{
    return (unsigned)op < BK_OP_COUNT && kernels[op][0];
}

/* ---- open and close ---- */

/* The backend has no options, and refuses any. */
static bk_status reference_options(const bk_host *host, const char *options)
{
    const char *item;
    char message[128];
    size_t n = bk_next_option(&options, &item);
    if (n == 0)
        return BK_OK;
    if (bk_option_is(item, n, "bf16"))
        snprintf(message, sizeof message, "reference: has no bfloat16 arithmetic");
    else
        snprintf(message, sizeof message, "reference: there is no option %.*s", (int)(n < 64 ? n : 64), item);
    if (host->log)
        host->log(host->user, 0, message);
    return BK_ERR_UNSUPPORTED;
}

static bk_status reference_open(const bk_host *host, const char *options, void **device)
{
    void *p;
    *device = NULL;
    bk_status status = reference_options(host, options);
    if (status == BK_OK)
        status = host->alloc(host->user, sizeof(reference_device), &p);
    if (status != BK_OK)
        return status;
    *(reference_device *)p = (reference_device){.host = host};
    *device = p;
    return BK_OK;
}

static void reference_close(void *device)
{
    reference_device *d = device;
    if (d)
        d->host->free(d->host->user, d);
}

static int reference_supports(void *device, bk_op op, bk_dtype real)
{
    (void)device;
    if (!is_op(op))
        return 0;
    return real == BK_F32 || real == BK_F64 || (real == BK_I32 && kernels[op][0]->types & REFERENCE_I32);
}

static const char *reference_describe(void *device)
{
    (void)device;
    return "reference: plain loops, float32 and float64";
}

/* ---- calls ---- */

static bool is_dense(const bk_shape *s)
{
    if (s->rank < 0 || s->rank > BK_MAX_RANK)
        return false;
    for (int32_t i = 0; i < s->rank; i++)
        if (s->dim[i] < 1)
            return false;
    return true;
}

/* If one side of an op is int32, the other side determines the real type. */
static const reference_kernel *kernel_of(const bk_call *call)
{
    return kernels[call->op][call->in[0].shape.dtype == BK_F64 || call->out[0].shape.dtype == BK_F64];
}

static bool is_mixed(const bk_call *call)
{
    return kernel_of(call)->types & REFERENCE_OWN_TYPES;
}

static bool type_fits(const bk_call *call, int32_t input)
{
    int32_t type = call->in[input].shape.dtype;
    bool half = kernel_of(call)->types & REFERENCE_HALF_WEIGHT && input == 1 && bk_is_half(type);
    return half || is_mixed(call) || type == call->in[0].shape.dtype;
}

/* Every tensor must be of in[0]'s type, except for 16-bit weights and for kernels that check the types
 * themselves. */
static bool types_fit(void *device, const bk_call *call)
{
    int32_t real = call->in[0].shape.dtype;
    if (!is_op(call->op) || !(is_mixed(call) || reference_supports(device, call->op, (bk_dtype)real)))
        return false;
    for (int32_t i = 0; i < call->n_in; i++)
        if (!is_dense(&call->in[i].shape) || !type_fits(call, i))
            return false;
    for (int32_t i = 0; i < call->n_out; i++)
        if (!is_dense(&call->out[i].shape) || !(is_mixed(call) || call->out[i].shape.dtype == real))
            return false;
    return true;
}

static bk_status refuse(const reference_device *d, const bk_call *call)
{
    char text[128];
    snprintf(text, sizeof text, "reference: op %d (%s): these shapes, types or attributes are not supported",
             (int)call->op, bk_op_name(call->op));
    d->host->log(d->host->user, 0, text);
    return BK_ERR_UNSUPPORTED;
}

static bk_status reference_prepare(void *device, bk_call *call)
{
    call->state = NULL;
    call->scratch_bytes = call->kept_bytes = 0;
    if (call->n_in < 1 || call->n_in > BK_MAX_IN || call->n_out < 1 || call->n_out > BK_MAX_OUT ||
        !types_fit(device, call) || !kernel_of(call)->fits(call))
        return refuse(device, call);
    if (kernel_of(call)->scratch)
        call->scratch_bytes = kernel_of(call)->scratch(call);
    return BK_OK;
}

static void reference_release(void *device, bk_call *call)
{
    (void)device;
    call->state = NULL;
}

static bk_status reference_begin(void *device)
{
    (void)device;
    return BK_OK;
}

static bk_status reference_end(void *device)
{
    (void)device;
    return BK_OK;
}

static bk_status reference_run(void *device, bk_call *call)
{
    reference_device *d = device;
    bk_status status = kernel_of(call)->run(call);
    if (status != BK_OK)
        d->host->log(d->host->user, 0, "reference: an index or a label is out of range");
    return status;
}

const bk_backend *bk_reference(void)
{
    static const bk_backend reference = {
        .api = BK_API,
        .name = "reference",
        .open = reference_open,
        .close = reference_close,
        .supports = reference_supports,
        .prepare = reference_prepare,
        .release = reference_release,
        .begin = reference_begin,
        .end = reference_end,
        .run = reference_run,
        .describe = reference_describe,
    };
    return &reference;
}
