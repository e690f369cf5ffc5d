/* SPDX-License-Identifier: Apache-2.0 */
/* space.c - linear maps over space: mirrored borders, linear interpolation, and their gradients.
 *
 * Whole rows of channels are copied or added. The gradients gather: each pixel of dx sums, in a fixed order,
 * the contributions of all pixels that read it, so that no two threads write the same element. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum { SPACE = 3, SIDES = 3 };

/* sum += x */
static void add_row(float *sum, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i];
}

static void copy_row(float *to, const float *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

/* ---- mirrored borders ----
 *
 * The axes before the last one with a border are walked line by line; those after it are one row. */

typedef struct mirror {
    int outer; /* axes before that one */
    int64_t size[BK_MAX_RANK], border[BK_MAX_RANK];
    int64_t lines;             /* of the small tensor */
    int64_t length, edge, row; /* of that axis: pixels, border; floats of a pixel */
} mirror;

static mirror mirror_of(const bk_attr *attr, const bk_shape *small)
{
    mirror m = {.lines = 1, .length = 1, .row = 1};
    int last = small->rank - 1;
    for (; last >= 0 && attr->axes[last] == 0; last--)
        m.row *= small->dim[last];
    if (last < 0)
        return m;
    m.outer = last;
    m.length = small->dim[last];
    m.edge = attr->axes[last];
    for (int i = 0; i < last; i++) {
        m.size[i] = small->dim[i];
        m.border[i] = attr->axes[i];
        m.lines *= m.size[i];
    }
    return m;
}

static int fits_reflect(const bk_call *call)
{
    int grad = call->op == BK_REFLECT_GRAD;
    if (call->n_in != 1 || call->n_out != 1)
        return 0;
    const bk_shape *small = grad ? &call->out[0].shape : &call->in[0].shape;
    const bk_shape *large = grad ? &call->in[0].shape : &call->out[0].shape;
    int fits = small->rank == large->rank;
    for (int i = 0; fits && i < small->rank; i++) {
        int64_t border = call->attr.axes[i];
        fits = border >= 0 && border < small->dim[i] && large->dim[i] == small->dim[i] + 2 * border;
    }
    return fits;
}

/* Returns the index, on the axis of n without borders, of element i of the axis with borders. */
static int64_t mirrored(int64_t i, int64_t border, int64_t n)
{
    i = i < border ? border - i : i - border;
    return i < n ? i : 2 * (n - 1) - i;
}

static int64_t mirrored_line(const mirror *m, int64_t line)
{
    int64_t small = 0, step = 1;
    for (int i = m->outer - 1; i >= 0; i--) {
        int64_t size = m->size[i] + 2 * m->border[i];
        small += mirrored(line % size, m->border[i], m->size[i]) * step;
        line /= size;
        step *= m->size[i];
    }
    return small;
}

typedef struct mirroring {
    mirror m;
    const float *from;
    float *to;
} mirroring;

static void mirror_lines(const void *job, int64_t first, int64_t end, int thread)
{
    const mirroring *j = job;
    const mirror *m = &j->m;
    int64_t wide = m->length + 2 * m->edge;
    (void)thread;
    for (int64_t l = first; l < end; l++) {
        const float *x = j->from + mirrored_line(m, l) * m->length * m->row;
        float *y = j->to + l * wide * m->row;
        for (int64_t i = 0; i < m->edge; i++) {
            copy_row(y + i * m->row, x + (m->edge - i) * m->row, m->row);
            copy_row(y + (wide - 1 - i) * m->row, x + (m->length - 1 - m->edge + i) * m->row, m->row);
        }
        copy_row(y + m->edge * m->row, x, m->length * m->row);
    }
}

static bk_status run_reflect(const bk_call *call, cpu_team *team)
{
    mirroring j = {mirror_of(&call->attr, &call->in[0].shape), call->in[0].data, call->out[0].data};
    int64_t n = bk_count(&call->out[0].shape), wide = j.m.length + 2 * j.m.edge;
    cpu_team_share(team, n / (wide * j.m.row), n, mirror_lines, &j);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_reflect) = {.fits = fits_reflect, .run = run_reflect};

/* Finds the indices of element i on the axis with borders: its own, and those at which a border mirrors it.
 */
static int images_of(int64_t i, int64_t border, int64_t n, int64_t *images)
{
    int count = 0;
    images[count++] = i + border;
    if (i >= 1 && i <= border)
        images[count++] = border - i;
    if (i <= n - 2 && i >= n - 1 - border)
        images[count++] = 2 * (n - 1) - i + border;
    return count;
}

/* Adds one line of dy to one of dx. */
static void fold_line(const mirror *m, const float *dy, float *dx, int first)
{
    int64_t wide = m->length + 2 * m->edge;
    (first ? copy_row : add_row)(dx, dy + m->edge * m->row, m->length * m->row);
    for (int64_t i = 0; i < m->edge; i++) {
        add_row(dx + (m->edge - i) * m->row, dy + i * m->row, m->row);
        add_row(dx + (m->length - 1 - m->edge + i) * m->row, dy + (wide - 1 - i) * m->row, m->row);
    }
}

/* Computes line `line` of dx from all lines of dy that mirror it. */
static void fold(const mirror *m, const float *dy, float *dx, int64_t line)
{
    int64_t images[BK_MAX_RANK][SIDES], left = line, combinations = 1;
    int count[BK_MAX_RANK];
    for (int i = m->outer - 1; i >= 0; i--) {
        count[i] = images_of(left % m->size[i], m->border[i], m->size[i], images[i]);
        combinations *= count[i];
        left /= m->size[i];
    }
    for (int64_t k = 0; k < combinations; k++) {
        int64_t large = 0, which = k;
        for (int i = 0; i < m->outer; i++) {
            large = large * (m->size[i] + 2 * m->border[i]) + images[i][which % count[i]];
            which /= count[i];
        }
        fold_line(m, dy + large * (m->length + 2 * m->edge) * m->row, dx + line * m->length * m->row, k == 0);
    }
}

static void fold_lines(const void *job, int64_t first, int64_t end, int thread)
{
    const mirroring *j = job;
    (void)thread;
    for (int64_t l = first; l < end; l++)
        fold(&j->m, j->from, j->to, l);
}

static bk_status run_reflect_grad(const bk_call *call, cpu_team *team)
{
    mirroring j = {mirror_of(&call->attr, &call->out[0].shape), call->in[0].data, call->out[0].data};
    cpu_team_share(team, j.m.lines, bk_count(&call->in[0].shape), fold_lines, &j);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_reflect_grad) = {.fits = fits_reflect, .run = run_reflect_grad};

/* ---- linear interpolation ---- */

/* Element i of the resized axis is (1 - part) of element low and part of the next one. */
typedef struct between {
    int32_t low;
    float part;
} between;

/* There are always SPACE axes: fewer in a call are preceded by axes of length 1. */
typedef struct resize {
    int64_t batch, channels, from[SPACE], to[SPACE];
    between *at[SPACE];    /* of each element of `to` */
    int32_t *start[SPACE]; /* the first such element with low >= i, for i <= from */
} resize;

static const bk_shape *unresized(const bk_call *call)
{
    return call->op == BK_RESIZE_LINEAR ? &call->in[0].shape : &call->out[0].shape;
}

static const bk_shape *resized(const bk_call *call)
{
    return call->op == BK_RESIZE_LINEAR ? &call->out[0].shape : &call->in[0].shape;
}

static int fits_resize(const bk_call *call)
{
    const bk_shape *from = unresized(call), *to = resized(call);
    int fits = call->n_in == 1 && call->n_out == 1 && from->rank >= 3 && from->rank <= 2 + SPACE &&
               to->rank == from->rank && from->dim[0] == to->dim[0] &&
               from->dim[from->rank - 1] == to->dim[from->rank - 1];
    fits = fits && call->attr.mode >= BK_RESIZE_HALF_PIXEL && call->attr.mode <= BK_RESIZE_NEAREST;
    for (int i = 1; fits && i < from->rank - 1; i++)
        fits = from->dim[i] < INT32_MAX && to->dim[i] < INT32_MAX;
    return fits;
}

/* Fills everything except the tables; returns their bytes. */
static size_t read_resize(const bk_call *call, resize *r)
{
    const bk_shape *from = unresized(call), *to = resized(call);
    size_t bytes = 0;
    *r = (resize){.batch = from->dim[0], .channels = from->dim[from->rank - 1]};
    for (int i = 0; i < SPACE; i++) {
        int axis = i - (SPACE + 2 - from->rank) + 1;
        r->from[i] = axis < 1 ? 1 : from->dim[axis];
        r->to[i] = axis < 1 ? 1 : to->dim[axis];
        bytes += (size_t)r->to[i] * sizeof(between) + (size_t)(r->from[i] + 1) * sizeof(int32_t);
    }
    return bytes;
}

static size_t scratch_resize(const bk_call *call, int threads)
{
    (void)threads;
    resize r;
    return read_resize(call, &r);
}

/* Returns the position of element i of the resized axis on the other one. */
static double place_of(int64_t i, int64_t from, int64_t to, int32_t mode)
{
    if (mode == BK_RESIZE_NEAREST)
        return (double)(i * from / to);
    if (mode == BK_RESIZE_CORNERS)
        return to > 1 ? (double)(i * (from - 1)) / (double)(to - 1) : 0.0;
    return ((double)i + 0.5) * (double)from / (double)to - 0.5;
}

static void fill_tables(int64_t from, int64_t to, int32_t mode, between *at, int32_t *start)
{
    int32_t next = 0;
    for (int64_t i = 0; i < to; i++) {
        double place = fmin(fmax(place_of(i, from, to, mode), 0.0), (double)(from - 1));
        at[i].low = (int32_t)place;
        at[i].part = (float)(place - at[i].low);
        while (next <= at[i].low)
            start[next++] = (int32_t)i;
    }
    while (next <= from)
        start[next++] = (int32_t)to;
}

static void make_resize(const bk_call *call, resize *r)
{
    read_resize(call, r);
    between *at = call->scratch;
    for (int i = 0; i < SPACE; at += r->to[i++])
        r->at[i] = at;
    int32_t *start = (int32_t *)at;
    for (int i = 0; i < SPACE; start += r->from[i++] + 1)
        r->start[i] = start;
    for (int i = 0; i < SPACE; i++)
        fill_tables(r->from[i], r->to[i], call->attr.mode, r->at[i], r->start[i]);
}

/* Converts a pixel's number, which counts samples too, to its position. */
static int64_t split(int64_t pixel, const int64_t *size, int64_t *at)
{
    for (int i = SPACE - 1; i >= 0; i--) {
        at[i] = pixel % size[i];
        pixel /= size[i];
    }
    return pixel;
}

/* Rows and their factors, at most one for each corner. */
typedef struct blend {
    int count;
    const float *row[1 << SPACE];
    float weight[1 << SPACE];
} blend;

static blend blend_of(const resize *r, const float *x, int64_t pixel)
{
    blend b = {0};
    int64_t at[SPACE], sample = split(pixel, r->to, at);
    for (int k = 0; k < 1 << SPACE; k++) {
        int64_t row = sample;
        float weight = 1.0f;
        for (int i = 0; i < SPACE; i++) {
            int high = k >> i & 1;
            const between *t = &r->at[i][at[i]];
            row = row * r->from[i] + t->low + high;
            weight *= high ? t->part : 1.0f - t->part;
        }
        if (weight != 0.0f) { /* 0: perhaps outside */
            b.row[b.count] = x + row * r->channels;
            b.weight[b.count++] = weight;
        }
    }
    return b;
}

INLINE void write_blend(const blend *b, float *y, int64_t n, const int count)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = b->weight[0] * b->row[0][i];
#pragma GCC unroll 8
        for (int k = 1; k < count; k++)
            sum += b->weight[k] * b->row[k][i];
        y[i] = sum;
    }
}

static void write_pixel(const blend *b, float *y, int64_t n)
{
    if (b->count == 1)
        write_blend(b, y, n, 1);
    else if (b->count == 2)
        write_blend(b, y, n, 2);
    else if (b->count == 4)
        write_blend(b, y, n, 4);
    else
        write_blend(b, y, n, b->count);
}

typedef struct resizing {
    resize r;
    const float *from;
    float *to;
} resizing;

static void resize_lines(const void *job, int64_t first, int64_t end, int thread)
{
    const resizing *j = job;
    int64_t width = j->r.to[SPACE - 1], channels = j->r.channels;
    (void)thread;
    for (int64_t p = first * width; p < end * width; p++) {
        blend b = blend_of(&j->r, j->from, p);
        write_pixel(&b, j->to + p * channels, channels);
    }
}

static bk_status run_resize(const bk_call *call, cpu_team *team)
{
    resizing j = {.from = call->in[0].data, .to = call->out[0].data};
    make_resize(call, &j.r);
    cpu_team_share(team, j.r.batch * j.r.to[0] * j.r.to[1], bk_count(&call->out[0].shape), resize_lines, &j);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_resize_linear) = {
    .fits = fits_resize, .scratch = scratch_resize, .run = run_resize};

/* Returns the weight of element i of an axis in element k of the resized one. */
static float share(const between *at, int64_t i, int64_t k)
{
    return at[k].low == i ? 1.0f - at[k].part : at[k].low == i - 1 ? at[k].part : 0.0f;
}

/* sum += weight * x */
static void add_weighted(float *sum, float weight, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] += weight * x[i];
}

/* Computes dx of one pixel from all pixels of dy that read it. */
static void gather_pixel(const resize *r, const float *dy, float *dx, int64_t pixel)
{
    int64_t at[SPACE], sample = split(pixel, r->from, at), low[SPACE], high[SPACE], k[SPACE];
    for (int i = 0; i < SPACE; i++) {
        low[i] = r->start[i][work_max(0, at[i] - 1)];
        high[i] = r->start[i][at[i] + 1];
    }
    dx += pixel * r->channels;
    memset(dx, 0, (size_t)r->channels * sizeof *dx);
    for (k[0] = low[0]; k[0] < high[0]; k[0]++)
        for (k[1] = low[1]; k[1] < high[1]; k[1]++) {
            float line = share(r->at[0], at[0], k[0]) * share(r->at[1], at[1], k[1]);
            int64_t row = ((sample * r->to[0] + k[0]) * r->to[1] + k[1]) * r->to[2];
            for (k[2] = low[2]; k[2] < high[2]; k[2]++) {
                float weight = line * share(r->at[2], at[2], k[2]);
                if (weight != 0.0f)
                    add_weighted(dx, weight, dy + (row + k[2]) * r->channels, r->channels);
            }
        }
}

static void gather_lines(const void *job, int64_t first, int64_t end, int thread)
{
    const resizing *j = job;
    int64_t width = j->r.from[SPACE - 1];
    (void)thread;
    for (int64_t p = first * width; p < end * width; p++)
        gather_pixel(&j->r, j->from, j->to, p);
}

static bk_status run_resize_grad(const bk_call *call, cpu_team *team)
{
    resizing j = {.from = call->in[0].data, .to = call->out[0].data};
    make_resize(call, &j.r);
    cpu_team_share(team, j.r.batch * j.r.from[0] * j.r.from[1], bk_count(&call->in[0].shape), gather_lines,
                   &j);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_resize_linear_grad) = {
    .fits = fits_resize, .scratch = scratch_resize, .run = run_resize_grad};
