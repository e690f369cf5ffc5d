/* SPDX-License-Identifier: Apache-2.0 */
/* pool.cu - maxima over windows, with the index of each: a thread has one channel of one window. */
#include "backends/cuda/space.h"

struct pooling {
    int64_t images, channels;
    int from[SPACE], to[SPACE], kernel[SPACE], stride[SPACE], pad[SPACE], dilation[SPACE];
};

/* The elements first, first + step, ... below end that a window holds on one axis. */
struct taps {
    int first, end, step;
};

static __device__ __forceinline__ taps taps_of(const pooling &p, int axis, int i)
{
    int64_t from = p.from[axis], to = p.to[axis];
    if (p.kernel[axis] == 0) /* adaptive */
        return {(int)(i * from / to), (int)(((i + 1) * from + to - 1) / to), 1};
    int first = i * p.stride[axis] - p.pad[axis], step = p.dilation[axis];
    int end = first + (p.kernel[axis] - 1) * step + 1;
    if (first < 0)
        first += (-first + step - 1) / step * step;
    return {first, end < from ? end : (int)from, step};
}

__global__ void max_pool(const float *x, float *y, int *index, pooling p)
{
    EACH(i, p.images * volume(p.to) * p.channels)
    {
        int64_t pixel = i / p.channels, pixels = volume(p.to), best = -1;
        const float *here = x + pixel / pixels * volume(p.from) * p.channels + i % p.channels;
        place to = place_of(pixel % pixels, p.to);
        taps t[SPACE];
        float most = 0;
        for (int axis = 0; axis < SPACE; axis++)
            t[axis] = taps_of(p, axis, to.at[axis]);
        for (int a = t[0].first; a < t[0].end; a += t[0].step)
            for (int b = t[1].first; b < t[1].end; b += t[1].step)
                for (int c = t[2].first; c < t[2].end; c += t[2].step) {
                    int64_t at = ((int64_t)a * p.from[1] + b) * p.from[2] + c;
                    float value = here[at * p.channels];
                    if (best < 0 || value > most || value != value) {
                        best = at;
                        most = value;
                    }
                }
        y[i] = most;
        if (index)
            index[i] = (int)best;
    }
}

static void run_max_pool(const bk_call *call, execution *e)
{
    const bk_shape *x = &call->in[0].shape;
    pooling p = {x->dim[0], last_dim(x), {}, {}, {}, {}, {}, {}};
    read_sizes(x, p.from);
    read_sizes(&call->out[0].shape, p.to);
    for (int i = 0; i < SPACE; i++) {
        int axis = i - SPACE + x->rank - 2;
        p.kernel[i] = axis < 0 ? 0 : call->attr.kernel[axis];
        p.stride[i] = axis < 0 ? 1 : call->attr.stride[axis];
        p.pad[i] = axis < 0 ? 0 : call->attr.pad[axis];
        p.dilation[i] = axis < 0 ? 1 : call->attr.dilation[axis];
    }
    start(e, max_pool, blocks_for(elements(&call->out[0])), BLOCK, 0, input(call, 0), output(call, 0),
          output<int>(call, 1), p);
}

static bool serves_max_pool(const bk_call *call)
{
    return sizes_fit_int(&call->out[0].shape);
}

const cuda_kernel cuda_max_pool = {nullptr, run_max_pool, serves_max_pool};
