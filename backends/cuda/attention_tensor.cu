/* SPDX-License-Identifier: Apache-2.0 */
/* attention_tensor.cu - attention by tensor cores, for heads of 8, 16 or 32 numbers whose products are in tf32
 * or bfloat16. The formulas are those of attention.cu, with powers of 2:
 *
 *   s_j = log2(e) scale q.k_j,  lse = ln(2) log2 sum_j 2^s_j
 *
 * A warp has 16 queries (for dk and dv: 16 keys) and walks along the keys (queries), which pass through shared
 * memory in tiles. Scores of 16 x 8 pairs are the sums of one product m16n8k8 for each 8 numbers of a head. As
 * the next product adds over the pairs, in any order of them, a lane's scores are at once its part of that
 * product's left factor: column t of it is pair 2 t, column t + 4 is pair 2 t + 1. The running maximum is
 * renewed once a tile. */
#include "backends/cuda/attention.h"

namespace
{

constexpr int PAIRS = 64, WARPS = 4, ROWS = 16 * WARPS, THREADS = WARPS * WARP;
constexpr float LOG2_E = 1.44269504088896341f, LN_2 = 0.69314718055994531f;

/* Floats of a row of a tile: the lanes of a fragment fall into 32 banks. */
template <int D> constexpr int LINE_OF = D + 4;

/* ---- factors ---- */

template <int ARITHMETIC> struct factors;

template <> struct factors<ARITHMETIC_TF32> {
    struct left {
        uint32_t of[4];
    };
    struct right {
        uint32_t of[2];
    };
    static __device__ __forceinline__ float stored(float x)
    {
        uint32_t bits = to_tf32(x);
        memcpy(&x, &bits, sizeof x);
        return x;
    }
    static __device__ __forceinline__ uint32_t bits_of(float x)
    {
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        return bits;
    }
    /* value(row, column) of a 16 x 8 matrix */
    template <class F> static __device__ __forceinline__ left from_rows(const F &value, int g, int t)
    {
        return {{to_tf32(value(g, t)), to_tf32(value(g + 8, t)), to_tf32(value(g, t + 4)),
                 to_tf32(value(g + 8, t + 4))}};
    }
    static __device__ __forceinline__ left from_sums(const float s[4])
    {
        return {{to_tf32(s[0]), to_tf32(s[2]), to_tf32(s[1]), to_tf32(s[3])}};
    }
    /* Column n is row n of the tile. */
    template <int LINE> static __device__ __forceinline__ right by_rows(const float *tile, int g, int t)
    {
        return {{bits_of(tile[g * LINE + t]), bits_of(tile[g * LINE + t + 4])}};
    }
    /* Row t is row 2 t of the tile, row t + 4 is row 2 t + 1. */
    template <int LINE> static __device__ __forceinline__ right by_columns(const float *tile, int g, int t)
    {
        return {{bits_of(tile[2 * t * LINE + g]), bits_of(tile[(2 * t + 1) * LINE + g])}};
    }
    static __device__ __forceinline__ void multiply(float sums[4], const left &a, const right &b)
    {
        multiply_tf32(sums, a.of, b.of);
    }
};

template <> struct factors<ARITHMETIC_BF16> {
    struct left {
        uint32_t of[2];
    };
    struct right {
        uint32_t of[1];
    };
    static __device__ __forceinline__ float stored(float x)
    {
        return x;
    }
    template <class F> static __device__ __forceinline__ left from_rows(const F &value, int g, int t)
    {
        return {{to_bf16_pair(value(g, 2 * t), value(g, 2 * t + 1)),
                 to_bf16_pair(value(g + 8, 2 * t), value(g + 8, 2 * t + 1))}};
    }
    static __device__ __forceinline__ left from_sums(const float s[4])
    {
        return {{to_bf16_pair(s[0], s[1]), to_bf16_pair(s[2], s[3])}};
    }
    template <int LINE> static __device__ __forceinline__ right by_rows(const float *tile, int g, int t)
    {
        return {{to_bf16_pair(tile[g * LINE + 2 * t], tile[g * LINE + 2 * t + 1])}};
    }
    template <int LINE> static __device__ __forceinline__ right by_columns(const float *tile, int g, int t)
    {
        return {{to_bf16_pair(tile[2 * t * LINE + g], tile[(2 * t + 1) * LINE + g])}};
    }
    static __device__ __forceinline__ void multiply(float sums[4], const left &a, const right &b)
    {
        multiply_bf16(sums, a.of, b.of);
    }
};

/* ---- places ---- */

/* One head of one image, as a part of an array of tokens. */
struct head_part {
    const float *from; /* the first token's */
    int64_t step, n;   /* floats from token to token; tokens */
    bool by_four;      /* four floats at a time */
};

__device__ __forceinline__ head_part part_of(const tokens &t, const float *x, int parts, int part)
{
    const float *from = x + place_of_head(t, parts, blockIdx.z, 0, part, blockIdx.y);
    return {from, parts * t.heads * t.width, t.n, ((uintptr_t)x & 15) == 0};
}

/* The place of this lane in a warp's 16 rows: rows g and g + 8, and t. */
struct lane {
    int g, t;
    int64_t row; /* the warp's first */
};

__device__ __forceinline__ lane this_lane()
{
    int x = (int)threadIdx.x;
    return {x % WARP / 4, x % 4, (int64_t)blockIdx.x * ROWS + x / WARP * 16};
}

/* Reads PAIRS tokens from `first` on into shared memory; what is beyond the last one is 0. */
template <class A, int D>
__device__ __forceinline__ void read_tile(const head_part &h, int64_t first, float *tile)
{
    constexpr int LINE = LINE_OF<D>;
    for (int i = threadIdx.x; i < PAIRS * D / 4; i += THREADS) {
        int token = i / (D / 4), d = i % (D / 4) * 4;
        const float *from = h.from + (first + token) * h.step + d;
        float4 x = {0, 0, 0, 0};
        if (first + token < h.n && h.by_four)
            x = *(const float4 *)from;
        else if (first + token < h.n)
            x = {from[0], from[1], from[2], from[3]};
        *(float4 *)(tile + token * LINE + d) = {A::stored(x.x), A::stored(x.y), A::stored(x.z),
                                                A::stored(x.w)};
    }
}

/* The left factors of a warp's 16 rows, times a number. */
template <class A, int D>
__device__ __forceinline__ void read_rows(const head_part &h, const lane &l, float factor,
                                          typename A::left to[D / 8])
{
    UNROLL
    for (int i = 0; i < D / 8; i++)
        to[i] = A::from_rows(
            [&](int row, int column) {
                int64_t token = l.row + row;
                return token < h.n ? h.from[token * h.step + i * 8 + column] * factor : 0;
            },
            l.g, l.t);
}

/* Writes a warp's 16 rows, each with its factor. */
template <int D>
__device__ __forceinline__ void write_rows(const head_part &h, const lane &l, const float factor[2],
                                           const float sums[D / 8][4])
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        int64_t token = l.row + l.g + half * 8;
        float *to = (float *)h.from + token * h.step + 2 * l.t;
        if (token >= h.n)
            continue;
        UNROLL
        for (int i = 0; i < D / 8; i++) {
            to[i * 8] = sums[i][2 * half] * factor[half];
            to[i * 8 + 1] = sums[i][2 * half + 1] * factor[half];
        }
    }
}

/* sums = rows (16 x D) times the tile's rows j to j + 7, transposed */
template <class A, int D>
__device__ __forceinline__ void score(const typename A::left rows[D / 8], const float *tile, const lane &l,
                                      float sums[4])
{
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    UNROLL
    for (int i = 0; i < D / 8; i++)
        A::multiply(sums, rows[i], A::template by_rows<LINE_OF<D>>(tile + i * 8, l.g, l.t));
}

/* sums (16 x D) += weights (16 x 8) times the tile's rows j to j + 7 */
template <class A, int D>
__device__ __forceinline__ void gather(const float weights[4], const float *tile, const lane &l,
                                       float sums[D / 8][4])
{
    typename A::left a = A::from_sums(weights);
    UNROLL
    for (int i = 0; i < D / 8; i++)
        A::multiply(sums[i], a, A::template by_columns<LINE_OF<D>>(tile + i * 8, l.g, l.t));
}

/* Over the four lanes that share a row; each returns the same bits. */
__device__ __forceinline__ float row_max(float v)
{
    v = fmaxf(v, __shfl_xor_sync(0xFFFFFFFFu, v, 1));
    return fmaxf(v, __shfl_xor_sync(0xFFFFFFFFu, v, 2));
}

__device__ __forceinline__ float row_sum(float v)
{
    v += __shfl_xor_sync(0xFFFFFFFFu, v, 1);
    return v + __shfl_xor_sync(0xFFFFFFFFu, v, 2);
}

/* ---- forward ---- */

/* What is known of the softmax of a lane's two rows. */
struct running {
    float most[2], total[2]; /* total: of this lane's pairs */
};

/* Scores of pairs beyond the last token are no scores. */
__device__ __forceinline__ void mask(float s[PAIRS / 8][4], int64_t left, const lane &l)
{
    UNROLL
    for (int j = 0; j < PAIRS / 8; j++)
        UNROLL
    for (int i = 0; i < 4; i++)
        if (j * 8 + 2 * l.t + i % 2 >= left)
            s[j][i] = -INFINITY;
}

/* Renews the maximum by a tile's scores, and shrinks what was summed so far. */
template <int D>
__device__ __forceinline__ void renew(running *r, const float s[PAIRS / 8][4], float o[D / 8][4])
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        float most = r->most[half];
        UNROLL
        for (int j = 0; j < PAIRS / 8; j++)
            most = fmaxf(most, fmaxf(s[j][2 * half], s[j][2 * half + 1]));
        most = row_max(most);
        float shrink = quick_exp2(r->most[half] - most);
        r->most[half] = most;
        r->total[half] *= shrink;
        UNROLL
        for (int i = 0; i < D / 8; i++) {
            o[i][2 * half] *= shrink;
            o[i][2 * half + 1] *= shrink;
        }
    }
}

template <class A, int D>
__global__ void __launch_bounds__(THREADS, 4) attend_tensor(const float *qkv, float *out, float *lse, tokens t)
{
    constexpr int LINE = LINE_OF<D>;
    float *keys = shared_memory<float>(), *values = keys + PAIRS * LINE;
    lane l = this_lane();
    head_part k = part_of(t, qkv, 3, 1), v = part_of(t, qkv, 3, 2);
    typename A::left q[D / 8];
    float o[D / 8][4] = {}, s[PAIRS / 8][4];
    running r = {{-INFINITY, -INFINITY}, {0, 0}};
    read_rows<A, D>(part_of(t, qkv, 3, 0), l, t.scale * LOG2_E, q);
    for (int64_t first = 0; first < t.n; first += PAIRS) {
        read_tile<A, D>(k, first, keys);
        read_tile<A, D>(v, first, values);
        __syncthreads();
        UNROLL
        for (int j = 0; j < PAIRS / 8; j++)
            score<A, D>(q, keys + j * 8 * LINE, l, s[j]);
        if (t.n - first < PAIRS)
            mask(s, t.n - first, l);
        renew<D>(&r, s, o);
        UNROLL
        for (int j = 0; j < PAIRS / 8; j++) {
            UNROLL
            for (int i = 0; i < 4; i++) {
                s[j][i] = quick_exp2(s[j][i] - r.most[i / 2]);
                r.total[i / 2] += s[j][i];
            }
            gather<A, D>(s[j], values + j * 8 * LINE, l, o);
        }
        __syncthreads();
    }
    float factor[2];
    UNROLL
    for (int half = 0; half < 2; half++) {
        float total = row_sum(r.total[half]);
        int64_t token = l.row + l.g + half * 8;
        factor[half] = 1 / total;
        if (lse && l.t == 0 && token < t.n)
            lse[(blockIdx.z * t.heads + blockIdx.y) * t.n + token] = LN_2 * (r.most[half] + log2f(total));
    }
    write_rows<D>(part_of(t, out, 1, 0), l, factor, o);
}

/* ---- gradient ---- */

/* lse in powers of 2, or delta, of a token; 0 beyond the last one. */
__device__ __forceinline__ float number_of(const float *x, const tokens &t, int64_t token)
{
    return token < t.n ? x[(blockIdx.z * t.heads + blockIdx.y) * t.n + token] : 0;
}

/* Beyond the last key the tile is 0, and so is what it adds. */
template <class A, int D>
__global__ void __launch_bounds__(THREADS, 4)
    attend_tensor_dq(const float *qkv, const float *lse, const float *dout, const float *delta, float *dqkv,
                     tokens t)
{
    constexpr int LINE = LINE_OF<D>;
    float *keys = shared_memory<float>(), *values = keys + PAIRS * LINE;
    lane l = this_lane();
    head_part k = part_of(t, qkv, 3, 1), v = part_of(t, qkv, 3, 2);
    typename A::left q[D / 8], o[D / 8];
    float dq[D / 8][4] = {}, log_sum[2], own[2];
    read_rows<A, D>(part_of(t, qkv, 3, 0), l, t.scale * LOG2_E, q);
    read_rows<A, D>(part_of(t, dout, 1, 0), l, 1, o);
    UNROLL
    for (int half = 0; half < 2; half++) {
        log_sum[half] = LOG2_E * number_of(lse, t, l.row + l.g + half * 8);
        own[half] = number_of(delta, t, l.row + l.g + half * 8);
    }
    for (int64_t first = 0; first < t.n; first += PAIRS) {
        read_tile<A, D>(k, first, keys);
        read_tile<A, D>(v, first, values);
        __syncthreads();
        UNROLL
        for (int j = 0; j < PAIRS / 8; j++) {
            float s[4], dp[4];
            score<A, D>(q, keys + j * 8 * LINE, l, s);
            score<A, D>(o, values + j * 8 * LINE, l, dp);
            UNROLL
            for (int i = 0; i < 4; i++)
                s[i] = quick_exp2(s[i] - log_sum[i / 2]) * (dp[i] - own[i / 2]);
            gather<A, D>(s, keys + j * 8 * LINE, l, dq);
        }
        __syncthreads();
    }
    const float factor[2] = {t.scale, t.scale};
    write_rows<D>(part_of(t, dqkv, 3, 0), l, factor, dq);
}

/* Beyond the last query the tiles are 0, and so is what they add. */
template <class A, int D>
__global__ void __launch_bounds__(THREADS, 4)
    attend_tensor_dkv(const float *qkv, const float *lse, const float *dout, const float *delta, float *dqkv,
                      tokens t)
{
    constexpr int LINE = LINE_OF<D>;
    float *queries = shared_memory<float>(), *douts = queries + PAIRS * LINE;
    float *logs = douts + PAIRS * LINE, *deltas = logs + PAIRS;
    lane l = this_lane();
    head_part q = part_of(t, qkv, 3, 0), o = part_of(t, dout, 1, 0);
    typename A::left k[D / 8], v[D / 8];
    float dk[D / 8][4] = {}, dv[D / 8][4] = {};
    read_rows<A, D>(part_of(t, qkv, 3, 1), l, t.scale * LOG2_E, k);
    read_rows<A, D>(part_of(t, qkv, 3, 2), l, 1, v);
    for (int64_t first = 0; first < t.n; first += PAIRS) {
        read_tile<A, D>(q, first, queries);
        read_tile<A, D>(o, first, douts);
        for (int j = threadIdx.x; j < PAIRS; j += THREADS) {
            logs[j] = LOG2_E * number_of(lse, t, first + j);
            deltas[j] = number_of(delta, t, first + j);
        }
        __syncthreads();
        UNROLL
        for (int j = 0; j < PAIRS / 8; j++) {
            float p[4], ds[4];
            score<A, D>(k, queries + j * 8 * LINE, l, p);
            score<A, D>(v, douts + j * 8 * LINE, l, ds);
            UNROLL
            for (int i = 0; i < 4; i++) {
                int pair = j * 8 + 2 * l.t + i % 2;
                p[i] = quick_exp2(p[i] - logs[pair]);
                ds[i] = p[i] * (ds[i] - deltas[pair]);
            }
            gather<A, D>(p, douts + j * 8 * LINE, l, dv);
            gather<A, D>(ds, queries + j * 8 * LINE, l, dk);
        }
        __syncthreads();
    }
    const float factor[2] = {t.scale, t.scale}, one[2] = {1, 1};
    write_rows<D>(part_of(t, dqkv, 3, 1), l, factor, dk);
    write_rows<D>(part_of(t, dqkv, 3, 2), l, one, dv);
}

/* ---- the start ---- */

dim3 grid_of(const tokens &t)
{
    return dim3((unsigned)divide_up(t.n, ROWS), (unsigned)t.heads, (unsigned)t.images);
}

template <class A, int D> void start_forward(execution *e, const attention_arrays &a, const tokens &t)
{
    start(e, attend_tensor<A, D>, grid_of(t), THREADS, 2 * PAIRS * LINE_OF<D> * sizeof(float), a.qkv, a.out,
          a.lse, t);
}

template <class A, int D> void start_gradient(execution *e, const attention_arrays &a, const tokens &t)
{
    size_t shared = 2 * PAIRS * LINE_OF<D> * sizeof(float);
    const float *lse = a.lse;
    start(e, attend_tensor_dq<A, D>, grid_of(t), THREADS, shared, a.qkv, lse, a.dout, a.delta, a.dqkv, t);
    start(e, attend_tensor_dkv<A, D>, grid_of(t), THREADS, shared + 2 * PAIRS * sizeof(float), a.qkv, lse,
          a.dout, a.delta, a.dqkv, t);
}

template <class A> void start_some(execution *e, const attention_arrays &a, const tokens &t, bool gradient)
{
    if (t.width == 8)
        gradient ? start_gradient<A, 8>(e, a, t) : start_forward<A, 8>(e, a, t);
    else if (t.width == 16)
        gradient ? start_gradient<A, 16>(e, a, t) : start_forward<A, 16>(e, a, t);
    else
        gradient ? start_gradient<A, 32>(e, a, t) : start_forward<A, 32>(e, a, t);
}

void start_one(execution *e, const attention_arrays &a, const tokens &t, bool gradient)
{
    if (e->arithmetic == ARITHMETIC_TF32)
        start_some<factors<ARITHMETIC_TF32>>(e, a, t, gradient);
    else
        start_some<factors<ARITHMETIC_BF16>>(e, a, t, gradient);
}

} // namespace

bool attention_has_tensor_kernel(const execution *e, const tokens &t)
{
    return e->arithmetic != ARITHMETIC_F32 && (t.width == 8 || t.width == 16 || t.width == 32);
}

void start_attention_tensor(execution *e, const attention_arrays &a, const tokens &t)
{
    start_one(e, a, t, false);
}

void start_attention_tensor_grad(execution *e, const attention_arrays &a, const tokens &t)
{
    start_one(e, a, t, true);
}
