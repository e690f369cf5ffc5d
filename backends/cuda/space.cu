/* SPDX-License-Identifier: Apache-2.0 */
/* space.cu - linear maps over space: mirrored borders, linear interpolation, and their gradients. A gradient
 * is not scattered: each element finds those that read it, and adds them in order, in double. */
#include "backends/cuda/space.h"
#include "backends/cuda/strided.h"

/* ---- mirrored borders ---- */

struct mirroring {
    int rank;
    int64_t small[BK_MAX_RANK], large[BK_MAX_RANK], border[BK_MAX_RANK];
};

static mirroring mirroring_of(const bk_attr *attr, const bk_shape *small, const bk_shape *large)
{
    mirroring m = {small->rank, {}, {}, {}};
    for (int axis = 0; axis < small->rank; axis++) {
        m.small[axis] = small->dim[axis];
        m.large[axis] = large->dim[axis];
        m.border[axis] = attr->axes[axis];
    }
    return m;
}

__global__ void reflect(const float *x, float *y, int64_t n, mirroring m)
{
    EACH(i, n)
    {
        int64_t rest = i, from = 0, step = 1;
        for (int axis = m.rank - 1; axis >= 0; axis--) {
            int64_t at = rest % m.large[axis], border = m.border[axis];
            rest /= m.large[axis];
            at = at < border ? border - at : at - border;
            at = at < m.small[axis] ? at : 2 * (m.small[axis] - 1) - at;
            from += at * step;
            step *= m.small[axis];
        }
        y[i] = x[from];
    }
}

static void run_reflect(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    start(e, reflect, blocks_for(n), BLOCK, 0, input(call, 0), output(call, 0), n,
          mirroring_of(&call->attr, &call->in[0].shape, &call->out[0].shape));
}

const cuda_kernel cuda_reflect = {nullptr, run_reflect, nullptr};

/* The place of the large axis that mirrors place `at` of the small one in the border before (which is 0), itself
 * (1), or in the border behind (2); -1: there is none. */
static __device__ __forceinline__ int64_t image_of(const mirroring &m, int axis, int64_t at, int which)
{
    int64_t border = m.border[axis], last = m.small[axis] - 1;
    if (which == 0)
        return at >= 1 && at <= border ? border - at : -1;
    if (which == 2)
        return at <= last - 1 && at >= last - border ? border + 2 * last - at : -1;
    return border + at;
}

/* Adds every choice of one image on each axis. */
__global__ void reflect_grad(const float *dy, float *dx, int64_t n, mirroring m, int choices)
{
    EACH(i, n)
    {
        double sum = 0;
        for (int k = 0; k < choices; k++) {
            int choice = k;
            int64_t rest = i, at = 0, step = 1;
            bool there = true;
            for (int axis = m.rank - 1; axis >= 0; axis--) {
                int images = m.border[axis] > 0 ? 3 : 1;
                int64_t image = image_of(m, axis, rest % m.small[axis], images == 3 ? choice % 3 : 1);
                choice /= images;
                rest /= m.small[axis];
                there = there && image >= 0;
                at += image * step;
                step *= m.large[axis];
            }
            if (there)
                sum += dy[at];
        }
        dx[i] = (float)sum;
    }
}

static int choices_of(const mirroring &m)
{
    int choices = 1;
    for (int axis = 0; axis < m.rank; axis++)
        choices *= m.border[axis] > 0 ? 3 : 1;
    return choices;
}

static void run_reflect_grad(const bk_call *call, execution *e)
{
    int64_t n = elements(&call->out[0]);
    mirroring m = mirroring_of(&call->attr, &call->out[0].shape, &call->in[0].shape);
    start(e, reflect_grad, blocks_for(n), BLOCK, 0, input(call, 0), output(call, 0), n, m, choices_of(m));
}

const cuda_kernel cuda_reflect_grad = {nullptr, run_reflect_grad, nullptr};

/* ---- linear interpolation ---- */

struct resizing {
    int mode;
    int64_t images, channels;
    int from[SPACE], to[SPACE];
};

static resizing resizing_of(const bk_attr *attr, const bk_shape *from, const bk_shape *to)
{
    resizing r = {attr->mode, from->dim[0], last_dim(from), {}, {}};
    read_sizes(from, r.from);
    read_sizes(to, r.to);
    return r;
}

/* The two elements of an axis that element i of its resized axis lies between. */
struct between {
    int at[2];
    double weight[2];
};

static __device__ __forceinline__ between neighbours(const resizing &r, int axis, int i)
{
    int64_t from = r.from[axis], to = r.to[axis];
    if (r.mode == BK_RESIZE_NEAREST)
        return {{(int)(i * from / to), 0}, {1, 0}};
    double at = (i + 0.5) * (double)from / (double)to - 0.5;
    if (r.mode == BK_RESIZE_CORNERS)
        at = to > 1 ? (double)(i * (from - 1)) / (double)(to - 1) : 0;
    at = fmin(fmax(at, 0.0), (double)(from - 1));
    int low = (int)at;
    double part = at - low;
    return {{low, low + 1 < from ? low + 1 : low}, {1 - part, part}};
}

__global__ void resize(const float *x, float *y, resizing r)
{
    EACH(i, r.images * volume(r.to) * r.channels)
    {
        int64_t pixel = i / r.channels, pixels = volume(r.to);
        place to = place_of(pixel % pixels, r.to);
        between b[SPACE];
        double sum = 0;
        for (int axis = 0; axis < SPACE; axis++)
            b[axis] = neighbours(r, axis, to.at[axis]);
        for (int k = 0; k < 1 << SPACE; k++) {
            int64_t at = pixel / pixels;
            double weight = 1;
            for (int axis = 0; axis < SPACE; axis++) {
                int side = k >> (SPACE - 1 - axis) & 1;
                at = at * r.from[axis] + b[axis].at[side];
                weight *= b[axis].weight[side];
            }
            if (weight != 0)
                sum += weight * x[at * r.channels + i % r.channels];
        }
        y[i] = (float)sum;
    }
}

static void run_resize(const bk_call *call, execution *e)
{
    start(e, resize, blocks_for(elements(&call->out[0])), BLOCK, 0, input(call, 0), output(call, 0),
          resizing_of(&call->attr, &call->in[0].shape, &call->out[0].shape));
}

static bool serves_resize(const bk_call *call)
{
    return sizes_fit_int(&call->in[0].shape) && sizes_fit_int(&call->out[0].shape);
}

const cuda_kernel cuda_resize_linear = {nullptr, run_resize, serves_resize};

/* The first element of the resized axis whose lower neighbour is `at` or later, by bisection. */
static __device__ __forceinline__ int first_reader(const resizing &r, int axis, int at)
{
    int low = 0, high = r.to[axis];
    while (low < high) {
        int half = low + (high - low) / 2;
        if (neighbours(r, axis, half).at[0] < at)
            low = half + 1;
        else
            high = half;
    }
    return low;
}

/* The weight of element `at` of an axis in element i of the resized one. */
static __device__ __forceinline__ double weight_in(const resizing &r, int axis, int i, int at)
{
    between b = neighbours(r, axis, i);
    return (b.at[0] == at ? b.weight[0] : 0) + (b.at[1] == at ? b.weight[1] : 0);
}

__global__ void resize_grad(const float *dy, float *dx, resizing r)
{
    EACH(i, r.images * volume(r.from) * r.channels)
    {
        int64_t pixel = i / r.channels, pixels = volume(r.from), image = pixel / pixels;
        place from = place_of(pixel % pixels, r.from);
        int first[SPACE], end[SPACE];
        double sum = 0;
        for (int axis = 0; axis < SPACE; axis++) {
            first[axis] = first_reader(r, axis, from.at[axis] - 1);
            end[axis] = first_reader(r, axis, from.at[axis] + 1);
        }
        for (int p = first[0]; p < end[0]; p++)
            for (int q = first[1]; q < end[1]; q++) {
                double weight = weight_in(r, 0, p, from.at[0]) * weight_in(r, 1, q, from.at[1]);
                int64_t row = ((image * r.to[0] + p) * r.to[1] + q) * r.to[2];
                for (int s = first[2]; weight != 0 && s < end[2]; s++)
                    sum +=
                        weight * weight_in(r, 2, s, from.at[2]) * dy[(row + s) * r.channels + i % r.channels];
            }
        dx[i] = (float)sum;
    }
}

static void run_resize_grad(const bk_call *call, execution *e)
{
    start(e, resize_grad, blocks_for(elements(&call->out[0])), BLOCK, 0, input(call, 0), output(call, 0),
          resizing_of(&call->attr, &call->out[0].shape, &call->in[0].shape));
}

const cuda_kernel cuda_resize_linear_grad = {nullptr, run_resize_grad, serves_resize};
