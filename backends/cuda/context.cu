/* SPDX-License-Identifier: Apache-2.0 */
/* context.cu - see context.h. The plug-in is not linked with the driver, which a machine need not have: the runtime finds
 * the driver's functions. */
#include "backends/cuda/context.h"

namespace
{

struct driver {
    decltype(&cuDevicePrimaryCtxRetain) retain;
    decltype(&cuCtxPushCurrent) push;
    decltype(&cuCtxPopCurrent) pop;
    bool is_there;
};

#ifdef __CUDACC__
template <class F> bool find(const char *name, F *function)
{
    void *found = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    cudaError_t error = cudaGetDriverEntryPointByVersion(name, &found, 12000, cudaEnableDefault, &result);
#else
    cudaError_t error = cudaGetDriverEntryPoint(name, &found, cudaEnableDefault, &result);
#endif
    if (error != cudaSuccess)
        cudaGetLastError();
    memcpy(function, &found, sizeof found);
    return error == cudaSuccess && result == cudaDriverEntryPointSuccess && found;
}

driver find_driver()
{
    driver d = {};
    d.is_there = find("cuDevicePrimaryCtxRetain", &d.retain) && find("cuCtxPushCurrent", &d.push) &&
                 find("cuCtxPopCurrent", &d.pop);
    return d;
}
#else
driver find_driver()
{
    return {cuDevicePrimaryCtxRetain, cuCtxPushCurrent, cuCtxPopCurrent, true};
}
#endif

const driver &the_driver()
{
    static const driver d = find_driver();
    return d;
}

} // namespace

CUcontext primary_context(int index)
{
    CUcontext context = nullptr;
    if (!the_driver().is_there || the_driver().retain(&context, index) != CUDA_SUCCESS)
        return nullptr;
    return context;
}

on_device::on_device(int index, CUcontext context)
{
    if (context)
        pushed_ = the_driver().push(context) == CUDA_SUCCESS;
    if (pushed_)
        return;
    if (cudaGetDevice(&before_) != cudaSuccess)
        before_ = -1;
    changed_ = before_ != index;
    if (changed_)
        cudaSetDevice(index);
}

on_device::~on_device()
{
    CUcontext popped;
    if (pushed_)
        the_driver().pop(&popped);
    else if (changed_ && before_ >= 0)
        cudaSetDevice(before_);
}
