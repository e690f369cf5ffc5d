/* SPDX-License-Identifier: Apache-2.0 */
/* context.h - which device the calls of the CUDA runtime mean, for as long as an object lives.
 *
 * cudaSetDevice() would be enough but for its way back: since CUDA 12 it makes a context on the device that
 * was current, hundreds of megabytes on a card that the caller may never use, and it replaces a context that
 * the caller made with the driver's functions. So the device's primary context, which is the runtime's own,
 * is pushed and popped. */
#ifndef SLMT_CUDA_CONTEXT_H
#define SLMT_CUDA_CONTEXT_H

#include "backends/cuda/platform.h"

#ifdef __CUDACC__
#include <cuda.h>
#endif

/* Returns the primary context of a device, which then stays until the process ends, as the runtime keeps it
 * too. NULL: the driver does not give it; cudaSetDevice() is used instead, and what is wrong shows in the
 * calls that follow. */
CUcontext primary_context(int index);

class on_device
{
  public:
    on_device(int index, CUcontext context);
    ~on_device();
    on_device(const on_device &) = delete;
    on_device &operator=(const on_device &) = delete;

  private:
    bool pushed_ = false, changed_ = false;
    int before_ = -1;
};

#endif
