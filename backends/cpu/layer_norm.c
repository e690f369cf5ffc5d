/* SPDX-License-Identifier: Apache-2.0 */
/* layer_norm.c - layer norm over the last axis and its gradient.
 *
 *   h = (x - mean) / sqrt(var + eps);  y = h gain + bias
 *   dx = (g - mean(g) - h mean(g h)) / sqrt(var + eps),  g = gain dy
 *   dgain = sum over rows of dy h,  dbias = sum over rows of dy
 *
 * A row stays in the first-level cache through its passes. The sums over rows are taken in blocks of
 * ROWS rows, each with its own partial sums in scratch, added up in order. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum { ROWS = 64 };

typedef struct row_stats {
    float mean, inverse; /* inverse = 1/sqrt(var + eps) */
} row_stats;

/* Clears lanes past the end of a row, so that they do not count: n lanes are left. */
INLINE vf keep_n(vf v, int64_t n)
{
    if (n >= VL)
        return v;
    float lane[VL];
    vstore(lane, v);
    return vload_part(lane, n, 0.0f);
}

/* vsum() in registers, in the same order: rows are short, and each waits for four sums. */
INLINE float row_sum(vf v)
{
#if CPU_LEVEL == 4
    __m512 a = (__m512)v;
    __m256 eight = _mm512_castps512_ps256(a) + _mm512_extractf32x8_ps(a, 1);
    __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
    four += _mm_movehl_ps(four, four);
    return four[0] + four[1];
#else
    return vsum(v);
#endif
}

static row_stats stats_of(const float *x, int64_t c, float eps)
{
    vf sum = vset(0.0f), square = vset(0.0f);
    for (int64_t i = 0; i < c; i += VL)
        sum += vload_n(x + i, c - i);
    float mean = row_sum(sum) / (float)c;
    for (int64_t i = 0; i < c; i += VL) {
        vf d = keep_n(vload_n(x + i, c - i) - mean, c - i);
        square += d * d;
    }
    return (row_stats){mean, 1.0f / sqrtf(row_sum(square) / (float)c + eps)};
}

static void normalise_rows(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const bk_shape *s = &call->in[0].shape;
    const float *x = call->in[0].data, *gain = call->in[1].data, *bias = call->in[2].data;
    float *y = call->out[0].data, eps = (float)call->attr.eps;
    int64_t c = s->dim[s->rank - 1];
    (void)thread;
    for (int64_t r = first; r < end; r++) {
        row_stats st = stats_of(x + r * c, c, eps);
        for (int64_t i = 0; i < c; i += VL) {
            vf h = (vload_n(x + r * c + i, c - i) - st.mean) * st.inverse;
            vstore_n(y + r * c + i, h * vload_n(gain + i, c - i) + vload_n(bias + i, c - i), c - i);
        }
    }
}

static bk_status run_layer_norm(const bk_call *call, cpu_team *team)
{
    const bk_shape *s = &call->in[0].shape;
    cpu_team_share(team, bk_count(s) / s->dim[s->rank - 1], bk_count(s), normalise_rows, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_layer_norm) = {.run = run_layer_norm};

typedef struct grad_row {
    const float *x, *gain, *dy;
    float *dx, *dgain, *dbias; /* the last two are sums so far */
} grad_row;

static void gradient_of(const grad_row *g, int64_t c, float eps)
{
    row_stats st = stats_of(g->x, c, eps);
    vf sum_g = vset(0.0f), sum_gh = vset(0.0f);
    for (int64_t i = 0; i < c; i += VL) {
        int64_t k = c - i;
        vf dy = vload_n(g->dy + i, k), h = (vload_n(g->x + i, k) - st.mean) * st.inverse;
        vf weighted = dy * vload_n(g->gain + i, k);
        vstore_n(g->dx + i, weighted, k);
        sum_g += weighted;
        sum_gh += weighted * h;
        vstore_n(g->dgain + i, vload_n(g->dgain + i, k) + dy * h, k);
        vstore_n(g->dbias + i, vload_n(g->dbias + i, k) + dy, k);
    }
    float mean_g = row_sum(sum_g) / (float)c, mean_gh = row_sum(sum_gh) / (float)c;
    for (int64_t i = 0; i < c; i += VL) {
        int64_t k = c - i;
        vf h = (vload_n(g->x + i, k) - st.mean) * st.inverse;
        vstore_n(g->dx + i, (vload_n(g->dx + i, k) - mean_g - h * mean_gh) * st.inverse, k);
    }
}

/* partial is [blocks][2][c]; adds the blocks of one kind in order. */
static void add_blocks(const float *partial, int64_t blocks, int64_t c, float *total)
{
    for (int64_t i = 0; i < c; i++) {
        double sum = 0.0;
        for (int64_t b = 0; b < blocks; b++)
            sum += partial[b * 2 * c + i];
        total[i] = (float)sum;
    }
}

static size_t scratch_layer_norm_grad(const bk_call *call, int threads)
{
    (void)threads;
    const bk_shape *s = &call->in[0].shape;
    int64_t c = s->dim[s->rank - 1];
    return (size_t)(work_pieces(bk_count(s) / c, ROWS) * 2 * c) * sizeof(float);
}

/* A block is ROWS rows, whose contributions to the gradients of gain and bias are added up by themselves. */
static void gradient_of_block(const bk_call *call, int64_t block)
{
    const bk_shape *s = &call->in[0].shape;
    const float *x = call->in[0].data, *gain = call->in[1].data, *dy = call->in[2].data;
    int64_t c = s->dim[s->rank - 1], rows = bk_count(s) / c;
    float *dx = call->out[0].data, *dgain = (float *)call->scratch + block * 2 * c, *dbias = dgain + c;
    memset(dgain, 0, (size_t)(2 * c) * sizeof(float));
    for (int64_t r = block * ROWS; r < work_min(rows, (block + 1) * ROWS); r++)
        gradient_of(&(grad_row){x + r * c, gain, dy + r * c, dx + r * c, dgain, dbias}, c,
                    (float)call->attr.eps);
}

static void gradient_of_blocks(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t b = first; b < end; b++)
        gradient_of_block(job, b);
}

static bk_status run_layer_norm_grad(const bk_call *call, cpu_team *team)
{
    const bk_shape *s = &call->in[0].shape;
    const float *partial = call->scratch;
    int64_t c = s->dim[s->rank - 1], blocks = work_pieces(bk_count(s) / c, ROWS);
    cpu_team_share(team, blocks, bk_count(s), gradient_of_blocks, call);
    if (call->n_out > 1 && call->out[1].data != NULL)
        add_blocks(partial, blocks, c, call->out[1].data);
    if (call->n_out > 2 && call->out[2].data != NULL)
        add_blocks(partial + c, blocks, c, call->out[2].data);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_layer_norm_grad) = {.scratch = scratch_layer_norm_grad,
                                                .run = run_layer_norm_grad};
