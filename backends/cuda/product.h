/* SPDX-License-Identifier: Apache-2.0 */
/* product.h - the matrix product: y[row, column] = sum over k of a[row, k] b[k, column], for operands that a
 * type P describes, so that a convolution is one too.
 *
 * P has batch, rows, columns, depth, and
 *   P::row at_row(batch, row), P::column at_column(batch, column)   what is computed once for a row, a
 * column; float a(P::row, k), float b(P::column, k); void store(batch, row, column, sum); a_by_depth,
 * b_by_depth: whether neighbours in memory are neighbours along the depth;
 *   bool in_fours()   whether four neighbours along the depth, or along the side, of each factor can be read
 * at once: float4 a4(row, k), b4(column, k) are they. 4 then divides the depth where a_by_depth or
 * b_by_depth, rows where not a_by_depth, columns where not b_by_depth. has_fours: whether there are types for
 * which that can be.
 *
 * A block makes a tile of 64 x 64 results from slices 16 deep, which it reads into shared memory while the
 * slice before is multiplied. In float32
 * each thread has 4 x 4 sums in registers; in tf32 and bfloat16 each of the 8 warps has 16 x 32, by tensor
 * cores. A product with few rows or columns has a thread for each result instead. Where there are few tiles,
 * the depth is split over several blocks, and a second kernel adds their sums in order. How depends on shapes
 * alone. */
#ifndef SLMT_CUDA_PRODUCT_H
#define SLMT_CUDA_PRODUCT_H

#include "backends/cuda/kernel.h"

constexpr int TILE = 64, DEPTH = 16, LINE = DEPTH + 4; /* LINE: lanes of a fragment fall into 32 banks */

struct shape_of_product {
    int64_t batch, rows, columns, depth;
};

static inline bool is_narrow(const shape_of_product *s)
{
    return s->rows < 16 || s->columns < 16;
}

static inline int64_t product_parts(const shape_of_product *s)
{
    if (is_narrow(s))
        return parts_of(s->depth, s->batch * s->rows * s->columns);
    int64_t tiles = s->batch * divide_up(s->rows, TILE) * divide_up(s->columns, TILE);
    int64_t parts = divide_up(256, tiles), most = divide_up(s->depth, 512);
    return parts < most ? parts : most;
}

static inline size_t product_scratch(const shape_of_product *s)
{
    int64_t parts = product_parts(s);
    return parts > 1 ? (size_t)(parts * s->batch * s->rows * s->columns) * sizeof(float) : 0;
}

/* Where a sum goes: to the result, or to the sums of one part. */
template <class P>
__device__ __forceinline__ void deliver(const P &p, float *sums, int64_t part, int64_t batch, int64_t row,
                                        int64_t column, float sum)
{
    if (row >= p.rows || column >= p.columns)
        return;
    if (sums)
        sums[((part * p.batch + batch) * p.rows + row) * p.columns + column] = sum;
    else
        p.store(batch, row, column, sum);
}

/* ---- a thread for each result ---- */

template <class P> __global__ void multiply_narrow(P p, float *sums, int64_t parts)
{
    int64_t results = p.batch * p.rows * p.columns;
    EACH(i, results * parts)
    {
        int64_t part = i / results, at = i % results;
        int64_t batch = p.batch_is_inner ? at % p.batch : at / (p.rows * p.columns);
        at = p.batch_is_inner ? at / p.batch : at % (p.rows * p.columns);
        auto row = p.at_row(batch, at / p.columns);
        auto column = p.at_column(batch, at % p.columns);
        float sum = 0;
        for (int64_t k = part * p.depth / parts; k < (part + 1) * p.depth / parts; k++)
            sum += p.a(row, k) * p.b(column, k);
        deliver(p, sums, part, batch, at / p.columns, at % p.columns, sum);
    }
}

/* ---- tiles ---- */

__device__ __forceinline__ int64_t divide_tiles(int64_t n)
{
    return (n + TILE - 1) / TILE;
}

/* Element j of 4 that a thread reads of a slice: its place along the tile's side and along the depth. Four
 * along the side are written one by one: a warp has 16 numbers of 8 lines, no more than two of which fall
 * into a bank at once. */
template <bool FOURS>
__device__ __forceinline__ void place_in_slice(bool by_depth, int j, int *side, int *depth)
{
    int t = (int)threadIdx.x, warp = t / WARP;
    if (FOURS) {
        *side = by_depth ? t / (DEPTH / 4) : warp % 4 * 16 + t % 4 * 4 + j;
        *depth = by_depth ? t % (DEPTH / 4) * 4 + j : warp / 4 * 8 + t % WARP / 4;
    } else {
        *side = by_depth ? t / DEPTH + j * (BLOCK / DEPTH) : t % TILE;
        *depth = by_depth ? t % DEPTH : t / TILE + j * (BLOCK / TILE);
    }
}

/* A thread's 4 elements of a slice of one factor. */
struct piece {
    float of[4];
};

__device__ __forceinline__ piece piece_of(float4 x)
{
    return {{x.x, x.y, x.z, x.w}};
}

/* The places of a thread's elements of each slice, and where they come from. */
template <class P, bool FOURS> struct reader {
    int a_side[4], a_depth[4], b_side[4], b_depth[4];
    typename P::row rows[4];
    typename P::column columns[4];

    __device__ __forceinline__ reader(const P &p, int64_t batch, int64_t top, int64_t left)
    {
        constexpr int last = FOURS ? 4 : 1; /* beyond the edge the last ones are read */
        UNROLL
        for (int j = 0; j < 4; j++) {
            place_in_slice<FOURS>(p.a_by_depth, j, &a_side[j], &a_depth[j]);
            place_in_slice<FOURS>(p.b_by_depth, j, &b_side[j], &b_depth[j]);
            int64_t row = top + a_side[j], column = left + b_side[j];
            rows[j] = p.at_row(batch, row < p.rows ? row : p.rows - last);
            columns[j] = p.at_column(batch, column < p.columns ? column : p.columns - last);
        }
    }
    __device__ __forceinline__ piece read_a(const P &p, int64_t k, int64_t end) const
    {
        piece x = {};
        if constexpr (FOURS) {
            if (k + a_depth[0] < end)
                x = piece_of(p.a4(rows[0], k + a_depth[0]));
        } else {
            UNROLL
            for (int j = 0; j < 4; j++)
                x.of[j] = k + a_depth[j] < end ? p.a(rows[j], k + a_depth[j]) : 0;
        }
        return x;
    }
    __device__ __forceinline__ piece read_b(const P &p, int64_t k, int64_t end) const
    {
        piece x = {};
        if constexpr (FOURS) {
            if (k + b_depth[0] < end)
                x = piece_of(p.b4(columns[0], k + b_depth[0]));
        } else {
            UNROLL
            for (int j = 0; j < 4; j++)
                x.of[j] = k + b_depth[j] < end ? p.b(columns[j], k + b_depth[j]) : 0;
        }
        return x;
    }
};

/* A number as a slice has it: rounded once, by the thread that read it, and not by each that multiplies it.
 */
template <int ARITHMETIC> __device__ __forceinline__ float stored(float x)
{
    if (ARITHMETIC == ARITHMETIC_TF32) {
        uint32_t bits = to_tf32(x);
        memcpy(&x, &bits, sizeof x);
    }
    return x;
}

template <int ARITHMETIC, bool FOURS>
__device__ __forceinline__ void put(float *slice, piece x, bool by_depth, const int side[4],
                                    const int depth[4])
{
    UNROLL
    for (int j = 0; j < 4; j++)
        x.of[j] = stored<ARITHMETIC>(x.of[j]);
    if (FOURS && by_depth) {
        *(float4 *)(slice + side[0] * LINE + depth[0]) = {x.of[0], x.of[1], x.of[2], x.of[3]};
        return;
    }
    UNROLL
    for (int j = 0; j < 4; j++)
        slice[side[j] * LINE + depth[j]] = x.of[j];
}

/* Where part `part` of the depth begins, a multiple of 4: how factors are read changes no sum. */
__device__ __forceinline__ int64_t begin_of_part(int64_t part, int64_t parts, int64_t depth)
{
    int64_t k = part * ((depth + 3) / 4) / parts * 4;
    return k < depth ? k : depth;
}

/* The sums of one thread, or its fragments of those of a warp. */
struct tile_sums {
    float of[4][4];
};

/* The first row and column, in the tile, of a thread in float32: warp w has rows 16 (w % 4) to + 15 and
 * columns 32 (w / 4) to + 31, a lane every fourth of the rows and every eighth of the columns. Eight lanes
 * that read four numbers of a column each, as one access, then fall into all 32 banks. */
struct corner {
    int row, column;
};

__device__ __forceinline__ corner corner_f32()
{
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    return {warp % 4 * 16 + lane / 8, warp / 4 * 32 + lane % 8};
}

__device__ __forceinline__ void add_slice_f32(const float *a, const float *b, tile_sums *s)
{
    corner first = corner_f32();
    const float *rows = a + first.row * LINE, *columns = b + first.column * LINE;
    UNROLL
    for (int k = 0; k < DEPTH; k += 4) {
        four x[4];
        UNROLL
        for (int i = 0; i < 4; i++)
            x[i] = *(const four *)(rows + 4 * i * LINE + k);
        UNROLL
        for (int j = 0; j < 4; j++) {
            four y = *(const four *)(columns + 8 * j * LINE + k);
            UNROLL
            for (int d = 0; d < 4; d++)
                UNROLL
            for (int i = 0; i < 4; i++)
                s->of[i][j] += x[i].of[d] * y.of[d];
        }
    }
}

__device__ __forceinline__ uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Warp w has rows 16 (w % 4) to + 15, columns 32 (w / 4) to + 31: four products of 16 x 8. */
template <int ARITHMETIC>
__device__ __forceinline__ void add_slice_tensor(const float *a, const float *b, tile_sums *s)
{
    int warp = (int)threadIdx.x / WARP, g = (int)threadIdx.x % WARP / 4, t = (int)threadIdx.x % 4;
    const float *rows = a + (warp % 4 * 16 + g) * LINE, *columns = b + (warp / 4 * 32 + g) * LINE;
    UNROLL
    for (int k = 0; k < DEPTH; k += 8) {
        if (ARITHMETIC == ARITHMETIC_TF32) {
            uint32_t x[4] = {bits_of(rows[k + t]), bits_of(rows[8 * LINE + k + t]), bits_of(rows[k + t + 4]),
                             bits_of(rows[8 * LINE + k + t + 4])};
            UNROLL
            for (int j = 0; j < 4; j++) {
                const float *c = columns + j * 8 * LINE + k + t;
                uint32_t y[2] = {bits_of(c[0]), bits_of(c[4])};
                multiply_tf32(s->of[j], x, y);
            }
        } else {
            const float *r = rows + k + 2 * t;
            uint32_t x[2] = {to_bf16_pair(r[0], r[1]), to_bf16_pair(r[8 * LINE], r[8 * LINE + 1])};
            UNROLL
            for (int j = 0; j < 4; j++) {
                const float *c = columns + j * 8 * LINE + k + 2 * t;
                uint32_t y[1] = {to_bf16_pair(c[0], c[1])};
                multiply_bf16(s->of[j], x, y);
            }
        }
    }
}

/* Row and column, in the tile, of of[i][j]. */
template <int ARITHMETIC> __device__ __forceinline__ void place_in_tile(int i, int j, int *row, int *column)
{
    int t = (int)threadIdx.x, warp = t / WARP;
    if (ARITHMETIC == ARITHMETIC_F32) {
        corner first = corner_f32();
        *row = first.row + 4 * i;
        *column = first.column + 8 * j;
    } else {
        *row = warp % 4 * 16 + t % WARP / 4 + j / 2 * 8;
        *column = warp / 4 * 32 + i * 8 + t % 4 * 2 + j % 2;
    }
}

template <class P, int ARITHMETIC, bool FOURS>
__global__ void __launch_bounds__(BLOCK) multiply_tiles(P p, float *sums, int64_t parts)
{
    float *a = shared_memory<float>(), *b = a + TILE * LINE;
    int64_t tiles = divide_tiles(p.columns), top = blockIdx.x / tiles * TILE,
            left = blockIdx.x % tiles * TILE;
    int64_t batch = blockIdx.y, part = blockIdx.z, k = begin_of_part(part, parts, p.depth);
    int64_t end = begin_of_part(part + 1, parts, p.depth);
    const reader<P, FOURS> from(p, batch, top, left);
    tile_sums s = {};
    piece x = from.read_a(p, k, end), y = from.read_b(p, k, end);
    for (; k < end; k += DEPTH) {
        put<ARITHMETIC, FOURS>(a, x, p.a_by_depth, from.a_side, from.a_depth);
        put<ARITHMETIC, FOURS>(b, y, p.b_by_depth, from.b_side, from.b_depth);
        __syncthreads();
        x = from.read_a(p, k + DEPTH, end);
        y = from.read_b(p, k + DEPTH, end);
        if (ARITHMETIC == ARITHMETIC_F32)
            add_slice_f32(a, b, &s);
        else
            add_slice_tensor<ARITHMETIC>(a, b, &s);
        __syncthreads();
    }
    UNROLL
    for (int i = 0; i < 4; i++)
        UNROLL
    for (int j = 0; j < 4; j++) {
        int row, column;
        place_in_tile<ARITHMETIC>(i, j, &row, &column);
        deliver(p, sums, part, batch, top + row, left + column, s.of[i][j]);
    }
}

template <class P> __global__ void join_products(P p, const float *sums, int64_t parts)
{
    int64_t results = p.batch * p.rows * p.columns;
    EACH(i, results)
    {
        float sum = sums[i];
        for (int64_t part = 1; part < parts; part++)
            sum += sums[part * results + i];
        p.store(i / (p.rows * p.columns), i / p.columns % p.rows, i % p.columns, sum);
    }
}

/* ---- the start ---- */

template <class P, bool FOURS> void start_tiles(execution *e, const P &p, float *sums, int64_t parts)
{
    unsigned tiles = (unsigned)(divide_up(p.rows, TILE) * divide_up(p.columns, TILE));
    dim3 grid(tiles, (unsigned)p.batch, (unsigned)parts);
    size_t shared = 2 * TILE * LINE * sizeof(float);
    if (e->arithmetic == ARITHMETIC_TF32)
        start(e, multiply_tiles<P, ARITHMETIC_TF32, FOURS>, grid, BLOCK, shared, p, sums, parts);
    else if (e->arithmetic == ARITHMETIC_BF16)
        start(e, multiply_tiles<P, ARITHMETIC_BF16, FOURS>, grid, BLOCK, shared, p, sums, parts);
    else
        start(e, multiply_tiles<P, ARITHMETIC_F32, FOURS>, grid, BLOCK, shared, p, sums, parts);
}

template <class P> void start_product(execution *e, const P &p, void *scratch)
{
    shape_of_product s = {p.batch, p.rows, p.columns, p.depth};
    int64_t parts = product_parts(&s), results = p.batch * p.rows * p.columns;
    float *sums = parts > 1 ? (float *)scratch : nullptr;
    if (is_narrow(&s))
        start(e, multiply_narrow<P>, blocks_for(results * parts), BLOCK, 0, p, sums, parts);
    else if (p.in_fours())
        start_tiles<P, P::has_fours>(e, p, sums, parts);
    else
        start_tiles<P, false>(e, p, sums, parts);
    if (parts > 1)
        start(e, join_products<P>, blocks_for(results), BLOCK, 0, p, (const float *)sums, parts);
}

/* A batch is an axis of the grid. */
static inline bool product_is_served(const shape_of_product *s)
{
    return s->batch <= 65535 || is_narrow(s);
}

#endif
