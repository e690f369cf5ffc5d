/* SPDX-License-Identifier: Apache-2.0 */
/* conv.h - convolution and its gradients: what the call's shapes say, and the two ways to compute it. */
#ifndef SLMT_CPU_CONV_H
#define SLMT_CPU_CONV_H

#include "backends/cpu/cpu.h"

enum { SPACE = 3 };

/* There are always SPACE spatial axes: fewer in a call are preceded by axes of length 1. */
typedef struct conv {
    int axes;               /* in the call */
    int64_t batch, in, out; /* in, out: channels */
    int64_t x[SPACE], y[SPACE], kernel[SPACE], stride[SPACE], pad[SPACE];
    int64_t taps; /* the product of kernel[] */
} conv;

/* 1, or 0 where the shapes do not fit each other. */
int conv_of(const bk_call *call, conv *c);

/* Where a call's operands are: x or its gradient, w or its gradient, y or its gradient. */
const bk_tensor *conv_x(const bk_call *call);
const bk_tensor *conv_w(const bk_call *call);
const bk_tensor *conv_y(const bk_call *call);
const float *conv_bias(const bk_call *call); /* or NULL */

bk_status conv_prepare(cpu_device *dev, bk_call *call);
void conv_release(cpu_device *dev, bk_call *call);
bk_status conv_run(cpu_device *dev, bk_call *call);

/* onednn_conv.c: exists with SLMT_HAVE_ONEDNN. BK_ERR_UNSUPPORTED: another way is faster, or the only one. */
bk_status onednn_conv_prepare(cpu_device *dev, const conv *c, bk_call *call);
void onednn_conv_release(cpu_device *dev, bk_call *call);
bk_status onednn_conv_run(cpu_device *dev, bk_call *call);

#endif
