/* SPDX-License-Identifier: Apache-2.0 */
/* matrix.h - matrix products: what BK_MATMUL and BK_LINEAR have in common, and the two libraries that
 * compute it. Everything is row-major; a product is batch x [m,k] x [k,n] -> [m,n]. */
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

/* 1, or 0 where the shapes do not fit each other. */
int product_of(const bk_call *call, product *p);

/* Where a call's operands are; NULL where there are none. */
const float *product_bias(const bk_call *call);
const float *product_residual(const bk_call *call);

bk_status matrix_prepare(cpu_device *dev, bk_call *call);
void matrix_release(cpu_device *dev, bk_call *call);
bk_status matrix_run(cpu_device *dev, bk_call *call);

/* onednn.c: exists with SLMT_HAVE_ONEDNN. */
bk_status onednn_open(cpu_device *dev);
void onednn_close(cpu_device *dev);
void onednn_text(char *text, size_t size); /* "oneDNN 2.6.3" */
bk_status onednn_prepare(cpu_device *dev, const product *p, bk_call *call);
void onednn_release(cpu_device *dev, bk_call *call);
bk_status onednn_run(cpu_device *dev, const product *p, bk_call *call);

/* openblas.c: exists with SLMT_HAVE_OPENBLAS. */
bk_status openblas_open(cpu_device *dev);
void openblas_text(char *text, size_t size); /* "OpenBLAS 0.3.21" */
bk_status openblas_run(cpu_device *dev, const product *p, bk_call *call);

#endif
