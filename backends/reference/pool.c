/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - maxima over windows, with the index of each. */
#include "backends/reference/real.h"
#include "backends/reference/space.h"

#include <math.h>

typedef struct pooling {
    int64_t batch, channels;
    int64_t from[SPACE], to[SPACE];
    int64_t kernel[SPACE], stride[SPACE], pad[SPACE], dilation[SPACE];
} pooling;

/* The elements first, first + step, ... below end that a window holds on one axis; all lie in x. */
typedef struct taps {
    int64_t first, end, step;
} taps;

static taps taps_of(const pooling *p, int axis, int64_t i)
{
    if (p->kernel[axis] == 0) /* adaptive */
        return (taps){i * p->from[axis] / p->to[axis],
                      ((i + 1) * p->from[axis] + p->to[axis] - 1) / p->to[axis], 1};
    taps t = {.first = i * p->stride[axis] - p->pad[axis], .step = p->dilation[axis]};
    t.end = t.first + (p->kernel[axis] - 1) * t.step + 1;
    while (t.first < 0)
        t.first += t.step;
    t.end = t.end < p->from[axis] ? t.end : p->from[axis];
    return t;
}

static bool axis_fits(const pooling *p, int axis)
{
    if (p->kernel[axis] == 0)
        return true;
    if (p->kernel[axis] < 1 || p->stride[axis] < 1 || p->dilation[axis] < 1 || p->pad[axis] < 0)
        return false;
    for (int64_t i = 0; i < p->to[axis]; i++)
        if (taps_of(p, axis, i).first >= taps_of(p, axis, i).end)
            return false;
    return true;
}

static bool read_pooling(const bk_call *call, pooling *p)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    int32_t axes = x->rank - 2;
    if (axes < 1 || axes > SPACE || y->rank != x->rank || x->dim[0] != y->dim[0] ||
        last_dim(x) != last_dim(y))
        return false;
    *p = (pooling){.batch = x->dim[0], .channels = last_dim(x)};
    for (int i = 0; i < SPACE; i++) {
        int32_t axis = i - (SPACE - axes);
        p->from[i] = axis < 0 ? 1 : x->dim[axis + 1];
        p->to[i] = axis < 0 ? 1 : y->dim[axis + 1];
        p->kernel[i] = axis < 0 ? 0 : call->attr.kernel[axis];
        p->stride[i] = axis < 0 ? 1 : call->attr.stride[axis];
        p->pad[i] = axis < 0 ? 0 : call->attr.pad[axis];
        p->dilation[i] = axis < 0 ? 1 : call->attr.dilation[axis];
        if (!axis_fits(p, i))
            return false;
    }
    return product_of_sizes(p->from) <= INT32_MAX;
}

static bool fits_max_pool(const bk_call *call)
{
    pooling p;
    const bk_shape *y = &call->out[0].shape, *index = &call->out[1].shape;
    return has_arity(call, 1, 2) && read_pooling(call, &p) && call->in[0].shape.dtype == y->dtype &&
           index->dtype == BK_I32 && same_dims(y, index);
}

/* The first of the largest; a NaN is larger than all before it. x is one channel of one sample. */
static int64_t place_of_maximum(const pooling *p, const taps t[SPACE], const real *x)
{
    int64_t best = -1;
    for (int64_t i = t[0].first; i < t[0].end; i += t[0].step)
        for (int64_t j = t[1].first; j < t[1].end; j += t[1].step)
            for (int64_t k = t[2].first; k < t[2].end; k += t[2].step) {
                int64_t at = (i * p->from[1] + j) * p->from[2] + k;
                real here = x[at * p->channels];
                if (best < 0 || here > x[best * p->channels] || isnan(here))
                    best = at;
            }
    return best;
}

static bk_status run_max_pool(const bk_call *call)
{
    pooling p;
    if (!read_pooling(call, &p))
        return BK_ERR_FAILED;
    real *y = call->out[0].data;
    int32_t *index = call->out[1].data;
    int64_t pixels = product_of_sizes(p.to);
    for (int64_t pixel = 0; pixel < p.batch * pixels; pixel++) {
        const real *x = call->in[0].data;
        x += pixel / pixels * product_of_sizes(p.from) * p.channels;
        place to = place_of(pixel % pixels, p.to);
        taps t[SPACE];
        for (int axis = 0; axis < SPACE; axis++)
            t[axis] = taps_of(&p, axis, to.at[axis]);
        for (int64_t c = 0; c < p.channels; c++) {
            int64_t best = place_of_maximum(&p, t, x + c);
            y[pixel * p.channels + c] = x[best * p.channels + c];
            if (index)
                index[pixel * p.channels + c] = (int32_t)best;
        }
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_max_pool) = {
    .fits = fits_max_pool, .run = run_max_pool, .types = REFERENCE_OWN_TYPES};
