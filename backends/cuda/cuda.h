/* SPDX-License-Identifier: Apache-2.0 */
/* cuda.h - the cuda backend: kernels for NVIDIA's graphics cards.
 *
 * Options: device=N (0 unless given), memory=BYTES (the most that tensors may take of the device), tf32 or
 * bf16 (products by tensor cores in that arithmetic; everything else, and without them products too, is
 * float32), eager (no captured graphs), cublaslt or
 * cublaslt=FILE (products by NVIDIA's library: one that is loaded or that the loader finds, or this file). */
#ifndef SLMT_CUDA_CUDA_H
#define SLMT_CUDA_CUDA_H

#ifdef __cplusplus
extern "C" {
#endif

#include "backends/backend.h"

const bk_backend *bk_cuda(void);

#ifdef __cplusplus
}
#endif

#endif
