/* SPDX-License-Identifier: Apache-2.0 */
/* cublaslt.h - matrix products by NVIDIA's library cuBLASLt, which is opened when a context asks for it. The
 * plug-in does not need it: product.h has kernels of its own. */
#ifndef SLMT_CUDA_CUBLASLT_H
#define SLMT_CUDA_CUBLASLT_H

#include "backends/cuda/kernel.h"

struct cublaslt;         /* the library, opened */
struct cublaslt_product; /* one product, whose algorithm is chosen */

/* y[batch][rows][columns] = a b, row by row in memory; a step is the distance of two matrices of a batch. */
struct matrix_product {
    int64_t batch, rows, columns, depth, a_step, b_step;
    bool trans_a, trans_b;
    int arithmetic;
};

/* Opens the library: a file; or if it is "", a copy that the process has loaded, or that the loader finds.
 * Gives a sentence in why, where there is none. NULL: the library cannot be opened. */
cublaslt *cublaslt_open(const char *file, char *why, size_t size);
void cublaslt_close(cublaslt *lt); /* NULL is allowed */

/* Chooses an algorithm by the library's heuristic, which looks at shapes alone; its sums are made in one
 * piece, so that they have one order. NULL: the library has none. */
cublaslt_product *cublaslt_prepare(const cublaslt *lt, const matrix_product *m);
void cublaslt_release(cublaslt_product *p); /* NULL is allowed */

/* Whether the product can be run on these addresses. */
bool cublaslt_fits(const void *a, const void *b, const void *y);

/* Starts it. False: the library refused. */
bool cublaslt_run(const cublaslt_product *p, const float *a, const float *b, float *y, cudaStream_t stream);

#endif
