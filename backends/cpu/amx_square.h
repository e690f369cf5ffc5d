/* SPDX-License-Identifier: Apache-2.0 */
/* amx_square.h - squares of sums on the matrix units. */
#ifndef SLMT_CPU_AMX_SQUARE_H
#define SLMT_CPU_AMX_SQUARE_H

#include "backends/cpu/amx_tile.h"

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

#endif
