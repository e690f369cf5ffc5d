/* SPDX-License-Identifier: Apache-2.0 */
/* sort.cu - ops along the last axis that depend on the order of its elements: sort and cumulative sum.
 *
 * The sort is a merge sort without merging: in a pass, an element of a sorted run finds by bisection how many
 * of the neighbouring run go before it, and writes itself to its place in the joined run. */
#include "backends/cuda/kernel.h"

static __device__ __forceinline__ bool goes_first(float b, float a) /* strictly */
{
    return b > a || (b != b && a == a);
}

__global__ void number(int *index, int64_t all, int64_t n)
{
    EACH(i, all)
    index[i] = (int)(i % n);
}

/* Joins runs of `width`. */
__global__ void join_runs(const float *x, const int *from, int *to, int64_t all, int64_t n, int64_t width)
{
    EACH(i, all)
    {
        int64_t row = i - i % n, at = i % n, run = at / width, first = run / 2 * 2 * width;
        int64_t middle = first + width < n ? first + width : n;
        int64_t last = middle + width < n ? middle + width : n;
        bool is_left = run % 2 == 0;
        int64_t low = is_left ? middle : first, high = is_left ? last : middle, other = low;
        float own = x[row + from[i]];
        while (low < high) { /* those below `low` go before this one */
            int64_t half = low + (high - low) / 2;
            float theirs = x[row + from[row + half]];
            bool before = is_left ? goes_first(theirs, own) : !goes_first(own, theirs);
            if (before)
                low = half + 1;
            else
                high = half;
        }
        int64_t in_run = at - (is_left ? first : middle);
        to[row + first + in_run + (low - other)] = from[i];
    }
}

__global__ void deliver_sorted(const float *x, const int *from, float *y, int *index, int64_t all, int64_t n)
{
    EACH(i, all)
    {
        y[i] = x[i - i % n + from[i]];
        if (index)
            index[i] = from[i];
    }
}

static size_t scratch_sort(const bk_call *call)
{
    return 2 * (size_t)elements(&call->in[0]) * sizeof(int);
}

static void run_sort(const bk_call *call, execution *e)
{
    int64_t all = elements(&call->in[0]), n = last_dim(&call->in[0].shape);
    int *from = (int *)call->scratch, *to = from + all;
    start(e, number, blocks_for(all), BLOCK, 0, from, all, n);
    for (int64_t width = 1; width < n; width *= 2) {
        start(e, join_runs, blocks_for(all), BLOCK, 0, input(call, 0), (const int *)from, to, all, n, width);
        int *joined = to;
        to = from;
        from = joined;
    }
    start(e, deliver_sorted, blocks_for(all), BLOCK, 0, input(call, 0), (const int *)from, output(call, 0),
          output<int>(call, 1), all, n);
}

const cuda_kernel cuda_sort = {scratch_sort, run_sort, nullptr};

/* ---- cumulative sum: a block for each row; each thread adds one stretch of it ---- */

__global__ void cumulate(const float *x, float *y, int64_t rows, int64_t n, int reverse)
{
    double *sums = shared_memory<double>();
    for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        int64_t first = threadIdx.x * n / BLOCK, end = (threadIdx.x + 1) * n / BLOCK;
        double sum = 0;
        for (int64_t i = first; i < end; i++)
            sum += x[row * n + (reverse ? n - 1 - i : i)];
        sums[threadIdx.x] = sum;
        __syncthreads();
        sum = 0;
        for (unsigned t = 0; t < threadIdx.x; t++)
            sum += sums[t];
        for (int64_t i = first; i < end; i++) {
            int64_t at = row * n + (reverse ? n - 1 - i : i);
            y[at] = (float)(sum += x[at]);
        }
        __syncthreads();
    }
}

static void run_cumsum(const bk_call *call, execution *e)
{
    int64_t n = last_dim(&call->in[0].shape), rows = elements(&call->in[0]) / n;
    start(e, cumulate, (unsigned)(rows < 65535 ? rows : 65535), BLOCK, BLOCK * sizeof(double), input(call, 0),
          output(call, 0), rows, n, call->attr.reverse);
}

const cuda_kernel cuda_cumsum = {nullptr, run_cumsum, nullptr};
