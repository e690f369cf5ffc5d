/* SPDX-License-Identifier: Apache-2.0 */
/* direct_tile.h - the micro-kernels of direct.c: the sums of a tile of the target stay in registers while the
 * products of its runs with their weights are added. */
#ifndef SLMT_CPU_DIRECT_TILE_H
#define SLMT_CPU_DIRECT_TILE_H

#include "backends/cpu/words.h"

enum {
    MR = CPU_LEVEL == 4 ? 14 : 6, /* rows of a tile with two vectors of channels, */
    ROWS = 2 * MR,                /* and with one */
    NR = 2 * VL,
    DOTS = 3,         /* most channels of the target for dot products, */
    DOT_ROWS = VL / 2 /* and pixels of their tiles: as many sums as fit in registers */
};

/* A piece of the source, and where its weights begin in a panel. */
typedef struct run {
    int64_t source, panel;
} run;

typedef struct runs {
    const run *at;
    int64_t count, length;
} runs;

/* A tile: its pixels are `step` apart in the source and y_step in the target. */
typedef struct tile {
    const float *source;
    int64_t at, step; /* the first pixel's first tap, which may lie outside, in words */
    const float *panel;
    runs runs;
    float *y;
    int64_t y_step, cols; /* channels that are stored */
    const float *bias;    /* or NULL, of the first chunk */
    int add;              /* to the sums in y, which lower chunks have left */
} tile;

/* Sums whose panel has more channels than are left. */
static void store_edge(const tile *t, const float *sums, int rows, int width)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < t->cols; c++) {
            float more = t->add ? t->y[i * t->y_step + c] : t->bias ? t->bias[c] : 0.0f;
            t->y[i * t->y_step + c] = sums[i * width + c] + more;
        }
}

/* The addresses of a tile's pixels: nine from each base with four distances, because an address is a base and
 * 1, 2, 4 or 8 times a register. The compiler is kept from finding out, which would compute and spill an
 * address for each pixel. */
enum { FROM_BASE = 9, BASES = (ROWS + 2 + FROM_BASE - 1) / FROM_BASE };

typedef struct pixels {
    const char *base[BASES];
    int64_t one, three, five, seven; /* steps in bytes */
} pixels;

#define OPAQUE(x) __asm__("" : "+r"(x))

INLINE void point_to(pixels *a, const float *first, const int rows)
{
#pragma GCC unroll 4
    for (int i = 0; i < (rows + FROM_BASE - 1) / FROM_BASE; i++) {
        a->base[i] = (const char *)first + i * FROM_BASE * a->one;
        OPAQUE(a->base[i]);
    }
}

INLINE void steps_of(pixels *a, int64_t step)
{
    a->one = step * (int64_t)sizeof(float);
    a->three = 3 * a->one;
    a->five = 5 * a->one;
    a->seven = 7 * a->one;
    OPAQUE(a->one);
    OPAQUE(a->three);
    OPAQUE(a->five);
    OPAQUE(a->seven);
}

INLINE void advance(pixels *a, const int64_t n, const int rows)
{
#pragma GCC unroll 4
    for (int i = 0; i < (rows + FROM_BASE - 1) / FROM_BASE; i++)
        a->base[i] += n * (int64_t)sizeof(float);
}

INLINE const char *address(const pixels *a, const int i)
{
    const int64_t steps[FROM_BASE] = {0,       a->one,       2 * a->one, a->three,  4 * a->one,
                                      a->five, 2 * a->three, a->seven,   8 * a->one};
    return a->base[i / FROM_BASE] + steps[i % FROM_BASE];
}

/* Word k of pixel i, in all lanes. */
INLINE vf pixel(const pixels *a, const int i, const int64_t k)
{
    return word_in_all_lanes(address(a, i) + k * (int64_t)sizeof(float));
}

INLINE vf pixel_vector(const pixels *a, const int i)
{
    vf x;
    memcpy(&x, address(a, i), sizeof x);
    return x;
}

/* Adds word k of a run, of `rows` pixels, times the panel's row at b. */
INLINE void add_word(const pixels *a, const int64_t k, const float *b, vf *sum, const int rows,
                     const int vectors)
{
    vf w[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        w[v] = vload(b + (k * vectors + v) * VL);
#pragma GCC unroll 28
    for (int i = 0; i < rows; i++) {
        vf x = pixel(a, i, k);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[i * vectors + v] = add_products(sum[i * vectors + v], x, w[v]);
    }
#if CPU_LEVEL >= 3
    __asm__ volatile("" ::: "memory"); /* loads wait for their turn: registers are scarce */
#endif
}

INLINE void add_run(pixels *a, const float *b, int64_t length, vf *sum, const int rows, const int vectors)
{
    enum { AT_ONCE = CPU_LEVEL >= 3 ? 4 : 1 };
    int64_t k = 0;
    for (; k + AT_ONCE <= length; k += AT_ONCE, b += AT_ONCE * vectors * VL) {
#pragma GCC unroll 4
        for (int64_t i = 0; i < AT_ONCE; i++)
            add_word(a, i, b, sum, rows, vectors);
        advance(a, AT_ONCE, rows);
    }
#pragma GCC unroll 1
    for (; k < length; k++, b += vectors * VL) {
        add_word(a, 0, b, sum, rows, vectors);
        advance(a, 1, rows);
    }
}

/* Stores the sums of a tile. */
INLINE void finish(const tile *t, vf *sum, const int rows, const int vectors)
{
    if (t->cols < vectors * VL) {
        float sums[ROWS * VL] __attribute__((aligned(64)));
#pragma GCC unroll 28
        for (int i = 0; i < rows * vectors; i++)
            vstore(sums + i * VL, sum[i]);
        store_edge(t, sums, rows, vectors * VL);
        return;
    }
#pragma GCC unroll 28
    for (int i = 0; i < rows * vectors; i++) {
        float *y = t->y + i / vectors * t->y_step + i % vectors * VL;
        if (t->add)
            sum[i] += vload(y);
        else if (t->bias)
            sum[i] += vload(t->bias + i % vectors * VL);
        vstore(y, sum[i]);
    }
}

INLINE void micro_kernel(const tile *t, const int rows, const int vectors)
{
    vf sum[ROWS];
    pixels a;
    steps_of(&a, t->step);
#pragma GCC unroll 28
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = vset(0.0f);
    if (t->add)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                __builtin_prefetch(t->y + i * t->y_step + v * VL, 1);
    for (const run *r = t->runs.at, *end = r + t->runs.count; r < end; r++) {
        point_to(&a, t->source + (t->at + r->source), rows);
        add_run(&a, t->panel + r->panel, t->runs.length, sum, rows, vectors);
    }
    finish(t, sum, rows, vectors);
}

/* The same with one vector, if three taps lie beside each other: each value of the source is read once for
 * all of them. A run is the channels of the first tap. */
INLINE void trio_kernel(const tile *t, const int rows)
{
    vf sum[ROWS];
    pixels a;
    steps_of(&a, t->step);
#pragma GCC unroll 28
    for (int i = 0; i < rows; i++)
        sum[i] = vset(0.0f);
    const int64_t length = t->runs.length;
    for (const run *r = t->runs.at, *end = r + t->runs.count; r < end; r++) {
        const float *b = t->panel + r->panel;
        point_to(&a, t->source + (t->at + r->source), rows + 2);
#pragma GCC unroll 2
        for (int64_t k = 0; k < length; k++, b += VL) {
            const vf w[3] = {vload(b), vload(b + length * VL), vload(b + 2 * length * VL)};
#pragma GCC unroll 30
            for (int i = 0; i < rows + 2; i++) {
                vf x = pixel(&a, i, 0);
                if (i < rows)
                    sum[i] = add_products(sum[i], x, w[0]);
                if (i > 0 && i < rows + 1)
                    sum[i - 1] = add_products(sum[i - 1], x, w[1]);
                if (i > 1)
                    sum[i - 2] = add_products(sum[i - 2], x, w[2]);
            }
            advance(&a, 1, rows + 2);
            __asm__ volatile("" ::: "memory"); /* as in add_word() */
        }
    }
    finish(t, sum, rows, 1);
}

/* Sums of dot products, [rows][dots]: the lanes of all vectors are added up in the end. */
INLINE void dot_kernel(const tile *t, const int rows, const int dots)
{
    enum { MOST = (DOTS * DOT_ROWS + VL - 1) / VL * VL };
    vf sum[MOST], w[DOTS];
    float sums[MOST];
    pixels a;
    steps_of(&a, t->step);
#pragma GCC unroll 32
    for (int i = 0; i < MOST; i++)
        sum[i] = vset(0.0f);
    for (const run *r = t->runs.at, *end = r + t->runs.count; r < end; r++) {
        const float *b = t->panel + r->panel;
        point_to(&a, t->source + (t->at + r->source), rows);
        for (int64_t k = 0; k < t->runs.length; k += VL, b += dots * VL) {
#pragma GCC unroll 3
            for (int o = 0; o < dots; o++)
                w[o] = vload(b + o * VL);
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) {
                vf x = pixel_vector(&a, i);
#pragma GCC unroll 3
                for (int o = 0; o < dots; o++)
                    sum[i * dots + o] += x * w[o];
            }
            advance(&a, VL, rows);
        }
    }
#pragma GCC unroll 2
    for (int first = 0; first < rows * dots; first += VL) {
        vturn(sum + first);
        vf all = sum[first];
#pragma GCC unroll 16
        for (int i = 1; i < VL; i++)
            all += sum[first + i];
        vstore(sums + first, all);
    }
    store_edge(t, sums, rows, dots);
}

typedef void (*micro_function)(const tile *t);

#define EACH_OF_2(X)  X(1) X(2)
#define EACH_OF_4(X)  EACH_OF_2(X) X(3) X(4)
#define EACH_OF_6(X)  EACH_OF_4(X) X(5) X(6)
#define EACH_OF_8(X)  EACH_OF_6(X) X(7) X(8)
#define EACH_OF_12(X) EACH_OF_8(X) X(9) X(10) X(11) X(12)
#if CPU_LEVEL == 4
#define EACH_OF_14(X)   EACH_OF_12(X) X(13) X(14)
#define EACH_OF_16(X)   EACH_OF_14(X) X(15) X(16)
#define EACH_OF_MR(X)   EACH_OF_14(X)
#define EACH_OF_ROWS(X) EACH_OF_16(X) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28)
#define EACH_OF_VL(X)   EACH_OF_16(X)
#define EACH_OF_DOTS(X) EACH_OF_8(X)
#else
#define EACH_OF_MR(X)   EACH_OF_6(X)
#define EACH_OF_ROWS(X) EACH_OF_12(X)
#if CPU_LEVEL == 3
#define EACH_OF_VL(X)   EACH_OF_8(X)
#define EACH_OF_DOTS(X) EACH_OF_4(X)
#else
#define EACH_OF_VL(X)   EACH_OF_4(X)
#define EACH_OF_DOTS(X) EACH_OF_2(X)
#endif
#endif

#define DEFINE(name, rows, call)                                                                             \
    static void name##_##rows(const tile *t)                                                                 \
    {                                                                                                        \
        call;                                                                                                \
    }
#define NARROW(rows) DEFINE(narrow, rows, micro_kernel(t, rows, 1))
#define WIDE(rows)   DEFINE(wide, rows, micro_kernel(t, rows, 2))
#define TRIO(rows)   DEFINE(trio, rows, trio_kernel(t, rows))
#define DOT1(rows)   DEFINE(dot1, rows, dot_kernel(t, rows, 1))
#define DOT2(rows)   DEFINE(dot2, rows, dot_kernel(t, rows, 2))
#define DOT3(rows)   DEFINE(dot3, rows, dot_kernel(t, rows, 3))
EACH_OF_ROWS(NARROW)
EACH_OF_MR(WIDE)
EACH_OF_ROWS(TRIO)
EACH_OF_VL(DOT1)
EACH_OF_DOTS(DOT2)
EACH_OF_DOTS(DOT3)
#define NARROW_NAME(rows) narrow_##rows,
#define WIDE_NAME(rows)   wide_##rows,
#define TRIO_NAME(rows)   trio_##rows,
#define DOT1_NAME(rows)   dot1_##rows,
#define DOT2_NAME(rows)   dot2_##rows,
#define DOT3_NAME(rows)   dot3_##rows,
static const micro_function narrow[] = {NULL, EACH_OF_ROWS(NARROW_NAME)};
static const micro_function wide[] = {NULL, EACH_OF_MR(WIDE_NAME)};
static const micro_function trio[] = {NULL, EACH_OF_ROWS(TRIO_NAME)};
static const micro_function dot1[] = {NULL, EACH_OF_VL(DOT1_NAME)};
static const micro_function dot2[] = {NULL, EACH_OF_DOTS(DOT2_NAME)};
static const micro_function dot3[] = {NULL, EACH_OF_DOTS(DOT3_NAME)};

#endif
