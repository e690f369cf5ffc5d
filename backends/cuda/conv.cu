/* SPDX-License-Identifier: Apache-2.0 */
/* conv.cu - convolution and its two gradients, each an implicit product: the matrices of windows are never
 * there, their elements are read from x and dy when the product asks for them.
 *
 *   y[pixel, o]     = sum over (tap, c)   x[window(pixel, tap), c] w[o, c, tap]
 *   dx[pixel, c]    = sum over (tap, o)   dy[window'(pixel, tap), o] w[o, c, tap]
 *   dw[o, (tap, c)] = sum over pixel      dy[pixel, o] x[window(pixel, tap), c]
 *
 * The groups of a convolution are the batch of the product. */
#include "backends/cuda/activation.h"
#include "backends/cuda/product.h"
#include "backends/cuda/space.h"

struct convolution {
    int64_t images, groups, ins, outs; /* channels of a group */
    int64_t taps;
    int x[SPACE], y[SPACE], kernel[SPACE], stride[SPACE], dilation[SPACE], pad[SPACE];
    divisor by_ins, by_outs, by_pixels, by_stride[SPACE]; /* pixels: of y */
    divisor_of_places by_kernel, by_y;

    /* The place in x that a tap of the window at a place of y reads. Returns its number in the image, or -1.
     */
    __device__ __forceinline__ int64_t window(const place &out, const place &tap) const
    {
        int64_t number = 0;
        for (int i = 0; i < SPACE; i++) {
            int at = out.at[i] * stride[i] + tap.at[i] * dilation[i] - pad[i];
            if (at < 0 || at >= x[i])
                return -1;
            number = number * x[i] + at;
        }
        return number;
    }

    /* The place in y whose window reads a place of x by a tap. Returns its number in the image, or -1. */
    __device__ __forceinline__ int64_t reader(const place &in, const place &tap) const
    {
        int64_t number = 0;
        for (int i = 0; i < SPACE; i++) {
            int at = in.at[i] + pad[i] - tap.at[i] * dilation[i];
            int step = (int)by_stride[i].quotient((uint32_t)(at < 0 ? 0 : at));
            if (at < 0 || step * stride[i] != at || step >= y[i])
                return -1;
            number = number * y[i] + step;
        }
        return number;
    }
};

static convolution convolution_of(const bk_attr *attr, const bk_shape *x, const bk_shape *w,
                                  const bk_shape *y)
{
    convolution c = {};
    c.images = x->dim[0];
    c.groups = attr->groups;
    c.ins = last_dim(x) / c.groups;
    c.outs = last_dim(y) / c.groups;
    c.taps = 1;
    read_sizes(x, c.x);
    read_sizes(y, c.y);
    for (int i = 0; i < SPACE; i++) {
        int axis = i - SPACE + x->rank - 2;
        c.kernel[i] = axis < 0 ? 1 : (int)w->dim[axis + 2];
        c.stride[i] = axis < 0 ? 1 : attr->stride[axis];
        c.dilation[i] = axis < 0 ? 1 : attr->dilation[axis];
        c.pad[i] = axis < 0 ? 0 : attr->pad[axis];
        c.taps *= c.kernel[i];
        c.by_stride[i] = divisor_of(c.stride[i]);
    }
    c.by_ins = divisor_of(c.ins);
    c.by_outs = divisor_of(c.outs);
    c.by_pixels = divisor_of(volume(c.y));
    c.by_kernel = divisor_of_sizes(c.kernel);
    c.by_y = divisor_of_sizes(c.y);
    return c;
}

/* The numbers along the depth of a product: of the channels of a tap, or the pixels of an image, one after the other. */
struct step_of_depth {
    uint32_t outer, inner;
};

static __device__ __forceinline__ step_of_depth step_of(const divisor &inners, int64_t k)
{
    uint32_t outer = inners.quotient((uint32_t)k);
    return {outer, (uint32_t)k - outer * inners.by};
}

/* What the three products have in common: the groups are neighbours in memory. */
struct windows {
    int64_t batch, rows, columns, depth;
    convolution c;
    const float *from, *with;
    float *to;
    static constexpr bool batch_is_inner = true, has_fours = true;

    /* Channels of a pixel are neighbours in memory; those of a weight are as far apart as it has taps. */
    bool reads_fours(const float *pixels, int64_t channels) const
    {
        return ((uintptr_t)pixels & 15) == 0 && (channels & 3) == 0;
    }
};

/* Four floats of a pixel that lie side by side; zeros where the window is outside the image. */
static __device__ __forceinline__ float4 four_at(const float *x, int64_t pixel, int64_t place)
{
    return pixel < 0 ? float4{0, 0, 0, 0} : *(const float4 *)(x + place);
}

/* Four of a weight, `apart` from each other. */
static __device__ __forceinline__ float4 four_apart(const float *w, int64_t apart)
{
    return {w[0], w[apart], w[2 * apart], w[3 * apart]};
}

static windows windows_of(const convolution &c, int64_t rows, int64_t columns, int64_t depth)
{
    return {c.groups, rows, columns, depth, c, nullptr, nullptr, nullptr};
}

static size_t scratch_of(const windows &w)
{
    shape_of_product s = {w.batch, w.rows, w.columns, w.depth};
    return product_scratch(&s);
}

static bool is_served(const windows &w)
{
    shape_of_product s = {w.batch, w.rows, w.columns, w.depth};
    return product_is_served(&s) && volume(w.c.x) <= INT32_MAX && volume(w.c.y) <= INT32_MAX && w.depth <= INT32_MAX;
}

/* A pixel of an image, for the channels of a group. */
struct pixel {
    int64_t image, group;
    place at;
};

static __device__ __forceinline__ pixel pixel_of(int64_t group, int64_t number, const int size[SPACE])
{
    int64_t n = volume(size);
    return {number / n, group, place_of(number % n, size)};
}

/* ---- forward ---- */

struct conv_forward : windows {
    const float *bias;
    activation act;
    enum { a_by_depth = 1, b_by_depth = 1 };
    typedef pixel row;
    typedef int64_t column;

    __device__ __forceinline__ row at_row(int64_t group, int64_t r) const
    {
        return pixel_of(group, r, c.y);
    }
    __device__ __forceinline__ column at_column(int64_t group, int64_t o) const
    {
        return (group * c.outs + o) * c.ins * c.taps;
    }
    __device__ __forceinline__ float a(const row &p, int64_t k) const
    {
        step_of_depth s = step_of(c.by_ins, k);
        int64_t at = c.window(p.at, c.by_kernel.place_of(s.outer));
        if (at < 0)
            return 0;
        return from[((p.image * volume(c.x) + at) * c.groups + p.group) * c.ins + s.inner];
    }
    __device__ __forceinline__ float b(column first, int64_t k) const
    {
        step_of_depth s = step_of(c.by_ins, k);
        return with[first + s.inner * c.taps + s.outer];
    }
    __device__ __forceinline__ float4 a4(const row &p, int64_t k) const
    {
        step_of_depth s = step_of(c.by_ins, k);
        int64_t at = c.window(p.at, c.by_kernel.place_of(s.outer));
        return four_at(from, at, ((p.image * volume(c.x) + at) * c.groups + p.group) * c.ins + s.inner);
    }
    __device__ __forceinline__ float4 b4(column first, int64_t k) const
    {
        step_of_depth s = step_of(c.by_ins, k);
        return four_apart(with + first + s.inner * c.taps + s.outer, c.taps);
    }
    bool in_fours() const
    {
        return reads_fours(from, c.ins);
    }
    __device__ __forceinline__ void store(int64_t group, int64_t r, int64_t o, float sum) const
    {
        int64_t channel = group * c.outs + o;
        to[r * c.groups * c.outs + channel] = activate(act, bias ? sum + bias[channel] : sum);
    }
};

static windows forward_of(const bk_call *call)
{
    convolution c = convolution_of(&call->attr, &call->in[0].shape, &call->in[1].shape, &call->out[0].shape);
    return windows_of(c, c.images * volume(c.y), c.outs, c.ins * c.taps);
}

static void run_conv(const bk_call *call, execution *e)
{
    conv_forward p = {};
    (windows &)p = forward_of(call);
    p.from = input(call, 0);
    p.with = input(call, 1);
    p.to = output(call, 0);
    p.bias = call->attr.has_bias ? input(call, 2) : nullptr;
    p.act = activation_of(call);
    start_product(e, p, call->scratch);
}

static size_t scratch_conv(const bk_call *call)
{
    return scratch_of(forward_of(call));
}

static bool serves_conv(const bk_call *call)
{
    return is_served(forward_of(call));
}

const cuda_kernel cuda_conv = {scratch_conv, run_conv, serves_conv};

/* ---- gradient of x ---- */

struct conv_dx : windows {
    enum { a_by_depth = 1, b_by_depth = 0 };
    typedef pixel row;
    typedef int64_t column;

    __device__ __forceinline__ row at_row(int64_t group, int64_t r) const
    {
        return pixel_of(group, r, c.x);
    }
    __device__ __forceinline__ column at_column(int64_t group, int64_t i) const
    {
        return (group * c.outs * c.ins + i) * c.taps;
    }
    __device__ __forceinline__ float a(const row &p, int64_t k) const
    {
        step_of_depth s = step_of(c.by_outs, k);
        int64_t at = c.reader(p.at, c.by_kernel.place_of(s.outer));
        if (at < 0)
            return 0;
        return from[((p.image * volume(c.y) + at) * c.groups + p.group) * c.outs + s.inner];
    }
    __device__ __forceinline__ float b(column first, int64_t k) const
    {
        step_of_depth s = step_of(c.by_outs, k);
        return with[first + s.inner * c.ins * c.taps + s.outer];
    }
    __device__ __forceinline__ float4 a4(const row &p, int64_t k) const
    {
        step_of_depth s = step_of(c.by_outs, k);
        int64_t at = c.reader(p.at, c.by_kernel.place_of(s.outer));
        return four_at(from, at, ((p.image * volume(c.y) + at) * c.groups + p.group) * c.outs + s.inner);
    }
    __device__ __forceinline__ float4 b4(column first, int64_t k) const
    {
        step_of_depth s = step_of(c.by_outs, k);
        return four_apart(with + first + s.inner * c.ins * c.taps + s.outer, c.taps);
    }
    bool in_fours() const
    {
        return reads_fours(from, c.outs) && (c.ins & 3) == 0;
    }
    __device__ __forceinline__ void store(int64_t group, int64_t r, int64_t i, float sum) const
    {
        to[(r * c.groups + group) * c.ins + i] = sum;
    }
};

static windows dx_of(const bk_call *call)
{
    convolution c = convolution_of(&call->attr, &call->out[0].shape, &call->in[0].shape, &call->in[1].shape);
    return windows_of(c, c.images * volume(c.x), c.ins, c.outs * c.taps);
}

static void run_conv_dx(const bk_call *call, execution *e)
{
    conv_dx p = {};
    (windows &)p = dx_of(call);
    p.from = input(call, 1);
    p.with = input(call, 0);
    p.to = output(call, 0);
    start_product(e, p, call->scratch);
}

static size_t scratch_conv_dx(const bk_call *call)
{
    return scratch_of(dx_of(call));
}

static bool serves_conv_dx(const bk_call *call)
{
    return is_served(dx_of(call));
}

const cuda_kernel cuda_conv_grad_input = {scratch_conv_dx, run_conv_dx, serves_conv_dx};

/* ---- gradient of w ---- */

struct conv_dw : windows {
    enum { a_by_depth = 0, b_by_depth = 0 };
    typedef int64_t row;
    struct column {
        int64_t channel;
        place tap;
    };

    __device__ __forceinline__ row at_row(int64_t group, int64_t o) const
    {
        return group * c.outs + o;
    }
    __device__ __forceinline__ column at_column(int64_t group, int64_t i) const
    {
        return {group * c.ins + i % c.ins, place_of(i / c.ins, c.kernel)};
    }
    __device__ __forceinline__ float a(row channel, int64_t k) const
    {
        return from[k * c.groups * c.outs + channel];
    }
    __device__ __forceinline__ float b(const column &o, int64_t k) const
    {
        step_of_depth s = step_of(c.by_pixels, k);
        int64_t at = c.window(c.by_y.place_of(s.inner), o.tap);
        return at < 0 ? 0 : with[(s.outer * volume(c.x) + at) * c.groups * c.ins + o.channel];
    }
    __device__ __forceinline__ float4 a4(row channel, int64_t k) const
    {
        return *(const float4 *)(from + k * c.groups * c.outs + channel);
    }
    __device__ __forceinline__ float4 b4(const column &o, int64_t k) const
    {
        step_of_depth s = step_of(c.by_pixels, k);
        int64_t at = c.window(c.by_y.place_of(s.inner), o.tap);
        return four_at(with, at, (s.outer * volume(c.x) + at) * c.groups * c.ins + o.channel);
    }
    bool in_fours() const
    {
        return reads_fours(from, c.outs) && reads_fours(with, c.ins);
    }
    __device__ __forceinline__ void store(int64_t group, int64_t o, int64_t i, float sum) const
    {
        to[((group * c.outs + o) * c.ins + i % c.ins) * c.taps + i / c.ins] = sum;
    }
};

static windows dw_of(const bk_call *call)
{
    convolution c = convolution_of(&call->attr, &call->in[0].shape, &call->out[0].shape, &call->in[1].shape);
    return windows_of(c, c.outs, c.ins * c.taps, c.images * volume(c.y));
}

static void run_conv_dw(const bk_call *call, execution *e)
{
    conv_dw p = {};
    (windows &)p = dw_of(call);
    p.from = input(call, 1);
    p.with = input(call, 0);
    p.to = output(call, 0);
    start_product(e, p, call->scratch);
}

static size_t scratch_conv_dw(const bk_call *call)
{
    return scratch_of(dw_of(call));
}

static bool serves_conv_dw(const bk_call *call)
{
    return is_served(dw_of(call));
}

const cuda_kernel cuda_conv_grad_weight = {scratch_conv_dw, run_conv_dw, serves_conv_dw};
