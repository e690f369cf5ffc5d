/* SPDX-License-Identifier: Apache-2.0 */
/* conv_parts.c - cuts a convolution into parts that are convolutions of their own. */
#include "backends/cpu/conv_parts.h"

#include "backends/cpu/work.h"

static int64_t down(int64_t a, int64_t b) /* a / b, rounded down */
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/* Samples batch to batch + batches - 1, or rows first to end - 1 of the target of one sample: of x in the
 * gradient of the input, else of y. */
typedef struct share {
    int64_t batch, batches, first, end;
} share;

/* The axis along which a sample is cut: the call's first. */
static int cut_axis(const conv *c)
{
    return SPACE - c->axes;
}

/* Narrows c to the target rows of a share, and sets the first rows that it reads or writes; returns 0 if the
 * rows are no convolution of their own. */
static int narrow_forward(const share *s, conv *c, int64_t *x_row, int64_t *y_row)
{
    int a = cut_axis(c);
    int64_t extent = c->dilation[a] * (c->kernel[a] - 1) + 1;
    int64_t from = s->first * c->stride[a] - c->pad[a], to = (s->end - 1) * c->stride[a] - c->pad[a] + extent;
    int64_t low = work_max(0, from), high = work_min(c->x[a], to);
    c->y[a] = s->end - s->first;
    c->x[a] = high - low;
    c->pad[a] = low - from;
    c->pad_end[a] = to - high;
    *x_row = low;
    *y_row = s->first;
    return high > low;
}

static int narrow_backward(const share *s, conv *c, int64_t *x_row, int64_t *y_row)
{
    int a = cut_axis(c);
    int64_t stride = c->stride[a], extent = c->dilation[a] * (c->kernel[a] - 1) + 1;
    int64_t low = work_max(0, -down(-(s->first + c->pad[a] - extent + 1), stride));
    int64_t high = work_min(c->y[a], down(s->end - 1 + c->pad[a], stride) + 1);
    c->pad[a] += s->first - low * stride;
    c->x[a] = s->end - s->first;
    c->y[a] = high - low;
    int64_t missing = (c->y[a] - 1) * stride + extent - c->pad[a] - c->x[a];
    c->pad_end[a] = work_max(0, missing);
    *x_row = s->first;
    *y_row = low;
    return high > low && c->pad[a] >= 0 && -missing < stride;
}

static int64_t row_floats(const conv *c, const int64_t *size, int64_t channels)
{
    for (int i = cut_axis(c) + 1; i < SPACE; i++)
        channels *= size[i];
    return channels;
}

conv_cutting conv_cutting_of(const conv *c, bk_op op, int threads)
{
    enum { EACH = 4 };       /* parts of a thread, but for sums, which take memory */
    enum { LEAST_ROWS = 4 }; /* of a part, which reads rows beside its own too */
    enum { FEW = 1 << 18 };  /* multiplications that are worth a part */
    int a = cut_axis(c), back = op == BK_CONV_GRAD_INPUT;
    int64_t rows = (back ? c->x : c->y)[a], least = back ? work_max(LEAST_ROWS, c->stride[a]) : LEAST_ROWS;
    int64_t work = c->batch * conv_count(c->y) * c->taps * c->in / c->groups * c->out;
    int64_t wanted = op == BK_CONV_GRAD_WEIGHT ? threads : (int64_t)EACH * threads;
    wanted = threads == 1 ? 1 : work_max(1, work_min(wanted, work / FEW));
    if (c->batch >= wanted)
        return (conv_cutting){wanted, 1};
    int64_t cuts = work_max(1, work_min(work_pieces(wanted, c->batch), rows / least));
    return (conv_cutting){c->batch * cuts, cuts};
}

/* Rows of a gradient of the input begin where a window does. */
static int64_t cut_at(const conv *c, bk_op op, int64_t cuts, int64_t index)
{
    int a = cut_axis(c);
    int64_t target = (op == BK_CONV_GRAD_INPUT ? c->x : c->y)[a], row = target * index / cuts;
    if (op == BK_CONV_GRAD_INPUT && index > 0 && index < cuts)
        row = work_max(0, row - (row + c->pad[a]) % c->stride[a]);
    return row;
}

static share share_of(const conv *c, bk_op op, conv_cutting k, int64_t index)
{
    if (k.cuts == 1) {
        int64_t first = c->batch * index / k.parts;
        return (share){first, c->batch * (index + 1) / k.parts - first, 0, cut_at(c, op, 1, 1)};
    }
    int64_t piece = index % k.cuts;
    return (share){index / k.cuts, 1, cut_at(c, op, k.cuts, piece), cut_at(c, op, k.cuts, piece + 1)};
}

int conv_part_of(const conv *whole, bk_op op, conv_cutting k, int64_t index, conv_part *p)
{
    share s = share_of(whole, op, k, index);
    int64_t x_row = 0, y_row = 0, x_floats = row_floats(whole, whole->x, whole->in);
    int64_t y_floats = row_floats(whole, whole->y, whole->out);
    int a = cut_axis(whole), good = s.end > s.first, back = op == BK_CONV_GRAD_INPUT;
    p->c = *whole;
    p->c.batch = s.batches;
    if (good && s.end - s.first < (back ? whole->x : whole->y)[a])
        good = (back ? narrow_backward : narrow_forward)(&s, &p->c, &x_row, &y_row);
    p->x_at = (s.batch * whole->x[a] + x_row) * x_floats;
    p->y_at = (s.batch * whole->y[a] + y_row) * y_floats;
    return good;
}
