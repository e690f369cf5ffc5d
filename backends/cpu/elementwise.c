/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.c - element-wise ops of one and of two inputs, the latter with broadcasting.
 *
 * Each formula is one line on vectors. Two inputs: axes are joined if strides allow, then the last axis is
 * walked with each input either contiguous or one value; the axes before it determine offsets. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

typedef void (*unary_fn)(const float *x, float *y, int64_t n, float alpha, float beta);

typedef struct unary {
    unary_fn apply;
    const float *x;
    float *y;
    int64_t n;
    float alpha, beta;
} unary;

static void unary_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    const unary *u = job;
    int64_t at = first * WORK_PIECE;
    (void)thread;
    u->apply(u->x + at, u->y + at, work_min((end - first) * WORK_PIECE, u->n - at), u->alpha, u->beta);
}

static bk_status run_unary(const bk_call *call, cpu_team *team, unary_fn apply)
{
    unary u = {.apply = apply, .x = call->in[0].data, .y = call->out[0].data};
    u.alpha = (float)call->attr.alpha;
    u.beta = (float)call->attr.beta;
    u.n = bk_count(&call->out[0].shape);
    cpu_team_share(team, work_pieces(u.n, WORK_PIECE), u.n, unary_pieces, &u);
    return BK_OK;
}

/* The kernel of an op whose function on an array is each_NAME(). */
#define UNARY_KERNEL(name)                                                                                   \
    static bk_status run_##name(const bk_call *call, cpu_team *team)                                         \
    {                                                                                                        \
        return run_unary(call, team, each_##name);                                                           \
    }                                                                                                        \
    const cpu_kernel KERNEL(cpu_##name) = {.run = run_##name};

#define UNARY(name, formula)                                                                                 \
    static void each_##name(const float *in, float *out, int64_t n, float alpha, float beta)                 \
    {                                                                                                        \
        (void)alpha;                                                                                         \
        (void)beta;                                                                                          \
        int64_t i = 0;                                                                                       \
        for (; i + VL <= n; i += VL) {                                                                       \
            vf x = vload(in + i);                                                                            \
            vstore(out + i, formula);                                                                        \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            vf x = vload_part(in + i, n - i, 1.0f);                                                          \
            vstore_part(out + i, formula, n - i);                                                            \
        }                                                                                                    \
    }                                                                                                        \
    UNARY_KERNEL(name)

/* 1 above zero, -1 below, 0 at zero; a NaN stays one. */
INLINE vf sign_of(vf x)
{
    vf one = vset(1.0f), zero = vset(0.0f);
    return vselect(x > zero, one, vselect(x < zero, -one, x * zero));
}

UNARY(affine, alpha *x + beta)
UNARY(exp, vexp(x))
UNARY(log, vlog(x))
UNARY(sqrt, vsqrt(x))
UNARY(abs, vabs(x))
UNARY(sign, sign_of(x))
UNARY(sigmoid, 1.0f / (1.0f + vexp(-x)))
UNARY(tanh, vtanh(x))
UNARY(leaky_relu, vselect(x > vset(0.0f), x, alpha *x))
UNARY(step, vselect(x > vset(0.0f), vset(1.0f), vset(alpha)))

/* log(1 + e): the factor e / ((1 + e) - 1) corrects the rounding of 1 + e. */
INLINE vf log_plus_one(vf e)
{
    vf sum = 1.0f + e, rounded = sum - 1.0f;
    return vselect(rounded == vset(0.0f), e, vlog(sum) * (e / rounded));
}

UNARY(softplus, vmax(vset(0.0f), x) + log_plus_one(vexp(-vabs(x))))

/* GELUS vectors at once, then one by one. */
static void each_gelu(const float *in, float *out, int64_t n, float alpha, float beta)
{
    int64_t i = 0;
    vf x[GELUS];
    (void)alpha;
    (void)beta;
    for (; i + GELUS * VL <= n; i += GELUS * VL) {
#pragma GCC unroll 4
        for (int k = 0; k < GELUS; k++)
            x[k] = vload(in + i + k * VL);
        vgelu(x, GELUS);
#pragma GCC unroll 4
        for (int k = 0; k < GELUS; k++)
            vstore(out + i + k * VL, x[k]);
    }
    for (; i < n; i += VL) {
        x[0] = vload_n(in + i, n - i);
        vgelu(x, 1);
        vstore_n(out + i, x[0], n - i);
    }
}

UNARY_KERNEL(gelu)

/* Strides of a and b are 0 or 1. */
typedef void (*binary_fn)(const float *a, int64_t sa, const float *b, int64_t sb, float *y, int64_t n);

static work_walk binary_walk(const bk_call *call)
{
    const bk_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    int64_t stride[2][BK_MAX_RANK];
    work_strides(a, stride[0]);
    work_strides(b, stride[1]);
    work_walk w = {0};
    for (int i = 0; i < y->rank; i++)
        work_axis(&w, y->dim[i], a->dim[i] == 1 ? 0 : stride[0][i], b->dim[i] == 1 ? 0 : stride[1][i]);
    return w;
}

/* A piece is `many` rows of n elements, or a cut of one row. */
typedef struct binary {
    binary_fn apply;
    const float *a, *b;
    float *y;
    work_walk walk;
    int outer;
    int64_t rows, n, sa, sb, cut, cuts, many;
} binary;

static void binary_piece(const binary *q, int64_t p)
{
    int64_t row = p / q->cuts * q->many, end = work_min(q->rows, row + q->many), at = p % q->cuts * q->cut;
    int64_t len = work_min(q->cut, q->n - at);
    work_place place = work_at(&q->walk, q->outer, row);
    for (; row < end; row++, work_next(&q->walk, &place))
        q->apply(q->a + place.offset[0] + at * q->sa, q->sa, q->b + place.offset[1] + at * q->sb, q->sb,
                 q->y + row * q->n + at, len);
}

static void binary_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t p = first; p < end; p++)
        binary_piece(job, p);
}

static bk_status run_binary(const bk_call *call, cpu_team *team, binary_fn apply)
{
    binary q = {.apply = apply, .a = call->in[0].data, .b = call->in[1].data, .y = call->out[0].data};
    work_walk w = q.walk = binary_walk(call);
    q.outer = w.rank > 0 ? w.rank - 1 : 0;
    q.rows = work_count(&w, q.outer);
    q.n = w.rank > 0 ? w.dim[q.outer] : 1;
    q.sa = w.rank > 0 ? w.stride[0][q.outer] : 0;
    q.sb = w.rank > 0 ? w.stride[1][q.outer] : 0;
    q.cut = work_min(q.n, WORK_PIECE);
    q.cuts = work_pieces(q.n, q.cut);
    q.many = work_max(1, WORK_PIECE / q.cut);
    cpu_team_share(team, work_pieces(q.rows, q.many) * q.cuts, q.rows * q.n, binary_pieces, &q);
    return BK_OK;
}

/* The kernel of an op whose function on an array is each_NAME(). */
#define BINARY_KERNEL(name)                                                                                  \
    static bk_status run_##name(const bk_call *call, cpu_team *team)                                         \
    {                                                                                                        \
        return run_binary(call, team, each_##name);                                                          \
    }                                                                                                        \
    const cpu_kernel KERNEL(cpu_##name) = {.run = run_##name};

#define BINARY(name, formula)                                                                                \
    static void each_##name(const float *pa, int64_t sa, const float *pb, int64_t sb, float *y, int64_t n)   \
    {                                                                                                        \
        vf fixed_a = vset(pa[0]), fixed_b = vset(pb[0]);                                                     \
        int64_t i = 0;                                                                                       \
        for (; i + VL <= n; i += VL) {                                                                       \
            vf a = sa ? vload(pa + i) : fixed_a, b = sb ? vload(pb + i) : fixed_b;                           \
            vstore(y + i, formula);                                                                          \
        }                                                                                                    \
        if (i < n) {                                                                                         \
            vf a = sa ? vload_part(pa + i, n - i, 1.0f) : fixed_a;                                           \
            vf b = sb ? vload_part(pb + i, n - i, 1.0f) : fixed_b;                                           \
            vstore_part(y + i, formula, n - i);                                                              \
        }                                                                                                    \
    }                                                                                                        \
    BINARY_KERNEL(name)

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(div, a / b)
BINARY(maximum, vmax(a, b))
BINARY(less, vselect(a < b, vset(1.0f), vset(0.0f)))
BINARY(equal, vselect(a == b, vset(1.0f), vset(0.0f)))

/* dy *= d/dx x Phi(x) = Phi(x) + x phi(x), phi the normal density. */
INLINE void gelu_slopes(const vf *x, vf *dy, const int n)
{
    vf phi[GELUS], density[GELUS];
    vnormal(x, phi, density, n);
#pragma GCC unroll 4
    for (int k = 0; k < n; k++)
        dy[k] *= phi[k] + x[k] * 0.39894228f * density[k];
}

/* Both inputs have the output's shape: strides are 1. */
static void each_gelu_grad(const float *pa, int64_t sa, const float *pb, int64_t sb, float *y, int64_t n)
{
    int64_t i = 0;
    vf x[GELUS], dy[GELUS];
    (void)sa;
    (void)sb;
    for (; i + GELUS * VL <= n; i += GELUS * VL) {
#pragma GCC unroll 4
        for (int k = 0; k < GELUS; k++) {
            x[k] = vload(pa + i + k * VL);
            dy[k] = vload(pb + i + k * VL);
        }
        gelu_slopes(x, dy, GELUS);
#pragma GCC unroll 4
        for (int k = 0; k < GELUS; k++)
            vstore(y + i + k * VL, dy[k]);
    }
    for (; i < n; i += VL) {
        x[0] = vload_n(pa + i, n - i);
        dy[0] = vload_n(pb + i, n - i);
        gelu_slopes(x, dy, 1);
        vstore_n(y + i, dy[0], n - i);
    }
}

BINARY_KERNEL(gelu_grad)
