/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, channels last, and its gradients: by oneDNN where that is the device's library, else as
 * serial matrix products over blocks of pixels, shared out over our threads.
 *
 *   y[s,o]    = sum over k, c of x[s stride + k - pad, c] w[o,c,k] + bias[o]
 *   dx[i,c]   = sum over k, o of dy[(i + pad - k) / stride, o] w[o,c,k], where that is a whole number
 *   dw[o,c,k] = sum over s    of x[s stride + k - pad, c] dy[s,o]
 *
 * A block's columns are the values that each of its pixels reads, [pixels][taps][channels], zeros outside the
 * image; no more of them at a time than stay in the second-level cache. y and dx are columns times weights,
 * turned to [taps][from][to]; dw is dy^T times columns.
 *
 * dx is gathered as y is, so that no two threads write one place: pixels i with equal (i + pad) mod stride on
 * each axis are read by the same taps, and are a dense convolution of their own (a phase). With stride 1
 * there is one phase, with 2 in an image there are four. */
#include "backends/cpu/conv.h"

#include <omp.h>
#include <string.h>

#include "backends/cpu/tiles.h"
#include "backends/cpu/work.h"

enum {
    LAST = SPACE - 1,
    DEPTH = 512,             /* columns at a time; one tap's channels if they are more */
    ROWS = 384,              /* most pixels of a block, */
    COLUMN_FLOATS = 1 << 18, /* which have at most so many values in columns */
    STEP = 16                /* floats of a cache line: what is in scratch is a multiple */
};

/* ---- shapes ---- */

const bk_tensor *conv_x(const bk_call *call)
{
    return call->op == BK_CONV_GRAD_INPUT ? &call->out[0] : &call->in[0];
}

const bk_tensor *conv_w(const bk_call *call)
{
    return call->op == BK_CONV_GRAD_INPUT    ? &call->in[0]
           : call->op == BK_CONV_GRAD_WEIGHT ? &call->out[0]
                                             : &call->in[1];
}

const bk_tensor *conv_y(const bk_call *call)
{
    return call->op == BK_CONV ? &call->out[0] : &call->in[1];
}

static int has_bias(const bk_call *call)
{
    return call->op == BK_CONV && call->attr.has_bias != 0;
}

const float *conv_bias(const bk_call *call)
{
    return has_bias(call) ? call->in[2].data : NULL;
}

int conv_of(const bk_call *call, conv *c)
{
    if (call->n_in != 2 + has_bias(call) || call->n_out != 1)
        return 0;
    const bk_shape *x = &conv_x(call)->shape, *w = &conv_w(call)->shape, *y = &conv_y(call)->shape;
    int axes = x->rank - 2;
    if (axes < 1 || axes > SPACE || w->rank != x->rank || y->rank != x->rank || call->attr.stride < 1 ||
        call->attr.pad < 0)
        return 0;
    *c = (conv){.axes = axes, .batch = x->dim[0], .in = w->dim[1], .out = w->dim[0], .taps = 1};
    if (y->dim[0] != c->batch || x->dim[axes + 1] != c->in || y->dim[axes + 1] != c->out ||
        (has_bias(call) && bk_count(&call->in[2].shape) != c->out))
        return 0;
    for (int i = 0; i < SPACE; i++) {
        int axis = i - (SPACE - axes) + 1; /* in x and y; in w after two */
        int given = axis >= 1;
        c->x[i] = given ? x->dim[axis] : 1;
        c->y[i] = given ? y->dim[axis] : 1;
        c->kernel[i] = given ? w->dim[axis + 1] : 1;
        c->stride[i] = given ? call->attr.stride : 1;
        c->pad[i] = given ? call->attr.pad : 0;
        int64_t room = c->x[i] + 2 * c->pad[i] - c->kernel[i];
        if (room < 0 || c->y[i] != room / c->stride[i] + 1)
            return 0;
        c->taps *= c->kernel[i];
    }
    return 1;
}

static int64_t count(const int64_t *size)
{
    return size[0] * size[1] * size[2];
}

/* Numbers of the three axes, row-major, to a place on them. */
static void split(int64_t number, const int64_t *size, int64_t *at)
{
    for (int i = LAST; i >= 0; i--) {
        at[i] = number % size[i];
        number /= size[i];
    }
}

/* ---- phases ---- */

/* Target pixels first + i * step, i < size, and the taps that reach them: tap m < taps reads source pixel
 * i * move + origin + m and is the kernel's tap + m * tap_step. */
typedef struct phase {
    int64_t first[SPACE], step[SPACE], size[SPACE];
    int64_t move[SPACE], origin[SPACE];
    int64_t taps[SPACE], tap[SPACE], tap_step[SPACE];
} phase;

/* All of y's pixels. */
static phase forward_phase(const conv *c)
{
    phase p;
    for (int i = 0; i < SPACE; i++) {
        p.first[i] = p.tap[i] = 0;
        p.step[i] = p.tap_step[i] = 1;
        p.size[i] = c->y[i];
        p.move[i] = c->stride[i];
        p.origin[i] = -c->pad[i];
        p.taps[i] = c->kernel[i];
    }
    return p;
}

/* How many phases the pixels of x fall into, on each axis. */
static void phases_of(const conv *c, int64_t *phases)
{
    for (int i = 0; i < SPACE; i++)
        phases[i] = work_min(c->stride[i], c->x[i]);
}

/* Pixels of x. Taps run backwards, so that the pixels of y that they read run forwards, as in
 * forward_phase().
 */
static phase backward_phase(const conv *c, int64_t number)
{
    phase p;
    int64_t phases[SPACE];
    phases_of(c, phases);
    split(number, phases, p.first);
    for (int i = 0; i < SPACE; i++) {
        int64_t stride = c->stride[i], lowest = (p.first[i] + c->pad[i]) % stride;
        p.step[i] = stride;
        p.size[i] = work_pieces(c->x[i] - p.first[i], stride);
        p.taps[i] = lowest < c->kernel[i] ? work_pieces(c->kernel[i] - lowest, stride) : 0;
        p.tap[i] = lowest + (p.taps[i] - 1) * stride;
        p.tap_step[i] = -stride;
        p.move[i] = 1;
        p.origin[i] = (p.first[i] + c->pad[i] - lowest) / stride - (p.taps[i] - 1);
    }
    return p;
}

/* Pixel 0 of x and of its phase reads the kernel's tap: its number in [O][C][K...]. */
static int64_t tap_of(const conv *c, const phase *p, int64_t number)
{
    int64_t m[SPACE], at = 0;
    split(number, p->taps, m);
    for (int i = 0; i < SPACE; i++)
        at = at * c->kernel[i] + p->tap[i] + m[i] * p->tap_step[i];
    return at;
}

/* ---- what one of the three ops does ---- */

typedef struct plan {
    conv c;
    int back;         /* from dy to dx */
    int64_t from, to; /* channels */
    int64_t source[SPACE], target[SPACE];
    int64_t phases;
    int64_t chunk;          /* taps at a time */
    int64_t rows;           /* pixels of a block */
    int64_t groups, chunks; /* gradient of the weights: sums apart of so many parts of the pixels */
    int in_place;           /* the source is its own columns */
    int64_t weights, columns, tile, own; /* floats of scratch: of all; of each thread */
} plan;

static int64_t lines(int64_t floats)
{
    return work_pieces(floats, STEP) * STEP;
}

/* The length of equal pieces of n, at most `most` long. */
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
        same = same && c->kernel[i] == 1 && c->stride[i] == 1 && c->pad[i] == 0;
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
    p->weights = lines(p->c.taps * p->from * p->to);
    p->columns = p->in_place ? 0 : lines(p->rows * depth);
    p->tile = p->phases > 1 ? lines(p->rows * p->to) : 0;
    p->own = own_floats(dev, gemm_of(p->rows, p->to, depth, 0));
}

/* Each chunk of taps is one thread's, through all pixels; where there are too few of them, pixels are
 * divided too. */
static void plan_grad_weight(const cpu_device *dev, plan *p)
{
    const conv *c = &p->c;
    int64_t tasks = dev->threads > 1 ? 2 * dev->threads : 1, pixels = c->batch * count(c->y);
    p->chunk = work_min(even(c->taps, DEPTH / c->in), work_pieces(c->taps, tasks));
    p->chunks = work_pieces(c->taps, p->chunk);
    p->rows = block_rows(pixels, p->chunk * c->in, 1);
    p->groups = p->chunks >= dev->threads ? 1 : work_pieces(tasks, p->chunks);
    p->groups = work_min(p->groups, work_pieces(pixels, p->rows));
    p->weights = lines(c->taps * c->in * c->out * p->groups);
    p->columns = p->in_place ? 0 : lines(p->rows * p->chunk * c->in);
    p->own = own_floats(dev, gemm_of(c->out, p->chunk * c->in, p->rows, 1));
}

static int plan_of(const cpu_device *dev, const bk_call *call, plan *p)
{
    *p = (plan){.phases = 1, .back = call->op == BK_CONV_GRAD_INPUT};
    if (!conv_of(call, &p->c))
        return 0;
    conv *c = &p->c;
    p->from = p->back ? c->out : c->in;
    p->to = p->back ? c->in : c->out;
    memcpy(p->source, p->back ? c->y : c->x, sizeof p->source);
    memcpy(p->target, p->back ? c->x : c->y, sizeof p->target);
    p->in_place = is_pointwise(c);
    if (p->back) {
        int64_t phases[SPACE];
        phases_of(c, phases);
        p->phases = count(phases);
    }
    if (call->op == BK_CONV_GRAD_WEIGHT)
        plan_grad_weight(dev, p);
    else
        plan_product(dev, p);
    return 1;
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

/* ---- columns ---- */

/* The taps first..end of one line of the kernel (along the last axis), as pixel `at` reads them from a line
 * of the image; NULL: a line outside. */
static void fill_line(const plan *p, const float *line, int64_t at, int64_t first, int64_t end, float *to)
{
    int64_t n = p->from, low = work_min(end, work_max(first, -at));
    int64_t high = work_max(low, work_min(end, p->source[LAST] - at));
    if (!line)
        low = high = end;
    memset(to, 0, (size_t)((low - first) * n) * sizeof *to);
    if (low < high)
        memcpy(to + (low - first) * n, line + (at + low) * n, (size_t)((high - low) * n) * sizeof *to);
    memset(to + (high - first) * n, 0, (size_t)((end - high) * n) * sizeof *to);
}

/* Taps tap..tap_end of the pixel at place `at` (of its phase) of sample b. */
static void fill_pixel(const plan *p, const phase *f, const float *in, int64_t b, const int64_t *at,
                       int64_t tap, int64_t tap_end, float *to)
{
    while (tap < tap_end) {
        int64_t line = tap / f->taps[LAST], first = tap % f->taps[LAST];
        int64_t end = work_min(f->taps[LAST], first + tap_end - tap);
        int64_t s0 = at[0] * f->move[0] + f->origin[0] + line / f->taps[1];
        int64_t s1 = at[1] * f->move[1] + f->origin[1] + line % f->taps[1];
        int inside = s0 >= 0 && s0 < p->source[0] && s1 >= 0 && s1 < p->source[1];
        const float *row = in + ((b * p->source[0] + s0) * p->source[1] + s1) * p->source[LAST] * p->from;
        fill_line(p, inside ? row : NULL, at[LAST] * f->move[LAST] + f->origin[LAST], first, end, to);
        to += (end - first) * p->from;
        tap += end - first;
    }
}

static void next_place(const int64_t *size, int64_t *b, int64_t *at)
{
    for (int i = LAST; i >= 0; i--) {
        if (++at[i] < size[i])
            return;
        at[i] = 0;
    }
    ++*b;
}

/* Columns of a phase's pixels from `pixel` on; where they lie. */
static const float *fill_columns(const plan *p, const phase *f, const float *in, int64_t pixel, int64_t rows,
                                 int64_t tap, int64_t tap_end, float *columns)
{
    if (p->in_place)
        return in + pixel * p->from;
    int64_t at[SPACE], b = pixel / count(f->size);
    split(pixel % count(f->size), f->size, at);
    for (int64_t r = 0; r < rows; r++, next_place(f->size, &b, at))
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
        dev->kernels->gemm(&g, 1, s->own);
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
#ifdef SLMT_HAVE_ONEDNN
    if (dev->matrix == BK_MATRIX_ONEDNN)
        return onednn_multiply(&p, &t);
#endif
#ifdef SLMT_HAVE_OPENBLAS
    if (dev->matrix == BK_MATRIX_OPENBLAS)
        return openblas_multiply(&p, &t);
#endif
    return 0;
}

/* A library's serial product must find one thread, outside of a parallel region too. */
static int enter_team(int team)
{
    int before = omp_get_max_threads();
    if (team == 1)
        omp_set_num_threads(1);
    return before;
}

static void leave_team(int team, int before)
{
    if (team == 1)
        omp_set_num_threads(before);
}

/* ---- convolution and the gradient of its input ---- */

enum { TURN = 16 };

/* TURN x TURN channels at most, all taps: [O][C][K...] to [phases][taps][from][to]. */
static void turn_block(const plan *p, const float *w, int64_t o, int64_t c, float *to)
{
    int64_t o_end = work_min(p->c.out, o + TURN), c_end = work_min(p->c.in, c + TURN);
    int64_t o_step = p->back ? p->to : 1, c_step = p->back ? 1 : p->to;
    for (int64_t n = 0; n < p->phases; n++) {
        phase f = p->back ? backward_phase(&p->c, n) : forward_phase(&p->c);
        for (int64_t m = 0; m < count(f.taps); m++, to += p->from * p->to) {
            const float *tap = w + tap_of(&p->c, &f, m);
            for (int64_t j = c; j < c_end; j++)
                for (int64_t i = o; i < o_end; i++)
                    to[i * o_step + j * c_step] = tap[(i * p->c.in + j) * p->c.taps];
        }
    }
}

static void turn_weights(const plan *p, const float *w, int threads, float *to)
{
    int64_t down = work_pieces(p->c.out, TURN), across = work_pieces(p->c.in, TURN);
    int team = work_team(threads, down * across, p->weights);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t i = 0; i < down * across; i++)
        turn_block(p, w, i / across * TURN, i % across * TURN, to);
}

/* Puts a tile's rows to the places of their pixels. */
static void spread(const plan *p, const phase *f, const float *tile, int64_t pixel, int64_t rows, float *out)
{
    int64_t at[SPACE], b = pixel / count(f->size);
    split(pixel % count(f->size), f->size, at);
    for (int64_t r = 0; r < rows; r++, next_place(f->size, &b, at)) {
        int64_t place = b;
        for (int i = 0; i < SPACE; i++)
            place = place * p->target[i] + f->first[i] + at[i] * f->step[i];
        memcpy(out + place * p->to, tile + r * p->to, (size_t)p->to * sizeof *out);
    }
}

/* A block of one phase; w is the phase's part of the weights. */
static int run_block(const cpu_device *dev, const plan *p, const bk_call *call, const phase *f,
                     const float *w, int64_t pixel, int64_t rows, const room *m)
{
    const bk_tensor *in = p->back ? conv_y(call) : conv_x(call);
    float *out = call->out[0].data, *y = p->tile ? m->tile : out + pixel * p->to;
    int64_t taps = count(f->taps);
    int good = 1;
    if (taps == 0)
        memset(y, 0, (size_t)(rows * p->to) * sizeof *y);
    for (int64_t tap = 0; tap < taps; tap += p->chunk) {
        int64_t end = work_min(taps, tap + p->chunk);
        serial s = {.m = rows, .n = p->to, .k = (end - tap) * p->from, .add = tap > 0, .y = y, .own = m->own};
        s.a = fill_columns(p, f, in->data, pixel, rows, tap, end, m->columns);
        s.b = w + tap * p->from * p->to;
        good = multiply(dev, &s) && good;
    }
    if (conv_bias(call) || (!p->back && call->attr.activation)) {
        cpu_epilogue e = {.rows = rows, .cols = p->to, .product = y, .y = y, .bias = conv_bias(call)};
        e.act = cpu_activation_of(&call->attr);
        e.product_step = e.y_step = p->to;
        dev->kernels->epilogue(&e);
    }
    if (p->tile)
        spread(p, f, y, pixel, rows, out);
    return good;
}

/* Block `index` of phase `number`, if there is one. */
static int run_task(const cpu_device *dev, const plan *p, const bk_call *call, int64_t number, int64_t index,
                    const room *m)
{
    const float *w = call->scratch;
    for (int64_t n = 0; n < number; n++) {
        phase before = backward_phase(&p->c, n);
        w += count(before.taps) * p->from * p->to;
    }
    phase f = p->back ? backward_phase(&p->c, number) : forward_phase(&p->c);
    int64_t pixel = index * p->rows, pixels = p->c.batch * count(f.size);
    return pixel >= pixels || run_block(dev, p, call, &f, w, pixel, work_min(p->rows, pixels - pixel), m);
}

static bk_status run_product(const cpu_device *dev, const plan *p, const bk_call *call)
{
    turn_weights(p, conv_w(call)->data, dev->threads, call->scratch);
    phase largest = p->back ? backward_phase(&p->c, 0) : forward_phase(&p->c);
    int64_t blocks = work_pieces(p->c.batch * count(largest.size), p->rows), tasks = p->phases * blocks;
    int64_t work = p->c.batch * count(p->c.y) * p->c.taps * p->from * p->to;
    int team = work_team(dev->threads, tasks, work / 16), good = 1, before = enter_team(team);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(dynamic) reduction(&& : good)
    for (int64_t i = 0; i < tasks; i++) {
        room m = room_of(p, call, omp_get_thread_num());
        good = run_task(dev, p, call, i / blocks, i % blocks, &m) && good;
    }
    leave_team(team, before);
    return good ? BK_OK : BK_ERR_FAILED;
}

/* ---- the gradient of the weights ---- */

/* sums[O][taps][C] of one chunk of taps over one group of pixels. */
static int add_chunk(const cpu_device *dev, const plan *p, const bk_call *call, int64_t chunk, int64_t group,
                     const room *m)
{
    const conv *c = &p->c;
    phase f = forward_phase(c);
    int64_t pixels = c->batch * count(c->y), blocks = work_pieces(pixels, p->rows);
    int64_t first = blocks * group / p->groups, end = blocks * (group + 1) / p->groups;
    int64_t tap = chunk * p->chunk, tap_end = work_min(c->taps, tap + p->chunk);
    float *sums = (float *)call->scratch + (group * c->taps + tap) * c->in * c->out;
    int good = 1;
    for (int64_t i = first; i < end; i++) {
        int64_t pixel = i * p->rows, rows = work_min(p->rows, pixels - pixel);
        serial s = {.m = c->out, .n = (tap_end - tap) * c->in, .k = rows, .trans_a = 1, .add = i > first};
        s.a = (const float *)conv_y(call)->data + pixel * c->out;
        s.b = fill_columns(p, &f, conv_x(call)->data, pixel, rows, tap, tap_end, m->columns);
        s.y = sums;
        s.own = m->own;
        good = multiply(dev, &s) && good;
    }
    return good;
}

/* dw of one output channel: its part of all chunks, groups added up in order. */
static void finish_channel(const plan *p, const float *sums, int64_t o, float *dw)
{
    const conv *c = &p->c;
    int64_t group = c->taps * c->in * c->out;
    for (int64_t tap = 0; tap < c->taps; tap++) {
        int64_t first = tap / p->chunk * p->chunk, taps = work_min(p->chunk, c->taps - first);
        const float *from = sums + first * c->in * c->out + (o * taps + tap - first) * c->in;
        for (int64_t i = 0; i < c->in; i++) {
            float sum = from[i];
            for (int64_t g = 1; g < p->groups; g++)
                sum += from[g * group + i];
            dw[i * c->taps + tap] = sum;
        }
    }
}

static bk_status run_grad_weight(const cpu_device *dev, const plan *p, const bk_call *call)
{
    const conv *c = &p->c;
    float *dw = call->out[0].data;
    int64_t tasks = p->chunks * p->groups, work = c->batch * count(c->y) * c->taps * c->in * c->out;
    int team = work_team(dev->threads, tasks, work / 16), good = 1, before = enter_team(team);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(dynamic) reduction(&& : good)
    for (int64_t i = 0; i < tasks; i++) {
        room m = room_of(p, call, omp_get_thread_num());
        good = add_chunk(dev, p, call, i / p->groups, i % p->groups, &m) && good;
    }
    leave_team(team, before);
    team = work_team(dev->threads, c->out, p->weights);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t o = 0; o < c->out; o++)
        finish_channel(p, call->scratch, o, dw + o * c->in * c->taps);
    return good ? BK_OK : BK_ERR_FAILED;
}

/* ---- either way ---- */

bk_status conv_prepare(cpu_device *dev, bk_call *call)
{
    plan p;
    if (!plan_of(dev, call, &p) || call->attr.activation < BK_ACT_NONE ||
        call->attr.activation > BK_ACT_LEAKY_RELU) {
        cpu_log(dev, 0, "cpu: a convolution with these shapes is not served");
        return BK_ERR_UNSUPPORTED;
    }
    if (p.rows > INT32_MAX || p.chunk * p.from > INT32_MAX || p.to > INT32_MAX)
        return BK_ERR_UNSUPPORTED;
#ifdef SLMT_HAVE_ONEDNN
    if (dev->matrix == BK_MATRIX_ONEDNN) {
        bk_status status = onednn_conv_prepare(dev, &p.c, call);
        if (status != BK_ERR_UNSUPPORTED)
            return status;
    }
#endif
    call->scratch_bytes = plan_bytes(&p, dev->threads);
    return BK_OK;
}

void conv_release(cpu_device *dev, bk_call *call)
{
#ifdef SLMT_HAVE_ONEDNN
    if (call->state)
        onednn_conv_release(dev, call);
#endif
    (void)dev;
    call->state = NULL;
}

bk_status conv_run(cpu_device *dev, bk_call *call)
{
#ifdef SLMT_HAVE_ONEDNN
    if (call->state)
        return onednn_conv_run(dev, call);
#endif
    plan p;
    if (!plan_of(dev, call, &p))
        return BK_ERR_FAILED;
    return call->op == BK_CONV_GRAD_WEIGHT ? run_grad_weight(dev, &p, call) : run_product(dev, &p, call);
}
