/* SPDX-License-Identifier: Apache-2.0 */
/* direct_grad.c - the gradient of a convolution's weights: for each tap a product dy^T x, whose factor x is
 * the image itself, read in place at the tap's distance.
 *
 * A block is some neighbouring lines of dy. Its values are packed to tiles [pixels][rows] of at most ROWS
 * output channels. The micro-kernel keeps the sums of a tile and of one or two vectors of columns in
 * registers while it walks over the pixels of the block, run by run: a run is the part of a line in which
 * the tap lies inside the image. Columns are the channels of a tap or, with few channels, those of all taps
 * of a kernel's line, which lie beside each other in the image; of pixels whose window reaches over the end
 * of a line they are copied, zeros outside.
 *
 * If x has fewer channels than a vector, the factors change places: vectors are output channels, read in
 * place, and the rows of a tile are columns.
 *
 * A task is one part of the pixels, which has sums of its own, and a group of output channels. Parts depend
 * on the shape alone and are added up in order: threads do not change a result. */
#include "backends/cpu/direct.h"

#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum {
    MR = CPU_LEVEL == 4 ? 14 : 6, /* rows of a tile with two vectors of columns */
    NR = 2 * VL,
    BLOCK_FLOATS = 96 * 1024, /* of dy or x in a block: both stay in the second-level cache */
    BLOCK_PIXELS = 2048,
    LINE = 16 /* floats of a cache line */
};

/* ---- sizes ---- */

static int64_t columns_of(const cpu_direct_grad *g)
{
    return g->c.taps * g->c.in;
}

static int64_t lines_of(const cpu_direct_grad *g)
{
    return g->c.batch * g->c.y[0] * g->c.y[1];
}

static int64_t cut_up(int64_t n)
{
    return work_pieces(n, LINE) * LINE;
}

/* Lines of x that n lines of dy read, of one plane. */
static int64_t reach(const cpu_direct_grad *g, int64_t n)
{
    return (n - 1) * g->c.stride[1] + (g->c.kernel[1] - 1) * g->c.dilation[1] + 1;
}

/* Pixels first to end - 1 of a line of dy have windows inside the line of x. */
static void whole_windows(const conv *c, int64_t *first, int64_t *end)
{
    int64_t over = c->x[LAST] + c->pad[LAST] - (c->kernel[LAST] - 1) * c->dilation[LAST] - 1;
    *first = work_min(c->y[LAST], work_pieces(c->pad[LAST], c->stride[LAST]));
    *end = over < 0 ? *first : work_max(*first, work_min(c->y[LAST], over / c->stride[LAST] + 1));
}

/* The copied windows: [planes][lines][pixels][columns]. */
static int64_t windows_of_line(const cpu_direct_grad *g)
{
    int64_t first, end;
    whole_windows(&g->c, &first, &end);
    return g->joined > 1 ? g->c.y[LAST] - (end - first) : 0;
}

static int64_t window_floats(const cpu_direct_grad *g)
{
    return cut_up(g->c.kernel[0] * reach(g, g->rows) * windows_of_line(g) * g->joined * g->c.in) + NR;
}

/* A piece of a line of dy whose windows lie in memory at equal distances. */
typedef struct run {
    const float *x;
    int64_t step;      /* to the next pixel's */
    const float *end;  /* of the memory in which x lies */
    int64_t at, count; /* pixels of the block */
} run;

static int64_t run_floats(const cpu_direct_grad *g)
{
    enum { RUNS = 3 }; /* of a line */
    return cut_up(RUNS * g->rows * (int64_t)(sizeof(run) / sizeof(float)));
}

/* A pixel of few channels lies in one or two lines of the cache as it is. */
static int is_packed(const cpu_direct_grad *g)
{
    return !g->swapped && g->c.out > 2 * LINE;
}

static int64_t packed_floats(const cpu_direct_grad *g)
{
    if (!is_packed(g))
        return 0;
    return cut_up(g->rows * g->c.y[LAST] * work_pieces(g->c.out, g->splits)) + LINE;
}

void KERNEL(cpu_direct_grad_plan)(cpu_direct_grad *g)
{
    enum { PARTS = 16, PART_FLOATS = 512 * 1024, PART_PIXELS = 512, GROUP = 18 * MR, EACH = 4 };
    const conv *c = &g->c;
    int64_t tiles = work_pieces(c->out, MR), pixels = c->batch * conv_count(c->y);
    g->parts = work_min(work_min(PARTS, PART_FLOATS / (columns_of(g) * c->out)), pixels / PART_PIXELS);
    g->parts = work_max(1, work_min(g->parts, lines_of(g)));
    g->splits = work_pieces(c->out, GROUP);
    if (c->out > 1 && g->threads > 1)
        g->splits = work_min(tiles, work_max(g->splits, EACH * g->threads / g->parts));
    g->swapped = c->in < VL && c->out % VL == 0;
    if (g->swapped)
        g->splits = 1;
    g->joined = c->in <= VL && c->in == g->in_all && c->dilation[LAST] == 1 ? c->kernel[LAST] : 1;
    int64_t most = BLOCK_FLOATS / work_max(work_pieces(c->out, work_pieces(c->out, GROUP)), c->in);
    g->rows = work_max(1, work_min(c->y[1], work_min(BLOCK_PIXELS, most) / c->y[LAST]));
    g->rows = work_pieces(c->y[1], work_pieces(c->y[1], g->rows));
    g->room = run_floats(g) + packed_floats(g) + window_floats(g);
    g->sums_floats = cut_up(g->parts * c->out * columns_of(g)) + NR;
}

/* ---- the micro-kernel ---- */

/* Some output channels and columns: those of the runs' x are the vectors, of dy the rows; or the other way
 * round. */
typedef struct tile {
    const float *dy; /* [pixels], dy_step floats apart */
    int64_t dy_step;
    int swapped;
    const run *runs;
    int64_t count; /* of runs */
    int64_t col;   /* the first column, relative to the runs' x */
    float *sums;
    int64_t step; /* floats between rows of sums */
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
        vf d = vset(dy[i]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[i * vectors + v] += d * w[v];
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

/* Lines line..line_end of plane z of a sample, output channels out..out_end. */
typedef struct block {
    const cpu_direct_grad *g;
    int64_t sample, z, line, line_end, out, out_end;
    float *sums; /* of the part */
    run *runs;
    float *packed, *windows;
} block;

static int64_t block_pixels(const block *b)
{
    return (b->line_end - b->line) * b->g->c.y[LAST];
}

/* A group's tiles are equal but for one row. */
static int64_t tiles_of(const block *b)
{
    return work_pieces(b->out_end - b->out, MR);
}

static int64_t tile_at(const block *b, int64_t tile)
{
    return b->out + (b->out_end - b->out) * tile / tiles_of(b);
}

INLINE void pack_rows(const float *dy, int64_t step, int64_t pixels, float *to, const int64_t rows)
{
    for (int64_t p = 0; p < pixels; p++, dy += step, to += rows)
        memcpy(to, dy, (size_t)rows * sizeof *to);
}

/* The first pixel of dy. */
static const float *dy_of(const block *b)
{
    const conv *c = &b->g->c;
    int64_t line = (b->sample * c->y[0] + b->z) * c->y[1] + b->line;
    return b->g->dy + line * c->y[LAST] * b->g->out_all;
}

static void pack(const block *b)
{
    int64_t pixels = block_pixels(b);
    const float *dy = dy_of(b);
    for (int64_t i = 0; i < tiles_of(b); i++) {
        int64_t first = tile_at(b, i), rows = tile_at(b, i + 1) - first;
        float *to = b->packed + (first - b->out) * pixels;
        if (rows == MR)
            pack_rows(dy + first, b->g->out_all, pixels, to, MR);
        else if (rows == MR - 1)
            pack_rows(dy + first, b->g->out_all, pixels, to, MR - 1);
        else
            pack_rows(dy + first, b->g->out_all, pixels, to, rows);
    }
}

/* The line of x under tap (m, n) of a line of dy, or NULL outside. */
static const float *line_under(const block *b, int64_t line, int64_t m, int64_t n)
{
    const conv *c = &b->g->c;
    int64_t z = b->z * c->stride[0] - c->pad[0] + m * c->dilation[0];
    int64_t y = line * c->stride[1] - c->pad[1] + n * c->dilation[1];
    if (z < 0 || z >= c->x[0] || y < 0 || y >= c->x[1])
        return NULL;
    return b->g->x + ((b->sample * c->x[0] + z) * c->x[1] + y) * c->x[LAST] * b->g->in_all;
}

/* The window of pixel p of dy on one line of x. */
static void copy_window(const conv *c, const float *x, int64_t p, float *to)
{
    int64_t first = p * c->stride[LAST] - c->pad[LAST], n = c->in;
    for (int64_t k = 0; k < c->kernel[LAST]; k++)
        for (int64_t i = 0; i < n; i++)
            to[k * n + i] = first + k >= 0 && first + k < c->x[LAST] ? x[(first + k) * n + i] : 0.0f;
}

/* Copies the windows that reach over an end of a line, of all lines of x that the block reads. */
static void copy_windows(const block *b)
{
    const cpu_direct_grad *g = b->g;
    const conv *c = &g->c;
    int64_t first, end, size = g->joined * c->in, count = windows_of_line(g);
    int64_t low = b->line * c->stride[1] - c->pad[1];
    int64_t lines = reach(g, b->line_end - b->line);
    whole_windows(c, &first, &end);
    for (int64_t m = 0; m < c->kernel[0] && count > 0; m++)
        for (int64_t y = work_max(0, low); y < work_min(c->x[1], low + lines); y++) {
            int64_t z = b->z * c->stride[0] - c->pad[0] + m * c->dilation[0];
            if (z < 0 || z >= c->x[0])
                continue;
            const float *x = g->x + ((b->sample * c->x[0] + z) * c->x[1] + y) * c->x[LAST] * c->in;
            float *to = b->windows + (m * reach(g, g->rows) + y - low) * count * size;
            for (int64_t i = 0; i < count; i++)
                copy_window(c, x, i < first ? i : i + end - first, to + i * size);
        }
}

static run *add_run(run *to, run r)
{
    if (r.count > 0)
        *to++ = r;
    return to;
}

/* Runs of one line under the joined taps of a kernel's line: copied windows before and after those in place.
 */
static run *joined_runs(const block *b, int64_t line, int64_t m, int64_t n, const float *x, run *to)
{
    const cpu_direct_grad *g = b->g;
    const conv *c = &g->c;
    int64_t first, end, size = g->joined * c->in, count = windows_of_line(g);
    int64_t at = (line - b->line) * c->y[LAST];
    whole_windows(c, &first, &end);
    const float *copy =
        b->windows +
        (m * reach(g, g->rows) + (line - b->line) * c->stride[1] + n * c->dilation[1]) * count * size;
    const float *copies_end = b->windows + window_floats(g);
    to = add_run(to, (run){copy, size, copies_end, at, first});
    if (end > first)
        to = add_run(to, (run){x + (first * c->stride[LAST] - c->pad[LAST]) * c->in, c->stride[LAST] * c->in,
                               g->x_end, at + first, end - first});
    return add_run(to, (run){copy + first * size, size, copies_end, at + end, c->y[LAST] - end});
}

/* The run of one line under tap k of a kernel's line. */
static run *plain_run(const block *b, int64_t line, int64_t k, const float *x, run *to)
{
    const conv *c = &b->g->c;
    int64_t over = c->pad[LAST] - k * c->dilation[LAST], stride = c->stride[LAST];
    int64_t first = over > 0 ? work_pieces(over, stride) : 0;
    int64_t last = c->x[LAST] - 1 + over; /* in x from the first pixel's tap on */
    int64_t end = last < 0 ? 0 : work_min(c->y[LAST], last / stride + 1);
    if (end <= first)
        return to;
    return add_run(to, (run){x + (first * stride - over) * b->g->in_all, stride * b->g->in_all, b->g->x_end,
                             (line - b->line) * c->y[LAST] + first, end - first});
}

/* Runs under tap (m, n, k), or under the joined taps (m, n); returns how many. */
static int64_t list_runs(const block *b, int64_t m, int64_t n, int64_t k)
{
    run *to = b->runs;
    for (int64_t line = b->line; line < b->line_end; line++) {
        const float *x = line_under(b, line, m, n);
        if (x && b->g->joined > 1)
            to = joined_runs(b, line, m, n, x, to);
        else if (x)
            to = plain_run(b, line, k, x, to);
    }
    return to - b->runs;
}

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
    if (is_packed(b->g))
        pack(b);
    copy_windows(b);
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
