/* SPDX-License-Identifier: Apache-2.0 */
/* space.h - what a convolution is made of, read from the shapes of a call.
 *
 * There are always SPACE spatial axes here: fewer in a call are preceded by axes of length 1. */
#ifndef SLMT_REFERENCE_SPACE_H
#define SLMT_REFERENCE_SPACE_H

#include "backends/reference/kernel.h"

enum { SPACE = 3 };

typedef struct convolution {
    int64_t batch, in_channels, out_channels;
    int64_t x[SPACE], y[SPACE], kernel[SPACE];
    int64_t stride[SPACE], pad[SPACE];
    int64_t taps; /* the product of kernel[] */
} convolution;

/* The sizes of x, w and y; false where they do not fit each other. */
static inline bool read_convolution(const bk_attr *attr, const bk_shape *x, const bk_shape *w,
                                    const bk_shape *y, convolution *c)
{
    int32_t axes = x->rank - 2;
    if (axes < 1 || axes > SPACE || w->rank != x->rank || y->rank != x->rank || attr->stride < 1 ||
        attr->pad < 0 || x->dim[0] != y->dim[0] || w->dim[1] != last_dim(x) || w->dim[0] != last_dim(y))
        return false;
    *c = (convolution){.batch = x->dim[0], .in_channels = w->dim[1], .out_channels = w->dim[0], .taps = 1};
    for (int32_t i = 0; i < SPACE; i++) {
        int32_t axis = i - (SPACE - axes) + 1; /* in x and y; after two axes in w */
        c->x[i] = c->y[i] = c->kernel[i] = c->stride[i] = 1;
        if (axis < 1)
            continue;
        c->x[i] = x->dim[axis];
        c->y[i] = y->dim[axis];
        c->kernel[i] = w->dim[axis + 1];
        c->stride[i] = attr->stride;
        c->pad[i] = attr->pad;
        int64_t room = c->x[i] + 2 * c->pad[i] - c->kernel[i];
        if (room < 0 || c->y[i] != room / c->stride[i] + 1)
            return false;
        c->taps *= c->kernel[i];
    }
    return true;
}

/* A place on the three axes by its number, row-major. */
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
