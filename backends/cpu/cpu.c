/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.c - the table of functions of the cpu backend (backends/backend.h): float32, matrix products by oneDNN
 * or OpenBLAS or by kernels of its own, everything else by such kernels. All state is in the device. */
#include "backends/cpu/cpu.h"

#include "backends/cpu/bf16.h"
#include "backends/cpu/library.h"

#include <stdio.h>
#include <string.h>

void cpu_log(const cpu_device *dev, int level, const char *text)
{
    if (dev->host.log)
        dev->host.log(dev->host.user, level, text);
}

/* ---- open and close ---- */

#ifdef SLMT_HAVE_BF16
static const char no_bf16[] = "cpu: bfloat16 arithmetic needs a processor with AVX512-BF16 or AMX-BF16";
#else
static const char no_bf16[] =
    "cpu: this build has no bfloat16 arithmetic: its compiler did not know AVX512-BF16, and it lacks oneDNN";
#endif

/* Products in bfloat16 are a library's or, with BK_MATRIX_AUTO, those of bf16.h. */
static bk_status check_bf16(const cpu_device *dev, bk_matrix matrix)
{
    int own = dev->bf16 && dev->own_products;
    if (!dev->bf16_arithmetic || own || dev->library->has_bf16)
        return BK_OK;
    cpu_log(dev, 0,
            matrix == BK_MATRIX_OPENBLAS
                ? "cpu: bfloat16 arithmetic needs matrix=auto or matrix=onednn: OpenBLAS does not have it"
                : no_bf16);
    return BK_ERR_UNSUPPORTED;
}

/* Finds the requested library; fails if the build lacks it. */
static bk_status choose_library(cpu_device *dev, bk_matrix matrix)
{
    char text[64];
    dev->own_products = matrix == BK_MATRIX_AUTO && dev->kernels->own_products;
    dev->library = cpu_library_of(matrix);
    if (dev->library)
        return check_bf16(dev, matrix);
    snprintf(text, sizeof text, "cpu: this build has no %s", cpu_library_name(matrix));
    cpu_log(dev, 0, text);
    return BK_ERR_UNSUPPORTED;
}

static bk_status refuse_option(const cpu_device *dev, const char *item, size_t length)
{
    char message[160];
    snprintf(
        message, sizeof message,
        "cpu: there is no option %.*s, only matrix=auto, matrix=onednn, matrix=openblas, bf16 and name-only",
        (int)(length < 64 ? length : 64), item);
    cpu_log(dev, 0, message);
    return BK_ERR_UNSUPPORTED;
}

/* name_only: the device is described and computes nothing, so that the library need not be loaded. */
static bk_status read_options(cpu_device *dev, const char *options, bk_matrix *matrix, int *name_only)
{
    const char *item;
    *matrix = BK_MATRIX_AUTO;
    *name_only = 0;
    for (size_t n; (n = bk_next_option(&options, &item)) > 0;) {
        if (bk_option_is(item, n, "matrix=auto"))
            *matrix = BK_MATRIX_AUTO;
        else if (bk_option_is(item, n, "matrix=onednn"))
            *matrix = BK_MATRIX_ONEDNN;
        else if (bk_option_is(item, n, "matrix=openblas"))
            *matrix = BK_MATRIX_OPENBLAS;
        else if (bk_option_is(item, n, "bf16"))
            dev->bf16_arithmetic = 1;
        else if (bk_option_is(item, n, "name-only"))
            *name_only = 1;
        else
            return refuse_option(dev, item, n);
    }
    return BK_OK;
}

static bk_status open_parts(cpu_device *dev, const char *options, int level)
{
    char library[64];
    bk_matrix matrix;
    int name_only;
    dev->kernels = cpu_kernels_for(level);
    bk_status status = read_options(dev, options, &matrix, &name_only);
    dev->bf16 = dev->bf16_arithmetic ? cpu_bf16_for(level) : NULL;
    if (status == BK_OK)
        status = choose_library(dev, matrix);
    if (status == BK_OK && name_only && dev->library->named)
        dev->library = dev->library->named;
    if (status == BK_OK)
        status = dev->library->open(dev);
    if (status != BK_OK)
        return status;
    dev->library->describe(library, sizeof library);
    snprintf(dev->text, sizeof dev->text, "cpu: %s, %s%s%s%s%s", dev->kernels->name,
             dev->own_products ? "own products, " : "", library,
             dev->bf16_arithmetic ? ", bfloat16 arithmetic" : "", dev->bf16 ? " on " : "",
             dev->bf16 ? dev->bf16->name : "");
    return BK_OK;
}

bk_status cpu_open_level(const bk_host *host, const char *options, int level, void **device)
{
    void *p;
    *device = NULL;
    bk_status status = host->alloc(host->user, sizeof(cpu_device), &p);
    if (status != BK_OK)
        return status;
    cpu_device *dev = p;
    *dev = (cpu_device){.host = *host, .threads = host->threads > 1 ? host->threads : 1};
    status = cpu_team_open(host, dev->threads, &dev->team);
    if (status == BK_OK)
        status = open_parts(dev, options, level);
    if (status != BK_OK) {
        cpu_team_close(dev->team);
        host->free(host->user, dev);
        return status;
    }
    *device = dev;
    return BK_OK;
}

static bk_status cpu_open(const bk_host *host, const char *options, void **device)
{
    return cpu_open_level(host, options, CPU_LEVEL_BEST, device);
}

static void cpu_close(void *device)
{
    cpu_device *dev = device;
    if (!dev)
        return;
    if (dev->library->close)
        dev->library->close(dev);
    cpu_team_close(dev->team);
    dev->host.free(dev->host.user, dev);
}

static const char *cpu_describe(void *device)
{
    return ((const cpu_device *)device)->text;
}

/* ---- calls ---- */

bk_status cpu_way_new(cpu_device *dev, bk_call *call, size_t bytes, cpu_run run)
{
    bk_status status = dev->host.alloc(dev->host.user, bytes, &call->state);
    if (status != BK_OK)
        return status;
    memset(call->state, 0, bytes);
    ((cpu_way *)call->state)->run = run;
    return BK_OK;
}

void cpu_way_free(cpu_device *dev, bk_call *call)
{
    cpu_way *way = call->state;
    if (!way)
        return;
    if (way->release)
        way->release(dev, call);
    dev->host.free(dev->host.user, way);
    call->state = NULL;
}

/* Ops that need more than a kernel: a library for matrix products, or a choice among several ways. */
typedef struct device_op {
    bk_status (*prepare)(cpu_device *dev, bk_call *call);
    unsigned types;
} device_op;

static const device_op device_ops[BK_OP_COUNT] = {
    [BK_MATMUL] = {matrix_prepare, 0},
    [BK_LINEAR] = {matrix_prepare, CPU_HALF_WEIGHT},
    [BK_CONV] = {conv_prepare, 0},
    [BK_CONV_GRAD_INPUT] = {conv_prepare, 0},
    [BK_CONV_GRAD_WEIGHT] = {conv_prepare, 0},
};

static unsigned types_of(const cpu_device *dev, bk_op op)
{
    return dev->kernels->op[op] ? dev->kernels->op[op]->types : device_ops[op].types;
}

static int cpu_supports(void *device, bk_op op, bk_dtype real)
{
    const cpu_device *dev = device;
    if ((unsigned)op >= BK_OP_COUNT || !(dev->kernels->op[op] || device_ops[op].prepare))
        return 0;
    return real == BK_F32 || (real == BK_I32 && types_of(dev, op) & CPU_I32);
}

static int is_dense(const bk_shape *s)
{
    if (s->rank < 0 || s->rank > BK_MAX_RANK)
        return 0;
    for (int32_t i = 0; i < s->rank; i++)
        if (s->dim[i] < 1)
            return 0;
    return 1;
}

static int type_fits(const bk_call *call, int32_t input, unsigned types)
{
    int32_t type = call->in[input].shape.dtype;
    if (types & CPU_OWN_TYPES)
        return 1;
    if (input == 1 && types & CPU_INDEX)
        return type == BK_I32;
    if (input == 1 && types & CPU_HALF_WEIGHT && bk_is_half(type))
        return 1;
    return type == call->in[0].shape.dtype;
}

/* Every tensor must be of in[0]'s type, except as the op's types allow. The engine's shape rules have checked
 * that shapes fit the op; this function checks only what would make a kernel crash. */
static int is_served(void *device, const bk_call *call)
{
    if (call->n_in < 1 || call->n_in > BK_MAX_IN || call->n_out < 1 || call->n_out > BK_MAX_OUT)
        return 0;
    int32_t type = call->in[0].shape.dtype;
    if (!cpu_supports(device, call->op, BK_F32))
        return 0;
    const unsigned types = types_of(device, call->op);
    if (!(types & CPU_OWN_TYPES) && !cpu_supports(device, call->op, (bk_dtype)type))
        return 0;
    for (int32_t i = 0; i < call->n_in; i++)
        if (!is_dense(&call->in[i].shape) || !type_fits(call, i, types))
            return 0;
    for (int32_t i = 0; i < call->n_out; i++)
        if (!is_dense(&call->out[i].shape) || !(types & CPU_OWN_TYPES || call->out[i].shape.dtype == type))
            return 0;
    const cpu_kernel *kernel = ((const cpu_device *)device)->kernels->op[call->op];
    return !kernel || !kernel->fits || kernel->fits(call);
}

/* Attention whose products are in bfloat16; BK_ERR_UNSUPPORTED: its kernel serves it. */
static bk_status prepare_rounded(cpu_device *dev, bk_call *call)
{
    const cpu_bf16 *bf16 = dev->bf16;
    if (bf16 && bf16->attention && (call->op == BK_ATTENTION || call->op == BK_ATTENTION_GRAD))
        return bf16->attention(dev, call);
    if (bf16 && bf16->window && call->op == BK_WINDOW_ATTENTION)
        return bf16->window(dev, call);
    return BK_ERR_UNSUPPORTED;
}

static bk_status cpu_prepare(void *device, bk_call *call)
{
    cpu_device *dev = device;
    call->state = NULL;
    call->scratch_bytes = call->kept_bytes = 0;
    if (!is_served(dev, call)) {
        cpu_log(dev, 0, "cpu: an op with these types and shapes is not supported");
        return BK_ERR_UNSUPPORTED;
    }
    if (device_ops[call->op].prepare)
        return device_ops[call->op].prepare(dev, call);
    bk_status rounded = prepare_rounded(dev, call);
    if (rounded != BK_ERR_UNSUPPORTED)
        return rounded;
    const cpu_kernel *kernel = dev->kernels->op[call->op];
    if (kernel->scratch)
        call->scratch_bytes = kernel->scratch(call, dev->threads);
    return BK_OK;
}

static void cpu_release(void *device, bk_call *call)
{
    cpu_way_free(device, call);
}

static bk_status cpu_begin(void *device)
{
    cpu_team_begin(((const cpu_device *)device)->team);
    return BK_OK;
}

static bk_status cpu_end(void *device)
{
    cpu_team_end(((const cpu_device *)device)->team);
    return BK_OK;
}

static bk_status cpu_run_call(void *device, bk_call *call)
{
    cpu_device *dev = device;
    const cpu_way *way = call->state;
    if (way)
        return way->run(dev, call);
    bk_status status = dev->kernels->op[call->op]->run(call, dev->team);
    if (status != BK_OK)
        cpu_log(dev, 0, "cpu: an index or a label is out of range");
    return status;
}

const bk_backend *bk_cpu(void)
{
    static const bk_backend cpu = {
        .api = BK_API,
        .name = "cpu",
        .fast_bytes = (size_t)32 << 20, /* about a last-level cache; a fixed number, so that results are the
                                           same on every machine */
        .open = cpu_open,
        .close = cpu_close,
        .supports = cpu_supports,
        .prepare = cpu_prepare,
        .release = cpu_release,
        .begin = cpu_begin,
        .end = cpu_end,
        .run = cpu_run_call,
        .describe = cpu_describe,
    };
    return &cpu;
}
