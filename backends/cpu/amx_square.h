/* SPDX-License-Identifier: Apache-2.0 */
/* amx_square.h - what products on the matrix units share: their factors, and squares of sums. */
#ifndef SLMT_CPU_AMX_SQUARE_H
#define SLMT_CPU_AMX_SQUARE_H

#include "backends/cpu/amx.h"
#include "backends/cpu/amx_tile.h"
#include "backends/cpu/work.h"

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

/* Tiles 0 to 3 are sums, 4 and 5 of the left factor, 6 and 7 of the right one. */
typedef struct strips {
    const tile_words *a[PAIR], *b[PAIR]; /* the first of `steps` tiles along k */
    int64_t steps;
} strips;

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

/* Products with a long inner dimension and a small result (amx_deep.c). */
int amx_is_deep(const product *p);
bk_status amx_prepare_deep(cpu_device *dev, const product *p, bk_call *call);

#endif
