/* SPDX-License-Identifier: Apache-2.0 */
/* window_attention.cu - attention inside (shifted) windows with a table of relative position biases, and its
 * gradient (Liu et al., "Swin Transformer", ICCV 2021). The formulas are those of attention.cu, with the
 * table's entry added to each score, and -100 where the two tokens lie in different regions of the rolled
 * grid.
 *
 * A window is small: a thread has one query (or key) of one head of one window and reads the others where
 * they are, from the cache. It walks along them by row and column, which costs no division. The gradient of the table is summed for each window and each relative position in
 * the order of the pairs, then over windows and images in order. */
#include "backends/cuda/kernel.h"

struct windows_of_grid {
    int64_t images, n, heads, width;
    int grid_h, grid_w, window, shift;
    float scale;
    const float *qkv, *table;

    __device__ __host__ int tokens() const /* of a window */
    {
        return window * window;
    }
    __device__ __host__ int64_t windows() const /* of an image */
    {
        return (int64_t)(grid_h / window) * (grid_w / window);
    }
    __device__ __host__ int side() const /* of the table */
    {
        return 2 * window - 1;
    }
};

/* One head of one window. */
struct head_of_window {
    int64_t image, head;
    int top, left; /* in the rolled grid */
};

static __device__ __forceinline__ head_of_window head_at(const windows_of_grid &w, int64_t number)
{
    int64_t window = number / w.heads % w.windows(), across = w.grid_w / w.window;
    return {number / w.heads / w.windows(), number % w.heads, (int)(window / across * w.window),
            (int)(window % across * w.window)};
}

/* A token of a window. */
struct spot {
    int row, column;
};

static __device__ __forceinline__ spot spot_of(const windows_of_grid &w, int i)
{
    return {i / w.window, i % w.window};
}

static __device__ __forceinline__ spot after(const windows_of_grid &w, spot i)
{
    return i.column + 1 < w.window ? spot{i.row, i.column + 1} : spot{i.row + 1, 0};
}

#define EACH_SPOT(i, w) for (spot i = {0, 0}; i.row < (w).window; i = after(w, i))

/* A shift is less than a window: a place is rolled once round the grid at most. */
static __device__ __forceinline__ int rolled(int at, int size)
{
    return at < size ? at : at - size;
}

static __device__ __forceinline__ int64_t token_of(const windows_of_grid &w, const head_of_window &h, spot i)
{
    return (int64_t)rolled(h.top + i.row + w.shift, w.grid_h) * w.grid_w + rolled(h.left + i.column + w.shift, w.grid_w);
}

static __device__ __forceinline__ int band(int at, int size, int window, int shift)
{
    return at < size - window ? 0 : at < size - shift ? 1 : 2;
}

static __device__ __forceinline__ int region_of(const windows_of_grid &w, const head_of_window &h, spot i)
{
    return 3 * band(h.top + i.row, w.grid_h, w.window, w.shift) + band(h.left + i.column, w.grid_w, w.window, w.shift);
}

static __device__ __forceinline__ float bias_of(const windows_of_grid &w, const head_of_window &h, spot i,
                                                spot j)
{
    int row = i.row - j.row + w.window - 1, column = i.column - j.column + w.window - 1;
    float bias = w.table[(int64_t)(row * w.side() + column) * w.heads + h.head];
    return w.shift > 0 && region_of(w, h, i) != region_of(w, h, j) ? bias - 100 : bias;
}

/* The place of token i of the window in part 0, 1, 2 of qkv, or in out. */
static __device__ __forceinline__ int64_t at_part(const windows_of_grid &w, const head_of_window &h, spot i,
                                                  int parts, int part)
{
    return (((h.image * w.n + token_of(w, h, i)) * parts + part) * w.heads + h.head) * w.width;
}

static __device__ __forceinline__ float dot(const float *a, const float *b, int64_t n)
{
    float sum = 0;
    int64_t d = 0;
    if ((((uintptr_t)a | (uintptr_t)b) & 15) == 0)
        for (; d + 4 <= n; d += 4) {
            four x = *(const four *)(a + d), y = *(const four *)(b + d);
            UNROLL
            for (int j = 0; j < 4; j++)
                sum += x.of[j] * y.of[j];
        }
    for (; d < n; d++)
        sum += a[d] * b[d];
    return sum;
}

static __device__ __forceinline__ float score_of(const windows_of_grid &w, const head_of_window &h, spot i,
                                                 spot j)
{
    const float *q = w.qkv + at_part(w, h, i, 3, 0), *k = w.qkv + at_part(w, h, j, 3, 1);
    return w.scale * dot(q, k, w.width) + bias_of(w, h, i, j);
}

static __device__ __forceinline__ int64_t lse_at(const windows_of_grid &w, const head_of_window &h, spot i)
{
    return (h.image * w.heads + h.head) * w.n + token_of(w, h, i);
}

/* ---- forward ---- */

/* The numbers of a head that a thread adds to: in registers where D is their number, else (0) where they go. */
template <int D> struct head_sums {
    float *to, of[D];

    __device__ __forceinline__ head_sums(float *p, int64_t) : to(p)
    {
        UNROLL
        for (int d = 0; d < D; d++)
            of[d] = 0;
    }
    __device__ __forceinline__ void add(float factor, const float *x, int64_t)
    {
        UNROLL
        for (int d = 0; d < D; d += 4) {
            four part = *(const four *)(x + d);
            UNROLL
            for (int j = 0; j < 4; j++)
                of[d + j] += factor * part.of[j];
        }
    }
    __device__ __forceinline__ void divide(float by, int64_t)
    {
        UNROLL
        for (int d = 0; d < D; d++)
            of[d] /= by;
    }
    __device__ __forceinline__ void write() const
    {
        UNROLL
        for (int d = 0; d < D; d += 4)
            *(four *)(to + d) = {{of[d], of[d + 1], of[d + 2], of[d + 3]}};
    }
};

template <> struct head_sums<0> {
    float *to;

    __device__ __forceinline__ head_sums(float *p, int64_t n) : to(p)
    {
        for (int64_t d = 0; d < n; d++)
            to[d] = 0;
    }
    __device__ __forceinline__ void add(float factor, const float *x, int64_t n)
    {
        for (int64_t d = 0; d < n; d++)
            to[d] += factor * x[d];
    }
    __device__ __forceinline__ void divide(float by, int64_t n)
    {
        for (int64_t d = 0; d < n; d++)
            to[d] /= by;
    }
    __device__ __forceinline__ void write() const
    {
    }
};

template <int D> __global__ void attend_window(windows_of_grid w, float *out, float *lse)
{
    int n = w.tokens();
    EACH(t, w.images * w.windows() * w.heads * n)
    {
        head_of_window h = head_at(w, t / n);
        spot i = spot_of(w, (int)(t % n));
        float most = -INFINITY, total = 0;
        EACH_SPOT(j, w)
        most = fmaxf(most, score_of(w, h, i, j));
        head_sums<D> o(out + at_part(w, h, i, 1, 0), w.width);
        EACH_SPOT(j, w)
        {
            float p = expf(score_of(w, h, i, j) - most);
            total += p;
            o.add(p, w.qkv + at_part(w, h, j, 3, 2), w.width);
        }
        o.divide(total, w.width);
        o.write();
        if (lse)
            lse[lse_at(w, h, i)] = most + logf(total);
    }
}

/* ---- gradient ---- */

struct results {
    const float *out, *lse, *dout;
};

/* p and ds of a pair. */
struct pair_slope {
    float p, ds;
};

static __device__ __forceinline__ pair_slope slope_of(const windows_of_grid &w, const head_of_window &h,
                                                      const results &r, spot i, spot j)
{
    const float *o = r.out + at_part(w, h, i, 1, 0), *d = r.dout + at_part(w, h, i, 1, 0);
    float p = expf(score_of(w, h, i, j) - r.lse[lse_at(w, h, i)]);
    return {p, p * (dot(d, w.qkv + at_part(w, h, j, 3, 2), w.width) - dot(d, o, w.width))};
}

/* One token as a query and as a key. */
template <int D> __global__ void attend_window_grad(windows_of_grid w, results r, float *dqkv)
{
    int n = w.tokens();
    EACH(t, w.images * w.windows() * w.heads * n)
    {
        head_of_window h = head_at(w, t / n);
        spot i = spot_of(w, (int)(t % n));
        head_sums<D> dq(dqkv + at_part(w, h, i, 3, 0), w.width), dk(dqkv + at_part(w, h, i, 3, 1), w.width),
            dv(dqkv + at_part(w, h, i, 3, 2), w.width);
        EACH_SPOT(j, w)
        {
            pair_slope as_query = slope_of(w, h, r, i, j), as_key = slope_of(w, h, r, j, i);
            dq.add(w.scale * as_query.ds, w.qkv + at_part(w, h, j, 3, 1), w.width);
            dk.add(w.scale * as_key.ds, w.qkv + at_part(w, h, j, 3, 0), w.width);
            dv.add(as_key.p, r.dout + at_part(w, h, j, 1, 0), w.width);
        }
        dq.write();
        dk.write();
        dv.write();
    }
}

/* sums[image, window][relative position][head] */
__global__ void sum_pairs(windows_of_grid w, results r, float *sums)
{
    int side = w.side();
    int64_t entries = (int64_t)side * side * w.heads;
    EACH(t, w.images * w.windows() * entries)
    {
        int64_t entry = t % entries;
        int row = (int)(entry / w.heads / side) - (w.window - 1),
            column = (int)(entry / w.heads % side) - (w.window - 1);
        head_of_window h = head_at(w, t / entries * w.heads + entry % w.heads);
        float sum = 0;
        EACH_SPOT(i, w)
        {
            spot j = {i.row - row, i.column - column};
            if (j.row >= 0 && j.row < w.window && j.column >= 0 && j.column < w.window)
                sum += slope_of(w, h, r, i, j).ds;
        }
        sums[t] = sum;
    }
}

__global__ void sum_windows(const float *sums, float *dtable, int64_t entries, int64_t windows)
{
    EACH(i, entries)
    {
        double sum = 0;
        for (int64_t k = 0; k < windows; k++)
            sum += sums[k * entries + i];
        dtable[i] = (float)sum;
    }
}

/* ---- calls ---- */

static windows_of_grid windows_of(const bk_call *call)
{
    const bk_attr *a = &call->attr;
    const bk_shape *qkv = &call->in[0].shape;
    return {qkv->dim[0],     qkv->dim[1],    a->heads,      qkv->dim[2] / 3 / a->heads,
            a->grid_h,       a->grid_w,      a->window,     a->shift,
            (float)a->alpha, input(call, 0), input(call, 1)};
}

constexpr unsigned THREADS = 64; /* of a block: few, as a thread has many registers, and a slice few blocks */

static unsigned blocks_of_tokens(const windows_of_grid &w)
{
    return (unsigned)divide_up(w.images * w.n * w.heads, THREADS);
}

/* Heads of 8 and 16 numbers have kernels of their own, where they lie on 16-byte boundaries. */
static int64_t width_in_registers(const windows_of_grid &w, const void *a, const void *b)
{
    uintptr_t places = (uintptr_t)w.qkv | (uintptr_t)a | (uintptr_t)b;
    return (places & 15) == 0 && (w.width == 8 || w.width == 16) ? w.width : 0;
}

static void run_window_attention(const bk_call *call, execution *e)
{
    windows_of_grid w = windows_of(call);
    int64_t width = width_in_registers(w, output(call, 0), nullptr);
    start(e, width == 16 ? attend_window<16> : width == 8 ? attend_window<8> : attend_window<0>,
          blocks_of_tokens(w), THREADS, 0, w, output(call, 0), output(call, 1));
}

const cuda_kernel cuda_window_attention = {nullptr, run_window_attention, nullptr};

static size_t scratch_window_grad(const bk_call *call)
{
    windows_of_grid w = windows_of(call);
    return (size_t)(w.images * w.windows() * elements(&call->in[1])) * sizeof(float);
}

static void run_window_grad(const bk_call *call, execution *e)
{
    windows_of_grid w = windows_of(call);
    results r = {input(call, 2), input(call, 3), input(call, 4)};
    int64_t entries = elements(&call->in[1]), windows = w.images * w.windows();
    float *sums = (float *)call->scratch;
    int64_t width = width_in_registers(w, r.dout, output(call, 0));
    start(e, width == 16 ? attend_window_grad<16> : width == 8 ? attend_window_grad<8> : attend_window_grad<0>,
          blocks_of_tokens(w), THREADS, 0, w, r, output(call, 0));
    if (!call->out[1].data)
        return;
    start(e, sum_pairs, blocks_for(windows * entries), BLOCK, 0, w, r, sums);
    start(e, sum_windows, blocks_for(entries), BLOCK, 0, (const float *)sums, output(call, 1), entries,
          windows);
}

const cuda_kernel cuda_window_attention_grad = {scratch_window_grad, run_window_grad, nullptr};
