/* SPDX-License-Identifier: Apache-2.0 */
/* channel_norm.c - instance norm and group norm, each followed by a leaky ReLU, and the gradients. For each
 * channel, or each group of channels, of each sample, over its pixels:
 *
 *   z = (x - mean) / sqrt(var + eps);  y = f(t), f(t) = t > 0 ? t : alpha t
 *   dx = (h - mean(h) - z mean(h z)) / sqrt(var + eps)
 *
 * Instance norm has t = z and h = dy f'(t); group norm has a gain and a bias for each channel,
 *   t = z gain + bias,  h = g gain,  dgain = sum of g z,  dbias = sum of g,  g = dy f'(t).
 *
 * Pixels are rows of channels, and channels the lanes. Sums are taken in blocks of rows that stay in the
 * first-level cache, and blocks are joined in order, in double: squares are taken about the block's own mean
 * (Chan, Golub and LeVeque 1979), because a large mean would cost them their precision. The mean is stored as
 * two floats, because x - mean must be as exact as x: its sign selects the slope of the gradient. The
 * statistics of a channel are merged with those of its group at the end. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum {
    BLOCK = 8192,    /* floats of a block of rows, */
    LEAST_ROWS = 16, /* or more if channels are many, */
    MOST_ROWS = 32,  /* or fewer if channels are few, because the gradient of a bias before a norm is nothing
                        but the rounding of these sums */
    WIDE = 4,        /* independent vectors: a single sum would wait for its own latency */
    STRIP = 64       /* channels of a task that joins blocks */
};

/* The statistics of each channel of a sample, [KEPT][channels] floats. */
enum { MEAN, MEAN_REST, INVERSE, MEAN_H, MEAN_H_REST, MEAN_HZ, KEPT };

typedef struct norm {
    const float *x, *dy;
    const float *gain, *bias;                      /* NULL: none */
    float *out;                                    /* y or dx */
    float *mean, *variance;                        /* results of group norm; NULL: not wanted */
    float *dgain, *dbias;                          /* results of its gradient, likewise */
    float *kept, *sums;                            /* [batch][KEPT][channels], [batch][blocks][2][channels] */
    int64_t batch, pixels, channels, rows, blocks; /* rows of a block, blocks of a sample */
    int64_t width;                                 /* channels of a group */
    float alpha;
    double eps;
} norm;

static norm norm_of(const bk_call *call)
{
    const bk_shape *s = &call->in[0].shape;
    norm n = {.x = call->in[0].data, .out = call->out[0].data, .kept = call->scratch, .width = 1};
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

static size_t scratch_norm(const bk_call *call, int threads)
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

/* Calls f for channels i of n, WIDE vectors at a time and then one; affine: n has gain and bias. */
#define FOR_CHANNELS(n, f, affine)                                                                           \
    for (int64_t i = 0; i < (n)->channels;) {                                                                \
        const int wide_ = (n)->channels - i >= WIDE * VL;                                                    \
        if (wide_)                                                                                           \
            f(n, &b, i, WIDE, affine);                                                                       \
        else                                                                                                 \
            f(n, &b, i, 1, affine);                                                                          \
        i += (wide_ ? WIDE : 1) * VL;                                                                        \
    }

/* Vectors from channel i on: if there are several, all are whole. */
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
INLINE void add_block(const norm *n, const block *b, int64_t i, const int vectors, const int affine)
{
    (void)affine;
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

/* `channel` holds the statistics of one channel. A group's deviation needs all its channels: until then this
 * is the variance. */
static void keep_moments(const norm *n, float *channel, double mean, double variance)
{
    float near = (float)mean;
    channel[MEAN * n->channels] = near;
    channel[MEAN_REST * n->channels] = (float)(mean - near);
    channel[INVERSE * n->channels] = (float)(n->width > 1 ? variance : 1.0 / sqrt(variance + n->eps));
}

static void write_moments(const norm *n, int64_t group, double mean, double variance)
{
    if (n->mean)
        n->mean[group] = (float)mean;
    if (n->variance)
        n->variance[group] = (float)variance;
}

/* Computes mean and deviation of some channels of a sample from all its blocks. */
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
        double variance = square[i] / (double)n->pixels;
        keep_moments(n, kept + i, mean[i], variance);
        if (n->width == 1)
            write_moments(n, sample * n->channels + first + i, mean[i], variance);
    }
}

/* A mean stored as two floats. */
static double kept_mean(const norm *n, const float *channel, int near, int rest)
{
    return (double)channel[near * n->channels] + channel[rest * n->channels];
}

/* Replaces the moments of a group's channels in a sample with those of the group. */
static void merge_moments(const norm *n, int64_t group)
{
    int64_t groups = n->channels / n->width;
    float *kept = n->kept + group / groups * KEPT * n->channels + group % groups * n->width;
    double mean = 0.0, variance = 0.0, width = (double)n->width;
    for (int64_t i = 0; i < n->width; i++)
        mean += kept_mean(n, kept + i, MEAN, MEAN_REST) / width;
    for (int64_t i = 0; i < n->width; i++) {
        double off = kept_mean(n, kept + i, MEAN, MEAN_REST) - mean;
        variance += (kept[INVERSE * n->channels + i] + off * off) / width;
    }
    write_moments(n, group, mean, variance);
    for (int64_t i = 0; i < n->width; i++) {
        keep_moments(n, kept + i, mean, variance);
        kept[INVERSE * n->channels + i] = (float)(1.0 / sqrt(variance + n->eps));
    }
}

/* ---- uses of the moments ---- */

/* z of row r. */
INLINE vf normal(const norm *n, const block *b, int64_t r, int64_t i, int k, const int vectors)
{
    vf mean = load(n, b->kept + MEAN * n->channels, i, k, vectors);
    vf rest = load(n, b->kept + MEAN_REST * n->channels, i, k, vectors);
    vf x = load(n, b->x + r * n->channels, i, k, vectors);
    return (x - mean - rest) * load(n, b->kept + INVERSE * n->channels, i, k, vectors);
}

/* t, the argument of the leaky ReLU. */
INLINE vf before_slope(const norm *n, vf z, int64_t i, int k, const int vectors, const int affine)
{
    return affine ? z * load(n, n->gain, i, k, vectors) + load(n, n->bias, i, k, vectors) : z;
}

/* dy f'(t) */
INLINE vf through(const norm *n, const block *b, vf t, int64_t r, int64_t i, int k, const int vectors)
{
    vf dy = load(n, b->dy + r * n->channels, i, k, vectors);
    return vselect(t > vset(0.0f), dy, n->alpha * dy);
}

INLINE void write_block(const norm *n, const block *b, int64_t i, const int vectors, const int affine)
{
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            vf t = before_slope(n, normal(n, b, r, i, k, vectors), i, k, vectors, affine);
            vf y = vselect(t > vset(0.0f), t, n->alpha * t);
            store(n, b->out + r * n->channels, y, i, k, vectors);
        }
}

/* The block's sums of g and of g z. */
INLINE void add_gradient(const norm *n, const block *b, int64_t i, const int vectors, const int affine)
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
            vf z = normal(n, b, r, i, k, vectors), t = before_slope(n, z, i, k, vectors, affine);
            vf g = through(n, b, t, r, i, k, vectors);
            sum_g[k] += vwide(g);
            sum_gz[k] += g * z;
        }
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++) {
        store(n, b->sums, vnarrow(sum_g[k]), i, k, vectors);
        store(n, b->sums + n->channels, sum_gz[k], i, k, vectors);
    }
}

static void keep_means(const norm *n, float *channel, double mean_h, double mean_hz)
{
    float near = (float)mean_h;
    channel[MEAN_H * n->channels] = near;
    channel[MEAN_H_REST * n->channels] = (float)(mean_h - near);
    channel[MEAN_HZ * n->channels] = (float)mean_hz;
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
        double gain = n->gain ? n->gain[first + i] : 1.0;
        keep_means(n, kept + i, gain * sum_g[i] / (double)n->pixels, gain * sum_gz[i] / (double)n->pixels);
    }
}

/* Replaces the means of a group's channels in a sample with those of the group. */
static void merge_gradient(const norm *n, int64_t group)
{
    int64_t groups = n->channels / n->width;
    float *kept = n->kept + group / groups * KEPT * n->channels + group % groups * n->width;
    double mean_h = 0.0, mean_hz = 0.0, width = (double)n->width;
    for (int64_t i = 0; i < n->width; i++) {
        mean_h += kept_mean(n, kept + i, MEAN_H, MEAN_H_REST) / width;
        mean_hz += kept[MEAN_HZ * n->channels + i] / width;
    }
    for (int64_t i = 0; i < n->width; i++)
        keep_means(n, kept + i, mean_h, mean_hz);
}

/* Some channels of dgain and dbias: over the blocks of all samples, in order. */
static void join_weights(const norm *n, int64_t first, int64_t channels)
{
    double sum_g[STRIP] = {0}, sum_gz[STRIP] = {0};
    for (int64_t k = 0; k < n->batch * n->blocks; k++) {
        const float *sums = n->sums + k * 2 * n->channels + first;
        for (int64_t i = 0; i < channels; i++) {
            sum_g[i] += sums[i];
            sum_gz[i] += sums[n->channels + i];
        }
    }
    for (int64_t i = 0; i < channels; i++) {
        if (n->dgain)
            n->dgain[first + i] = (float)sum_gz[i];
        if (n->dbias)
            n->dbias[first + i] = (float)sum_g[i];
    }
}

/* dx is rounded only once, because the gradient of a bias before the norm is the sum of these rounding errors
 * over all pixels. */
INLINE void write_gradient(const norm *n, const block *b, int64_t i, const int vectors, const int affine)
{
    const float *kept = b->kept;
    for (int64_t r = 0; r < b->rows; r++)
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            vf z = normal(n, b, r, i, k, vectors), t = before_slope(n, z, i, k, vectors, affine);
            vd off = vwide(through(n, b, t, r, i, k, vectors));
            if (affine)
                off *= vwide(load(n, n->gain, i, k, vectors));
            off = off - vwide(load(n, kept + MEAN_H * n->channels, i, k, vectors)) -
                  vwide(load(n, kept + MEAN_H_REST * n->channels, i, k, vectors)) -
                  vwide(z) * vwide(load(n, kept + MEAN_HZ * n->channels, i, k, vectors));
            off *= vwide(load(n, kept + INVERSE * n->channels, i, k, vectors));
            store(n, b->out + r * n->channels, vnarrow(off), i, k, vectors);
        }
}

/* ---- the passes ---- */

typedef enum pass { ADD_MOMENTS, WRITE, ADD_GRADIENT, WRITE_GRADIENT } pass;

INLINE void run_block(const norm *n, int64_t index, pass what, const int affine)
{
    block b = block_of(n, index);
    if (what == ADD_MOMENTS)
        FOR_CHANNELS(n, add_block, affine)
    else if (what == WRITE)
        FOR_CHANNELS(n, write_block, affine)
    else if (what == ADD_GRADIENT)
        FOR_CHANNELS(n, add_gradient, affine)
    else
        FOR_CHANNELS(n, write_gradient, affine)
}

typedef struct pass_job {
    const norm *n;
    pass what;
} pass_job;

static void some_blocks(const void *job, int64_t first, int64_t end, int thread)
{
    const pass_job *j = job;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        if (j->n->gain)
            run_block(j->n, i, j->what, 1);
        else
            run_block(j->n, i, j->what, 0);
    }
}

static void run_blocks(const norm *n, cpu_team *team, pass what)
{
    cpu_team_share(team, n->batch * n->blocks, n->batch * n->pixels * n->channels, some_blocks,
                   &(pass_job){n, what});
}

/* Joins what the blocks of a sample have added, for some channels from the first on. */
typedef void (*join_function)(const norm *n, int64_t sample, int64_t first, int64_t channels);

typedef struct join_job {
    const norm *n;
    join_function some;
} join_job;

static void some_strips(const void *job, int64_t first, int64_t end, int thread)
{
    const join_job *j = job;
    int64_t strips = work_pieces(j->n->channels, STRIP);
    (void)thread;
    for (int64_t t = first; t < end; t++) {
        int64_t channel = t % strips * STRIP;
        j->some(j->n, t / strips, channel, work_min(STRIP, j->n->channels - channel));
    }
}

static void join(const norm *n, cpu_team *team, join_function some)
{
    cpu_team_share(team, n->batch * work_pieces(n->channels, STRIP), n->batch * n->blocks * n->channels,
                   some_strips, &(join_job){n, some});
}

static void merge(const norm *n, void (*one)(const norm *, int64_t group))
{
    for (int64_t g = 0; n->width > 1 && g < n->batch * n->channels / n->width; g++)
        one(n, g);
}

static void forward(const norm *n, cpu_team *team)
{
    run_blocks(n, team, ADD_MOMENTS);
    join(n, team, join_moments);
    merge(n, merge_moments);
    run_blocks(n, team, WRITE);
}

static void backward(const norm *n, cpu_team *team)
{
    run_blocks(n, team, ADD_MOMENTS);
    join(n, team, join_moments);
    merge(n, merge_moments);
    run_blocks(n, team, ADD_GRADIENT);
    join(n, team, join_gradient);
    merge(n, merge_gradient);
    run_blocks(n, team, WRITE_GRADIENT);
}

/* ---- instance norm ---- */

static int fits_instance_norm(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    int grad = call->op == BK_INSTANCE_NORM_GRAD;
    return call->n_in == 1 + grad && call->n_out == 1 && x->rank >= 3 &&
           work_same(x, &call->in[grad].shape) && work_same(x, &call->out[0].shape);
}

static bk_status run_instance_norm(const bk_call *call, cpu_team *team)
{
    norm n = norm_of(call);
    forward(&n, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_instance_norm) = {
    .fits = fits_instance_norm, .scratch = scratch_norm, .run = run_instance_norm};

static bk_status run_instance_norm_grad(const bk_call *call, cpu_team *team)
{
    norm n = norm_of(call);
    n.dy = call->in[1].data;
    backward(&n, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_instance_norm_grad) = {
    .fits = fits_instance_norm, .scratch = scratch_norm, .run = run_instance_norm_grad};

/* ---- group norm ---- */

static int is_vector(const bk_shape *s, int64_t length)
{
    return s->rank == 1 && s->dim[0] == length;
}

/* Checks the operands of both directions: x, gain, bias, and tensors of x's shape. */
static int groups_fit(const bk_call *call, const bk_shape *like_x)
{
    const bk_shape *x = &call->in[0].shape;
    int64_t channels = x->dim[x->rank - 1], groups = call->attr.groups;
    return x->rank >= 3 && groups >= 1 && channels % groups == 0 && is_vector(&call->in[1].shape, channels) &&
           is_vector(&call->in[2].shape, channels) && work_same(x, like_x);
}

static int fits_group_norm(const bk_call *call)
{
    if (call->n_in != 3 || call->n_out != 3 || !groups_fit(call, &call->out[0].shape))
        return 0;
    const bk_shape *x = &call->in[0].shape, *mean = &call->out[1].shape;
    return mean->rank == 2 && mean->dim[0] == x->dim[0] && mean->dim[1] == call->attr.groups &&
           work_same(mean, &call->out[2].shape);
}

static int fits_group_norm_grad(const bk_call *call)
{
    if (call->n_in != 4 || call->n_out != 3 || !groups_fit(call, &call->in[3].shape))
        return 0;
    return work_same(&call->in[0].shape, &call->out[0].shape) &&
           work_same(&call->in[1].shape, &call->out[1].shape) &&
           work_same(&call->in[1].shape, &call->out[2].shape);
}

static norm group_norm_of(const bk_call *call)
{
    norm n = norm_of(call);
    n.gain = call->in[1].data;
    n.bias = call->in[2].data;
    n.width = n.channels / call->attr.groups;
    return n;
}

static bk_status run_group_norm(const bk_call *call, cpu_team *team)
{
    norm n = group_norm_of(call);
    n.mean = call->out[1].data;
    n.variance = call->out[2].data;
    forward(&n, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_group_norm) = {
    .fits = fits_group_norm, .scratch = scratch_norm, .run = run_group_norm};

static bk_status run_group_norm_grad(const bk_call *call, cpu_team *team)
{
    norm n = group_norm_of(call);
    n.dy = call->in[3].data;
    n.dgain = call->out[1].data;
    n.dbias = call->out[2].data;
    backward(&n, team);
    for (int64_t first = 0; (n.dgain || n.dbias) && first < n.channels; first += STRIP)
        join_weights(&n, first, work_min(STRIP, n.channels - first));
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_group_norm_grad) = {
    .fits = fits_group_norm_grad, .scratch = scratch_norm, .run = run_group_norm_grad};
