/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products: y = act(a b + bias) + residual, a [m,k] and b [k,n], either stored transposed.
 *
 * The scheme of Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication", 2008): PANEL
 * columns of b are packed, DEPTH rows deep, a piece of STRIP columns at a time; ROWS rows of a, read where
 * they lie, pass over them with all their sums in registers, to which bias and residual are added. The lines
 * of the next piece are fetched meanwhile: with few rows, reading b is most of the work. Where a is much
 * smaller than b the product is turned: a is packed, and rows of b pass over it.
 *
 * An element's sum runs along k in an order of its own: neither threads nor other rows change a result. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

#include <omp.h>

enum {
    ROWS = CPU_LEVEL == 4 ? 14 : 6, /* ROWS * WIDE sums, WIDE values of b and one of a fill the registers */
    WIDE = 2,
    PANEL = WIDE * VL,
    DEPTH = 256, /* a panel is 16 or 32 kB */
    STRIP = 256, /* columns whose panels are kept: they stay in the second-level cache */
    LINE = 16    /* floats of a cache line */
};

/* Columns of b, `depth` values each, that are packed together. */
typedef struct piece {
    int64_t col, cols, at, depth;
} piece;

/* A task: rows and columns of y, at most STRIP where its thread packs them, and the thread's room for packed
 * panels and rows. */
typedef struct part {
    const cpu_gemm *g;
    int64_t row, row_end, col, cols;
    float *panels, *rows;
} part;

/* Memory that will be read soon: `rows` rows of `width` bytes, `step` bytes apart. */
typedef struct lines {
    const char *from;
    int64_t rows, width, step;
} lines;

/* What is read of both factors next. */
typedef struct ahead {
    lines a, b;
} ahead;

/* ---- packing ---- */

/* panel[depth][PANEL] from rows of b [n,k], `step` floats apart; zeros for rows that b does not have. */
static void pack_turned(const float *b, int64_t step, int64_t rows, int64_t depth, float *panel)
{
    vf m[VL];
    for (int64_t c = 0; c < PANEL; c += VL, panel += VL)
        for (int64_t k = 0; k < depth; k += VL) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                m[i] = c + i < rows ? vload_n(b + (c + i) * step + k, depth - k) : vset(0.0f);
            vturn(m);
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                vstore(panel + (k + i) * PANEL, m[i]);
        }
}

/* The same from rows of 16-bit floats. */
static void pack_half(const cpu_gemm *g, int64_t col, int64_t rows, int64_t at, int64_t depth, float *panel)
{
    enum { STEP = DEPTH + LINE }; /* not a power of 2, for the cache's sake */
    float wide[PANEL * STEP] __attribute__((aligned(64)));
    for (int64_t i = 0; i < rows; i++) {
        const uint16_t *from = (const uint16_t *)g->b + (col + i) * g->k + at;
        KERNEL(cpu_widen)(from, g->b_type, (size_t)depth, wide + i * STEP);
    }
    pack_turned(wide, STEP, rows, depth, panel);
}

static void pack_panel(const cpu_gemm *g, int64_t col, int64_t at, int64_t depth, float *panel)
{
    const float *b = g->b;
    int64_t cols = work_min(PANEL, g->n - col);
    if (g->b_type != BK_F32) {
        pack_half(g, col, cols, at, depth, panel);
    } else if (g->trans_b) {
        pack_turned(b + col * g->k + at, g->k, cols, depth, panel);
    } else {
        for (int64_t k = 0; k < depth; k++)
            for (int64_t c = 0; c < PANEL; c += VL)
                vstore(panel + k * PANEL + c, vload_n(b + (at + k) * g->n + col + c, cols - c));
    }
}

/* rows[depth][ROWS] of a [k,m], whole vectors at a time where there are so many: what is too much of one is
 * overwritten by the next. */
static void pack_rows(const cpu_gemm *g, int64_t row, int64_t count, int64_t at, int64_t depth, float *rows)
{
    enum { WIDTH = (ROWS + VL - 1) / VL * VL };
    const float *a = g->a + at * g->m + row;
    if (row + WIDTH <= g->m) {
        for (int64_t k = 0; k < depth; k++)
            for (int64_t i = 0; i < WIDTH; i += VL)
                vstore(rows + k * ROWS + i, vload(a + k * g->m + i));
        return;
    }
    for (int64_t k = 0; k < depth; k++)
        for (int64_t i = 0; i < count; i++)
            rows[k * ROWS + i] = a[k * g->m + i];
}

/* Part `of` `parts` of what is read next. */
static void fetch(const lines *next, int64_t of, int64_t parts)
{
    int64_t in_row = work_pieces(next->width, LINE * (int64_t)sizeof(float)), n = next->rows * in_row;
    for (int64_t i = n * of / parts; i < n * (of + 1) / parts; i++)
        __builtin_prefetch(next->from + i / in_row * next->step + i % in_row * LINE * (int64_t)sizeof(float));
}

/* ---- sums ---- */

/* Values of a: a[i * row + k * step]. */
typedef struct values {
    const float *at;
    int64_t row, step;
} values;

INLINE values at_row(values a, int64_t i)
{
    return (values){a.at + i * a.row, a.row, a.step};
}

/* What is done with sums: added to those of lower k, kept for higher k, finished. */
typedef struct stage {
    int first, last;
} stage;

/* What is added to sums of row `row` at column 0 before they are kept or finished: NULL for nothing. The
 * residual comes first, as it may lie where y goes; behind an activation it comes last, in activate(). */
static const float *before(const cpu_gemm *g, stage s, int64_t row)
{
    if (!s.first)
        return g->part + row * g->n;
    return g->residual && !g->act.kind ? g->residual + row * g->n : NULL;
}

static float *target(const cpu_gemm *g, stage s, int64_t row)
{
    return (s.last && !g->act.kind ? g->y : g->part) + row * g->n;
}

/* Sums of the last panel, where it has columns that y does not. */
static void finish_edge(const cpu_gemm *g, const float *sums, stage s, int64_t row, int64_t rows, int64_t col)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *more = before(g, s, row + i);
        float *y = target(g, s, row + i);
        for (int64_t c = col; c < g->n; c++) {
            float sum = sums[i * PANEL + c - col] + (more ? more[c] : 0.0f);
            y[c] = sum + (s.last && g->bias ? g->bias[c] : 0.0f);
        }
    }
}

/* `rows` rows of one panel. */
INLINE void multiply(const cpu_gemm *g, values a, const float *panel, int64_t depth, stage s, int64_t row,
                     int64_t col, const int rows)
{
    vf sum[ROWS * WIDE];
#pragma GCC unroll 28
    for (int i = 0; i < rows * WIDE; i++)
        sum[i] = vset(0.0f);
#pragma GCC unroll 4
    for (int64_t k = 0; k < depth; k++) {
        vf b[WIDE] = {vload(panel + k * PANEL), vload(panel + k * PANEL + VL)};
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            vf x = vset(a.at[i * a.row + k * a.step]);
            sum[i * WIDE] += x * b[0];
            sum[i * WIDE + 1] += x * b[1];
        }
    }
    if (col + PANEL > g->n) {
        float sums[ROWS * PANEL];
#pragma GCC unroll 28
        for (int i = 0; i < rows * WIDE; i++)
            vstore(sums + i * VL, sum[i]);
        finish_edge(g, sums, s, row, rows, col);
        return;
    }
    const float *more = before(g, s, row), *bias = s.last ? g->bias : NULL;
    float *y = target(g, s, row) + col;
#pragma GCC unroll 28
    for (int i = 0; i < rows * WIDE; i++) {
        if (more)
            sum[i] += vload(more + i / WIDE * g->n + col + i % WIDE * VL);
        if (bias)
            sum[i] += vload(bias + col + i % WIDE * VL);
        vstore(y + i / WIDE * g->n + i % WIDE * VL, sum[i]);
    }
}

/* Activation and residual of finished sums, apart from the sums: they need the registers for themselves. */
static void activate(const cpu_gemm *g, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
    int64_t at = row * g->n + col;
    cpu_epilogue e = {.rows = rows, .cols = cols, .product = g->part + at, .y = g->y + at, .act = g->act};
    e.residual = g->residual ? g->residual + at : NULL;
    e.product_step = e.y_step = g->n;
    KERNEL(cpu_epilogue_rows)(&e);
}

/* Rows row..row + rows, `rows` up to ROWS, of all panels of a piece. */
static void pass(const part *t, piece p, stage s, int64_t row, int64_t rows, const ahead *next)
{
    const cpu_gemm *g = t->g;
    int64_t panels = work_pieces(p.cols, PANEL), of = (row - t->row) / ROWS * panels;
    int64_t parts = work_pieces(t->row_end - t->row, ROWS) * panels;
    if (g->trans_a)
        pack_rows(g, row, rows, p.at, p.depth, t->rows);
    values a = {g->a + row * g->k + p.at, g->k, 1};
    if (g->trans_a)
        a = (values){t->rows, 1, ROWS};
    for (int64_t c = 0; c < panels; c++) {
        const float *panel = t->panels + c * PANEL * DEPTH;
        int64_t i = 0, col = p.col + c * PANEL;
        fetch(&next->a, of + c, parts);
        fetch(&next->b, of + c, parts);
#define PASS(count)                                                                                          \
    for (; i + count <= rows; i += count)                                                                    \
        multiply(g, at_row(a, i), panel, p.depth, s, row + i, col, count);
        PASS(ROWS)
        PASS(4)
        PASS(2)
        PASS(1)
#undef PASS
    }
    if (s.last && g->act.kind)
        activate(g, row, rows, p.col, p.cols);
}

/* What is packed after piece p: deeper, then the columns from `col` on, probably the thread's next. */
static ahead packed_next(const part *t, piece p, int64_t col)
{
    const cpu_gemm *g = t->g;
    int64_t size = (int64_t)bk_dtype_size(g->b_type), f32 = (int64_t)sizeof(float);
    piece n = {p.col, p.cols, p.at + DEPTH, 0};
    if (n.at >= g->k)
        n = (piece){col, work_min(t->cols, g->n - col), 0, 0};
    if (n.cols <= 0)
        return (ahead){0};
    n.depth = work_min(DEPTH, g->k - n.at);
    ahead next = {
        .b = {(const char *)g->b + (n.at * g->n + n.col) * size, n.depth, n.cols * size, g->n * size}};
    if (g->trans_b)
        next.b =
            (lines){(const char *)g->b + (n.col * g->k + n.at) * size, n.cols, n.depth * size, g->k * size};
    if (g->trans_a)
        next.a = (lines){(const char *)(g->a + n.at * g->m + t->row), n.depth, (t->row_end - t->row) * f32,
                         g->m * f32};
    return next;
}

static void share(const part *t, int64_t next_col)
{
    const cpu_gemm *g = t->g;
    for (int64_t at = 0; at < g->k; at += DEPTH) {
        piece p = {t->col, work_min(t->cols, g->n - t->col), at, work_min(DEPTH, g->k - at)};
        ahead next = packed_next(t, p, next_col);
        stage s = {at == 0, at + DEPTH >= g->k};
        for (int64_t c = 0; c < p.cols; c += PANEL)
            pack_panel(g, p.col + c, at, p.depth, t->panels + c * DEPTH);
        for (int64_t row = t->row; row < t->row_end; row += ROWS)
            pass(t, p, s, row, work_min(ROWS, t->row_end - row), &next);
    }
}

/* ---- a whole product ---- */

static int64_t share_floats(const cpu_gemm *g)
{
    return STRIP * DEPTH + (g->trans_a ? ROWS * DEPTH + VL : 0);
}

/* The length of about `pieces` equal pieces of n, multiples of `step`, none much below `least`. */
static int64_t cut(int64_t n, int64_t pieces, int64_t least, int64_t step)
{
    pieces = work_max(1, work_min(pieces, n / least));
    return work_min(n, work_pieces(work_pieces(n, pieces), step) * step);
}

/* Some tasks for every thread, as threads that share a machine are not equally fast; but each with rows
 * enough to be worth packing its columns of b. */
static part first_task(const cpu_gemm *g, int threads)
{
    enum { TASKS = 6, LEAST_ROWS = 40 * ROWS, LEAST_COLS = 4 * PANEL };
    part t = {.g = g, .row_end = g->m, .cols = work_min(STRIP, g->n)};
    if (threads == 1)
        return t;
    int64_t tasks = TASKS * threads;
    t.row_end = cut(g->m, work_pieces(tasks, work_pieces(g->n, STRIP)), LEAST_ROWS, ROWS);
    int64_t down = work_pieces(g->m, t.row_end);
    t.cols = work_min(STRIP, cut(g->n, work_pieces(tasks, down), LEAST_COLS, PANEL));
    if (down * work_pieces(g->n, t.cols) < threads)
        t.row_end = cut(g->m, threads, ROWS, ROWS);
    return t;
}

static void run_straight(const cpu_gemm *g, int threads, float *scratch)
{
    const part first = first_task(g, threads);
    int64_t down = work_pieces(g->m, first.row_end), tasks = down * work_pieces(g->n, first.cols);
    int team = work_team(threads, tasks, g->m * g->n * g->k / 16);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(dynamic)
    for (int64_t i = 0; i < tasks; i++) {
        part t = first;
        t.row = i % down * first.row_end;
        t.row_end = work_min(g->m, t.row + first.row_end);
        t.col = i / down * t.cols;
        t.panels = scratch + omp_get_thread_num() * share_floats(g);
        t.rows = t.panels + STRIP * DEPTH;
        share(&t, (i + team) / down * t.cols);
    }
}

/* ---- a turned product: y^T [n,m] = b [n,k] a^T ----
 *
 * b is read where it lies, and only once. A task's sums over part of k lie in a tile of its own. */

enum { TILE_ROWS = 4 * ROWS, TILE_STEP = (TILE_ROWS + VL - 1) / VL * VL };

static int is_turned(const cpu_gemm *g)
{
    return g->trans_b && !g->trans_a && g->b_type == BK_F32 && 4 * g->m <= g->n && g->k >= DEPTH;
}

static int64_t panel_floats(const cpu_gemm *g)
{
    return work_pieces(g->m, PANEL) * work_pieces(g->k, DEPTH) * PANEL * DEPTH;
}

/* y, columns col to col + cols, from a complete tile [cols,m]. */
static void finish_tile(const cpu_gemm *g, const float *tile, int64_t col, int64_t cols)
{
    float rows[VL * TILE_STEP] __attribute__((aligned(64)));
    vf m[VL];
    for (int64_t row = 0; row < g->m; row += VL) {
        for (int64_t c = 0; c < cols; c += VL) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                m[i] = c + i < cols ? vload_n(tile + (c + i) * g->m + row, g->m - row) : vset(0.0f);
            vturn(m);
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                vstore(rows + i * TILE_STEP + c, m[i]);
        }
        int64_t at = row * g->n + col;
        cpu_epilogue e = {.rows = work_min(VL, g->m - row), .cols = cols, .product = rows, .y = g->y + at};
        e.bias = g->bias ? g->bias + col : NULL;
        e.residual = g->residual ? g->residual + at : NULL;
        e.product_step = TILE_STEP;
        e.y_step = g->n;
        e.act = g->act;
        KERNEL(cpu_epilogue_rows)(&e);
    }
}

/* Rows of b from values `at` of k on, as they will be read. */
static lines lines_of(const cpu_gemm *g, int64_t row, int64_t rows, int64_t at)
{
    int64_t f32 = (int64_t)sizeof(float);
    const float *from = (const float *)g->b + row * g->k + at;
    return (lines){(const char *)from, work_min(rows, g->n - row), work_min(DEPTH, g->k - at) * f32,
                   g->k * f32};
}

/* Columns col to col + cols of y. `after`: the column that is probably the thread's next. */
static void turned_task(const cpu_gemm *g, float *packed, int64_t col, int64_t after, float *tile)
{
    int64_t cols = work_min(TILE_ROWS, g->n - col), panels = work_pieces(g->m, PANEL);
    const float *b = g->b;
    const cpu_gemm turned = {.m = cols, .n = g->m, .k = g->k, .a = b + col * g->k, .y = tile, .part = tile};
    part t = {.g = &turned, .row_end = cols};
    for (int64_t at = 0; at < g->k; at += DEPTH) {
        piece p = {0, g->m, at, work_min(DEPTH, g->k - at)};
        stage s = {at == 0, at + DEPTH >= g->k};
        ahead next = {.a = s.last ? lines_of(g, after, cols, 0) : lines_of(g, col, cols, at + DEPTH)};
        t.panels = packed + at * panels * PANEL;
        for (int64_t row = 0; row < cols; row += ROWS)
            pass(&t, p, s, row, work_min(ROWS, cols - row), &next);
    }
    finish_tile(g, tile, col, cols);
}

static void run_turned(const cpu_gemm *g, int threads, float *scratch)
{
    const cpu_gemm turned = {.n = g->m, .k = g->k, .b = g->a, .trans_b = 1};
    int64_t panels = work_pieces(g->m, PANEL), pieces = work_pieces(g->k, DEPTH);
    int64_t tasks = work_pieces(g->n, TILE_ROWS);
    float *tiles = scratch + panel_floats(g);
    int team = work_team(threads, tasks, g->m * g->n * g->k / 16);
#pragma omp parallel num_threads(team) if (team > 1)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < panels * pieces; i++)
            pack_panel(&turned, i % panels * PANEL, i / panels * DEPTH,
                       work_min(DEPTH, g->k - i / panels * DEPTH), scratch + i * PANEL * DEPTH);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < tasks; i++)
            turned_task(g, scratch, i * TILE_ROWS, work_min(g->n, (i + team) * TILE_ROWS),
                        tiles + omp_get_thread_num() * TILE_ROWS * g->m);
    }
}

/* ---- either ---- */

size_t KERNEL(cpu_gemm_scratch)(const cpu_gemm *g, int threads)
{
    int64_t floats = share_floats(g) * threads;
    if (is_turned(g))
        floats = panel_floats(g) + TILE_ROWS * g->m * threads;
    return (size_t)floats * sizeof(float);
}

void KERNEL(cpu_gemm_run)(const cpu_gemm *g, int threads, float *scratch)
{
    if (is_turned(g))
        run_turned(g, threads, scratch);
    else
        run_straight(g, threads, scratch);
}
