/* SPDX-License-Identifier: Apache-2.0 */
/* cuda_host.h - the cuda backend for callers with host memory: the emulated one, of which three calls in turn
 * run under three orders of threads and blocks; or, where the environment's SLMT_TEST_CUDA names the file of
 * a plug-in, that one. */
#ifndef SLMT_TESTS_CUDA_HOST_H
#define SLMT_TESTS_CUDA_HOST_H

#include "backends/backend.h"

const bk_backend *bk_cuda_host(void);

#endif
