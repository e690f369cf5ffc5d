/* SPDX-License-Identifier: Apache-2.0 */
/* space.h - the sizes of a convolution, read from the shapes of a call.
 *
 * There are always SPACE spatial axes here: fewer in a call are preceded by axes of length 1. */
#ifndef SLMT_REFERENCE_SPACE_H
#define SLMT_REFERENCE_SPACE_H

#include "backends/reference/kernel.h"

enum { SPACE = 3 };

typedef struct convolution {
    int64_t batch, in_channels, out_channels, groups; /* channels of all groups */
    int64_t x[SPACE], y[SPACE], kernel[SPACE];
    int64_t stride[SPACE], dilation[SPACE], pad[SPACE];
    int64_t taps; /* the product of kernel[] */
} convolution;

/* Reads axis i of the call as axis `at`; returns false if its sizes do not fit each other. */
static inline bool read_axis(const bk_attr *attr, int32_t i, int32_t at, convolution *c)
{
    if (attr->stride[i] < 1 || attr->dilation[i] < 1 || attr->pad[i] < 0 || attr->pad_end[i] < 0)
        return false;
    c->stride[at] = attr->stride[i];
    c->dilation[at] = attr->dilation[i];
    c->pad[at] = attr->pad[i];
    c->taps *= c->kernel[at];
    int64_t room = c->x[at] + c->pad[at] + attr->pad_end[i] - (c->dilation[at] * (c->kernel[at] - 1) + 1);
    return room >= 0 && c->y[at] == room / c->stride[at] + 1;
}

/* Reads the sizes of x, w and y; returns false if they do not fit each other. */
static inline bool read_convolution(const bk_attr *attr, const bk_shape *x, const bk_shape *w,
                                    const bk_shape *y, convolution *c)
{
    int32_t axes = x->rank - 2;
    if (axes < 1 || axes > SPACE || w->rank != x->rank || y->rank != x->rank || attr->groups < 1 ||
        x->dim[0] != y->dim[0] || w->dim[1] * attr->groups != last_dim(x) || w->dim[0] != last_dim(y) ||
        w->dim[0] % attr->groups != 0)
        return false;
    *c = (convolution){.batch = x->dim[0], .groups = attr->groups, .taps = 1};
    c->in_channels = last_dim(x);
    c->out_channels = last_dim(y);
    for (int32_t at = 0; at < SPACE; at++) {
        int32_t i = at - (SPACE - axes); /* the call's axis: after one axis in x and y, two in w */
        c->x[at] = c->y[at] = c->kernel[at] = c->stride[at] = c->dilation[at] = 1;
        if (i < 0)
            continue;
        c->x[at] = x->dim[i + 1];
        c->y[at] = y->dim[i + 1];
        c->kernel[at] = w->dim[i + 2];
        if (!read_axis(attr, i, at, c))
            return false;
    }
    return true;
}

/* Returns the position on the three axes of a row-major index. */
typedef struct place {
    int64_t at[SPACE];
} place;

static inline place place_of(int64_t number, const int64_t size[SPACE])
{
    return (place){{number / (size[1] * size[2]), number / size[2] % size[1], number % size[2]}};
}

static inline int64_t product_of_sizes(const int64_t size[SPACE])
{
    return size[0] * size[1] * size[2];
}

#endif
