/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.h - convolution of each channel by itself, channels last: the kernels' view of it. */
#ifndef SLMT_CPU_DEPTHWISE_H
#define SLMT_CPU_DEPTHWISE_H

#include "backends/cpu/conv.h"

/* target = sum over the phase's taps of source * w, + bias: conv.h defines which pixels these are. */
struct cpu_depthwise {
    conv_phase phase;
    int64_t batch, channels;
    int64_t source[SPACE], target[SPACE]; /* pixels */
    const float *in, *w, *bias;           /* w[taps][channels]; bias may be NULL */
    float *out;
    cpu_activation act; /* of a convolution: its one phase is all of y */
};

/* sums[taps][channels] = sum over the pixels of y, on its lines `line` to `line_end` (of all samples), of
 * x * dy. */
struct cpu_depthwise_sums {
    const conv *c;
    const float *x, *dy;
    int64_t line, line_end;
    float *sums;
};

#endif
