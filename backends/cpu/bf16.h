/* SPDX-License-Identifier: Apache-2.0 */
/* bf16.h - ops whose products the processor's instructions for bfloat16 compute: factors rounded to bfloat16,
 * sums in float32. There are two sets of these instructions: matrix units (AMX-BF16), and pairs of values in
 * vectors (AVX512-BF16). Both have products, gradients of weights, attention in windows, and attention with
 * its gradient: of heads of up to 13 values on the matrix units, of up to 8 in vectors. Convolutions are in
 * vectors (direct.c); a library's on the matrix units are faster. */
#ifndef SLMT_CPU_BF16_H
#define SLMT_CPU_BF16_H

#include "backends/cpu/matrix.h"

/* Each function prepares a call as prepare() does, or returns BK_ERR_UNSUPPORTED for a call that another way
 * must serve. A function that is NULL serves no call. */
struct cpu_bf16 {
    const char *name;
    bk_status (*product)(cpu_device *dev, const product *p, bk_call *call);
    bk_status (*attention)(cpu_device *dev, bk_call *call); /* BK_ATTENTION, BK_ATTENTION_GRAD */
    bk_status (*window)(cpu_device *dev, bk_call *call);    /* BK_WINDOW_ATTENTION */
    const cpu_direct_kernels *direct;                       /* BK_CONV and its gradients */
    int has_slow_direct; /* a library's convolutions are faster, if there is one */
};

/* Returns the best set of instructions that this build and this processor have, or NULL. At level 4 that is
 * AVX512-BF16, at CPU_LEVEL_BEST AMX-BF16 if the system lets this process use the matrix units (isa.c). A
 * processor without AVX512-VBMI, whose look-ups powers need, has products and convolutions alone. */
const cpu_bf16 *cpu_bf16_for(int level);

#endif
