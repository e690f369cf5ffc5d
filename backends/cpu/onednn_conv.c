/* SPDX-License-Identifier: Apache-2.0 */
/* onednn_conv.c - convolution and its gradients by oneDNN, for its C APIs of versions 2 and 3.
 *
 * Images are read and written in place, channels last. oneDNN's kernels need weights in another order: each
 * run reorders them into scratch memory before a product, and their gradient out of it afterwards. As in
 * onednn.c, prepare() sets up everything except data pointers, and scratch memory belongs to the caller. */
#include "backends/cpu/onednn.h"

#include <omp.h>
#include <string.h>

#include "backends/cpu/library.h"
#include "backends/cpu/work.h"

enum { MAX_ARGS = 5, LINE = 64 };

typedef struct conv_call {
    cpu_way way;
    dnnl_stream_t stream;
    dnnl_primitive_t conv, reorder;    /* no reorder: the weights are used in their own layout */
    dnnl_memory_t x, w, bias, y;       /* or their gradients */
    dnnl_memory_t ordered, scratch[2]; /* the weights in the library's layout; of conv, reorder */
    size_t ordered_bytes, scratch_bytes;
    const void *kept_data; /* the invariant weights that the call's kept memory holds in order, */
    uint64_t kept_version; /* and their version; 0: none yet */
} conv_call;

/* ---- descriptions ---- */

typedef struct operands {
    dnnl_memory_desc_t x, w, any, bias, y;
    int made;                                   /* of the five, in this order */
    dnnl_dims_t stride, pad, pad_end, dilation; /* dilation: 0 is none */
} operands;

/* Describes [B,S...,C], which the library calls [B,C,S...] with channels last. */
static dnnl_status_t describe_image(dnnl_memory_desc_t *d, const conv *c, int64_t channels,
                                    const int64_t *size)
{
    dnnl_dims_t dims = {c->batch, channels}, strides = {0, 1};
    int64_t step = channels;
    for (int i = c->axes - 1; i >= 0; i--) {
        dims[2 + i] = size[SPACE - c->axes + i];
        strides[2 + i] = step;
        step *= dims[2 + i];
    }
    strides[0] = step;
    return DESC_OF(d, c->axes + 2, dims, strides);
}

/* [O,C,K...] or, in groups, [G,O,C,K...] with O and C of a group. */
static int describe_weights(const conv *c, int64_t *dims, int64_t *strides)
{
    const int64_t outs = c->out / c->groups, ins = c->in / c->groups;
    const int64_t all[] = {c->groups, outs, ins}, steps[] = {outs * ins * c->taps, ins * c->taps, c->taps};
    int lead = c->groups > 1 ? 3 : 2;
    int64_t step = 1;
    for (int i = 0; i < lead; i++) {
        dims[i] = all[3 - lead + i];
        strides[i] = steps[3 - lead + i];
    }
    for (int i = c->axes - 1; i >= 0; i--) {
        dims[lead + i] = c->kernel[SPACE - c->axes + i];
        strides[lead + i] = step;
        step *= dims[lead + i];
    }
    return lead + c->axes;
}

static void read_window(const conv *c, operands *o)
{
    for (int i = 0; i < c->axes; i++) {
        int at = SPACE - c->axes + i;
        o->stride[i] = c->stride[at];
        o->dilation[i] = c->dilation[at] - 1;
        o->pad[i] = c->pad[at];
        o->pad_end[i] = c->pad_end[at];
    }
}

static dnnl_status_t describe(const conv *c, operands *o)
{
    dnnl_dims_t dims, strides, channels = {c->out}, one = {1};
    int rank = describe_weights(c, dims, strides);
    read_window(c, o);
    dnnl_status_t status = describe_image(&o->x, c, c->in, c->x);
    if (status == dnnl_success && ++o->made)
        status = DESC_OF(&o->w, rank, dims, strides);
    if (status == dnnl_success && ++o->made)
        status = ANY_DESC(&o->any, rank, dims);
    if (status == dnnl_success && ++o->made)
        status = DESC_OF(&o->bias, 1, channels, one);
    if (status == dnnl_success && ++o->made)
        status = describe_image(&o->y, c, c->out, c->y);
    if (status == dnnl_success)
        ++o->made;
    return status;
}

static void free_operands(operands *o)
{
    dnnl_memory_desc_t *all[] = {&o->x, &o->w, &o->any, &o->bias, &o->y};
    for (int i = 0; i < o->made; i++)
        FREE_DESC(*all[i]);
}

/* ---- the convolution ---- */

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t forward_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o,
                                  int bias, dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, dnnl_forward_training, dnnl_convolution_direct, o->x, o->any, bias ? o->bias : NULL, o->y,
        o->stride, o->dilation, o->pad, o->pad_end, attr);
}

static dnnl_status_t input_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o,
                                const_dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, dnnl_convolution_direct, o->x,
                                                                o->any, o->y, o->stride, o->dilation, o->pad,
                                                                o->pad_end, hint, attr);
}

static dnnl_status_t weight_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o,
                                 const_dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, dnnl_convolution_direct, o->x,
                                                                   o->any, NULL, o->y, o->stride, o->dilation,
                                                                   o->pad, o->pad_end, hint, attr);
}

#else

static dnnl_status_t forward_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o,
                                  int bias, dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &d, dnnl_forward_training, dnnl_convolution_direct, &o->x, &o->any, bias ? &o->bias : NULL, &o->y,
        o->stride, o->dilation, o->pad, o->pad_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, NULL) : status;
}

static dnnl_status_t input_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o,
                                const_dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t status = dnnl_dilated_convolution_backward_data_desc_init(
        &d, dnnl_convolution_direct, &o->x, &o->any, &o->y, o->stride, o->dilation, o->pad, o->pad_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, hint) : status;
}

static dnnl_status_t weight_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const operands *o,
                                 const_dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t status = dnnl_dilated_convolution_backward_weights_desc_init(
        &d, dnnl_convolution_direct, &o->x, &o->any, NULL, &o->y, o->stride, o->dilation, o->pad, o->pad_end);
    return status == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, hint) : status;
}

#endif

static dnnl_status_t conv_desc(dnnl_primitive_desc_t *pd, const cpu_device *dev, const bk_call *call,
                               const operands *o, dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t hint = NULL;
    if (call->op == BK_CONV)
        return forward_desc(pd, dev->onednn, o, call->attr.has_bias, attr);
    dnnl_status_t status = forward_desc(&hint, dev->onednn, o, 0, attr);
    if (status == dnnl_success)
        status = (call->op == BK_CONV_GRAD_INPUT ? input_desc : weight_desc)(pd, dev->onednn, o, hint, attr);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return status;
}

/* ---- shapes that are left to other ways ---- */

static int has_stride(const conv *c)
{
    int one = 1;
    for (int i = 0; i < SPACE; i++)
        one = one && c->stride[i] == 1;
    return !one;
}

/* With a stride, oneDNN 2.6's gradient of weights writes beyond its memory: over three axes for some kernels
 * (2x3x5x9 pixels of 16 channels, kernel 5x7x7, stride 2, pad 3), and if the kernel is one pixel and channels
 * are fewer than a vector's (oneDNN's issue 6035, open in 2026). */
static int is_trusted(const conv *c, const bk_call *call)
{
    return call->op != BK_CONV_GRAD_WEIGHT || !has_stride(c) || (c->axes < 3 && c->taps > 1);
}

/* Gradients of a dilated depthwise convolution take about ten times as long as those of depthwise.c, and
 * gradients of its weights five times if the channels do not fill vectors (oneDNN 2.6, AVX-512). */
static int is_slow(const conv *c, const bk_call *call)
{
    enum { VECTOR = 16 };
    int dilated = 0;
    for (int i = 0; i < SPACE; i++)
        dilated = dilated || c->dilation[i] > 1;
    if (c->groups == 1 || c->groups != c->in || c->groups != c->out)
        return 0;
    return (call->op != BK_CONV && dilated) || (call->op == BK_CONV_GRAD_WEIGHT && c->groups % VECTOR != 0);
}

/* False if oneDNN has only a plain loop for a shape (pads as wide as the kernel, for example), or columns and
 * a product, which conv_columns.c does better. */
static int is_fast(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success &&
           name && strstr(name, "ref") == NULL && strstr(name, "gemm") == NULL;
}

/* ---- a prepared call ---- */

/* Makes the primitive of a description, with a memory object for its scratch. */
static dnnl_status_t make_primitive(const cpu_device *dev, conv_call *p, dnnl_primitive_desc_t pd,
                                    dnnl_primitive_t *primitive, dnnl_memory_t *scratch)
{
    desc_view d = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    size_t bytes = dnnl_memory_desc_get_size(d);
    p->scratch_bytes = bytes > p->scratch_bytes ? bytes : p->scratch_bytes;
    dnnl_status_t status = dnnl_primitive_create(primitive, pd);
    if (status == dnnl_success && bytes > 0)
        status = onednn_memory(scratch, d, dev);
    return status;
}

/* Makes the reorder that brings weights into the library's own order or, with back, their gradient out of it.
 */
static dnnl_status_t make_reorder(const cpu_device *dev, conv_call *p, const operands *o, desc_view ordered,
                                  int back, dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_engine_t engine = dev->onednn;
    p->ordered_bytes = (dnnl_memory_desc_get_size(ordered) + LINE - 1) / LINE * LINE;
    dnnl_status_t status = onednn_memory(&p->ordered, ordered, dev);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, back ? ordered : VIEW(o->w), engine,
                                                    back ? VIEW(o->w) : ordered, engine, attr);
    if (status == dnnl_success)
        status = make_primitive(dev, p, pd, &p->reorder, &p->scratch[1]);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return status;
}

/* The caller provides scratch; the activation of a convolution, if there is one, is a post-op. */
static dnnl_status_t attributes_of(const bk_call *call, dnnl_primitive_attr_t *attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(attr);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (status != dnnl_success || !call || call->op != BK_CONV || call->attr.activation == BK_ACT_NONE)
        return status;
    status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success)
        status = onednn_append(ops, cpu_activation_of(&call->attr));
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (ops)
        dnnl_post_ops_destroy(ops);
    return status;
}

static dnnl_status_t make_primitives(const cpu_device *dev, const bk_call *call, const operands *o,
                                     conv_call *p)
{
    int back = call->op == BK_CONV_GRAD_WEIGHT;
    dnnl_primitive_attr_t attr = NULL, plain = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = attributes_of(call, &attr);
    if (status == dnnl_success)
        status = attributes_of(NULL, &plain);
    if (status == dnnl_success)
        status = conv_desc(&pd, dev, call, o, attr);
    if (status == dnnl_success && !is_fast(pd))
        status = dnnl_unimplemented;
    if (status == dnnl_success)
        status = make_primitive(dev, p, pd, &p->conv, &p->scratch[0]);
    if (status == dnnl_success) {
        desc_view ordered =
            dnnl_primitive_desc_query_md(pd, back ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
        if (!dnnl_memory_desc_equal(ordered, VIEW(o->w)))
            status = make_reorder(dev, p, o, ordered, back, plain);
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (plain)
        dnnl_primitive_attr_destroy(plain);
    return status;
}

static dnnl_status_t make_call(const cpu_device *dev, const conv *c, const bk_call *call, operands *o,
                               conv_call *p)
{
    dnnl_status_t status = describe(c, o);
    if (status == dnnl_success)
        status = dnnl_stream_create(&p->stream, dev->onednn, dnnl_stream_default_flags);
    if (status == dnnl_success)
        status = make_primitives(dev, call, o, p);
    if (status == dnnl_success)
        status = onednn_memory(&p->x, VIEW(o->x), dev);
    if (status == dnnl_success)
        status = onednn_memory(&p->w, VIEW(o->w), dev);
    if (status == dnnl_success)
        status = onednn_memory(&p->y, VIEW(o->y), dev);
    if (status == dnnl_success && call->op == BK_CONV && call->attr.has_bias)
        status = onednn_memory(&p->bias, VIEW(o->bias), dev);
    return status;
}

/* ---- run ---- */

/* Ordered weights are in kept memory or at the front of scratch; the library's own scratch comes after them.
 */
static void *ordered_weights(const bk_call *call)
{
    return call->kept_bytes > 0 ? call->kept : call->scratch;
}

static void *library_scratch(const conv_call *p, const bk_call *call)
{
    return (unsigned char *)call->scratch + (call->kept_bytes > 0 ? 0 : p->ordered_bytes);
}

/* The kept weights are the call's present ones. */
static int is_in_order(const conv_call *p, const bk_call *call)
{
    const bk_tensor *w = conv_w(call);
    return call->kept_bytes > 0 && p->kept_version == w->version && p->kept_data == w->data;
}

static dnnl_status_t run_reorder(const conv_call *p, const bk_call *call)
{
    if (!p->reorder)
        return dnnl_success;
    dnnl_exec_arg_t args[MAX_ARGS];
    int n = 0, back = call->op == BK_CONV_GRAD_WEIGHT;
    dnnl_status_t status = onednn_arg(args, &n, back ? DNNL_ARG_TO : DNNL_ARG_FROM, p->w, conv_w(call)->data);
    if (status == dnnl_success)
        status = onednn_arg(args, &n, back ? DNNL_ARG_FROM : DNNL_ARG_TO, p->ordered, ordered_weights(call));
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_SCRATCHPAD, p->scratch[1], library_scratch(p, call));
    return status == dnnl_success ? dnnl_primitive_execute(p->reorder, p->stream, n, args) : status;
}

static dnnl_status_t run_conv(const conv_call *p, const bk_call *call)
{
    static const int ids[][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                 {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                 {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
    const int *id = ids[call->op - BK_CONV];
    dnnl_exec_arg_t args[MAX_ARGS];
    int n = 0;
    dnnl_status_t status = onednn_arg(args, &n, id[0], p->x, conv_x(call)->data);
    if (status == dnnl_success)
        status = p->ordered ? onednn_arg(args, &n, id[1], p->ordered, ordered_weights(call))
                            : onednn_arg(args, &n, id[1], p->w, conv_w(call)->data);
    if (status == dnnl_success)
        status = onednn_arg(args, &n, id[2], p->y, conv_y(call)->data);
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_BIAS, p->bias, conv_bias(call));
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_SCRATCHPAD, p->scratch[0], library_scratch(p, call));
    return status == dnnl_success ? dnnl_primitive_execute(p->conv, p->stream, n, args) : status;
}

/* Kept weights count as present once the library has them in order. */
static dnnl_status_t put_in_order(conv_call *p, const bk_call *call)
{
    if (is_in_order(p, call))
        return dnnl_success;
    p->kept_version = 0;
    dnnl_status_t status = run_reorder(p, call);
    if (status == dnnl_success) {
        p->kept_data = conv_w(call)->data;
        p->kept_version = conv_w(call)->version;
    }
    return status;
}

static bk_status run_call(cpu_device *dev, bk_call *call)
{
    conv_call *p = call->state;
    int back = call->op == BK_CONV_GRAD_WEIGHT, before = omp_get_max_threads();
    omp_set_num_threads(dev->threads);
    dnnl_status_t status = back ? run_conv(p, call) : put_in_order(p, call);
    if (status == dnnl_success)
        status = back ? run_reorder(p, call) : run_conv(p, call);
    if (status == dnnl_success)
        status = dnnl_stream_wait(p->stream);
    omp_set_num_threads(before);
    return onednn_status(dev, "execute", status);
}

/* ---- prepare ---- */

/* Reordering costs a few nanoseconds for each weight, the product a fraction of one for each weight and
 * pixel: with more pixels than this little is gained, which is not worth a second copy of the weights. */
static int is_worth_keeping(const conv *c, const bk_call *call)
{
    enum { FEW_PIXELS = 1024 };
    return call->op != BK_CONV_GRAD_WEIGHT && conv_w(call)->version > 0 &&
           c->batch * conv_count(c->y) <= FEW_PIXELS;
}

static void release_call(cpu_device *dev, bk_call *call)
{
    conv_call *p = call->state;
    dnnl_memory_t memories[] = {p->x, p->w, p->bias, p->y, p->ordered, p->scratch[0], p->scratch[1]};
    dnnl_primitive_t primitives[] = {p->conv, p->reorder};
    (void)dev;
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
        if (memories[i])
            dnnl_memory_destroy(memories[i]);
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++)
        if (primitives[i])
            dnnl_primitive_destroy(primitives[i]);
    if (p->stream)
        dnnl_stream_destroy(p->stream);
}

bk_status onednn_conv_prepare(cpu_device *dev, const conv *c, bk_call *call)
{
    if (!is_trusted(c, call) || is_slow(c, call))
        return BK_ERR_UNSUPPORTED;
    bk_status taken = cpu_way_new(dev, call, sizeof(conv_call), run_call);
    if (taken != BK_OK)
        return taken;
    conv_call *p = call->state;
    p->way.release = release_call;
    operands o = {0};
    int before = omp_get_max_threads();
    omp_set_num_threads(dev->threads);
    dnnl_status_t status = make_call(dev, c, call, &o, p);
    omp_set_num_threads(before);
    free_operands(&o);
    if (status == dnnl_success && p->ordered && is_worth_keeping(c, call))
        call->kept_bytes = p->ordered_bytes;
    call->scratch_bytes = p->scratch_bytes + (call->kept_bytes > 0 ? 0 : p->ordered_bytes);
    if (status != dnnl_success)
        cpu_way_free(dev, call);
    return status == dnnl_unimplemented ? BK_ERR_UNSUPPORTED : onednn_status(dev, "convolution", status);
}
