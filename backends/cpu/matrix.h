/* SPDX-License-Identifier: Apache-2.0 */
/* matrix.h - matrix products: the common form of BK_MATMUL and BK_LINEAR. Everything is row-major; a product
 * is batch x [m,k] x [k,n] -> [m,n]. */
#ifndef SLMT_CPU_MATRIX_H
#define SLMT_CPU_MATRIX_H

#include "backends/cpu/cpu.h"

typedef struct product {
    int64_t batch, m, n, k;
    int trans_a, trans_b;   /* stored [k,m], [n,k] */
    int shared_a, shared_b; /* one matrix for the whole batch */
    int bias, residual;
    cpu_activation act;
} product;

/* Returns 1, or 0 if the shapes do not fit each other. */
int product_of(const bk_call *call, product *p);

/* The operands of a call; NULL if there is none. */
const float *product_bias(const bk_call *call);
const float *product_residual(const bk_call *call);

bk_status matrix_prepare(cpu_device *dev, bk_call *call);

#endif
