/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_square.h - what products in bfloat16 share: their factors, and squares of sums, which either set of
 * instructions computes. Files that include this are compiled for each set; CPU_AMX tells that it is the
 * matrix units. */
#ifndef SLMT_CPU_BF16_SQUARE_H
#define SLMT_CPU_BF16_SQUARE_H

#include "backends/cpu/bf16.h"
#include "backends/cpu/bf16_tile.h"
#include "backends/cpu/prefetch.h"

#ifdef CPU_AMX
#include "backends/cpu/amx_tile.h"
#endif

enum {
    PAIR = 2, /* tiles side by side in a square of sums */
    EDGE = PAIR * SIDE
};

/* A square of sums, or what the thread keeps of it: [PAIR tiles below][PAIR tiles beside]. */
typedef struct square {
    float at[EDGE][EDGE];
} __attribute__((aligned(64))) square;

static inline factor left_of(const product *p, const bk_call *call)
{
    const bk_tensor *a = &call->in[0];
    return (factor){a->data, a->shape.dtype, p->m, p->k, p->trans_a ? 1 : p->k, p->trans_a ? p->m : 1};
}

static inline factor right_of(const product *p, const bk_call *call)
{
    const bk_tensor *b = &call->in[1];
    return (factor){b->data, b->shape.dtype, p->n, p->k, p->trans_b ? p->k : 1, p->trans_b ? 1 : p->n};
}

/* ---- a square: up to two by two tiles of sums ---- */

/* The first of `steps` tiles along k of each row and column of the square; a[1] and b[1] may be NULL. */
typedef struct strips {
    const tile_words *a[PAIR], *b[PAIR];
    int64_t steps;
} strips;

#ifdef CPU_AMX

/* Tiles 0 to 3 are sums, 4 and 5 of the left factor, 6 and 7 of the right one. */

static inline void square_of_four(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(4, s->a[0] + k);
        TILE_WORDS(6, s->b[0] + k);
        TILE_ADD(0, 4, 6);
        TILE_WORDS(7, s->b[1] + k);
        TILE_ADD(1, 4, 7);
        TILE_WORDS(5, s->a[1] + k);
        TILE_ADD(2, 5, 6);
        TILE_ADD(3, 5, 7);
    }
}

static inline void square_of_row(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(4, s->a[0] + k);
        TILE_WORDS(6, s->b[0] + k);
        TILE_ADD(0, 4, 6);
        TILE_WORDS(7, s->b[1] + k);
        TILE_ADD(1, 4, 7);
    }
}

static inline void square_of_column(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(6, s->b[0] + k);
        TILE_WORDS(4, s->a[0] + k);
        TILE_ADD(0, 4, 6);
        TILE_WORDS(5, s->a[1] + k);
        TILE_ADD(2, 5, 6);
    }
}

static inline void square_of_one(const strips *s)
{
    for (int64_t k = 0; k < s->steps; k++) {
        TILE_WORDS(4, s->a[0] + k);
        TILE_WORDS(6, s->b[0] + k);
        TILE_ADD(0, 4, 6);
    }
}

#define SQUARE_TILE(sum, i, j) (&(sum)->at[(i)*SIDE][(j)*SIDE])

/* sum += the product of these strips, or = if they are the first. */
static inline void add_square(const strips *s, int first, square *sum)
{
    static void (*const add[])(const strips *) = {square_of_one, square_of_row, square_of_column,
                                                  square_of_four};
    enum { STEP = EDGE * sizeof(float) };
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    if (!first) {
        TILE_LOAD(0, SQUARE_TILE(sum, 0, 0), STEP);
        TILE_LOAD(1, SQUARE_TILE(sum, 0, 1), STEP);
        TILE_LOAD(2, SQUARE_TILE(sum, 1, 0), STEP);
        TILE_LOAD(3, SQUARE_TILE(sum, 1, 1), STEP);
    }
    add[(s->a[1] ? 2 : 0) + (s->b[1] ? 1 : 0)](s);
    TILE_STORE(0, SQUARE_TILE(sum, 0, 0), STEP);
    TILE_STORE(1, SQUARE_TILE(sum, 0, 1), STEP);
    TILE_STORE(2, SQUARE_TILE(sum, 1, 0), STEP);
    TILE_STORE(3, SQUARE_TILE(sum, 1, 1), STEP);
}

/* A thread that computes squares begins and ends with these. */
static inline void squares_begin(void)
{
    tiles_begin();
}

static inline void squares_end(void)
{
    tiles_end();
}

#else

/* VDPBF16PS adds to each of 16 sums the products of two neighbours along k: a word of the left factor, the
 * same for all columns, and a row of words of the right one. */
INLINE void add_rows(const tile_words *a, int64_t row, const strips *s, int first, float (*to)[EDGE],
                     const int rows, const int cols)
{
    __m512 sum[SIDE * PAIR], zero = _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int i = 0; i < rows * cols; i++)
        sum[i] = first ? zero : _mm512_load_ps(to[i / cols] + i % cols * SIDE);
    for (int64_t k = 0; k < s->steps; k++)
#pragma GCC unroll 2
        for (int word = 0; word < SIDE; word++) {
            __m512bh b[PAIR];
#pragma GCC unroll 2
            for (int j = 0; j < cols; j++)
                b[j] = (__m512bh)_mm512_load_si512(s->b[j][k].at[word]);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[k].at[row + i][word]);
#pragma GCC unroll 2
                for (int j = 0; j < cols; j++)
                    sum[i * cols + j] = _mm512_dpbf16_ps(sum[i * cols + j], left, b[j]);
            }
        }
#pragma GCC unroll 16
    for (int i = 0; i < rows * cols; i++)
        _mm512_store_ps(to[i / cols] + i % cols * SIDE, sum[i]);
}

/* sum += the product of these strips, or = if they are the first. Sixteen vectors of sums are in registers:
 * enough chains to hide the instruction's latency. */
static inline void add_square(const strips *s, int first, square *sum)
{
    enum { ROWS = 8 };
    for (int i = 0; i < PAIR && s->a[i]; i++) {
        float(*to)[EDGE] = sum->at + i * SIDE;
        if (s->b[1]) {
            add_rows(s->a[i], 0, s, first, to, ROWS, PAIR);
            add_rows(s->a[i], ROWS, s, first, to + ROWS, ROWS, PAIR);
        } else {
            add_rows(s->a[i], 0, s, first, to, SIDE, 1);
        }
    }
}

static inline void squares_begin(void)
{
}

static inline void squares_end(void)
{
}

#endif

/* Products with a long inner dimension and a small result (bf16_deep.c). */
int KERNEL(bf16_is_deep)(const product *p);
bk_status KERNEL(bf16_prepare_deep)(cpu_device *dev, const product *p, bk_call *call);

#endif
