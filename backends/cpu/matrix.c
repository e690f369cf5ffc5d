/* SPDX-License-Identifier: Apache-2.0 */
/* matrix.c - reads a product from the shapes of a call and passes it to the library that the device was
 * opened with or, if it has few rows, to the backend's own kernels (gemm.c, thin.c). */
#include "backends/cpu/matrix.h"

#include "backends/cpu/bf16.h"
#include "backends/cpu/library.h"

static int same_leading(const bk_shape *s, const bk_shape *y)
{
    if (s->rank == 2)
        return 1;
    if (s->rank != y->rank)
        return 0;
    for (int i = 0; i < s->rank - 2; i++)
        if (s->dim[i] != y->dim[i])
            return 0;
    return 1;
}

static int matmul_of(const bk_call *call, product *p)
{
    const bk_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    if (call->n_in != 2 || a->rank < 2 || b->rank < 2 || y->rank < 2 || !same_leading(a, y) ||
        !same_leading(b, y))
        return 0;
    const int64_t *ad = a->dim + a->rank - 2, *bd = b->dim + b->rank - 2, *yd = y->dim + y->rank - 2;
    p->trans_a = call->attr.trans_a != 0;
    p->trans_b = call->attr.trans_b != 0;
    p->m = ad[p->trans_a];
    p->k = ad[!p->trans_a];
    p->n = bd[!p->trans_b];
    if (bd[p->trans_b] != p->k || yd[0] != p->m || yd[1] != p->n || bk_count(y) == 0 || p->k == 0)
        return 0;
    p->batch = bk_count(y) / (p->m * p->n);
    p->shared_a = a->rank == 2;
    p->shared_b = b->rank == 2;
    if (p->shared_b && !p->trans_a) { /* one tall product */
        p->m *= p->shared_a ? 1 : p->batch;
        p->batch = 1;
    }
    return 1;
}

static int linear_of(const bk_call *call, product *p)
{
    const bk_shape *x = &call->in[0].shape, *w = &call->in[1].shape, *y = &call->out[0].shape;
    const bk_attr *a = &call->attr;
    *p = (product){.batch = 1, .trans_b = 1, .bias = a->has_bias != 0, .residual = a->has_residual != 0};
    p->act = cpu_activation_of(a);
    if (a->activation < BK_ACT_NONE || a->activation > BK_ACT_LEAKY_RELU)
        return 0;
    if (call->n_in != 2 + p->bias + p->residual || x->rank < 1 || y->rank < 1 || w->rank != 2)
        return 0;
    p->n = w->dim[0];
    p->k = w->dim[1];
    if (x->dim[x->rank - 1] != p->k || y->dim[y->rank - 1] != p->n || p->k == 0 || bk_count(y) == 0)
        return 0;
    p->m = bk_count(y) / p->n;
    return bk_count(x) == p->m * p->k && (!p->bias || bk_count(&call->in[2].shape) == p->n) &&
           (!p->residual || bk_count(&call->in[call->n_in - 1].shape) == p->m * p->n);
}

int product_of(const bk_call *call, product *p)
{
    *p = (product){0};
    return call->op == BK_MATMUL ? matmul_of(call, p) : linear_of(call, p);
}

const float *product_bias(const bk_call *call)
{
    return call->op == BK_LINEAR && call->attr.has_bias ? call->in[2].data : NULL;
}

const float *product_residual(const bk_call *call)
{
    return call->op == BK_LINEAR && call->attr.has_residual ? call->in[call->n_in - 1].data : NULL;
}

static int is_half(const bk_call *call)
{
    return bk_is_half(call->in[1].shape.dtype);
}

/* With few rows, and weights in the layout of BK_LINEAR, the backend's own kernels are faster than any
 * library: thin.c, then gemm.c. */
static int has_few_rows(const bk_call *call, const product *p, int64_t rows)
{
    return !is_half(call) && p->batch == 1 && p->trans_b && !p->trans_a && p->m <= rows;
}

static int is_thin(const cpu_device *dev, const bk_call *call, const product *p)
{
    return has_few_rows(call, p, dev->kernels->thin_rows);
}

typedef struct thin_call {
    cpu_way way;
    cpu_thin thin; /* but for data */
} thin_call;

static bk_status run_thin(cpu_device *dev, bk_call *call)
{
    cpu_thin t = ((const thin_call *)call->state)->thin;
    t.x = call->in[0].data;
    t.w = call->in[1].data;
    t.y = call->out[0].data;
    t.bias = product_bias(call);
    t.residual = product_residual(call);
    dev->kernels->thin(&t, dev->team);
    return BK_OK;
}

static bk_status prepare_thin(cpu_device *dev, const product *p, bk_call *call)
{
    bk_status taken = cpu_way_new(dev, call, sizeof(thin_call), run_thin);
    if (taken != BK_OK)
        return taken;
    thin_call *t = call->state;
    t->thin = (cpu_thin){.m = p->m, .n = p->n, .k = p->k, .act = p->act};
    return BK_OK;
}

static int is_own(const cpu_device *dev, const bk_call *call, const product *p)
{
    enum { FEW_ROWS = 64 };
    return dev->own_products || is_half(call) ||
           (dev->kernels->own_products && has_few_rows(call, p, FEW_ROWS));
}

/* Sums over a part of k need memory of their own: with an activation the residual is added last, and it may
 * be in y's memory. */
static size_t waiting_bytes(const product *p)
{
    return p->act.kind && p->residual ? (size_t)(p->m * p->n + 15) / 16 * 64 : 0;
}

static cpu_gemm gemm_of(const bk_call *call, const product *p)
{
    cpu_gemm g = {.m = p->m, .n = p->n, .k = p->k, .act = p->act, .b_type = call->in[1].shape.dtype};
    g.trans_a = p->trans_a;
    g.trans_b = p->trans_b;
    return g;
}

typedef struct own_call {
    cpu_way way;
    product p;
    cpu_gemm gemm;  /* of one matrix of the batch, but for data */
    size_t waiting; /* bytes of scratch for incomplete sums */
    size_t each;    /* and for each thread, if there is a batch */
} own_call;

static bk_status run_own(cpu_device *dev, bk_call *call)
{
    const own_call *own = call->state;
    cpu_gemm g = own->gemm;
    g.a = call->in[0].data;
    g.b = call->in[1].data;
    g.y = call->out[0].data;
    g.part = own->waiting ? call->scratch : g.y;
    g.bias = product_bias(call);
    g.residual = product_residual(call);
    dev->kernels->gemm(&g, dev->team, (float *)call->scratch + own->waiting / sizeof(float));
    return BK_OK;
}

typedef struct batch_job {
    const cpu_device *dev;
    const bk_call *call;
} batch_job;

static void some_matrices(const void *job, int64_t first, int64_t end, int thread)
{
    const batch_job *j = job;
    const bk_call *call = j->call;
    const own_call *own = call->state;
    const product *p = &own->p;
    cpu_gemm g = own->gemm;
    for (int64_t i = first; i < end; i++) {
        g.a = (const float *)call->in[0].data + (p->shared_a ? 0 : i * p->m * p->k);
        g.b = (const float *)call->in[1].data + (p->shared_b ? 0 : i * p->k * p->n);
        g.part = g.y = (float *)call->out[0].data + i * p->m * p->n;
        j->dev->kernels->gemm(&g, NULL, (float *)call->scratch + (size_t)thread * own->each / sizeof(float));
    }
}

/* One thread computes each matrix of a batch. */
static bk_status run_batch(cpu_device *dev, bk_call *call)
{
    const product *p = &((const own_call *)call->state)->p;
    cpu_team_share(dev->team, p->batch, p->batch * p->m * p->n * p->k / 16, some_matrices,
                   &(batch_job){dev, call});
    return BK_OK;
}

static bk_status prepare_own(cpu_device *dev, const product *p, bk_call *call)
{
    bk_status taken = cpu_way_new(dev, call, sizeof(own_call), p->batch > 1 ? run_batch : run_own);
    if (taken != BK_OK)
        return taken;
    own_call *own = call->state;
    own->p = *p;
    own->gemm = gemm_of(call, p);
    own->waiting = waiting_bytes(p);
    own->each = (dev->kernels->gemm_scratch(&own->gemm, 1) + 63) / 64 * 64;
    call->scratch_bytes = p->batch > 1 ? own->each * (size_t)dev->threads
                                       : own->waiting + dev->kernels->gemm_scratch(&own->gemm, dev->threads);
    return BK_OK;
}

/* Returns 1 if the factors are to be rounded to bfloat16: not where each value of one enters few products, or
 * a sum has few terms, because rounding would take longer than it saves. Weights that do not change are
 * rounded once. */
static int is_rounded(const cpu_device *dev, const bk_call *call, const product *p)
{
    enum { FEW = 16 };
    int many = p->k >= FEW && p->n >= FEW && (p->m >= FEW || call->in[1].version > 0);
    return dev->bf16_arithmetic && (many || !dev->own_products);
}

/* BK_ERR_UNSUPPORTED: the product is computed in float32 instead. */
static bk_status prepare_rounded(cpu_device *dev, const product *p, bk_call *call)
{
    bk_status status = dev->bf16 ? dev->bf16->product(dev, p, call) : BK_ERR_UNSUPPORTED;
    if (status != BK_ERR_UNSUPPORTED || (dev->bf16 && dev->own_products))
        return status;
    return dev->library->prepare(dev, p, call);
}

bk_status matrix_prepare(cpu_device *dev, bk_call *call)
{
    product p;
    if (!product_of(call, &p))
        return BK_ERR_UNSUPPORTED;
    bk_status status = is_rounded(dev, call, &p) ? prepare_rounded(dev, &p, call) : BK_ERR_UNSUPPORTED;
    if (status != BK_ERR_UNSUPPORTED)
        return status;
    if (is_thin(dev, call, &p))
        return prepare_thin(dev, &p, call);
    if (is_own(dev, call, &p))
        return prepare_own(dev, &p, call);
    return dev->library->prepare(dev, &p, call);
}
