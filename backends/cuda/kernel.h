/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h - an op in the cuda backend: what it needs and how it is started. cuda.cu has the table of ops.
 *
 * Every sum has one order, which depends on shapes alone: results are the same bits in every run. */
#ifndef SLMT_CUDA_KERNEL_H
#define SLMT_CUDA_KERNEL_H

#include "backends/cuda/platform.h"

extern "C" {
#include "backends/backend.h"
}

/* Where and how a call runs. */
struct execution {
    cudaStream_t stream;
    int *fault;        /* memory of the device: raised by a kernel that meets an index out of range */
    int processors;    /* multiprocessors */
    int arithmetic;    /* of products: enum arithmetic */
    cudaError_t error; /* the first error of a launch */
};

enum arithmetic { ARITHMETIC_F32, ARITHMETIC_TF32, ARITHMETIC_BF16 };

struct cublaslt;

struct cuda_kernel {
    size_t (*scratch)(const bk_call *call); /* bytes; NULL: none */
    void (*run)(const bk_call *call, execution *e);
    bool (*serves)(const bk_call *call); /* what fits the definition and is not served; NULL: all is */
    /* Gives a product of the library as call->state, which may need more scratch; NULL: no library is used */
    void (*plan)(bk_call *call, const cublaslt *lt, int arithmetic) = nullptr;
};

/* cuda_conv of BK_CONV: every op has one. */
#define BK_VIEW(ID, name)
#define BK_OP(ID, name) extern const cuda_kernel cuda_##name;
#include "backends/ops.def"

/* ---- launches ---- */

constexpr int BLOCK = 256; /* threads of most blocks */

template <class... P, class... A>
void start(execution *e, void (*kernel)(P...), dim3 grid, unsigned block, size_t shared, A... arguments)
{
    cudaError_t error = launch(e->stream, kernel, grid, block, shared, arguments...);
    if (e->error == cudaSuccess)
        e->error = error;
}

static inline int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Blocks for n elements, each thread of which takes every (blocks * BLOCK)-th. */
static inline unsigned blocks_for(int64_t n)
{
    int64_t blocks = divide_up(n, BLOCK);
    return (unsigned)(blocks < 1 ? 1 : blocks < 65535 ? blocks : 65535);
}

#define EACH(i, n)                                                                                           \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n);                                \
         i += (int64_t)gridDim.x * blockDim.x)

/* ---- memory ---- */

/* Sets a word that is 0 until then; any number of threads may do that. */
static __device__ UNWATCHED inline void raise_flag(int *word)
{
    *word = 1;
}

/* Four floats that lie side by side, read and written at once. */
struct alignas(16) four {
    float of[4];
};

/* ---- shapes ---- */

static inline int64_t last_dim(const bk_shape *s)
{
    return s->rank > 0 ? s->dim[s->rank - 1] : 1;
}

static inline int64_t elements(const bk_tensor *t)
{
    return bk_count(&t->shape);
}

static inline size_t bytes_of(const bk_tensor *t)
{
    return (size_t)bk_count(&t->shape) * bk_dtype_size(t->shape.dtype);
}

template <class T = float> const T *input(const bk_call *call, int k)
{
    return (const T *)call->in[k].data;
}

template <class T = float> T *output(const bk_call *call, int k)
{
    return (T *)call->out[k].data;
}

/* A sum over rows is split for the sake of parallel work: into how many parts. A function of shapes. */
static inline int64_t parts_of(int64_t rows, int64_t others)
{
    int64_t parts = divide_up(rows, 512), wanted = divide_up(64 * 1024, others);
    parts = parts < wanted ? parts : wanted;
    return parts < 1 ? 1 : parts < 1024 ? parts : 1024;
}

#endif
