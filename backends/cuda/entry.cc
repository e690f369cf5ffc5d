/* SPDX-License-Identifier: Apache-2.0 */
/* entry.cc - the one function that the plug-in libslmt_cuda.so exports. */
#include "backends/cuda/cuda.h"

extern "C" {
__attribute__((visibility("default"))) const bk_backend *slmt_backend(void);

const bk_backend *slmt_backend(void)
{
    return bk_cuda();
}
}
