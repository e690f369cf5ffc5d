/* SPDX-License-Identifier: Apache-2.0 */
/* product.cu - BK_MATMUL with either side transposed, and BK_LINEAR with what follows it:
 *
 *   y[i,j] = act(sum_k a[i,k] b[k,j] + bias[j]) + residual[i,j]
 *
 * b may be stored as 16-bit floats, which are widened as they are read. */
#include "backends/cuda/product.h"
#include "backends/cuda/activation.h"
#include "backends/cuda/cublaslt.h"

static __device__ __forceinline__ float widen(int type, const void *p, int64_t i)
{
    if (type == BK_F32)
        return ((const float *)p)[i];
    uint32_t half = ((const uint16_t *)p)[i], exponent = half >> 10 & 31, bits = half << 16;
    float x;
    if (type == BK_F16) {
        float small = (float)(int)(half & 1023) * 0x1p-24f;
        memcpy(&bits, &small, sizeof bits);
        if (exponent != 0)
            bits = (exponent == 31 ? 255 : exponent + 112) << 23 | (half & 1023) << 13;
        bits |= (half & 0x8000) << 16;
    }
    memcpy(&x, &bits, sizeof x);
    return x;
}

struct matrices {
    int64_t batch, rows, columns, depth;
    const float *from;
    const void *with;
    int type; /* of with */
    int64_t a_step, b_step, a_row, a_depth, b_column, b_depth;
    int a_by_depth, b_by_depth;
    const float *bias, *residual; /* NULL: none */
    activation act;
    float *y;

    typedef int64_t row;
    typedef int64_t column;
    static constexpr bool batch_is_inner = false, has_fours = true;

    __device__ __forceinline__ row at_row(int64_t i, int64_t r) const
    {
        return i * a_step + r * a_row;
    }
    __device__ __forceinline__ column at_column(int64_t i, int64_t c) const
    {
        return i * b_step + c * b_column;
    }
    __device__ __forceinline__ float a(row at, int64_t k) const
    {
        return from[at + k * a_depth];
    }
    __device__ __forceinline__ float b(column at, int64_t k) const
    {
        return widen(type, with, at + k * b_depth);
    }
    __device__ __forceinline__ float4 a4(row at, int64_t k) const
    {
        return *(const float4 *)(from + at + k * a_depth);
    }
    __device__ __forceinline__ float4 b4(column at, int64_t k) const
    {
        return *(const float4 *)((const float *)with + at + k * b_depth);
    }
    bool in_fours() const
    {
        uintptr_t places = (uintptr_t)from | (uintptr_t)with;
        return type == BK_F32 && (places & 15) == 0 && ((rows | columns | depth) & 3) == 0;
    }
    __device__ __forceinline__ void store(int64_t i, int64_t r, int64_t c, float sum) const
    {
        int64_t at = (i * rows + r) * columns + c;
        sum = activate(act, bias ? sum + bias[c] : sum);
        y[at] = residual ? sum + residual[at] : sum;
    }
};

static shape_of_product shape_of(const matrices *p)
{
    return {p->batch, p->rows, p->columns, p->depth};
}

static void set_strides(matrices *p, int trans_a, int trans_b)
{
    p->a_row = trans_a ? 1 : p->depth;
    p->a_depth = trans_a ? p->rows : 1;
    p->b_column = trans_b ? p->depth : 1;
    p->b_depth = trans_b ? 1 : p->columns;
    p->a_by_depth = !trans_a;
    p->b_by_depth = trans_b;
}

/* ---- by the library ---- */

static matrix_product library_product(const matrices &p, int trans_a, int trans_b, int arithmetic)
{
    return {p.batch, p.rows, p.columns, p.depth, p.a_step, p.b_step, trans_a != 0, trans_b != 0, arithmetic};
}

/* Narrow products and 16-bit weights stay with the kernels here. The library's sums go where they do not
 * overwrite the residual. */
static void plan_by_library(bk_call *call, const cublaslt *lt, const matrices &p, const matrix_product &m)
{
    shape_of_product s = shape_of(&p);
    if (is_narrow(&s) || p.type != BK_F32)
        return;
    call->state = cublaslt_prepare(lt, &m);
    size_t sums = (size_t)(p.batch * p.rows * p.columns) * sizeof(float);
    if (call->state && call->attr.has_residual && call->scratch_bytes < sums)
        call->scratch_bytes = sums;
}

__global__ void finish_products(matrices p, const float *sums)
{
    EACH(i, p.batch * p.rows * p.columns)
    p.store(i / (p.rows * p.columns), i / p.columns % p.rows, i % p.columns, sums[i]);
}

/* Returns false if the call has no product of the library, or its addresses do not fit it. */
static bool run_by_library(const bk_call *call, execution *e, const matrices &p)
{
    const cublaslt_product *product = (const cublaslt_product *)call->state;
    float *sums = p.residual ? (float *)call->scratch : p.y;
    if (!product || !cublaslt_fits(p.from, p.with, sums))
        return false;
    if (!cublaslt_run(product, p.from, (const float *)p.with, sums, e->stream))
        e->error = cudaErrorUnknown;
    else if (p.bias || p.residual || p.act.kind != BK_ACT_NONE)
        start(e, finish_products, blocks_for(p.batch * p.rows * p.columns), BLOCK, 0, p, (const float *)sums);
    return true;
}

static void run_product(const bk_call *call, execution *e, const matrices &p)
{
    if (!run_by_library(call, e, p))
        start_product(e, p, call->scratch);
}

/* ---- matmul ---- */

static matrices matmul_of(const bk_call *call)
{
    const bk_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    matrices p = {};
    p.rows = y->dim[y->rank - 2];
    p.columns = y->dim[y->rank - 1];
    p.depth = a->dim[a->rank - (call->attr.trans_a ? 2 : 1)];
    p.batch = bk_count(y) / (p.rows * p.columns);
    p.from = input(call, 0);
    p.with = call->in[1].data;
    p.y = output(call, 0);
    set_strides(&p, call->attr.trans_a, call->attr.trans_b);
    p.a_step = a->rank == 2 ? 0 : p.rows * p.depth;
    p.b_step = b->rank == 2 ? 0 : p.columns * p.depth;
    if (b->rank == 2 && a->rank != 2 && !call->attr.trans_a) { /* one tall product instead of many */
        p.rows *= p.batch;
        p.batch = 1;
    }
    return p;
}

static size_t scratch_matmul(const bk_call *call)
{
    matrices p = matmul_of(call);
    shape_of_product s = shape_of(&p);
    return product_scratch(&s);
}

static bool serves_matmul(const bk_call *call)
{
    matrices p = matmul_of(call);
    shape_of_product s = shape_of(&p);
    return product_is_served(&s);
}

static void run_matmul(const bk_call *call, execution *e)
{
    run_product(call, e, matmul_of(call));
}

static void plan_matmul(bk_call *call, const cublaslt *lt, int arithmetic)
{
    matrices p = matmul_of(call);
    plan_by_library(call, lt, p,
                    library_product(p, call->attr.trans_a, call->attr.trans_b, arithmetic));
}

const cuda_kernel cuda_matmul = {scratch_matmul, run_matmul, serves_matmul, plan_matmul};

/* ---- linear ---- */

static matrices linear_of(const bk_call *call)
{
    matrices p = {};
    p.columns = last_dim(&call->out[0].shape);
    p.depth = last_dim(&call->in[0].shape);
    p.rows = elements(&call->out[0]) / p.columns;
    p.batch = 1;
    p.from = input(call, 0);
    p.with = call->in[1].data;
    p.type = call->in[1].shape.dtype;
    p.bias = call->attr.has_bias ? input(call, 2) : nullptr;
    p.residual = call->attr.has_residual ? input(call, call->n_in - 1) : nullptr;
    p.act = activation_of(call);
    p.y = output(call, 0);
    set_strides(&p, 0, 1);
    return p;
}

static size_t scratch_linear(const bk_call *call)
{
    matrices p = linear_of(call);
    shape_of_product s = shape_of(&p);
    return product_scratch(&s);
}

static void run_linear(const bk_call *call, execution *e)
{
    run_product(call, e, linear_of(call));
}

static void plan_linear(bk_call *call, const cublaslt *lt, int arithmetic)
{
    matrices p = linear_of(call);
    plan_by_library(call, lt, p, library_product(p, 0, 1, arithmetic));
}

const cuda_kernel cuda_linear = {scratch_linear, run_linear, nullptr, plan_linear};
