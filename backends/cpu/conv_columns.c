/* SPDX-License-Identifier: Apache-2.0 */
/* conv_columns.c - convolution and its gradients as serial matrix products over blocks of pixels, which are
 * distributed over the backend's own threads.
 *
 * A block's columns are the values that each of its pixels reads, [pixels][taps][channels], zeros outside the
 * image; at any time no more of them than fit in the second-level cache. y and dx are columns times weights,
 * transposed to [taps][from][to]; dw is dy^T times columns. Each group of channels is computed by itself. */
#include "backends/cpu/conv.h"

#include <stdatomic.h>
#include <string.h>

#include "backends/cpu/library.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum {
    DEPTH = 512,             /* floats of columns at a time; one tap's channels if they are more */
    ROWS = 384,              /* most pixels of a block, */
    COLUMN_FLOATS = 1 << 18, /* which have at most this many values in columns */
    STEP = 16                /* floats of a cache line: sizes in scratch are multiples */
};

/* ---- the job of one of the three ops ---- */

typedef struct plan {
    cpu_way way;
    conv c;
    int back;                 /* from dy to dx */
    int64_t from, to;         /* channels of a group */
    int64_t from_all, to_all; /* of all groups */
    int64_t source[SPACE], target[SPACE];
    int64_t phases;
    int64_t chunk;         /* taps at a time */
    int64_t rows;          /* pixels of a block */
    int64_t parts, chunks; /* gradient of the weights: separate sums for this many parts of the pixels */
    int in_place;          /* the source is its own columns */
    int64_t weights, columns, tile, own; /* floats of scratch: of all; of each thread */
} plan;

static int64_t lines(int64_t floats)
{
    return work_pieces(floats, STEP) * STEP;
}

/* Returns the length of equal pieces of n, at most `most`. */
static int64_t even(int64_t n, int64_t most)
{
    return work_pieces(n, work_pieces(n, work_max(1, most)));
}

static int64_t block_rows(int64_t pixels, int64_t depth, int threads)
{
    int64_t rows = work_max(2 * STEP, work_min(ROWS, COLUMN_FLOATS / depth));
    rows = work_min(rows, work_pieces(work_pieces(pixels, threads), STEP) * STEP);
    return work_min(pixels, work_pieces(even(pixels, rows), STEP) * STEP);
}

static int is_pointwise(const conv *c)
{
    int same = 1;
    for (int i = 0; i < SPACE; i++)
        same = same && c->kernel[i] == 1 && c->stride[i] == 1 && c->pad[i] == 0 && c->pad_end[i] == 0;
    return same;
}

static cpu_gemm gemm_of(int64_t m, int64_t n, int64_t k, int trans_a)
{
    return (cpu_gemm){.m = m, .n = n, .k = k, .trans_a = trans_a, .b_type = BK_F32};
}

static int64_t own_floats(const cpu_device *dev, cpu_gemm g)
{
    return dev->own_products ? lines((int64_t)(dev->kernels->gemm_scratch(&g, 1) / sizeof(float))) : 0;
}

static void plan_product(const cpu_device *dev, plan *p)
{
    int64_t sizes[SPACE], pixels = p->c.batch;
    for (int i = 0; i < SPACE; i++) {
        sizes[i] = p->back ? work_pieces(p->target[i], p->c.stride[i]) : p->target[i];
        pixels *= sizes[i];
    }
    p->chunk = p->in_place ? 1 : even(p->c.taps, DEPTH / p->from);
    int64_t depth = p->chunk * p->from;
    p->rows = block_rows(pixels, depth, dev->threads);
    p->weights = lines(p->c.taps * p->from * p->to * p->c.groups);
    p->columns = p->in_place ? 0 : lines(p->rows * depth);
    p->tile = p->phases > 1 || p->c.groups > 1 ? lines(p->rows * p->to) : 0;
    p->own = own_floats(dev, gemm_of(p->rows, p->to, depth, 0));
}

/* One thread computes each chunk of taps of a group over all pixels; if there are too few chunks, pixels are
 * divided too. */
static void plan_grad_weight(const cpu_device *dev, plan *p)
{
    const conv *c = &p->c;
    int64_t tasks = dev->threads > 1 ? 2 * dev->threads : 1, pixels = c->batch * conv_count(c->y);
    p->chunk = work_min(even(c->taps, DEPTH / p->from), work_pieces(c->taps, tasks));
    p->chunks = work_pieces(c->taps, p->chunk);
    p->rows = block_rows(pixels, p->chunk * p->from, 1);
    p->parts = p->chunks * c->groups >= dev->threads ? 1 : work_pieces(tasks, p->chunks * c->groups);
    p->parts = work_min(p->parts, work_pieces(pixels, p->rows));
    p->weights = lines(c->taps * p->from * p->to * c->groups * p->parts);
    p->columns = p->in_place ? 0 : lines(p->rows * p->chunk * p->from);
    p->tile = c->groups > 1 ? lines(p->rows * p->to) : 0;
    p->own = own_floats(dev, gemm_of(p->to, p->chunk * p->from, p->rows, 1));
}

static void plan_of(const cpu_device *dev, const conv *c, bk_op op, plan *p)
{
    p->c = *c;
    p->back = op == BK_CONV_GRAD_INPUT;
    p->from_all = p->back ? c->out : c->in;
    p->to_all = p->back ? c->in : c->out;
    p->from = p->from_all / c->groups;
    p->to = p->to_all / c->groups;
    memcpy(p->source, p->back ? c->y : c->x, sizeof p->source);
    memcpy(p->target, p->back ? c->x : c->y, sizeof p->target);
    p->in_place = is_pointwise(c) && c->groups == 1;
    p->phases = p->back ? conv_phases(c) : 1;
    if (op == BK_CONV_GRAD_WEIGHT)
        plan_grad_weight(dev, p);
    else
        plan_product(dev, p);
}

static size_t plan_bytes(const plan *p, int threads)
{
    return (size_t)(p->weights + threads * (p->columns + p->tile + p->own)) * sizeof(float);
}

/* One thread's part of scratch. */
typedef struct room {
    float *columns, *tile, *own;
} room;

static room room_of(const plan *p, const bk_call *call, int thread)
{
    float *at = (float *)call->scratch + p->weights + thread * (p->columns + p->tile + p->own);
    return (room){at, at + p->columns, at + p->columns + p->tile};
}

static conv_phase phase_of(const plan *p, int64_t number)
{
    return p->back ? conv_backward(&p->c, number) : conv_forward(&p->c);
}

/* ---- columns ---- */

/* The taps first..end of one line of the kernel (along the last axis), as pixel `at` reads them, `gap` apart,
 * from a line of the image; NULL: a line outside. */
static void fill_line(const plan *p, int64_t gap, const float *line, int64_t at, int64_t first, int64_t end,
                      float *to)
{
    int64_t n = p->from, low = work_min(end, work_max(first, at < 0 ? work_pieces(-at, gap) : 0));
    int64_t inside = at < p->source[LAST] ? work_pieces(p->source[LAST] - at, gap) : 0;
    int64_t high = work_max(low, work_min(end, inside));
    if (!line)
        low = high = end;
    memset(to, 0, (size_t)((low - first) * n) * sizeof *to);
    if (gap == 1 && n == p->from_all && low < high)
        memcpy(to + (low - first) * n, line + (at + low) * n, (size_t)((high - low) * n) * sizeof *to);
    else
        for (int64_t m = low; m < high; m++)
            memcpy(to + (m - first) * n, line + (at + m * gap) * p->from_all, (size_t)n * sizeof *to);
    memset(to + (high - first) * n, 0, (size_t)((end - high) * n) * sizeof *to);
}

/* Taps tap..tap_end of the pixel at place `at` (of its phase) of sample b. */
static void fill_pixel(const plan *p, const conv_phase *f, const float *in, int64_t b, const int64_t *at,
                       int64_t tap, int64_t tap_end, float *to)
{
    while (tap < tap_end) {
        int64_t line = tap / f->taps[LAST], first = tap % f->taps[LAST];
        int64_t end = work_min(f->taps[LAST], first + tap_end - tap);
        int64_t s0 = at[0] * f->move[0] + f->origin[0] + line / f->taps[1] * f->gap[0];
        int64_t s1 = at[1] * f->move[1] + f->origin[1] + line % f->taps[1] * f->gap[1];
        int inside = s0 >= 0 && s0 < p->source[0] && s1 >= 0 && s1 < p->source[1];
        const float *row =
            inside ? in + ((b * p->source[0] + s0) * p->source[1] + s1) * p->source[LAST] * p->from_all
                   : NULL;
        fill_line(p, f->gap[LAST], row, at[LAST] * f->move[LAST] + f->origin[LAST], first, end, to);
        to += (end - first) * p->from;
        tap += end - first;
    }
}

/* Makes the columns of a phase's pixels from `pixel` on, of the group whose first channel is in[0]; returns
 * their address. */
static const float *fill_columns(const plan *p, const conv_phase *f, const float *in, int64_t pixel,
                                 int64_t rows, int64_t tap, int64_t tap_end, float *columns)
{
    if (p->in_place)
        return in + pixel * p->from;
    int64_t at[SPACE], b = pixel / conv_count(f->size);
    conv_place(pixel % conv_count(f->size), f->size, at);
    for (int64_t r = 0; r < rows; r++, conv_next(f->size, &b, at))
        fill_pixel(p, f, in, b, at, tap, tap_end, columns + r * (tap_end - tap) * p->from);
    return columns;
}

/* ---- products ---- */

/* y[m,n] = a b, or y += a b; a is stored [k,m] with trans_a. On the calling thread alone. */
typedef struct serial {
    int64_t m, n, k;
    int trans_a, add;
    const float *a, *b;
    float *y, *own;
} serial;

static int multiply(const cpu_device *dev, const serial *s)
{
    if (dev->own_products) {
        cpu_gemm g = gemm_of(s->m, s->n, s->k, s->trans_a);
        g.a = s->a;
        g.b = s->b;
        g.y = g.part = s->y;
        g.residual = s->add ? s->y : NULL;
        dev->kernels->gemm(&g, NULL, s->own);
        return 1;
    }
    const product p = {.batch = 1, .m = s->m, .n = s->n, .k = s->k, .trans_a = s->trans_a};
    const tile t = {.a = s->a,
                    .b = s->b,
                    .y = s->y,
                    .rows = s->m,
                    .cols = s->n,
                    .step = s->n,
                    .beta = s->add ? 1.0f : 0.0f};
    return dev->library->serial(&p, &t);
}

/* What threads share; `good` becomes 0 if the library failed. */
typedef struct columns_job {
    const cpu_device *dev;
    const bk_call *call;
    int64_t each, blocks; /* tasks of a group, of a phase */
    atomic_int *good;
} columns_job;

/* ---- convolution and the gradient of its input ---- */

enum { BLOCK = 16 };

/* At most BLOCK x BLOCK channels of a group, all taps: [O][C][K...] to [phases][taps][from][to]. */
static void transpose_block(const plan *p, const float *w, int64_t o, int64_t c, float *to)
{
    int64_t outs = p->c.out / p->c.groups, ins = p->c.in / p->c.groups;
    int64_t o_end = work_min(outs, o + BLOCK), c_end = work_min(ins, c + BLOCK);
    int64_t o_step = p->back ? p->to : 1, c_step = p->back ? 1 : p->to;
    for (int64_t n = 0; n < p->phases; n++) {
        conv_phase f = phase_of(p, n);
        for (int64_t m = 0; m < conv_count(f.taps); m++, to += p->from * p->to) {
            const float *tap = w + conv_tap(&p->c, &f, m);
            for (int64_t j = c; j < c_end; j++)
                for (int64_t i = o; i < o_end; i++)
                    to[i * o_step + j * c_step] = tap[(i * ins + j) * p->c.taps];
        }
    }
}

/* Weights of all groups, one after the other, at the front of scratch. */
static void transpose_blocks(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const plan *p = call->state;
    const float *w = conv_w(call)->data;
    int64_t across = work_pieces(p->c.in / p->c.groups, BLOCK);
    int64_t blocks = work_pieces(p->c.out / p->c.groups, BLOCK) * across;
    int64_t group = p->c.taps * p->from * p->to;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        int64_t g = i / blocks, block = i % blocks;
        transpose_block(p, w + g * group, block / across * BLOCK, block % across * BLOCK,
                        (float *)call->scratch + g * group);
    }
}

static void transpose_weights(cpu_team *team, const bk_call *call)
{
    const plan *p = call->state;
    int64_t down = work_pieces(p->c.out / p->c.groups, BLOCK);
    int64_t across = work_pieces(p->c.in / p->c.groups, BLOCK);
    cpu_team_share(team, p->c.groups * down * across, p->weights, transpose_blocks, call);
}

/* Copies a tile's rows to their pixels; the group's first channel is out[0]. */
static void spread(const plan *p, const conv_phase *f, const float *tile, int64_t pixel, int64_t rows,
                   float *out)
{
    int64_t at[SPACE], b = pixel / conv_count(f->size);
    conv_place(pixel % conv_count(f->size), f->size, at);
    for (int64_t r = 0; r < rows; r++, conv_next(f->size, &b, at)) {
        int64_t place = b;
        for (int i = 0; i < SPACE; i++)
            place = place * p->target[i] + f->first[i] + at[i] * f->step[i];
        memcpy(out + place * p->to_all, tile + r * p->to, (size_t)p->to * sizeof *out);
    }
}

/* A block of one phase and group; w is their part of the weights. */
static int run_block(const cpu_device *dev, const plan *p, const bk_call *call, const conv_phase *f,
                     int64_t group, const float *w, int64_t pixel, int64_t rows, const room *m)
{
    const float *in = (p->back ? conv_y(call) : conv_x(call))->data, *bias = conv_bias(call);
    float *out = (float *)call->out[0].data + group * p->to, *y = p->tile ? m->tile : out + pixel * p->to;
    int64_t taps = conv_count(f->taps);
    int good = 1;
    if (taps == 0)
        memset(y, 0, (size_t)(rows * p->to) * sizeof *y);
    for (int64_t tap = 0; tap < taps; tap += p->chunk) {
        int64_t end = work_min(taps, tap + p->chunk);
        serial s = {.m = rows, .n = p->to, .k = (end - tap) * p->from, .add = tap > 0, .y = y, .own = m->own};
        s.a = fill_columns(p, f, in + group * p->from, pixel, rows, tap, end, m->columns);
        s.b = w + tap * p->from * p->to;
        good = multiply(dev, &s) && good;
    }
    if (bias || call->attr.activation) {
        cpu_epilogue e = {.rows = rows, .cols = p->to, .product = y, .y = y};
        e.bias = bias ? bias + group * p->to : NULL;
        e.act = cpu_activation_of(&call->attr);
        e.product_step = e.y_step = p->to;
        dev->kernels->epilogue(&e);
    }
    if (p->tile)
        spread(p, f, y, pixel, rows, out);
    return good;
}

/* Computes block `index` of phase `number` of a group, if there is one. */
static int run_task(const cpu_device *dev, const plan *p, const bk_call *call, int64_t group, int64_t number,
                    int64_t index, const room *m)
{
    const float *w = (const float *)call->scratch + group * p->c.taps * p->from * p->to;
    for (int64_t n = 0; n < number; n++) {
        conv_phase before = phase_of(p, n);
        w += conv_count(before.taps) * p->from * p->to;
    }
    conv_phase f = phase_of(p, number);
    int64_t pixel = index * p->rows, pixels = p->c.batch * conv_count(f.size);
    return pixel >= pixels ||
           run_block(dev, p, call, &f, group, w, pixel, work_min(p->rows, pixels - pixel), m);
}

static void product_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const columns_job *j = job;
    const plan *p = j->call->state;
    room m = room_of(p, j->call, thread);
    for (int64_t i = first; i < end; i++)
        if (!run_task(j->dev, p, j->call, i / j->each, i % j->each / j->blocks, i % j->blocks, &m))
            atomic_store(j->good, 0);
}

static bk_status run_product(cpu_device *dev, bk_call *call)
{
    const plan *p = call->state;
    atomic_int good = 1;
    columns_job j = {.dev = dev, .call = call, .good = &good};
    transpose_weights(dev->team, call);
    conv_phase largest = phase_of(p, 0);
    j.blocks = work_pieces(p->c.batch * conv_count(largest.size), p->rows);
    j.each = p->phases * j.blocks;
    int64_t work = p->c.batch * conv_count(p->c.y) * p->c.taps * p->from * p->to_all;
    cpu_team_share(dev->team, p->c.groups * j.each, work / 16, product_tasks, &j);
    return atomic_load(&good) ? BK_OK : BK_ERR_FAILED;
}

/* ---- the gradient of the weights ---- */

/* dy of one group, [rows][O of the group]. */
static const float *group_rows(const plan *p, const float *dy, int64_t rows, float *tile)
{
    if (!p->tile)
        return dy;
    for (int64_t r = 0; r < rows; r++)
        memcpy(tile + r * p->to, dy + r * p->to_all, (size_t)p->to * sizeof *tile);
    return tile;
}

/* sums[O][taps][C] of one chunk of taps of a group over one part of the pixels. */
static int add_chunk(const cpu_device *dev, const plan *p, const bk_call *call, int64_t group, int64_t chunk,
                     int64_t part, const room *m)
{
    const conv *c = &p->c;
    conv_phase f = conv_forward(c);
    int64_t pixels = c->batch * conv_count(c->y), blocks = work_pieces(pixels, p->rows);
    int64_t first = blocks * part / p->parts, end = blocks * (part + 1) / p->parts;
    int64_t tap = chunk * p->chunk, tap_end = work_min(c->taps, tap + p->chunk);
    const float *x = (const float *)conv_x(call)->data + group * p->from;
    const float *dy = (const float *)conv_y(call)->data + group * p->to;
    float *sums = (float *)call->scratch + ((part * c->groups + group) * c->taps + tap) * p->from * p->to;
    int good = 1;
    for (int64_t i = first; i < end; i++) {
        int64_t pixel = i * p->rows, rows = work_min(p->rows, pixels - pixel);
        serial s = {.m = p->to, .n = (tap_end - tap) * p->from, .k = rows, .trans_a = 1, .add = i > first};
        s.a = group_rows(p, dy + pixel * c->out, rows, m->tile);
        s.b = fill_columns(p, &f, x, pixel, rows, tap, tap_end, m->columns);
        s.y = sums;
        s.own = m->own;
        good = multiply(dev, &s) && good;
    }
    return good;
}

/* dw of one output channel: its part of all chunks, the parts of the pixels added up in order. */
static void finish_channel(const plan *p, const float *sums, int64_t o, float *dw)
{
    const conv *c = &p->c;
    int64_t part = c->taps * p->from * c->out;
    sums += o / p->to * c->taps * p->from * p->to;
    for (int64_t tap = 0; tap < c->taps; tap++) {
        int64_t first = tap / p->chunk * p->chunk, taps = work_min(p->chunk, c->taps - first);
        const float *from = sums + first * p->from * p->to + (o % p->to * taps + tap - first) * p->from;
        for (int64_t i = 0; i < p->from; i++) {
            float sum = from[i];
            for (int64_t n = 1; n < p->parts; n++)
                sum += from[n * part + i];
            dw[i * c->taps + tap] = sum;
        }
    }
}

static void sum_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const columns_job *j = job;
    const plan *p = j->call->state;
    room m = room_of(p, j->call, thread);
    for (int64_t i = first; i < end; i++)
        if (!add_chunk(j->dev, p, j->call, i / j->each, i % j->each / p->parts, i % p->parts, &m))
            atomic_store(j->good, 0);
}

static void finish_channels(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const plan *p = call->state;
    (void)thread;
    for (int64_t o = first; o < end; o++)
        finish_channel(p, call->scratch, o, (float *)call->out[0].data + o * p->from * p->c.taps);
}

static bk_status run_grad_weight(cpu_device *dev, bk_call *call)
{
    const plan *p = call->state;
    const conv *c = &p->c;
    atomic_int good = 1;
    columns_job j = {.dev = dev, .call = call, .each = p->chunks * p->parts, .good = &good};
    int64_t work = c->batch * conv_count(c->y) * c->taps * p->from * c->out;
    cpu_team_share(dev->team, c->groups * j.each, work / 16, sum_tasks, &j);
    cpu_team_share(dev->team, c->out, p->weights, finish_channels, call);
    return atomic_load(&good) ? BK_OK : BK_ERR_FAILED;
}

/* ---- prepare ---- */

bk_status columns_prepare(cpu_device *dev, const conv *c, bk_call *call)
{
    bk_status taken =
        cpu_way_new(dev, call, sizeof(plan), call->op == BK_CONV_GRAD_WEIGHT ? run_grad_weight : run_product);
    if (taken != BK_OK)
        return taken;
    plan *p = call->state;
    if (!dev->own_products)
        cpu_team_limit_openmp(dev->team);
    plan_of(dev, c, call->op, p);
    if (p->rows > INT32_MAX || p->chunk * p->from > INT32_MAX || p->to > INT32_MAX) {
        cpu_way_free(dev, call);
        return BK_ERR_UNSUPPORTED;
    }
    call->scratch_bytes = plan_bytes(p, dev->threads);
    return BK_OK;
}
