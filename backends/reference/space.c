/* SPDX-License-Identifier: Apache-2.0 */
/* space.c - linear maps over space: mirrored borders, linear interpolation, and their gradients, which add to
 * each element that the map reads. Sums are in double. */
#include "backends/reference/space.h"
#include "backends/reference/real.h"
#include "backends/reference/walk.h"

#include <math.h>

static void clear(double *sums, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] = 0;
}

static void store(real *to, const double *sums, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (real)sums[i];
}

/* ---- mirrored borders ---- */

static bool mirrors(const bk_attr *attr, const bk_shape *small, const bk_shape *large)
{
    if (small->rank != large->rank)
        return false;
    for (int32_t i = 0; i < small->rank; i++) {
        int64_t border = attr->axes[i];
        if (border < 0 || border >= small->dim[i] || large->dim[i] != small->dim[i] + 2 * border)
            return false;
    }
    return true;
}

static bool fits_reflect(const bk_call *call)
{
    return has_arity(call, 1, 1) && mirrors(&call->attr, &call->in[0].shape, &call->out[0].shape);
}

static bool fits_reflect_grad(const bk_call *call)
{
    return has_arity(call, 1, 1) && mirrors(&call->attr, &call->out[0].shape, &call->in[0].shape);
}

/* Returns the index, on the axis of n without borders, of element i of the axis with borders. */
static int64_t mirrored(int64_t i, int64_t border, int64_t n)
{
    i = i < border ? border - i : i - border;
    return i < n ? i : 2 * (n - 1) - i;
}

/* Returns the row of the small tensor that a row of the large one mirrors. */
static int64_t mirrored_row(const bk_attr *attr, const bk_shape *small, const walk *w)
{
    int64_t row = 0;
    for (int32_t axis = 0; axis + 1 < small->rank; axis++)
        row = row * small->dim[axis] + mirrored(w->at[axis], attr->axes[axis], small->dim[axis]);
    return row * last_dim(small);
}

static int64_t last_border(const bk_attr *attr, const bk_shape *s)
{
    return s->rank > 0 ? attr->axes[s->rank - 1] : 0;
}

static bk_status run_reflect(const bk_call *call)
{
    const bk_shape *small = &call->in[0].shape, *large = &call->out[0].shape;
    int64_t border = last_border(&call->attr, small);
    walk w = {0};
    dense_strides(large, w.stride[0]);
    walk_begin(&w, large);
    do {
        const real *x = (const real *)call->in[0].data + mirrored_row(&call->attr, small, &w);
        real *y = (real *)call->out[0].data + w.offset[0];
        for (int64_t i = 0; i < w.length; i++)
            y[i] = x[mirrored(i, border, last_dim(small))];
    } while (walk_next(&w));
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_reflect) = {.fits = fits_reflect, .run = run_reflect};

static size_t scratch_output(const bk_call *call)
{
    return (size_t)bk_count(&call->out[0].shape) * sizeof(double);
}

static bk_status run_reflect_grad(const bk_call *call)
{
    const bk_shape *small = &call->out[0].shape, *large = &call->in[0].shape;
    int64_t border = last_border(&call->attr, small);
    double *sums = call->scratch;
    clear(sums, bk_count(small));
    walk w = {0};
    dense_strides(large, w.stride[0]);
    walk_begin(&w, large);
    do {
        const real *dy = (const real *)call->in[0].data + w.offset[0];
        double *dx = sums + mirrored_row(&call->attr, small, &w);
        for (int64_t i = 0; i < w.length; i++)
            dx[mirrored(i, border, last_dim(small))] += dy[i];
    } while (walk_next(&w));
    store(call->out[0].data, sums, bk_count(small));
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_reflect_grad) = {
    .fits = fits_reflect_grad, .scratch = scratch_output, .run = run_reflect_grad};

/* ---- linear interpolation ---- */

typedef struct resizing {
    int32_t mode;
    int64_t batch, channels;
    int64_t from[SPACE], to[SPACE];
} resizing;

static bool read_resizing(const bk_attr *attr, const bk_shape *from, const bk_shape *to, resizing *r)
{
    int32_t axes = from->rank - 2;
    if (axes < 1 || axes > SPACE || to->rank != from->rank || from->dim[0] != to->dim[0] ||
        last_dim(from) != last_dim(to) || attr->mode < BK_RESIZE_HALF_PIXEL || attr->mode > BK_RESIZE_NEAREST)
        return false;
    *r = (resizing){.mode = attr->mode, .batch = from->dim[0], .channels = last_dim(from)};
    for (int32_t i = 0; i < SPACE; i++) {
        int32_t axis = i - (SPACE - axes) + 1;
        r->from[i] = axis < 1 ? 1 : from->dim[axis];
        r->to[i] = axis < 1 ? 1 : to->dim[axis];
    }
    return true;
}

static bool fits_resize(const bk_call *call)
{
    resizing r;
    return has_arity(call, 1, 1) && read_resizing(&call->attr, &call->in[0].shape, &call->out[0].shape, &r);
}

static bool fits_resize_grad(const bk_call *call)
{
    resizing r;
    return has_arity(call, 1, 1) && read_resizing(&call->attr, &call->out[0].shape, &call->in[0].shape, &r);
}

/* Finds the two elements of an axis that element i of its resized axis lies between. */
typedef struct between {
    int64_t at[2];
    double weight[2];
} between;

static between neighbours(int64_t i, int64_t from, int64_t to, int32_t mode)
{
    if (mode == BK_RESIZE_NEAREST)
        return (between){{i * from / to, 0}, {1, 0}};
    double at = ((double)i + 0.5) * (double)from / (double)to - 0.5;
    if (mode == BK_RESIZE_CORNERS)
        at = to > 1 ? (double)(i * (from - 1)) / (double)(to - 1) : 0;
    at = fmin(fmax(at, 0), (double)(from - 1));
    int64_t low = (int64_t)at;
    double part = at - (double)low;
    return (between){{low, low + 1 < from ? low + 1 : low}, {1 - part, part}};
}

/* Finds the pixels that a pixel of the resized image is interpolated from. */
typedef struct corners {
    int64_t at[1 << SPACE];
    double weight[1 << SPACE];
} corners;

static corners corners_of(const resizing *r, int64_t pixel)
{
    corners c;
    int64_t pixels = product_of_sizes(r->to);
    place to = place_of(pixel % pixels, r->to);
    between b[SPACE];
    for (int axis = 0; axis < SPACE; axis++)
        b[axis] = neighbours(to.at[axis], r->from[axis], r->to[axis], r->mode);
    for (int k = 0; k < 1 << SPACE; k++) {
        int64_t at = pixel / pixels;
        double weight = 1;
        for (int axis = 0; axis < SPACE; axis++) {
            int side = k >> (SPACE - 1 - axis) & 1;
            at = at * r->from[axis] + b[axis].at[side];
            weight *= b[axis].weight[side];
        }
        c.at[k] = at * r->channels;
        c.weight[k] = weight;
    }
    return c;
}

static size_t scratch_resize(const bk_call *call)
{
    return (size_t)last_dim(&call->in[0].shape) * sizeof(double);
}

static bk_status run_resize(const bk_call *call)
{
    resizing r;
    if (!read_resizing(&call->attr, &call->in[0].shape, &call->out[0].shape, &r))
        return BK_ERR_FAILED;
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    double *sums = call->scratch;
    for (int64_t pixel = 0; pixel < r.batch * product_of_sizes(r.to); pixel++) {
        corners c = corners_of(&r, pixel);
        clear(sums, r.channels);
        for (int k = 0; k < 1 << SPACE; k++)
            for (int64_t i = 0; c.weight[k] != 0 && i < r.channels; i++)
                sums[i] += c.weight[k] * x[c.at[k] + i];
        store(y + pixel * r.channels, sums, r.channels);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_resize_linear) = {
    .fits = fits_resize, .scratch = scratch_resize, .run = run_resize};

static bk_status run_resize_grad(const bk_call *call)
{
    resizing r;
    if (!read_resizing(&call->attr, &call->out[0].shape, &call->in[0].shape, &r))
        return BK_ERR_FAILED;
    const real *dy = call->in[0].data;
    double *sums = call->scratch;
    int64_t n = bk_count(&call->out[0].shape);
    clear(sums, n);
    for (int64_t pixel = 0; pixel < r.batch * product_of_sizes(r.to); pixel++) {
        corners c = corners_of(&r, pixel);
        for (int k = 0; k < 1 << SPACE; k++)
            for (int64_t i = 0; c.weight[k] != 0 && i < r.channels; i++)
                sums[c.at[k] + i] += c.weight[k] * dy[pixel * r.channels + i];
    }
    store(call->out[0].data, sums, n);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_resize_linear_grad) = {
    .fits = fits_resize_grad, .scratch = scratch_output, .run = run_resize_grad};
