/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_host.h - the emulated cuda backend for callers with host memory: three calls in turn run under three
 * orders of threads and blocks. */
#ifndef SLMT_TESTS_CUDA_HOST_H
#define SLMT_TESTS_CUDA_HOST_H

#include "backends/backend.h"

const bk_backend *bk_cuda_host(void);

#endif
