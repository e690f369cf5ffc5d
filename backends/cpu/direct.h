/* SPDX-License-Identifier: Apache-2.0 */
/* direct.h - direct convolution and its gradients: the kernels' view of a call (direct.c, direct_grad.c). */
#ifndef SLMT_CPU_DIRECT_H
#define SLMT_CPU_DIRECT_H

#include "backends/cpu/conv.h"

/* y from x or, `back`, dx from dy: the source is read, the target written. One group: c has its channels. */
struct cpu_direct {
    conv c;
    int back;
    int64_t from, to;         /* channels of the source and of the target */
    int64_t from_all, to_all; /* floats of a pixel, with the other groups' channels */
    int64_t beside;           /* pixels beside each other whose channels are one pixel's of the target */
    int64_t source[SPACE], target[SPACE];
    int threads;
    int64_t phases;
    int64_t words;   /* of the source's channels (words.h) */
    int64_t chunk;   /* words at a time */
    int64_t weights; /* of the packed weights, in words */
    int64_t room;    /* floats of each thread's memory */
    const float *in, *w, *bias;
    float *out, *packed, *rooms; /* the packed weights; the threads' memory, one after the other */
    int is_packed;               /* the packed weights are those of w */
    cpu_activation act;
    void (*epilogue)(const cpu_epilogue *e);
};

/* dw of one group from x and dy, by way of sums[parts][O][K...][C]. */
struct cpu_direct_grad {
    conv c;
    int64_t in_all, out_all; /* floats of a pixel of x and of dy */
    int threads;
    int64_t parts;               /* of the pixels, with separate sums */
    int64_t splits;              /* groups of output channels */
    int64_t joined;              /* taps along the last axis whose channels are columns beside each other */
    int swapped;                 /* vectors are output channels, not columns */
    int64_t rows;                /* lines of dy in a block */
    int64_t sums_floats, room;   /* floats of the sums and of each thread's memory */
    const float *x, *x_end, *dy; /* x_end: of all of x */
    float *dw, *sums, *rooms;
};

#endif
