/* SPDX-License-Identifier: Apache-2.0 */
/* emulation.h - enough of CUDA for g++ to compile and run the kernels of this folder on the host.
 *
 * Kernels are launched into streams, and a stream runs only when the host waits for it, or are captured in
 * graphs. One block runs at a
 * time, each of its threads on a fiber when it has to wait for others, in an order that a test chooses.
 * Barriers, shuffles, votes and tensor-core products are places where threads meet. Shared memory is full of
 * NaNs when a block begins, and so is fresh memory of the device. The host cannot touch memory of the device,
 * and memory that was given back is nobody's.
 *
 * A fault of a kernel or of its host code ends the process with a message: see fault() in emulation.cc. */
#ifndef SLMT_CUDA_EMULATION_H
#define SLMT_CUDA_EMULATION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c)
    {
    }
};

struct alignas(16) float4 {
    float x, y, z, w;
};

/* ---- threads ---- */

/* 0: threads and blocks in order; 1: in reverse order; 2: scattered. */
extern "C" void emulation_set_order(int order);

/* 0: the host may touch memory of the device, and memory that was given back is used again, which is quicker.
 * Before any memory is taken. */
extern "C" void emulation_set_strict(int strict);

namespace emulation
{
enum class meeting { barrier, shuffle, vote, product_tf32, product_bf16 };

struct thread {
    dim3 index;
    enum { fresh, ready, waiting, ended } state;
    meeting at;
    const char *file; /* where it waits */
    int line;
    unsigned mask;      /* the lanes that meet */
    uint32_t given[10]; /* what it brings, and then what it takes away */
    int from;           /* the lane whose value it takes */
    struct fiber *on;
};

extern thread *running;
extern dim3 block_index, block_size, grid_size;

/* For races.cc: whether a thread of a kernel runs, and how many kernels and blocks have begun, and these and
 * barriers. */
extern bool in_kernel;
extern uint32_t launches_begun, blocks_begun, moment;
bool is_shared(const void *p);
bool is_of_device(const void *p);

/* Ends the process with a message. */
__attribute__((noreturn, format(printf, 1, 2))) void fault(const char *format, ...);

/* Returns when all that have to meet are here. */
void meet(meeting kind, unsigned mask, const char *file, int line);
void *shared_bytes();

/* The next calls of cudaGetDeviceCount() return this, with this many devices; none has a context then. */
void pretend(int error, int devices);
bool has_context(int device);

/* Returns how many graphs, and how many kernels beside them, were launched so far; whether the next captures
 * fail. */
int graph_launches();
int kernel_launches();

/* Returns how often the host has waited for a stream that had work to do. */
int waits();
void refuse_capture(bool refuse);

/* Returns how many bytes of the device are in use, and sets how many it has. */
size_t used_bytes();
void set_memory(size_t bytes);

inline uint32_t exchange(uint32_t value, unsigned mask, int from, const char *file, int line)
{
    running->given[0] = value;
    running->from = from & 31;
    meet(meeting::shuffle, mask, file, line);
    return running->given[0];
}

template <class T> T exchange_value(T value, unsigned mask, int from, const char *file, int line)
{
    uint32_t word[sizeof(T) / 4];
    memcpy(word, &value, sizeof value);
    for (uint32_t &w : word)
        w = exchange(w, mask, from, file, line);
    memcpy(&value, word, sizeof value);
    return value;
}
} // namespace emulation

#define threadIdx (emulation::running->index)
#define blockIdx  (emulation::block_index)
#define blockDim  (emulation::block_size)
#define gridDim   (emulation::grid_size)

inline void __syncthreads(const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    emulation::meet(emulation::meeting::barrier, ~0u, file, line);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, const char *file = __builtin_FILE(),
                  int line = __builtin_LINE())
{
    return emulation::exchange_value(value, mask, (int)(threadIdx.x & 31) ^ lanes, file, line);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, const char *file = __builtin_FILE(),
              int line = __builtin_LINE())
{
    return emulation::exchange_value(value, mask, lane, file, line);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, const char *file = __builtin_FILE(),
                              int line = __builtin_LINE())
{
    emulation::running->given[0] = predicate != 0;
    emulation::meet(emulation::meeting::vote, mask, file, line);
    return emulation::running->given[0];
}

inline int __any_sync(unsigned mask, int predicate, const char *file = __builtin_FILE(),
                      int line = __builtin_LINE())
{
    return __ballot_sync(mask, predicate, file, line) != 0;
}

/* One block runs at a time, and in it one thread: plain operations are atomic. races.cc is not told of them,
 * nor of what all threads that write it write the same. */
#define UNWATCHED __attribute__((no_sanitize("thread")))

UNWATCHED inline int atomicExch(int *at, int value)
{
    int old = *at;
    *at = value;
    return old;
}

UNWATCHED inline int atomicMax(int *at, int value)
{
    int old = *at;
    *at = old > value ? old : value;
    return old;
}

inline float rsqrtf(float x)
{
    return 1 / sqrtf(x);
}

/* ---- the runtime ---- */

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNotSupported = 801,
    cudaErrorUnknown = 999
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    int major, minor, multiProcessorCount;
};

typedef struct emulated_stream *cudaStream_t;
typedef struct emulated_event *cudaEvent_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph *cudaGraphExec_t;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };

cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaGetLastError();
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaMallocHost(void **p, size_t bytes);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

/* ---- the driver ---- */

enum CUresult { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_DEVICE = 101, CUDA_ERROR_INVALID_CONTEXT = 201 };
typedef int CUdevice;
typedef struct emulated_context *CUcontext;

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device);
CUresult cuCtxPushCurrent(CUcontext context);
CUresult cuCtxPopCurrent(CUcontext *context);

namespace emulation
{
/* `body` is one thread's work. */
void enqueue(cudaStream_t s, dim3 grid, dim3 block, size_t shared, std::function<void()> body);
} // namespace emulation

#endif
