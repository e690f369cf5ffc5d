/* SPDX-License-Identifier: Apache-2.0 */
/* bf16_square.h - what products in bfloat16 share: their factors, and squares of sums (bf16_tile.h) by either
 * set of instructions. Files that include this are compiled for each set; CPU_AMX tells that it is the matrix
 * units. */
#ifndef SLMT_CPU_BF16_SQUARE_H
#define SLMT_CPU_BF16_SQUARE_H

#include "backends/cpu/bf16.h"
#include "backends/cpu/bf16_tile.h"
#include "backends/cpu/prefetch.h"

#ifdef CPU_AMX
#include "backends/cpu/amx_square.h"
#else
#include "backends/cpu/avx512bf16_square.h"
#endif

static inline factor left_of(const product *p, const bk_call *call)
{
    const bk_tensor *a = &call->in[0];
    return (factor){a->data, a->shape.dtype, p->m, p->k, p->trans_a ? 1 : p->k, p->trans_a ? p->m : 1};
}

static inline factor right_of(const product *p, const bk_call *call)
{
    const bk_tensor *b = &call->in[1];
    return (factor){b->data, b->shape.dtype, p->n, p->k, p->trans_b ? p->k : 1, p->trans_b ? 1 : p->n};
}

/* Products with a long inner dimension and a small result (bf16_deep.c). */
int KERNEL(bf16_is_deep)(const product *p);
bk_status KERNEL(bf16_prepare_deep)(cpu_device *dev, const product *p, bk_call *call);

#endif
