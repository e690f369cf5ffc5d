/* SPDX-License-Identifier: Apache-2.0 */
/* attention.cu - attention of every token to every token of its image, and its gradient.
 *
 *   s_j = scale q.k_j,  lse = log sum_j exp(s_j),  p_j = exp(s_j - lse),  o = sum_j p_j v_j
 *   ds_j = p_j (do.v_j - do.o),  dq = scale sum_j ds_j k_j,  dk_j = scale sum_i ds_ij q_i,  dv_j = sum_i p_ij
 * do_i
 *
 * A thread has one query (or, for dk and dv, one key) in registers, and all threads of a block walk along the
 * keys (the queries) together, which pass through shared memory in tiles. A wide head is shared by 2 or 4
 * lanes, each of which has a part of its numbers. A running maximum makes one pass over the keys enough.
 * Nothing is added by two threads but products of shared heads: sums are in the order of the tokens. */
#include "backends/cuda/attention.h"

constexpr int QUERIES = 64, KEYS = 64; /* threads of a block; tokens of a tile */

/* The place in its head of a lane's number d, where S lanes share a head. */
template <int S> static __device__ __forceinline__ int place_of_number(int d)
{
    return S == 1 ? d : d * S + (int)(threadIdx.x % S);
}

/* D: the width, rounded up; what is beyond the width is 0. */
template <int D, int S>
static __device__ __forceinline__ void read_head(const tokens &t, const float *x, int64_t at, bool there,
                                                 float factor, float to[D / S])
{
    UNROLL
    for (int d = 0; d < D / S; d++)
        to[d] = there && place_of_number<S>(d) < t.width ? x[at + place_of_number<S>(d)] * factor : 0;
}

template <int D, int S>
static __device__ __forceinline__ void write_head(const tokens &t, float *y, int64_t at, float factor,
                                                  const float from[D / S])
{
    UNROLL
    for (int d = 0; d < D / S; d++)
        if (place_of_number<S>(d) < t.width)
            y[at + place_of_number<S>(d)] = from[d] * factor;
}

/* read_tile() of heads of D numbers that lie side by side on 16-byte boundaries. */
template <int D>
static __device__ __forceinline__ void read_tile_in_fours(const tokens &t, const float *x, int parts, int part,
                                                          int64_t image, int64_t head, int64_t first,
                                                          float *tile)
{
    for (int i = threadIdx.x; i < KEYS * D / 4; i += blockDim.x) {
        int64_t token = first + i / (D / 4);
        four numbers = {};
        if (token < t.n)
            numbers = *(const four *)(x + place_of_head(t, parts, image, token, part, head) + i % (D / 4) * 4);
        *(four *)(tile + 4 * i) = numbers;
    }
}

/* Reads a tile of one part of the tokens from `first` on into shared memory. */
template <int D>
static __device__ __forceinline__ void read_tile(const tokens &t, const float *x, int parts, int part,
                                                 int64_t image, int64_t head, int64_t first, float *tile)
{
    if (t.width == D && ((uintptr_t)x & 15) == 0)
        return read_tile_in_fours<D>(t, x, parts, part, image, head, first, tile);
    for (int i = threadIdx.x; i < KEYS * D; i += blockDim.x) {
        int64_t token = first + i / D, d = i % D;
        bool there = token < t.n && d < t.width;
        tile[i] = there ? x[place_of_head(t, parts, image, token, part, head) + d] : 0;
    }
}

/* Of a head in registers with one in shared memory; all lanes that share it return the same bits. */
template <int D, int S> static __device__ __forceinline__ float dot(const float a[D / S], const float *b)
{
    float sum = 0;
    UNROLL
    for (int d = 0; d < D / S; d++)
        sum += a[d] * b[place_of_number<S>(d)];
    UNROLL
    for (int lanes = S / 2; lanes > 0; lanes /= 2)
        sum += __shfl_xor_sync(0xFFFFFFFFu, sum, lanes);
    return sum;
}

template <int D, int S>
static __device__ __forceinline__ void add_scaled(float y[D / S], float factor, const float *x)
{
    UNROLL
    for (int d = 0; d < D / S; d++)
        y[d] += factor * x[place_of_number<S>(d)];
}

/* ---- forward ---- */

template <int D, int S>
__global__ void __launch_bounds__(QUERIES * S) attend(const float *qkv, float *out, float *lse, tokens t)
{
    float *keys = shared_memory<float>(), *values = keys + KEYS * D;
    int64_t query = (int64_t)blockIdx.x * QUERIES + threadIdx.x / S, head = blockIdx.y, image = blockIdx.z;
    bool there = query < t.n;
    float q[D / S], sum[D / S] = {}, most = -INFINITY, total = 0;
    read_head<D, S>(t, qkv, place_of_head(t, 3, image, query, 0, head), there, t.scale, q);
    for (int64_t first = 0; first < t.n; first += KEYS) {
        read_tile<D>(t, qkv, 3, 1, image, head, first, keys);
        read_tile<D>(t, qkv, 3, 2, image, head, first, values);
        __syncthreads();
        for (int j = 0; j < KEYS && first + j < t.n; j++) {
            float score = dot<D, S>(q, keys + j * D);
            if (score > most) {
                float shrink = expf(most - score);
                total *= shrink;
                UNROLL
                for (int d = 0; d < D / S; d++)
                    sum[d] *= shrink;
                most = score;
            }
            float p = expf(score - most);
            total += p;
            add_scaled<D, S>(sum, p, values + j * D);
        }
        __syncthreads();
    }
    if (!there)
        return;
    write_head<D, S>(t, out, place_of_head(t, 1, image, query, 0, head), 1 / total, sum);
    if (lse && threadIdx.x % S == 0)
        lse[(image * t.heads + head) * t.n + query] = most + logf(total);
}

/* ---- gradient ---- */

/* delta[B,H,N] = do.o, added as dot() adds: of a single token do.v - do.o is 0. */
template <int S> __global__ void find_delta(const float *out, const float *dout, float *delta, tokens t)
{
    EACH(i, t.images * t.heads * t.n)
    {
        int64_t at = place_of_head(t, 1, i / t.n / t.heads, i % t.n, 0, i / t.n % t.heads);
        float sum[S] = {};
        for (int d = 0; d < t.width; d += S)
            UNROLL
        for (int lane = 0; lane < S; lane++)
            if (d + lane < t.width)
                sum[lane] += out[at + d + lane] * dout[at + d + lane];
        UNROLL
        for (int lanes = S / 2; lanes > 0; lanes /= 2)
            UNROLL
        for (int lane = 0; lane < lanes; lane++)
            sum[lane] += sum[lane + lanes];
        delta[i] = sum[0];
    }
}

template <int D, int S>
__global__ void __launch_bounds__(QUERIES * S) attend_dq(const float *qkv, const float *lse, const float *dout, const float *delta,
                          float *dqkv, tokens t)
{
    float *keys = shared_memory<float>(), *values = keys + KEYS * D;
    int64_t query = (int64_t)blockIdx.x * QUERIES + threadIdx.x / S, head = blockIdx.y, image = blockIdx.z;
    bool there = query < t.n;
    int64_t row = (image * t.heads + head) * t.n + query;
    float q[D / S], o[D / S], sum[D / S] = {}, log_sum = there ? lse[row] : 0, own = there ? delta[row] : 0;
    read_head<D, S>(t, qkv, place_of_head(t, 3, image, query, 0, head), there, t.scale, q);
    read_head<D, S>(t, dout, place_of_head(t, 1, image, query, 0, head), there, 1, o);
    for (int64_t first = 0; first < t.n; first += KEYS) {
        read_tile<D>(t, qkv, 3, 1, image, head, first, keys);
        read_tile<D>(t, qkv, 3, 2, image, head, first, values);
        __syncthreads();
        for (int j = 0; j < KEYS && first + j < t.n; j++) {
            float p = expf(dot<D, S>(q, keys + j * D) - log_sum);
            add_scaled<D, S>(sum, p * (dot<D, S>(o, values + j * D) - own), keys + j * D);
        }
        __syncthreads();
    }
    if (there)
        write_head<D, S>(t, dqkv, place_of_head(t, 3, image, query, 0, head), t.scale, sum);
}

template <int D, int S>
__global__ void __launch_bounds__(QUERIES * S) attend_dkv(const float *qkv, const float *lse, const float *dout, const float *delta,
                           float *dqkv, tokens t)
{
    float *queries = shared_memory<float>(), *douts = queries + KEYS * D, *logs = douts + KEYS * D;
    float *deltas = logs + KEYS;
    int64_t key = (int64_t)blockIdx.x * QUERIES + threadIdx.x / S, head = blockIdx.y, image = blockIdx.z;
    bool there = key < t.n;
    float k[D / S], v[D / S], dk[D / S] = {}, dv[D / S] = {};
    read_head<D, S>(t, qkv, place_of_head(t, 3, image, key, 1, head), there, t.scale, k);
    read_head<D, S>(t, qkv, place_of_head(t, 3, image, key, 2, head), there, 1, v);
    for (int64_t first = 0; first < t.n; first += KEYS) {
        read_tile<D>(t, qkv, 3, 0, image, head, first, queries);
        read_tile<D>(t, dout, 1, 0, image, head, first, douts);
        for (int j = threadIdx.x; j < KEYS && first + j < t.n; j += blockDim.x) {
            logs[j] = lse[(image * t.heads + head) * t.n + first + j];
            deltas[j] = delta[(image * t.heads + head) * t.n + first + j];
        }
        __syncthreads();
        for (int j = 0; j < KEYS && first + j < t.n; j++) {
            float p = expf(dot<D, S>(k, queries + j * D) - logs[j]);
            add_scaled<D, S>(dv, p, douts + j * D);
            add_scaled<D, S>(dk, p * (dot<D, S>(v, douts + j * D) - deltas[j]), queries + j * D);
        }
        __syncthreads();
    }
    if (!there)
        return;
    write_head<D, S>(t, dqkv, place_of_head(t, 3, image, key, 1, head), t.scale, dk);
    write_head<D, S>(t, dqkv, place_of_head(t, 3, image, key, 2, head), 1, dv);
}

/* ---- calls ---- */

static tokens tokens_of(const bk_call *call)
{
    const bk_shape *qkv = &call->in[0].shape;
    int64_t heads = call->attr.heads;
    return {qkv->dim[0], qkv->dim[1], heads, qkv->dim[2] / 3 / heads, (float)call->attr.alpha};
}

static attention_arrays arrays_of(const bk_call *call)
{
    return {input(call, 0), output(call, 0), output(call, 1), nullptr, nullptr, nullptr};
}

static attention_arrays gradient_arrays_of(const bk_call *call)
{
    return {input(call, 0), nullptr,        (float *)input(call, 2), input(call, 3), (float *)call->scratch,
            output(call, 0)};
}

template <int D, int S> static void start_attention(const bk_call *call, execution *e)
{
    tokens t = tokens_of(call);
    dim3 grid((unsigned)divide_up(t.n, QUERIES), (unsigned)t.heads, (unsigned)t.images);
    start(e, attend<D, S>, grid, QUERIES * S, 2 * KEYS * D * sizeof(float), input(call, 0), output(call, 0),
          output(call, 1), t);
}

template <int D, int S> static void start_attention_grad(const bk_call *call, execution *e)
{
    tokens t = tokens_of(call);
    const float *qkv = input(call, 0), *lse = input(call, 2), *dout = input(call, 3);
    float *delta = (float *)call->scratch, *dqkv = output(call, 0);
    dim3 grid((unsigned)divide_up(t.n, QUERIES), (unsigned)t.heads, (unsigned)t.images);
    size_t shared = 2 * KEYS * D * sizeof(float);
    start(e, attend_dq<D, S>, grid, QUERIES * S, shared, qkv, lse, dout, (const float *)delta, dqkv, t);
    start(e, attend_dkv<D, S>, grid, QUERIES * S, shared + 2 * KEYS * sizeof(float), qkv, lse, dout,
          (const float *)delta, dqkv, t);
}

/* The least of the widths that there are kernels for. */
static void run_attention(const bk_call *call, execution *e)
{
    tokens t = tokens_of(call);
    int64_t width = t.width;
    if (attention_has_tensor_kernel(e, t))
        return start_attention_tensor(e, arrays_of(call), t);
    width <= 4    ? start_attention<4, 1>(call, e)
    : width <= 8  ? start_attention<8, 1>(call, e)
    : width <= 16 ? start_attention<16, 1>(call, e)
    : width <= 32 ? start_attention<32, 1>(call, e)
    : width <= 64 ? start_attention<64, 2>(call, e)
                  : start_attention<128, 4>(call, e);
}

static void run_attention_grad(const bk_call *call, execution *e)
{
    tokens t = tokens_of(call);
    int64_t width = t.width;
    start(e, width <= 32 ? find_delta<1> : width <= 64 ? find_delta<2> : find_delta<4>,
          blocks_for(t.images * t.heads * t.n), BLOCK, 0, input(call, 1), input(call, 3),
          (float *)call->scratch, t);
    if (attention_has_tensor_kernel(e, t))
        return start_attention_tensor_grad(e, gradient_arrays_of(call), t);
    width <= 4    ? start_attention_grad<4, 1>(call, e)
    : width <= 8  ? start_attention_grad<8, 1>(call, e)
    : width <= 16 ? start_attention_grad<16, 1>(call, e)
    : width <= 32 ? start_attention_grad<32, 1>(call, e)
    : width <= 64 ? start_attention_grad<64, 2>(call, e)
                  : start_attention_grad<128, 4>(call, e);
}

static size_t scratch_attention_grad(const bk_call *call)
{
    tokens t = tokens_of(call);
    return (size_t)(t.images * t.heads * t.n) * sizeof(float);
}

static bool serves_attention(const bk_call *call)
{
    tokens t = tokens_of(call);
    return t.width <= 128 && t.heads <= 65535 && t.images <= 65535;
}

const cuda_kernel cuda_attention = {nullptr, run_attention, serves_attention};
const cuda_kernel cuda_attention_grad = {scratch_attention_grad, run_attention_grad, serves_attention};
