/* SPDX-License-Identifier: Apache-2.0 */
/* conv.h - convolution and its gradients: the sizes of a call, the order in which pixels are gathered, and
 * the ways to compute it (a library's, conv_columns.c, depthwise.c).
 *
 * With d for the dilation, and c and o of one group of channels:
 *   y[s,o]    = sum over k, c of x[s stride + k d - pad, c] w[o,c,k] + bias[o]
 *   dx[i,c]   = sum over k, o of dy[(i + pad - k d) / stride, o] w[o,c,k], if that is a whole number
 *   dw[o,c,k] = sum over s    of x[s stride + k d - pad, c] dy[s,o] */
#ifndef SLMT_CPU_CONV_H
#define SLMT_CPU_CONV_H

#include "backends/cpu/cpu.h"

enum { SPACE = BK_MAX_SPACE, LAST = SPACE - 1 };

/* There are always SPACE spatial axes: fewer in a call are preceded by axes of length 1. */
typedef struct conv {
    int axes;                       /* in the call */
    int64_t batch, in, out, groups; /* in, out: channels of all groups */
    int64_t x[SPACE], y[SPACE], kernel[SPACE], stride[SPACE], dilation[SPACE], pad[SPACE], pad_end[SPACE];
    int64_t taps; /* the product of kernel[] */
} conv;

/* Returns 1, or 0 if the shapes do not fit each other. */
int conv_of(const bk_call *call, conv *c);

/* The operands of a call: x or its gradient, w or its gradient, y or its gradient. */
const bk_tensor *conv_x(const bk_call *call);
const bk_tensor *conv_w(const bk_call *call);
const bk_tensor *conv_y(const bk_call *call);
const float *conv_bias(const bk_call *call); /* or NULL */

/* Returns 1 if the device computes with bfloat16 and the convolution has enough channels: with few on a side,
 * rounding an image costs more than a faster product saves. */
int conv_is_rounded(const cpu_device *dev, const conv *c);

/* ---- phases ----
 *
 * dx is gathered as y is, so that no two threads write the same element. Pixels i of x with equal (i + pad)
 * mod stride on each axis are read by the same taps, and form a dense convolution of their own: a phase. With
 * stride 1 there is one phase, with stride 2 in an image there are four. A phase that no tap reaches has no
 * taps.
 *
 * Target pixels are first + i * step, i < size. Tap m < taps reads source pixel i * move + origin + m * gap,
 * and is the kernel's tap + m * tap_step. */
typedef struct conv_phase {
    int64_t first[SPACE], step[SPACE], size[SPACE];
    int64_t move[SPACE], origin[SPACE], gap[SPACE];
    int64_t taps[SPACE], tap[SPACE], tap_step[SPACE];
} conv_phase;

conv_phase conv_forward(const conv *c);                 /* all pixels of y */
int64_t conv_phases(const conv *c);                     /* how many phases the pixels of x fall into */
conv_phase conv_backward(const conv *c, int64_t phase); /* pixels of x, from those of y */

/* Returns the index in [K...] of a phase's tap. */
int64_t conv_tap(const conv *c, const conv_phase *f, int64_t number);

static inline int64_t conv_count(const int64_t *size)
{
    return size[0] * size[1] * size[2];
}

/* Converts the row-major index `number` to a position on the three axes. */
static inline void conv_place(int64_t number, const int64_t *size, int64_t *at)
{
    for (int i = LAST; i >= 0; i--) {
        at[i] = number % size[i];
        number /= size[i];
    }
}

/* Moves to the next pixel, after the last one to the next sample. */
static inline void conv_next(const int64_t *size, int64_t *b, int64_t *at)
{
    for (int i = LAST; i >= 0; i--) {
        if (++at[i] < size[i])
            return;
        at[i] = 0;
    }
    ++*b;
}

/* ---- ways ---- */

bk_status conv_prepare(cpu_device *dev, bk_call *call);

/* These compute every convolution. `kernels`: of an instruction level, or of bf16.h. */
bk_status direct_prepare(cpu_device *dev, const cpu_direct_kernels *kernels, const conv *c, bk_call *call);
bk_status columns_prepare(cpu_device *dev, const conv *c, bk_call *call);

/* BK_ERR_UNSUPPORTED if groups have more than one channel in x or y. */
bk_status depthwise_prepare(cpu_device *dev, const conv *c, bk_call *call);

#endif
