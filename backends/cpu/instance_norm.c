/* SPDX-License-Identifier: Apache-2.0 */
/* Instance norm, a leaky ReLU behind it, and the gradient of both. For each channel of each sample, over its
 * pixels:
 *
 *   z = (x - mean) / sqrt(var + eps);  y = f(z), f(z) = z > 0 ? z : alpha z
 *   dx = (g - mean(g) - z mean(g z)) / sqrt(var + eps),  g = dy f'(z)
 *
 * Pixels are rows of channels, and channels the lanes. Sums are taken in blocks of rows that stay in the
 * first-level cache, and blocks are joined in order, in double: squares are about the block's own mean (Chan,
 * Golub and LeVeque 1979), as large means would drown them. The mean is kept as two floats, for x - mean must
 * be as exact as x: its sign decides what the gradient is. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

enum {
    BLOCK = 8192,    /* floats of a block of rows, */
    LEAST_ROWS = 16, /* or more where channels are many, */
    MOST_ROWS = 32,  /* or fewer where they are few: what a bias before a norm gets as its gradient is nothing
                        but the rounding of these sums */
    WIDE = 4,        /* vectors side by side: a sum alone waits for itself */
    STRIP = 64       /* channels of a task that joins blocks */
};

/* What is kept of each channel of a sample, [KEPT][channels] floats. */
enum { MEAN, MEAN_REST, INVERSE, MEAN_G, MEAN_G_REST, MEAN_GZ, KEPT };

typedef struct norm {
    const float *x, *dy;
    float *out;                                    /* y or dx */
    float *kept, *sums;                            /* [batch][KEPT][channels], [batch][blocks][2][channels] */
    int64_t batch, pixels, channels, rows, blocks; /* rows of a block, blocks of a sample */
    float alpha;
    double eps;
} norm;

static norm norm_of(const bk_call *call)
{
    const bk_shape *s = &call->in[0].shape;
    norm n = {.x = call->in[0].data, .out = call->out[0].data, .kept = call->scratch};
    n.dy = call->op == BK_INSTANCE_NORM_GRAD ? call->in[1].data : NULL;
    n.batch = s->dim[0];
    n.channels = s->dim[s->rank - 1];
    n.pixels = bk_count(s) / (n.batch * n.channels);
    n.rows = work_min(n.pixels, work_max(LEAST_ROWS, work_min(MOST_ROWS, BLOCK / n.channels)));
    n.blocks = work_pieces(n.pixels, n.rows);
    n.sums = n.kept ? n.kept + n.batch * KEPT * n.channels : NULL;
    n.alpha = (float)call->attr.alpha;
    n.eps = call->attr.eps;
    return n;
}

static int fits_instance_norm(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    int grad = call->op == BK_INSTANCE_NORM_GRAD;
    return call->n_in == 1 + grad && call->n_out == 1 && x->rank >= 3 &&
           work_same(x, &call->in[grad].shape) && work_same(x, &call->out[0].shape);
}

static size_t scratch_instance_norm(const bk_call *call, int threads)
{
    (void)threads;
    norm n = norm_of(call);
    return (size_t)(n.batch * (KEPT + 2 * n.blocks) * n.channels) * sizeof(float);
}

/* A block of rows. */
typedef struct block {
    int64_t sample, first, rows; /* first: row of the sample */
    const float *x, *dy;
    float *out, *sums;
    const float *kept;
} block;

static block block_of(const norm *n, int64_t index)
{
    block b = {.sample = index / n->blocks, .first = index % n->blocks * n->rows};
    int64_t at = (b.sample * n->pixels + b.first) * n->channels;
    b.rows = work_min(n->rows, n->pixels - b.first);
    b.x = n->x + at;
    b.dy = n->dy ? n->dy + at : NULL;
    b.out = n->out + at;
    b.sums = n->sums + index * 2 * n->channels;
    b.kept = n->kept + b.sample * KEPT * n->channels;
    return b;
}

/* Calls f for channels i of n, WIDE vectors at a time and then one. */
#define FOR_CHANNELS(n, f)                                                                                   \
    for (int64_t i = 0; i < (n)->channels;) {                                                                \
        const int wide_ = (n)->channels - i >= WIDE * VL;                                                    \
        if (wide_)                                                                                           \
            f(n, &b, i, WIDE);                                                                               \
        else                                                                                                 \
            f(n, &b, i, 1);                                                                                  \
        i += (wide_ ? WIDE : 1) * VL;                                                                        \
    }

/* Vectors from channel i on: whole ones where there are several. */
INLINE vf load(const norm *n, const float *p, int64_t i, int k, const int vectors)
{
    return vectors > 1 ? vload(p + i + k * VL) : vload_n(p + i, n->channels - i);
}

INLINE void store(const norm *n, float *p, vf v, int64_t i, int k, const int vectors)
{
    if (vectors > 1)
        vstore(p + i + k * VL, v);
    else
        vstore_n(p + i, v, n->channels - i);
}

/* ---- mean and deviation ---- */

/* Of the block's rows: the sum of x less the first row, and of the squares about the block's mean. */
INLINE void add_block(const norm *n, const block *b, int64_t i, const int vectors)
{
    vf shift[WIDE], sum[WIDE], square[WIDE];
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++) {
        shift[k] = load(n, b->x, i, k, vectors);
        sum[k] = square[k] = vset(0.0f);
    }
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++)
            sum[k] += load(n, b->x + r * n->channels, i, k, vectors) - shift[k];
    float part = 1.0f / (float)b->rows;
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            vf d = load(n, b->x + r * n->channels, i, k, vectors) - shift[k] - sum[k] * part;
            square[k] += d * d;
        }
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++) {
        store(n, b->sums, sum[k], i, k, vectors);
        store(n, b->sums + n->channels, square[k], i, k, vectors);
    }
}

/* Mean and deviation of some channels of a sample, from all its blocks. */
static void join_moments(const norm *n, int64_t sample, int64_t first, int64_t channels)
{
    double mean[STRIP] = {0}, square[STRIP] = {0};
    float *kept = n->kept + sample * KEPT * n->channels + first;
    for (int64_t k = 0; k < n->blocks; k++) {
        block b = block_of(n, sample * n->blocks + k);
        for (int64_t i = 0; i < channels; i++)
            mean[i] += (double)b.rows * b.x[first + i] + b.sums[first + i];
    }
    for (int64_t i = 0; i < channels; i++)
        mean[i] /= (double)n->pixels;
    for (int64_t k = 0; k < n->blocks; k++) {
        block b = block_of(n, sample * n->blocks + k);
        for (int64_t i = 0; i < channels; i++) {
            double off = b.x[first + i] + b.sums[first + i] / (double)b.rows - mean[i];
            square[i] += b.sums[n->channels + first + i] + (double)b.rows * off * off;
        }
    }
    for (int64_t i = 0; i < channels; i++) {
        float near = (float)mean[i];
        kept[MEAN * n->channels + i] = near;
        kept[MEAN_REST * n->channels + i] = (float)(mean[i] - near);
        kept[INVERSE * n->channels + i] = (float)(1.0 / sqrt(square[i] / (double)n->pixels + n->eps));
    }
}

/* ---- what the moments are for ---- */

/* z of row r. */
INLINE vf normal(const norm *n, const block *b, int64_t r, int64_t i, int k, const int vectors)
{
    vf mean = load(n, b->kept + MEAN * n->channels, i, k, vectors);
    vf rest = load(n, b->kept + MEAN_REST * n->channels, i, k, vectors);
    vf x = load(n, b->x + r * n->channels, i, k, vectors);
    return (x - mean - rest) * load(n, b->kept + INVERSE * n->channels, i, k, vectors);
}

/* dy f'(z) */
INLINE vf through(const norm *n, const block *b, vf z, int64_t r, int64_t i, int k, const int vectors)
{
    vf dy = load(n, b->dy + r * n->channels, i, k, vectors);
    return vselect(z > vset(0.0f), dy, n->alpha * dy);
}

INLINE void write_block(const norm *n, const block *b, int64_t i, const int vectors)
{
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            vf z = normal(n, b, r, i, k, vectors);
            vf y = vselect(z > vset(0.0f), z, n->alpha * z);
            store(n, b->out + r * n->channels, y, i, k, vectors);
        }
}

/* The block's sums of g and of g z. */
INLINE void add_gradient(const norm *n, const block *b, int64_t i, const int vectors)
{
    vd sum_g[WIDE];
    vf sum_gz[WIDE];
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++) {
        sum_g[k] = vwide(vset(0.0f));
        sum_gz[k] = vset(0.0f);
    }
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            vf z = normal(n, b, r, i, k, vectors), g = through(n, b, z, r, i, k, vectors);
            sum_g[k] += vwide(g);
            sum_gz[k] += g * z;
        }
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++) {
        store(n, b->sums, vnarrow(sum_g[k]), i, k, vectors);
        store(n, b->sums + n->channels, sum_gz[k], i, k, vectors);
    }
}

static void join_gradient(const norm *n, int64_t sample, int64_t first, int64_t channels)
{
    double sum_g[STRIP] = {0}, sum_gz[STRIP] = {0};
    float *kept = n->kept + sample * KEPT * n->channels + first;
    for (int64_t k = 0; k < n->blocks; k++) {
        const float *sums = n->sums + (sample * n->blocks + k) * 2 * n->channels + first;
        for (int64_t i = 0; i < channels; i++) {
            sum_g[i] += sums[i];
            sum_gz[i] += sums[n->channels + i];
        }
    }
    for (int64_t i = 0; i < channels; i++) {
        double mean_g = sum_g[i] / (double)n->pixels;
        float near = (float)mean_g;
        kept[MEAN_G * n->channels + i] = near;
        kept[MEAN_G_REST * n->channels + i] = (float)(mean_g - near);
        kept[MEAN_GZ * n->channels + i] = (float)(sum_gz[i] / (double)n->pixels);
    }
}

/* Rounded once: the gradient of a bias before the norm is the sum over all pixels of what rounding leaves. */
INLINE void write_gradient(const norm *n, const block *b, int64_t i, const int vectors)
{
    const float *kept = b->kept;
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            vf z = normal(n, b, r, i, k, vectors), g = through(n, b, z, r, i, k, vectors);
            vd off = vwide(g) - vwide(load(n, kept + MEAN_G * n->channels, i, k, vectors)) -
                     vwide(load(n, kept + MEAN_G_REST * n->channels, i, k, vectors)) -
                     vwide(z) * vwide(load(n, kept + MEAN_GZ * n->channels, i, k, vectors));
            off *= vwide(load(n, kept + INVERSE * n->channels, i, k, vectors));
            store(n, b->out + r * n->channels, vnarrow(off), i, k, vectors);
        }
}

/* ---- the passes ---- */

typedef enum pass { ADD_MOMENTS, WRITE, ADD_GRADIENT, WRITE_GRADIENT } pass;

static void run_block(const norm *n, int64_t index, pass what)
{
    block b = block_of(n, index);
    if (what == ADD_MOMENTS)
        FOR_CHANNELS(n, add_block)
    else if (what == WRITE)
        FOR_CHANNELS(n, write_block)
    else if (what == ADD_GRADIENT)
        FOR_CHANNELS(n, add_gradient)
    else
        FOR_CHANNELS(n, write_gradient)
}

static void run_blocks(const norm *n, int threads, pass what)
{
    int64_t blocks = n->batch * n->blocks;
    int team = work_team(threads, blocks, n->batch * n->pixels * n->channels);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t i = 0; i < blocks; i++)
        run_block(n, i, what);
}

static void join(const norm *n, int threads, void (*some)(const norm *, int64_t, int64_t, int64_t))
{
    int64_t strips = work_pieces(n->channels, STRIP), tasks = n->batch * strips;
    int team = work_team(threads, tasks, n->batch * n->blocks * n->channels);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t t = 0; t < tasks; t++) {
        int64_t first = t % strips * STRIP;
        some(n, t / strips, first, work_min(STRIP, n->channels - first));
    }
}

static bk_status run_instance_norm(const bk_call *call, int threads)
{
    norm n = norm_of(call);
    run_blocks(&n, threads, ADD_MOMENTS);
    join(&n, threads, join_moments);
    run_blocks(&n, threads, WRITE);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_instance_norm) = {
    .fits = fits_instance_norm, .scratch = scratch_instance_norm, .run = run_instance_norm};

static bk_status run_instance_norm_grad(const bk_call *call, int threads)
{
    norm n = norm_of(call);
    run_blocks(&n, threads, ADD_MOMENTS);
    join(&n, threads, join_moments);
    run_blocks(&n, threads, ADD_GRADIENT);
    join(&n, threads, join_gradient);
    run_blocks(&n, threads, WRITE_GRADIENT);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_instance_norm_grad) = {
    .fits = fits_instance_norm, .scratch = scratch_instance_norm, .run = run_instance_norm_grad};
