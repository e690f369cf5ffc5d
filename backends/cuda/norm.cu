/* SPDX-License-Identifier: Apache-2.0 */
/* norm.cu - normalisation over the last axis: layer norm, its gradient, softmax and its logarithm.
 *
 * With z = (x - mean) / s, s = sqrt(var + eps), g = dy gain:
 *   y = z gain + bias
 *   dx = (g - mean(g) - z mean(g z)) / s,  dgain = sum dy z,  dbias = sum dy
 *
 * A warp has a row: its lanes walk along it, and their sums meet by shuffles. The sums over rows have a
 * thread for each column and part of the rows; a second kernel adds the parts in order. */
#include "backends/cuda/kernel.h"

constexpr int ROWS = BLOCK / WARP; /* of a block */

#define EACH_ROW(row, rows)                                                                                  \
    for (int64_t row = (int64_t)blockIdx.x * ROWS + threadIdx.x / WARP; row < (rows);                        \
         row += (int64_t)gridDim.x * ROWS)
#define ALONG(i, n) for (int64_t i = threadIdx.x % WARP; i < (n); i += WARP)

static unsigned blocks_of_rows(int64_t rows)
{
    return blocks_for(rows * WARP);
}

struct moments {
    float mean, scale; /* 1 / s */
};

static __device__ __forceinline__ moments moments_of(const float *x, int64_t n, float eps)
{
    float sum = 0, square = 0;
    ALONG(i, n)
    sum += x[i];
    float mean = warp_sum(sum) / (float)n;
    ALONG(i, n)
    square += (x[i] - mean) * (x[i] - mean);
    return {mean, 1 / sqrtf(warp_sum(square) / (float)n + eps)};
}

/* ---- layer norm ---- */

__global__ void layer_norm(const float *x, const float *gain, const float *bias, float *y, int64_t rows,
                           int64_t n, float eps)
{
    EACH_ROW(row, rows)
    {
        moments m = moments_of(x + row * n, n, eps);
        ALONG(i, n)
        y[row * n + i] = (x[row * n + i] - m.mean) * m.scale * gain[i] + bias[i];
    }
}

static void run_layer_norm(const bk_call *call, execution *e)
{
    int64_t n = last_dim(&call->in[0].shape), rows = elements(&call->in[0]) / n;
    start(e, layer_norm, blocks_of_rows(rows), BLOCK, 0, input(call, 0), input(call, 1), input(call, 2),
          output(call, 0), rows, n, (float)call->attr.eps);
}

const cuda_kernel cuda_layer_norm = {nullptr, run_layer_norm, nullptr};

/* Keeps the moments of each row for the sums over rows. */
__global__ void layer_norm_dx(const float *x, const float *gain, const float *dy, float *dx, moments *kept,
                              int64_t rows, int64_t n, float eps)
{
    EACH_ROW(row, rows)
    {
        const float *here = x + row * n, *d = dy + row * n;
        moments m = moments_of(here, n, eps);
        float sum_g = 0, sum_gz = 0;
        ALONG(i, n)
        {
            float g = d[i] * gain[i];
            sum_g += g;
            sum_gz += g * ((here[i] - m.mean) * m.scale);
        }
        float mean_g = warp_sum(sum_g) / (float)n, mean_gz = warp_sum(sum_gz) / (float)n;
        ALONG(i, n)
        dx[row * n + i] = (d[i] * gain[i] - mean_g - (here[i] - m.mean) * m.scale * mean_gz) * m.scale;
        if (threadIdx.x % WARP == 0)
            kept[row] = m;
    }
}

/* sums[part][0: dgain, 1: dbias][n] */
__global__ void layer_norm_sums(const float *x, const float *dy, const moments *kept, double *sums,
                                int64_t rows, int64_t n, int64_t parts)
{
    EACH(i, n * parts)
    {
        int64_t part = i / n, column = i % n;
        double dgain = 0, dbias = 0;
        for (int64_t row = part * rows / parts; row < (part + 1) * rows / parts; row++) {
            float d = dy[row * n + column];
            dgain += (double)d * ((x[row * n + column] - kept[row].mean) * kept[row].scale);
            dbias += d;
        }
        sums[part * 2 * n + column] = dgain;
        sums[part * 2 * n + n + column] = dbias;
    }
}

__global__ void join_sums(const double *sums, float *dgain, float *dbias, int64_t n, int64_t parts)
{
    EACH(i, 2 * n)
    {
        double sum = 0;
        for (int64_t part = 0; part < parts; part++)
            sum += sums[part * 2 * n + i];
        float *to = i < n ? dgain : dbias;
        if (to)
            to[i % n] = (float)sum;
    }
}

static size_t scratch_layer_norm_grad(const bk_call *call)
{
    int64_t n = last_dim(&call->in[0].shape), rows = elements(&call->in[0]) / n;
    return (size_t)(2 * n * parts_of(rows, n)) * sizeof(double) + (size_t)rows * sizeof(moments);
}

static void run_layer_norm_grad(const bk_call *call, execution *e)
{
    int64_t n = last_dim(&call->in[0].shape), rows = elements(&call->in[0]) / n, parts = parts_of(rows, n);
    double *sums = (double *)call->scratch;
    moments *kept = (moments *)(sums + 2 * n * parts);
    const float *x = input(call, 0), *dy = input(call, 2);
    start(e, layer_norm_dx, blocks_of_rows(rows), BLOCK, 0, x, input(call, 1), dy, output(call, 0), kept,
          rows, n, (float)call->attr.eps);
    if (!call->out[1].data && !call->out[2].data)
        return;
    start(e, layer_norm_sums, blocks_for(n * parts), BLOCK, 0, x, dy, (const moments *)kept, sums, rows, n,
          parts);
    start(e, join_sums, blocks_for(2 * n), BLOCK, 0, (const double *)sums, output(call, 1), output(call, 2),
          n, parts);
}

const cuda_kernel cuda_layer_norm_grad = {scratch_layer_norm_grad, run_layer_norm_grad, nullptr};

/* ---- softmax ---- */

__global__ void softmax(const float *x, float *y, int64_t rows, int64_t n, int logarithm)
{
    EACH_ROW(row, rows)
    {
        const float *here = x + row * n;
        float max = -INFINITY, sum = 0;
        ALONG(i, n)
        max = fmaxf(max, here[i]);
        max = warp_max(max);
        ALONG(i, n)
        sum += expf(here[i] - max);
        sum = warp_sum(sum);
        float log_sum = logf(sum);
        ALONG(i, n)
        y[row * n + i] = logarithm ? here[i] - max - log_sum : expf(here[i] - max) / sum;
    }
}

static void run_softmax(const bk_call *call, execution *e)
{
    int64_t n = last_dim(&call->in[0].shape), rows = elements(&call->in[0]) / n;
    start(e, softmax, blocks_of_rows(rows), BLOCK, 0, input(call, 0), output(call, 0), rows, n,
          call->op == BK_LOG_SOFTMAX);
}

const cuda_kernel cuda_softmax = {nullptr, run_softmax, nullptr};
const cuda_kernel cuda_log_softmax = {nullptr, run_softmax, nullptr};
