// SPDX-License-Identifier: Apache-2.0
// onednn_guard.cpp - oneDNN's functions, none of which throws. The only C++ in the library, and the only file
// that calls oneDNN.
#define ONEDNN_UNGUARDED
#include "backends/cpu/onednn_guard.h"

#include <cstdlib>
#include <new>

#include <sys/mman.h>

namespace
{

// A primitive that was being made stays in oneDNN's cache as one that will never be ready: later calls would
// find it there.
void forget_unfinished()
{
    int capacity = 0;
    if (dnnl_get_primitive_cache_capacity(&capacity) != dnnl_success)
        return;
    dnnl_set_primitive_cache_capacity(0);
    dnnl_set_primitive_cache_capacity(capacity);
}

dnnl_status_t failed(dnnl_status_t status)
{
    try {
        forget_unfinished();
    } catch (...) {
    }
    return status;
}

// One call of oneDNN 2.6 was seen to take 250 KiB in small blocks, and 5 maps of 256 KiB for the code of
// kernels. What is asked for is several times as much, because other threads take memory at the same time.
constexpr std::size_t small_blocks = 64 << 10, part = 1 << 20, parts = 16;

// True if there may be as many more maps: the kernel joins neighbours that are alike.
bool can_split(char *pages)
{
    for (std::size_t i = 1; i < parts; i += 2)
        if (mprotect(pages + i * part, part, PROT_NONE) != 0)
            return false;
    return true;
}

// True if small blocks and the pages of kernels' code can be had.
bool has_memory()
{
    void *block = std::malloc(small_blocks);
    if (!block)
        return false;
    std::free(block);
    void *pages = mmap(nullptr, parts * part, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return false;
    bool splits = can_split(static_cast<char *>(pages));
    return munmap(pages, parts * part) == 0 && splits;
}

template <auto function> struct guarded;

template <typename... Values, dnnl_status_t (*function)(Values...)> struct guarded<function> {
    static dnnl_status_t make(Values... values)
    {
        return has_memory() ? call(values...) : dnnl_out_of_memory;
    }

    static dnnl_status_t call(Values... values)
    {
        try {
            return function(values...);
        } catch (const std::bad_alloc &) {
            return failed(dnnl_out_of_memory);
        } catch (...) {
            return failed(dnnl_runtime_error);
        }
    }
};

} // namespace

#define ONEDNN_CALL(name) guarded<dnnl_##name>::call,
#define ONEDNN_MAKE(name) guarded<dnnl_##name>::make,
extern "C" const onednn_calls onednn_guard = {
    ONEDNN_CALLS(ONEDNN_CALL, ONEDNN_MAKE) dnnl_version,
    dnnl_get_effective_cpu_isa,
    dnnl_memory_desc_equal,
    dnnl_memory_desc_get_size,
    dnnl_primitive_desc_query_md,
};
