/* SPDX-License-Identifier: Apache-2.0 */
/* onednn.c - matrix products by oneDNN, for its C APIs of versions 2 and 3.
 *
 * A product is cut into parts, each a serial matmul primitive, or into tiles that the library's serial sgemm
 * multiplies; is_tiled() says which of the two is faster for a shape. The backend's own threads share them:
 * the library starts none.
 *
 * prepare() makes primitives and memory objects; run() sets data pointers and executes. Scratch memory
 * belongs to the caller, so that a primitive may run on any thread. Weights are read where they lie, because
 * training changes them between runs. */
#include "backends/cpu/onednn.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "backends/cpu/library.h"
#include "backends/cpu/work.h"

/* ---- what differs between versions 2 and 3 ---- */

#if DNNL_VERSION_MAJOR >= 3
#define APPEND(ops, kind, alpha) dnnl_post_ops_append_eltwise(ops, kind, alpha, 0.0f)
#define APPEND_SUM(ops)          dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef)
#else
#define APPEND(ops, kind, alpha) dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0.0f)
#define APPEND_SUM(ops)          dnnl_post_ops_append_sum(ops, 1.0f)
#endif

/* The descriptions of a product's operands. */
typedef struct operands {
    dnnl_memory_desc_t a, b, bias, y;
    int made; /* of the four, in this order */
} operands;

static dnnl_status_t matmul_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o, int bias,
                                 dnnl_primitive_attr_t attr)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(pd, engine, o->a, o->b, bias ? o->bias : NULL, o->y, attr);
#else
    dnnl_matmul_desc_t op;
    dnnl_status_t status = dnnl_matmul_desc_init(&op, &o->a, &o->b, bias ? &o->bias : NULL, &o->y);
    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(pd, &op, attr, engine, NULL);
#endif
}

/* ---- a prepared product ---- */

enum { APART, IN_PLACE, WAYS }; /* the residual is a separate tensor, or is in y's memory */
enum { MAX_ARGS = 6, LINE = 64 };

/* Some matrices, rows and columns of the result. */
typedef struct extent {
    int64_t batch, batches, row, rows, col, cols;
} extent;

/* A part of a product, which one thread computes. */
typedef struct part {
    dnnl_stream_t stream;
    dnnl_primitive_t primitive[WAYS]; /* IN_PLACE only with a residual */
    dnnl_memory_t a, b, bias, y, residual, scratch;
    int64_t a_at, b_at, bias_at, y_at; /* the index of its first elements in the operands */
} part;

typedef struct onednn_call {
    cpu_way way;
    size_t thread_bytes; /* of scratch for each thread */
    int64_t parts;
    part part[];
} onednn_call;

bk_status onednn_status(const cpu_device *dev, const char *where, dnnl_status_t status)
{
    if (status == dnnl_success)
        return BK_OK;
    if (status == dnnl_out_of_memory)
        return BK_ERR_MEMORY;
    char text[96];
    snprintf(text, sizeof text, "oneDNN: %s: status %d", where, (int)status);
    cpu_log(dev, 0, text);
    return status == dnnl_unimplemented ? BK_ERR_UNSUPPORTED : BK_ERR_FAILED;
}

static void onednn_text(char *text, size_t size)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

/* True if the processor has instructions that multiply bfloat16. */
static int has_bf16(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

static bk_status onednn_open(cpu_device *dev)
{
    if (dev->bf16_arithmetic && !has_bf16()) {
        cpu_log(dev, 0, "cpu: bfloat16 arithmetic needs a processor with AVX512-BF16 or AMX-BF16");
        return BK_ERR_UNSUPPORTED;
    }
    return BK_OK;
}

/* Two threads may prepare their first calls at once: then one engine is destroyed again. */
bk_status onednn_engine(cpu_device *dev)
{
    dnnl_engine_t engine = NULL;
    void *none = NULL;
    cpu_team_limit_openmp(dev->team);
    if (dev->onednn)
        return BK_OK;
    dnnl_status_t status = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (status == dnnl_success && !atomic_compare_exchange_strong(&dev->onednn, &none, engine))
        dnnl_engine_destroy(engine);
    return onednn_status(dev, "engine", status);
}

static void onednn_close(cpu_device *dev)
{
    if (dev->onednn)
        dnnl_engine_destroy(dev->onednn);
    dev->onednn = NULL;
}

/* Describes the last `rank` axes of [batch][rows][cols], whose elements are `steps` apart. */
static dnnl_status_t describe(dnnl_memory_desc_t *d, dnnl_data_type_t type, int rank, const int64_t dims3[3],
                              const int64_t steps[3])
{
    dnnl_dims_t dims = {0}, strides = {0};
    memcpy(dims, dims3 + 3 - rank, (size_t)rank * sizeof *dims3);
    memcpy(strides, steps + 3 - rank, (size_t)rank * sizeof *steps);
    return TYPED_DESC(d, rank, dims, type, strides);
}

/* A matrix operand of a whole product: the distances of its matrices, rows and columns. */
typedef struct layout {
    int64_t step[3];
} layout;

static layout layout_of(int64_t rows, int64_t cols, int transposed, int shared)
{
    return (layout){{shared ? 0 : rows * cols, transposed ? 1 : cols, transposed ? rows : 1}};
}

/* Describes the operands of a part, and notes where they begin. With bfloat16 arithmetic both factors are of
 * that type; everything else is float32. */
static dnnl_status_t describe_operands(const cpu_device *dev, const product *p, const extent *e, operands *o,
                                       part *t)
{
    dnnl_data_type_t factor = dev->bf16_arithmetic ? dnnl_bf16 : dnnl_f32;
    int rank = e->batches > 1 ? 3 : 2;
    layout a = layout_of(p->m, p->k, p->trans_a, p->shared_a), y = layout_of(p->m, p->n, 0, 0);
    layout b = layout_of(p->k, p->n, p->trans_b, p->shared_b), bias = layout_of(1, p->n, 0, 0);
    const int64_t a_dims[3] = {p->shared_a ? 1 : e->batches, e->rows, p->k}, bias_dims[3] = {1, 1, e->cols};
    const int64_t b_dims[3] = {p->shared_b ? 1 : e->batches, p->k, e->cols};
    const int64_t y_dims[3] = {e->batches, e->rows, e->cols};
    t->a_at = e->batch * a.step[0] + e->row * a.step[1];
    t->b_at = e->batch * b.step[0] + e->col * b.step[2];
    t->y_at = e->batch * y.step[0] + e->row * y.step[1] + e->col;
    t->bias_at = e->col;
    a.step[0] = p->shared_a ? p->m * p->k : a.step[0];
    b.step[0] = p->shared_b ? p->k * p->n : b.step[0];
    dnnl_status_t status = describe(&o->a, factor, rank, a_dims, a.step);
    if (status == dnnl_success && ++o->made)
        status = describe(&o->b, factor, rank, b_dims, b.step);
    if (status == dnnl_success && ++o->made)
        status = describe(&o->bias, dnnl_f32, rank, bias_dims, bias.step);
    if (status == dnnl_success && ++o->made)
        status = describe(&o->y, dnnl_f32, rank, y_dims, y.step);
    if (status == dnnl_success)
        ++o->made;
    return status;
}

static void free_operands(operands *o)
{
    dnnl_memory_desc_t *all[] = {&o->a, &o->b, &o->bias, &o->y};
    for (int i = 0; i < o->made; i++)
        FREE_DESC(*all[i]);
}

dnnl_status_t onednn_append(dnnl_post_ops_t ops, cpu_activation act)
{
    if (act.kind == BK_ACT_GELU)
        return APPEND(ops, dnnl_eltwise_gelu_erf, 0.0f);
    return act.kind == BK_ACT_LEAKY_RELU ? APPEND(ops, dnnl_eltwise_relu, act.slope) : dnnl_success;
}

static dnnl_status_t attributes_of(const product *p, int way, const operands *o, dnnl_primitive_attr_t *attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
        status = onednn_append(ops, p->act);
    if (status == dnnl_success && p->residual)
        status =
            way == IN_PLACE ? APPEND_SUM(ops) : dnnl_post_ops_append_binary(ops, dnnl_binary_add, VIEW(o->y));
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return status;
}

/* Makes one primitive, and enlarges the scratch that a thread needs. */
static dnnl_status_t make_primitive(const cpu_device *dev, const product *p, int way, const operands *o,
                                    part *t, size_t *scratch_bytes)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = attributes_of(p, way, o, &attr);
    if (status == dnnl_success)
        status = matmul_desc(&pd, dev->onednn, o, p->bias, attr);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&t->primitive[way], pd);
    if (status == dnnl_success) {
        size_t bytes =
            dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
        *scratch_bytes = bytes > *scratch_bytes ? bytes : *scratch_bytes;
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

static dnnl_status_t make_scratch(part *t, size_t bytes, const cpu_device *dev)
{
    dnnl_memory_desc_t d;
    dnnl_dims_t dims = {(int64_t)(bytes + sizeof(float) - 1) / (int64_t)sizeof(float)};
    dnnl_dims_t strides = {1};
    if (bytes == 0)
        return dnnl_success;
    dnnl_status_t status = DESC_OF(&d, 1, dims, strides);
    if (status != dnnl_success)
        return status;
    status = onednn_memory(&t->scratch, VIEW(d), dev);
    FREE_DESC(d);
    return status;
}

static dnnl_status_t make_memories(const cpu_device *dev, const product *p, const operands *o, part *t)
{
    dnnl_status_t status = onednn_memory(&t->a, VIEW(o->a), dev);
    if (status == dnnl_success)
        status = onednn_memory(&t->b, VIEW(o->b), dev);
    if (status == dnnl_success)
        status = onednn_memory(&t->y, VIEW(o->y), dev);
    if (status == dnnl_success && p->bias)
        status = onednn_memory(&t->bias, VIEW(o->bias), dev);
    if (status == dnnl_success && p->residual)
        status = onednn_memory(&t->residual, VIEW(o->y), dev);
    return status;
}

static dnnl_status_t make_part(const cpu_device *dev, const product *p, const extent *e, onednn_call *c,
                               part *t)
{
    operands o = {0};
    size_t bytes = 0;
    dnnl_status_t status = describe_operands(dev, p, e, &o, t);
    if (status == dnnl_success)
        status = dnnl_stream_create(&t->stream, dev->onednn, dnnl_stream_default_flags);
    for (int way = 0; status == dnnl_success && way < (p->residual ? WAYS : 1); way++)
        status = make_primitive(dev, p, way, &o, t, &bytes);
    if (status == dnnl_success)
        status = make_memories(dev, p, &o, t);
    if (status == dnnl_success)
        status = make_scratch(t, bytes, dev);
    free_operands(&o);
    bytes = (bytes + LINE - 1) / LINE * LINE;
    c->thread_bytes = bytes > c->thread_bytes ? bytes : c->thread_bytes;
    return status;
}

/* ---- parts: matrices of a batch, or else rows of the result, or columns if they are more ---- */

enum {
    STEP = 16,
    EACH = 2,
    FEW = 1 << 18
}; /* parts end at multiples; of a thread; multiplications of one part */

static int64_t part_count(const product *p, int threads)
{
    if (threads == 1 || p->batch * p->m * p->n * p->k < FEW)
        return 1;
    if (p->batch > 1)
        return work_min(p->batch, (int64_t)EACH * threads);
    int64_t length = p->m >= p->n || p->residual ? p->m : p->n;
    int64_t each = work_pieces(work_pieces(length, (int64_t)EACH * threads), STEP) * STEP;
    return work_pieces(length, each);
}

static extent extent_of(const product *p, int64_t parts, int64_t index)
{
    extent e = {.batches = p->batch, .rows = p->m, .cols = p->n};
    if (p->batch > 1) {
        e.batch = p->batch * index / parts;
        e.batches = p->batch * (index + 1) / parts - e.batch;
    } else if (parts > 1 && (p->m >= p->n || p->residual)) {
        int64_t each = work_pieces(work_pieces(p->m, parts), STEP) * STEP;
        e.row = index * each;
        e.rows = work_min(each, p->m - e.row);
    } else if (parts > 1) {
        int64_t each = work_pieces(work_pieces(p->n, parts), STEP) * STEP;
        e.col = index * each;
        e.cols = work_min(each, p->n - e.col);
    }
    return e;
}

/* This rule comes from timing both ways on all shapes of the base model (oneDNN 2.6, AVX-512, two cores;
 * bench/bench.c). Tiles win by 5 to 25 % in gradients and if the inner dimension is short; the primitive wins
 * if there are few rows or columns, or if sgemm would pack a transposed matrix with rows of 4096 bytes and
 * more. */
static int is_tiled(const cpu_device *dev, const product *p)
{
    int64_t few = p->trans_a && p->n >= 256 ? 64 : 128;
    if (dev->bf16_arithmetic || p->batch > 1 || p->m < few || p->n <= 64)
        return 0;
    if (p->trans_a)
        return p->m < 1024 || p->n > 512;
    return !p->trans_b || p->k <= 256 || (p->m >= 512 && p->n >= 1024);
}

static int onednn_multiply(const product *p, const tile *t)
{
    return dnnl_sgemm(p->trans_a ? 'T' : 'N', p->trans_b ? 'T' : 'N', t->rows, t->cols, p->k, 1.0f, t->a,
                      p->trans_a ? p->m : p->k, t->b, p->trans_b ? p->k : p->n, t->beta, t->y,
                      t->step) == dnnl_success;
}

/* ---- bfloat16 arithmetic: rounded factors lie in scratch memory, before the primitive's own ---- */

size_t onednn_rounded_bytes(int64_t n)
{
    return (size_t)work_pieces(n, 32) * 64;
}

static size_t factor_bytes(const bk_call *call)
{
    int is_rounded = call->in[1].shape.dtype == BK_BF16;
    return onednn_rounded_bytes(bk_count(&call->in[0].shape)) +
           (is_rounded ? 0 : onednn_rounded_bytes(bk_count(&call->in[1].shape)));
}

typedef struct rounding {
    const cpu_device *dev;
    const bk_tensor *x;
    uint16_t *to;
} rounding;

static void round_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    const rounding *j = job;
    int64_t at = first * WORK_PIECE, n = bk_count(&j->x->shape);
    const unsigned char *from =
        (const unsigned char *)j->x->data + (size_t)at * bk_dtype_size(j->x->shape.dtype);
    (void)thread;
    j->dev->kernels->narrow(from, j->x->shape.dtype, (size_t)work_min((end - first) * WORK_PIECE, n - at),
                            j->to + at);
}

const void *onednn_round(const cpu_device *dev, const bk_tensor *x, void *to)
{
    int64_t n = bk_count(&x->shape);
    if (x->shape.dtype == BK_BF16)
        return x->data;
    cpu_team_share(dev->team, work_pieces(n, WORK_PIECE), n, round_pieces, &(rounding){dev, x, to});
    return to;
}

/* The call with its factors rounded, as the primitive reads them. */
static bk_call rounded(const cpu_device *dev, const bk_call *call)
{
    bk_call r = *call;
    unsigned char *at = call->scratch;
    if (!dev->bf16_arithmetic)
        return r;
    r.in[0].data = (void *)(uintptr_t)onednn_round(dev, &call->in[0], at);
    r.in[1].data = (void *)(uintptr_t)onednn_round(dev, &call->in[1],
                                                   at + onednn_rounded_bytes(bk_count(&call->in[0].shape)));
    r.scratch = at + factor_bytes(call);
    return r;
}

/* ---- calls ---- */

static void release_part(part *t)
{
    dnnl_memory_t all[] = {t->a, t->b, t->bias, t->y, t->residual, t->scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i])
            dnnl_memory_destroy(all[i]);
    for (int way = 0; way < WAYS; way++)
        if (t->primitive[way])
            dnnl_primitive_destroy(t->primitive[way]);
    if (t->stream)
        dnnl_stream_destroy(t->stream);
}

static void release_call(cpu_device *dev, bk_call *call)
{
    onednn_call *c = call->state;
    (void)dev;
    for (int64_t i = 0; i < c->parts; i++)
        release_part(&c->part[i]);
}

static const float *at(const float *base, int64_t index)
{
    return base ? base + index : NULL;
}

/* Element `index` of a factor, which may be rounded to bfloat16. */
static const void *factor_at(const cpu_device *dev, const void *base, int64_t index)
{
    return (const char *)base + index * (dev->bf16_arithmetic ? 2 : 4);
}

static dnnl_status_t fill_args(const cpu_device *dev, const part *t, const bk_call *call, int way,
                               void *scratch, dnnl_exec_arg_t *args, int *n)
{
    int residual_id = DNNL_ARG_ATTR_MULTIPLE_POST_OP(call->attr.activation != BK_ACT_NONE) | DNNL_ARG_SRC_1;
    dnnl_status_t status = onednn_arg(args, n, DNNL_ARG_SRC, t->a, factor_at(dev, call->in[0].data, t->a_at));
    if (status == dnnl_success)
        status = onednn_arg(args, n, DNNL_ARG_WEIGHTS, t->b, factor_at(dev, call->in[1].data, t->b_at));
    if (status == dnnl_success)
        status = onednn_arg(args, n, DNNL_ARG_DST, t->y, at(call->out[0].data, t->y_at));
    if (status == dnnl_success)
        status = onednn_arg(args, n, DNNL_ARG_BIAS, t->bias, at(product_bias(call), t->bias_at));
    if (status == dnnl_success)
        status = onednn_arg(args, n, DNNL_ARG_SCRATCHPAD, t->scratch, scratch);
    if (status == dnnl_success && way == APART)
        status = onednn_arg(args, n, residual_id, t->residual, at(product_residual(call), t->y_at));
    return status;
}

typedef struct parts_job {
    const cpu_device *dev;
    const bk_call *call; /* with its factors as the primitives read them */
    int way;
    atomic_int *status;
} parts_job;

static dnnl_status_t run_part(const parts_job *j, const part *t, void *scratch)
{
    dnnl_exec_arg_t args[MAX_ARGS];
    int n = 0;
    dnnl_status_t status = fill_args(j->dev, t, j->call, j->way, scratch, args, &n);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(t->primitive[j->way], t->stream, n, args);
    return status == dnnl_success ? dnnl_stream_wait(t->stream) : status;
}

static void some_parts(const void *job, int64_t first, int64_t end, int thread)
{
    const parts_job *j = job;
    const onednn_call *c = j->call->state;
    for (int64_t i = first; i < end; i++) {
        dnnl_status_t status =
            run_part(j, &c->part[i], onednn_scratch(j->call, c->thread_bytes * (size_t)thread));
        if (status != dnnl_success)
            atomic_store(j->status, (int)status);
    }
}

static bk_status run_call(cpu_device *dev, bk_call *call)
{
    const onednn_call *c = call->state;
    const bk_call given = rounded(dev, call);
    atomic_int status = dnnl_success;
    int in_place = c->part[0].residual && product_residual(call) == call->out[0].data;
    parts_job j = {dev, &given, in_place ? IN_PLACE : APART, &status};
    cpu_team_run(dev->team, dev->threads, c->parts, 1, some_parts, &j);
    return onednn_status(dev, "execute", (dnnl_status_t)atomic_load(&status));
}

static bk_status onednn_prepare(cpu_device *dev, const product *p, bk_call *call)
{
    if (is_tiled(dev, p))
        return tiles_prepare(dev, p, call);
    int64_t parts = part_count(p, dev->threads);
    bk_status taken = onednn_engine(dev);
    if (taken == BK_OK)
        taken = cpu_way_new(dev, call, sizeof(onednn_call) + (size_t)parts * sizeof(part), run_call);
    if (taken != BK_OK)
        return taken;
    onednn_call *c = call->state;
    c->way.release = release_call;
    c->parts = parts;
    dnnl_status_t status = dnnl_success;
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    for (int64_t i = 0; status == dnnl_success && i < parts; i++) {
        extent e = extent_of(p, parts, i);
        status = make_part(dev, p, &e, c, &c->part[i]);
    }
    omp_set_num_threads(before);
    call->scratch_bytes =
        c->thread_bytes * (size_t)dev->threads + (dev->bf16_arithmetic ? factor_bytes(call) : 0);
    if (status != dnnl_success)
        cpu_way_free(dev, call);
    return onednn_status(dev, "matmul", status);
}

const cpu_library cpu_onednn = {
    .id = BK_MATRIX_ONEDNN,
    .name = "oneDNN",
    .has_bf16 = 1,
    .open = onednn_open,
    .close = onednn_close,
    .describe = onednn_text,
    .serial = onednn_multiply,
    .prepare = onednn_prepare,
    .prepare_conv = onednn_conv_prepare,
};
