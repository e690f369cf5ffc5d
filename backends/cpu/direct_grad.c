/* SPDX-License-Identifier: Apache-2.0 */
/* direct_grad.c - the gradient of a convolution's weights: for each tap a product dy^T x, whose factor x is
 * the image itself, read in place at the tap's distance.
 *
 * A block is some neighbouring lines of dy. Its values are packed to tiles [pixels][rows] of at most ROWS
 * output channels. The micro-kernel keeps the sums of a tile and of one or two vectors of columns in
 * registers while it walks over the pixels of the block, run by run: a run is the part of a line in which
 * the tap lies inside the image. Columns are the channels of a tap or, with few channels, those of all taps
 * of a kernel's line, which lie beside each other in the image; of pixels whose window reaches over the end
 * of a line they are copied, zeros outside. All this is float32's way (direct_grad_place.h); in bfloat16 a
 * block copies all that it reads (direct_grad_pairs.h).
 *
 * If x has fewer channels than a vector, the factors change places: vectors are output channels, read in
 * place, and the rows of a tile are columns.
 *
 * A task is one part of the pixels, which has sums of its own, and a group of output channels. Parts depend
 * on the shape alone and are added up in order: threads do not change a result. */
#ifdef CPU_PAIRS
#include "backends/cpu/direct_grad_pairs.h"
#else
#include "backends/cpu/direct_grad_place.h"
#endif
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"

/* ---- what is cut ---- */

void KERNEL(cpu_direct_grad_plan)(cpu_direct_grad *g)
{
    enum { BLOCK_WORDS = 96 * 1024, BLOCK_PIXELS = 2048 }; /* dy and x stay in the second-level cache */
    enum { PARTS = 16, PART_FLOATS = 512 * 1024, PART_PIXELS = 512, GROUP = 18 * MR, EACH = 4 };
    const conv *c = &g->c;
    int64_t tiles = work_pieces(c->out, MR), pixels = c->batch * conv_count(c->y);
    g->parts = work_min(work_min(PARTS, PART_FLOATS / (columns_of(g) * c->out)), pixels / PART_PIXELS);
    g->parts = work_max(1, work_min(g->parts, lines_of(g)));
    g->splits = work_pieces(c->out, GROUP);
    if (c->out > 1 && g->threads > 1)
        g->splits = work_min(tiles, work_max(g->splits, EACH * g->threads / g->parts));
    g->swapped = WORD == 1 && c->in < VL && c->out % VL == 0;
    if (g->swapped)
        g->splits = 1;
    g->joined = c->in <= VL && c->in == g->in_all && c->dilation[LAST] == 1 ? c->kernel[LAST] : 1;
    int64_t most = BLOCK_WORDS / work_max(work_pieces(c->out, work_pieces(c->out, GROUP)), c->in);
    g->rows = work_max(1, work_min(c->y[1], WORD * work_min(BLOCK_PIXELS, most) / c->y[LAST]));
    g->rows = work_pieces(work_pieces(c->y[1], work_pieces(c->y[1], g->rows)), WORD) * WORD;
    g->room = run_floats(g) + packed_floats(g) + window_floats(g);
    g->sums_floats = cut_up(g->parts * c->out * columns_of(g)) + NR;
}

/* ---- the micro-kernel ---- */

/* Some output channels and columns: those of the runs' x are the vectors, of dy the rows; or the other way
 * round. */
typedef struct tile {
    const float *dy; /* [pixels], dy_step words apart */
    int64_t dy_step;
    int swapped;
    const run *runs;
    int64_t count; /* of runs */
    int64_t col;   /* the first column, relative to the runs' x */
    float *sums;
    int64_t step; /* between rows of sums */
    int64_t cols;
} tile;

/* How many pixels of a run can be read in whole vectors. */
static int64_t safe_pixels(const run *r, const float *x, int64_t width)
{
    int64_t room = r->end - x - width;
    if ((r->count - 1) * r->step <= room)
        return r->count;
    return room < 0 ? 0 : room / r->step + 1;
}

INLINE void add_pixel(const vf *w, const float *dy, vf *sum, const int rows, const int vectors)
{
#pragma GCC unroll 28
    for (int i = 0; i < rows; i++) {
        vf d = word_in_all_lanes((const char *)(dy + i));
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[i * vectors + v] = add_products(sum[i * vectors + v], d, w[v]);
    }
}

INLINE void micro_kernel(const tile *t, const int rows, const int vectors)
{
    vf sum[2 * MR], w[2];
#pragma GCC unroll 28
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = vset(0.0f);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            __builtin_prefetch(t->sums + i * t->step + v * VL, 1);
    for (const run *r = t->runs, *end = r + t->count; r < end; r++) {
        const float *image = r->x + t->col, *dy = t->dy + r->at * t->dy_step;
        const float *a = t->swapped ? image : dy, *b = t->swapped ? dy : image;
        const int64_t a_step = t->swapped ? r->step : t->dy_step;
        const int64_t b_step = t->swapped ? t->dy_step : r->step;
        const int64_t safe = t->swapped ? r->count : safe_pixels(r, image, vectors * VL);
#pragma GCC unroll 4
        for (int64_t k = 0; k < safe; k++, a += a_step, b += b_step) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                w[v] = vload(b + v * VL);
            add_pixel(w, a, sum, rows, vectors);
        }
#pragma GCC unroll 1
        for (int64_t k = safe; k < r->count; k++, a += a_step, b += b_step) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                w[v] = vload_n(b + v * VL, r->end - b - v * VL);
            add_pixel(w, a, sum, rows, vectors);
        }
    }
#pragma GCC unroll 28
    for (int i = 0; i < rows * vectors; i++) {
        float *to = t->sums + i / vectors * t->step + i % vectors * VL;
        int64_t n = t->cols - i % vectors * VL;
        vstore_n(to, vload_n(to, n) + sum[i], n);
    }
}

typedef void (*micro_function)(const tile *t);

#define EACH_OF_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)
#if CPU_LEVEL == 4
#undef EACH_OF_MR
#define EACH_OF_MR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#endif

#define MICRO_KERNELS(rows)                                                                                  \
    static void narrow_##rows(const tile *t)                                                                 \
    {                                                                                                        \
        micro_kernel(t, rows, 1);                                                                            \
    }                                                                                                        \
    static void wide_##rows(const tile *t)                                                                   \
    {                                                                                                        \
        micro_kernel(t, rows, 2);                                                                            \
    }
EACH_OF_MR(MICRO_KERNELS)
#define NARROW_NAME(rows) narrow_##rows,
#define WIDE_NAME(rows)   wide_##rows,
static const micro_function narrow[MR + 1] = {NULL, EACH_OF_MR(NARROW_NAME)};
static const micro_function wide[MR + 1] = {NULL, EACH_OF_MR(WIDE_NAME)};

/* ---- a block ---- */

/* Adds the products of a tile with `cols` columns from column `at` on. */
static void add_columns(const block *b, int64_t number, int64_t runs, int64_t at, int64_t cols)
{
    int64_t first = tile_at(b, number), rows = tile_at(b, number + 1) - first;
    tile t = {.dy = b->packed + (first - b->out) * block_pixels(b), .runs = b->runs, .count = runs};
    t.step = columns_of(b->g);
    t.dy_step = rows;
    if (!is_packed(b->g)) {
        t.dy = dy_of(b) + first;
        t.dy_step = b->g->out_all;
    }
    for (int64_t col = 0; col < cols; col += NR) {
        t.col = col;
        t.cols = work_min(NR, cols - col);
        t.sums = b->sums + first * t.step + at + col;
        (t.cols <= VL ? narrow : wide)[rows](&t);
    }
}

/* The same of all output channels, with columns as rows. */
static void add_swapped(const block *b, int64_t runs, int64_t at, int64_t cols)
{
    const conv *c = &b->g->c;
    int64_t tiles = work_pieces(cols, MR);
    for (int64_t i = 0; i < tiles; i++)
        for (int64_t o = 0; o < c->out; o += NR) {
            tile t = {.swapped = 1, .runs = b->runs, .count = runs, .col = cols * i / tiles};
            t.dy = dy_of(b) + o;
            t.dy_step = b->g->out_all;
            t.step = c->out;
            t.cols = work_min(NR, c->out - o);
            t.sums = b->sums + (at + t.col) * c->out + o;
            (t.cols <= VL ? narrow : wide)[cols * (i + 1) / tiles - t.col](&t);
        }
}

static void run_block(const block *b)
{
    const conv *c = &b->g->c;
    int64_t across = c->kernel[LAST] / b->g->joined, cols = b->g->joined * c->in;
    copy_block(b);
    for (int64_t tap = 0; tap < c->kernel[0] * c->kernel[1] * across; tap++) {
        int64_t k = tap % across, n = tap / across % c->kernel[1], m = tap / across / c->kernel[1];
        int64_t runs = list_runs(b, m, n, k);
        if (b->g->swapped && runs > 0)
            add_swapped(b, runs, tap * cols, cols);
        for (int64_t i = 0; !b->g->swapped && runs > 0 && i < tiles_of(b); i++)
            add_columns(b, i, runs, tap * cols, cols);
    }
}

/* ---- the whole gradient ---- */

static void sum_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const cpu_direct_grad *g = job;
    const conv *c = &g->c;
    float *room = g->rooms + thread * g->room;
    for (int64_t i = first; i < end; i++) {
        int64_t part = i / g->splits, split = i % g->splits, all = lines_of(g);
        int64_t line = all * part / g->parts, line_end = all * (part + 1) / g->parts;
        block b = {.g = g, .out = c->out * split / g->splits, .out_end = c->out * (split + 1) / g->splits};
        b.sums = g->sums + part * c->out * columns_of(g);
        b.runs = (run *)(void *)room;
        b.packed = room + run_floats(g);
        b.windows = b.packed + packed_floats(g);
        memset(b.sums + b.out * columns_of(g), 0,
               (size_t)((b.out_end - b.out) * columns_of(g)) * sizeof *b.sums);
        while (line < line_end) {
            int64_t plane = line / c->y[1];
            b.sample = plane / c->y[0];
            b.z = plane % c->y[0];
            b.line = line % c->y[1];
            b.line_end = work_min(c->y[1], work_min(b.line + g->rows, b.line + line_end - line));
            run_block(&b);
            line += b.line_end - b.line;
        }
    }
}

/* The sums of all parts of one output channel, in order, in those of the first. */
static void add_parts(const cpu_direct_grad *g, float *sums)
{
    int64_t n = columns_of(g), part = g->c.out * n;
    for (int64_t p = 1; p < g->parts; p++)
        for (int64_t i = 0; i < n; i++)
            sums[i] += sums[p * part + i];
}

/* [taps][C] to [C][taps]. If there is one vector of taps, whole vectors are stored, and the next channel
 * overwrites what one has too much. */
static void turn(const cpu_direct_grad *g, const float *sums, float *to)
{
    int64_t taps = g->c.taps, n = g->c.in;
    vf m[VL];
    if (taps == 1) {
        memcpy(to, sums, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t c = 0; c < n; c += VL)
        for (int64_t t = 0; t < taps; t += VL) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                m[i] = t + i < taps ? vload(sums + (t + i) * n + c) : vset(0.0f);
            vturn(m);
            for (int64_t i = 0; i < work_min(VL, n - c); i++) {
                float *at = to + (c + i) * taps + t;
                if (taps <= VL && (n - c - i) * taps >= VL)
                    vstore(at, m[i]);
                else
                    vstore_n(at, m[i], taps - t);
            }
        }
}

/* One output channel of swapped sums [taps][C][O], of which the parts are added up on the way. */
static void turn_swapped(const cpu_direct_grad *g, int64_t o, float *to)
{
    int64_t taps = g->c.taps, n = g->c.in, out = g->c.out;
    for (int64_t i = 0; i < taps * n; i++) {
        float sum = g->sums[i * out + o];
        for (int64_t p = 1; p < g->parts; p++)
            sum += g->sums[(p * taps * n + i) * out + o];
        to[i % n * taps + i / n] = sum;
    }
}

static void turn_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const cpu_direct_grad *g = job;
    (void)thread;
    for (int64_t o = first; o < end; o++) {
        if (g->swapped) {
            turn_swapped(g, o, g->dw + o * columns_of(g));
            continue;
        }
        add_parts(g, g->sums + o * columns_of(g));
        turn(g, g->sums + o * columns_of(g), g->dw + o * columns_of(g));
    }
}

void KERNEL(cpu_direct_grad_run)(const cpu_direct_grad *g, cpu_team *team)
{
    int64_t floats = g->c.out * columns_of(g);
    cpu_team_share(team, g->parts * g->splits, g->c.batch * conv_count(g->c.y) * floats / 16, sum_tasks, g);
    cpu_team_share(team, g->c.out, floats * g->parts, turn_tasks, g);
}
