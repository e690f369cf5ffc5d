/* SPDX-License-Identifier: Apache-2.0 */
/* movement.cu - ops that move elements: transpose, slice, pad, concat and broadcast are one strided copy;
 * gather and pick read, scatter and put add, by an index.
 *
 * Sums without atomic additions: the numbers of the elements that go to one place are chained there (their
 * order in a chain is by chance), and the place adds them in the order of their numbers, the next larger one
 * each time. A chain is as long as an index occurs: 1, or a few. */
#include "backends/cuda/strided.h"

/* ---- one strided copy ---- */

template <class T> __global__ void copy_strided(const T *x, T *y, int64_t n, strided<2> walk)
{
    EACH(i, n)
    {
        int64_t at[2];
        walk.places(i, at);
        y[at[1]] = x[at[0]];
    }
}

/* Operand 0 is read, operand 1 written. */
static void start_copy(execution *e, const void *x, void *y, size_t size, strided<2> walk)
{
    int64_t n = 1;
    for (int axis = 0; axis < walk.rank; axis++)
        n *= walk.dim[axis];
    simplify(&walk);
    if (size == 8)
        start(e, copy_strided<uint64_t>, blocks_for(n), BLOCK, 0, (const uint64_t *)x, (uint64_t *)y, n,
              walk);
    else if (size == 4)
        start(e, copy_strided<uint32_t>, blocks_for(n), BLOCK, 0, (const uint32_t *)x, (uint32_t *)y, n,
              walk);
    else
        start(e, copy_strided<uint16_t>, blocks_for(n), BLOCK, 0, (const uint16_t *)x, (uint16_t *)y, n,
              walk);
}

static strided<2> walk_over(const bk_shape *s)
{
    strided<2> walk = {s->rank, {}, {}};
    memcpy(walk.dim, s->dim, sizeof walk.dim);
    return walk;
}

static size_t size_of(const bk_call *call)
{
    return bk_dtype_size(call->out[0].shape.dtype);
}

static void run_transpose(const bk_call *call, execution *e)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    strided<2> walk = walk_over(y);
    int64_t stride[BK_MAX_RANK];
    dense_strides(x, stride);
    dense_strides(y, walk.stride[1]);
    for (int axis = 0; axis < y->rank; axis++)
        walk.stride[0][axis] = stride[call->attr.axes[axis]];
    start_copy(e, call->in[0].data, call->out[0].data, size_of(call), walk);
}

const cuda_kernel cuda_transpose = {nullptr, run_transpose, nullptr};

static void run_broadcast(const bk_call *call, execution *e)
{
    strided<2> walk = walk_over(&call->out[0].shape);
    broadcast_strides(&call->in[0].shape, walk.stride[0]);
    dense_strides(&call->out[0].shape, walk.stride[1]);
    start_copy(e, call->in[0].data, call->out[0].data, size_of(call), walk);
}

const cuda_kernel cuda_broadcast = {nullptr, run_broadcast, nullptr};

/* The place in a large tensor of the first element of a small box. */
static int64_t box_offset(const bk_shape *large, const int64_t *first)
{
    int64_t stride[BK_MAX_RANK], offset = 0;
    dense_strides(large, stride);
    for (int axis = 0; axis < large->rank; axis++)
        offset += first[axis] * stride[axis];
    return offset;
}

static void run_slice(const bk_call *call, execution *e)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    strided<2> walk = walk_over(y);
    dense_strides(x, walk.stride[0]);
    dense_strides(y, walk.stride[1]);
    const char *from = input<char>(call, 0) + (size_t)box_offset(x, call->attr.axes) * size_of(call);
    start_copy(e, from, call->out[0].data, size_of(call), walk);
}

const cuda_kernel cuda_slice = {nullptr, run_slice, nullptr};

static void clear(execution *e, void *p, int value, size_t bytes)
{
    cudaError_t error = cudaMemsetAsync(p, value, bytes, e->stream);
    if (e->error == cudaSuccess)
        e->error = error;
}

static void run_pad(const bk_call *call, execution *e)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    strided<2> walk = walk_over(x);
    dense_strides(x, walk.stride[0]);
    dense_strides(y, walk.stride[1]);
    clear(e, call->out[0].data, 0, bytes_of(&call->out[0]));
    char *to = output<char>(call, 0) + (size_t)box_offset(y, call->attr.axes) * size_of(call);
    start_copy(e, call->in[0].data, to, size_of(call), walk);
}

const cuda_kernel cuda_pad = {nullptr, run_pad, nullptr};

static void run_concat(const bk_call *call, execution *e)
{
    const bk_shape *y = &call->out[0].shape;
    int64_t first[BK_MAX_RANK] = {};
    for (int k = 0; k < call->n_in; k++) {
        const bk_shape *x = &call->in[k].shape;
        strided<2> walk = walk_over(x);
        dense_strides(x, walk.stride[0]);
        dense_strides(y, walk.stride[1]);
        char *to = output<char>(call, 0) + (size_t)box_offset(y, first) * size_of(call);
        start_copy(e, call->in[k].data, to, size_of(call), walk);
        first[call->attr.axis] += x->dim[call->attr.axis];
    }
}

const cuda_kernel cuda_concat = {nullptr, run_concat, nullptr};

/* ---- by an index: all[B,N,C], picked[B,K,C], index[B,K] or, one for each element, index[B,K,C] ---- */

struct indexing {
    int64_t batch, all, picked, channels; /* B, N, K, C */
    int each;                             /* 1: an index for each element */
};

/* Returns the element of `all` that element i of `picked` belongs to, or -1. */
static __device__ __forceinline__ int64_t element_of(const indexing &s, const int *index, int64_t i,
                                                     int *fault)
{
    int64_t row = i / s.channels, at = index[s.each ? i : row];
    if (at < 0 || at >= s.all) {
        raise_flag(fault);
        return -1;
    }
    return (row / s.picked * s.all + at) * s.channels + i % s.channels;
}

template <class T> __global__ void read_by_index(const T *x, const int *index, T *y, indexing s, int *fault)
{
    EACH(i, s.batch * s.picked * s.channels)
    {
        int64_t from = element_of(s, index, i, fault);
        if (from >= 0)
            y[i] = x[from];
    }
}

static indexing indexing_of(const bk_shape *all, const bk_shape *picked, int each)
{
    return {all->dim[0], all->dim[1], picked->dim[1], all->dim[2], each};
}

static void run_read(const bk_call *call, execution *e)
{
    indexing s = indexing_of(&call->in[0].shape, &call->out[0].shape, call->op == BK_PICK);
    int64_t n = elements(&call->out[0]);
    const int *index = input<int>(call, 1);
    if (size_of(call) == 8)
        start(e, read_by_index<uint64_t>, blocks_for(n), BLOCK, 0, input<uint64_t>(call, 0), index,
              output<uint64_t>(call, 0), s, e->fault);
    else
        start(e, read_by_index<uint32_t>, blocks_for(n), BLOCK, 0, input<uint32_t>(call, 0), index,
              output<uint32_t>(call, 0), s, e->fault);
}

const cuda_kernel cuda_gather = {nullptr, run_read, nullptr};
const cuda_kernel cuda_pick = {nullptr, run_read, nullptr};

/* ---- sums by an index ---- */

/* head[] of a place and next[] of an element: the number of an element, or -1. Chained are whole rows, or
 * where each element has its index, elements. */
__global__ void chain(const int *index, int *head, int *next, indexing s, int *fault)
{
    int64_t width = s.each ? s.channels : 1;
    EACH(i, s.batch * s.picked * width)
    {
        int64_t row = i / width, at = index[i];
        if (at < 0 || at >= s.all)
            raise_flag(fault);
        else
            next[i] = atomicExch(&head[(row / s.picked * s.all + at) * width + i % width], (int)i);
    }
}

/* The least number in a chain that is above `last`; -1: none. */
static __device__ __forceinline__ int next_number(const int *next, int first, int last)
{
    int least = -1;
    for (int i = first; i >= 0; i = next[i])
        if (i > last && (least < 0 || i < least))
            least = i;
    return least;
}

template <class T> __global__ void add_chains(const T *y, const int *head, const int *next, T *x, indexing s)
{
    EACH(i, s.batch * s.all * s.channels)
    {
        int first = head[s.each ? i : i / s.channels];
        T sum = 0;
        for (int k = next_number(next, first, -1); k >= 0; k = next_number(next, first, k))
            sum += s.each ? y[k] : y[k * s.channels + i % s.channels];
        x[i] = sum;
    }
}

/* next[] lies behind head[] in scratch. */
static int64_t places(const bk_call *call)
{
    const bk_shape *all = &call->out[0].shape;
    return all->dim[0] * all->dim[1] * (call->op == BK_PUT ? all->dim[2] : 1);
}

static size_t scratch_add(const bk_call *call)
{
    return (size_t)(places(call) + elements(&call->in[1])) * sizeof(int);
}

static void run_add(const bk_call *call, execution *e)
{
    indexing s = indexing_of(&call->out[0].shape, &call->in[0].shape, call->op == BK_PUT);
    int *head = (int *)call->scratch, *next = head + places(call);
    int64_t n = elements(&call->out[0]), chained = elements(&call->in[1]);
    clear(e, head, 0xFF, (size_t)places(call) * sizeof *head);
    start(e, chain, blocks_for(chained), BLOCK, 0, input<int>(call, 1), head, next, s, e->fault);
    if (call->out[0].shape.dtype == BK_I32)
        start(e, add_chains<int>, blocks_for(n), BLOCK, 0, input<int>(call, 0), head, next,
              output<int>(call, 0), s);
    else
        start(e, add_chains<float>, blocks_for(n), BLOCK, 0, input(call, 0), head, next, output(call, 0), s);
}

static bool serves_add(const bk_call *call)
{
    return call->out[0].shape.dtype != BK_F64 && elements(&call->in[1]) <= INT32_MAX;
}

const cuda_kernel cuda_scatter = {scratch_add, run_add, serves_add};
const cuda_kernel cuda_put = {scratch_add, run_add, serves_add};
