/* SPDX-License-Identifier: Apache-2.0 */
/* thin.c - products of few rows with weights stored [n,k]: y[m,n] = sum_k x[m,k] w[n,k], then the epilogue.
 *
 * With 16 rows a product library spends its time transposing weights for a tile that it uses once. Here the
 * vectors run along k, as both operands are stored, so that weights are read once, in order. A block of ROWS
 * rows and COLS columns keeps VL sums in registers; they are transposed and added at the end. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum {
    ROWS = 4,
    COLS = VL / ROWS,
    DEPTH = 512,  /* k is cut: this much of a block's operands stays in the first-level cache */
    STRIP = 64,   /* columns of one task */
    MAX_ROWS = 32 /* as CPU_THIN_ROWS, rounded up to ROWS */
};

/* sum[ROWS * COLS] += products along n values of k. Weights `ahead` floats further on are prefetched
 * meanwhile. */
INLINE void add_products(const float *const x[ROWS], const float *const w[COLS], int64_t n, int64_t ahead,
                         vf sum[VL])
{
    for (int64_t k = 0; k < n; k += VL) {
        vf a[ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++)
            a[r] = vload_n(x[r] + k, n - k);
#pragma GCC unroll 4
        for (int c = 0; c < COLS; c++) {
            vf b = vload_n(w[c] + k, n - k);
            __builtin_prefetch(w[c] + k + ahead);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++)
                sum[c * ROWS + r] += a[r] * b;
        }
    }
}

/* One block for values at..at + n of k: earlier sums are read from part[VL * VL] and the new ones stored
 * there. Rows and columns past the end repeat the last one and are not used. */
static void block_part(const cpu_thin *t, int64_t row, int64_t col, int64_t at, int64_t n, float *part)
{
    const float *x[ROWS], *w[COLS];
    vf sum[VL];
    for (int r = 0; r < ROWS; r++)
        x[r] = t->x + work_min(row + r, t->m - 1) * t->k + at;
    for (int c = 0; c < COLS; c++)
        w[c] = t->w + work_min(col + c, t->n - 1) * t->k + at;
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++)
        sum[i] = at == 0 ? vset(0.0f) : vload(part + i * VL);
    int64_t next = at + DEPTH < t->k ? DEPTH : COLS * t->k - at;
    add_products(x, w, n, row + ROWS < t->m ? 0 : next, sum);
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++)
        vstore(part + i * VL, sum[i]);
}

/* The sums of one block, to product[row][col]. */
static void block_end(const float *part, int64_t rows, int64_t cols, float *product)
{
    vf sum[VL], total = vset(0.0f);
    float lane[VL];
    for (int i = 0; i < VL; i++)
        sum[i] = vload(part + i * VL);
    vturn(sum);
    for (int i = 0; i < VL; i++)
        total += sum[i];
    vstore(lane, total);
    for (int64_t r = 0; r < rows && r < ROWS; r++)
        for (int64_t c = 0; c < cols && c < COLS; c++)
            product[r * STRIP + c] = lane[c * ROWS + r];
}

static void strip(const cpu_thin *t, int64_t col, int64_t cols)
{
    float part[MAX_ROWS / ROWS * VL * VL] __attribute__((aligned(64)));
    float product[MAX_ROWS * STRIP] __attribute__((aligned(64)));
    for (int64_t c = 0; c < cols; c += COLS) {
        for (int64_t at = 0; at < t->k; at += DEPTH)
            for (int64_t r = 0; r < t->m; r += ROWS)
                block_part(t, r, col + c, at, work_min(DEPTH, t->k - at), part + r / ROWS * VL * VL);
        for (int64_t r = 0; r < t->m; r += ROWS)
            block_end(part + r / ROWS * VL * VL, t->m - r, cols - c, product + r * STRIP + c);
    }
    cpu_epilogue e = {.rows = t->m,
                      .cols = cols,
                      .product = product,
                      .product_step = STRIP,
                      .y = t->y + col,
                      .y_step = t->n,
                      .act = t->act};
    e.bias = t->bias ? t->bias + col : NULL;
    e.residual = t->residual ? t->residual + col : NULL;
    KERNEL(cpu_epilogue_rows)(&e);
}

static void strips(const void *job, int64_t first, int64_t end, int thread)
{
    const cpu_thin *t = job;
    (void)thread;
    for (int64_t s = first; s < end; s++)
        strip(t, s * STRIP, work_min(STRIP, t->n - s * STRIP));
}

void KERNEL(cpu_thin_product)(const cpu_thin *t, cpu_team *team)
{
    cpu_team_share(team, work_pieces(t->n, STRIP), t->n * t->k, strips, t);
}
