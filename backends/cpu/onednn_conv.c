/* SPDX-License-Identifier: Apache-2.0 */
/* onednn_conv.c - convolution and its gradients by oneDNN, for its C APIs of versions 2 and 3.
 *
 * A call is cut into parts, each a serial primitive on some samples or on some rows of one sample; the
 * backend's own threads share them. Images are read and written in place, channels last, so that a part's
 * rows are one piece of memory. oneDNN's kernels need weights in another order: each run reorders them into
 * scratch memory before a product, and their gradient out of it afterwards, where each part has made a sum of
 * its own. With bfloat16 arithmetic, images that the library reads are rounded into scratch memory first, and
 * weights as they are reordered; results and gradients of weights are float32. As in onednn.c, prepare() sets
 * up everything except data pointers, and scratch memory belongs to the caller. */
#include "backends/cpu/onednn.h"

#include <omp.h>
#include <stdatomic.h>
#include <string.h>

#include "backends/cpu/conv_parts.h"
#include "backends/cpu/library.h"
#include "backends/cpu/work.h"

enum { MAX_ARGS = 5, LINE = 64 };

/* A part of a convolution, which one thread computes. */
typedef struct part {
    dnnl_stream_t stream;
    dnnl_primitive_t conv;
    dnnl_memory_t x, bias, y, w, scratch; /* or gradients; w: in the library's order, if there is a reorder */
    int64_t x_at, y_at;                   /* index of the first elements in x and y */
} part;

/* A part of the reorder: some output channels. */
typedef struct turn {
    dnnl_stream_t stream;
    dnnl_primitive_t reorder;
    dnnl_memory_t from, to, scratch;
} turn;

typedef struct conv_call {
    cpu_way way;
    int64_t parts, turns;
    part *part;
    turn *turn;
    int rounds;                         /* factors are bfloat16 */
    int is_ordered;                     /* 0: the library reads the weights in their own layout */
    size_t ordered_bytes, thread_bytes; /* of weights in order; of the library's scratch for each thread */
    const void *kept_data; /* the invariant weights that the call's kept memory holds in order, */
    uint64_t kept_version; /* and their version; 0: none yet */
} conv_call;

/* ---- descriptions ---- */

/* The types of the three tensors as the library sees them. */
typedef struct kinds {
    dnnl_data_type_t x, w, y;
} kinds;

static kinds kinds_of(int op, int rounds)
{
    dnnl_data_type_t rounded = rounds ? dnnl_bf16 : dnnl_f32;
    return (kinds){op == BK_CONV_GRAD_INPUT ? dnnl_f32 : rounded,
                   op == BK_CONV_GRAD_WEIGHT ? dnnl_f32 : rounded, op == BK_CONV ? dnnl_f32 : rounded};
}

typedef struct operands {
    dnnl_memory_desc_t x, w, any, bias, y;
    int made;                                   /* of the five, in this order */
    dnnl_dims_t stride, pad, pad_end, dilation; /* dilation: 0 is none */
} operands;

/* Describes [B,S...,C], which the library calls [B,C,S...] with channels last. */
static dnnl_status_t describe_image(dnnl_memory_desc_t *d, dnnl_data_type_t type, const conv *c,
                                    int64_t channels, const int64_t *size)
{
    dnnl_dims_t dims = {c->batch, channels}, strides = {0, 1};
    int64_t step = channels;
    for (int i = c->axes - 1; i >= 0; i--) {
        dims[2 + i] = size[SPACE - c->axes + i];
        strides[2 + i] = step;
        step *= dims[2 + i];
    }
    strides[0] = step;
    return TYPED_DESC(d, c->axes + 2, dims, type, strides);
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

static dnnl_status_t describe(const conv *c, kinds k, operands *o)
{
    dnnl_dims_t dims, strides, channels = {c->out}, one = {1};
    int rank = describe_weights(c, dims, strides);
    read_window(c, o);
    dnnl_status_t status = describe_image(&o->x, k.x, c, c->in, c->x);
    if (status == dnnl_success && ++o->made)
        status = DESC_OF(&o->w, rank, dims, strides);
    if (status == dnnl_success && ++o->made)
        status = ANY_DESC(&o->any, rank, dims, k.w);
    if (status == dnnl_success && ++o->made)
        status = DESC_OF(&o->bias, 1, channels, one);
    if (status == dnnl_success && ++o->made)
        status = describe_image(&o->y, k.y, c, c->out, c->y);
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
                               const operands *o, int rounds, dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t hint = NULL;
    if (call->op == BK_CONV)
        return forward_desc(pd, dev->onednn, o, call->attr.has_bias, attr);
    /* a forward convolution has no float32 image beside rounded ones, and the library needs no hint */
    dnnl_status_t status = rounds ? dnnl_success : forward_desc(&hint, dev->onednn, o, 0, attr);
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
    size_t bytes = dnnl_memory_desc_get_size(d), lines = (bytes + LINE - 1) / LINE * LINE;
    p->thread_bytes = lines > p->thread_bytes ? lines : p->thread_bytes;
    dnnl_status_t status = dnnl_primitive_create(primitive, pd);
    if (status == dnnl_success && bytes > 0)
        status = onednn_memory(scratch, d, dev);
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

/* Makes the description of a part's primitive. The first part lets the library choose the order of the
 * weights, which the others share. */
static dnnl_status_t part_desc(const cpu_device *dev, const bk_call *call, operands *o, int rounds,
                               desc_view ordered, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *pd)
{
    if (ordered) {
        dnnl_memory_desc_t any;
        dnnl_status_t status = COPY_DESC(&any, ordered);
        if (status != dnnl_success)
            return status;
        FREE_DESC(o->any);
        o->any = any;
    }
    dnnl_status_t status = conv_desc(pd, dev, call, o, rounds, attr);
    return status == dnnl_success && !is_fast(*pd) ? dnnl_unimplemented : status;
}

static dnnl_status_t make_memories(const cpu_device *dev, const bk_call *call, const operands *o,
                                   desc_view ordered, part *t)
{
    dnnl_status_t status = onednn_memory(&t->x, VIEW(o->x), dev);
    if (status == dnnl_success)
        status = onednn_memory(&t->w, ordered, dev);
    if (status == dnnl_success)
        status = onednn_memory(&t->y, VIEW(o->y), dev);
    if (status == dnnl_success && call->op == BK_CONV && call->attr.has_bias)
        status = onednn_memory(&t->bias, VIEW(o->bias), dev);
    return status;
}

static desc_view weights_of(const bk_call *call, const_dnnl_primitive_desc_t pd)
{
    int back = call->op == BK_CONV_GRAD_WEIGHT;
    return dnnl_primitive_desc_query_md(pd, back ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

/* Makes part `index`; `first` is the description of the first part's primitive, which is set by it. */
static dnnl_status_t make_part(const cpu_device *dev, const conv *c, const bk_call *call, conv_call *p,
                               int64_t index, dnnl_primitive_desc_t *first)
{
    operands o = {0};
    part *t = &p->part[index];
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = describe(c, kinds_of(call->op, p->rounds), &o);
    if (status == dnnl_success)
        status = attributes_of(call, &attr);
    if (status == dnnl_success)
        status = dnnl_stream_create(&t->stream, dev->onednn, dnnl_stream_default_flags);
    if (status == dnnl_success)
        status = part_desc(dev, call, &o, p->rounds, *first ? weights_of(call, *first) : NULL, attr, &pd);
    if (status == dnnl_success)
        status = make_primitive(dev, p, pd, &t->conv, &t->scratch);
    if (status == dnnl_success)
        status = make_memories(dev, call, &o, weights_of(call, pd), t);
    if (pd && index > 0)
        dnnl_primitive_desc_destroy(pd);
    else
        *first = pd;
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    free_operands(&o);
    return status;
}

/* Output channels first to end - 1 of weights. */
static dnnl_status_t channels_desc(dnnl_memory_desc_t *d, const conv *c, desc_view weights, int64_t first,
                                   int64_t end)
{
    dnnl_dims_t dims, strides, offsets = {first};
    if (end - first == c->out)
        return COPY_DESC(d, weights);
    describe_weights(c, dims, strides);
    dims[0] = end - first;
    return SUB_DESC(d, weights, dims, offsets);
}

/* Makes the reorder of some output channels from one description to the other, and its memory objects. */
static dnnl_status_t make_reorder(const cpu_device *dev, conv_call *p, desc_view from, desc_view to, turn *t)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = attributes_of(NULL, &attr);
    if (status == dnnl_success)
        status = dnnl_stream_create(&t->stream, dev->onednn, dnnl_stream_default_flags);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, from, dev->onednn, to, dev->onednn, attr);
    if (status == dnnl_success)
        status = make_primitive(dev, p, pd, &t->reorder, &t->scratch);
    if (status == dnnl_success)
        status = onednn_memory(&t->from, from, dev);
    if (status == dnnl_success)
        status = onednn_memory(&t->to, to, dev);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

static dnnl_status_t make_turn(const cpu_device *dev, const conv *c, const bk_call *call, conv_call *p,
                               desc_view plain, desc_view ordered, int64_t index)
{
    int64_t first = c->out * index / p->turns, end = c->out * (index + 1) / p->turns;
    int back = call->op == BK_CONV_GRAD_WEIGHT;
    dnnl_memory_desc_t a, b;
    dnnl_status_t status = channels_desc(&a, c, plain, first, end);
    if (status != dnnl_success)
        return status;
    status = channels_desc(&b, c, ordered, first, end);
    if (status == dnnl_success) {
        status = back ? make_reorder(dev, p, VIEW(b), VIEW(a), &p->turn[index])
                      : make_reorder(dev, p, VIEW(a), VIEW(b), &p->turn[index]);
        FREE_DESC(b);
    }
    FREE_DESC(a);
    return status;
}

/* A reorder is shared if all pieces have whole blocks of channels, and are worth it. */
static int64_t turn_count(const conv *c, int threads)
{
    enum { BLOCK = 64, WORTH = 1 << 16 };
    int64_t pieces = work_min(c->out / BLOCK, c->taps * c->in * c->out / WORTH);
    if (threads == 1 || c->groups > 1 || c->out % BLOCK != 0)
        return 1;
    pieces = work_max(1, work_min(pieces, 2 * threads));
    while (c->out / BLOCK % pieces != 0)
        pieces--;
    return pieces;
}

static dnnl_status_t make_turns(const cpu_device *dev, const conv *c, const bk_call *call, conv_call *p,
                                desc_view ordered)
{
    operands o = {0};
    dnnl_status_t status = describe(c, kinds_of(call->op, p->rounds), &o);
    p->ordered_bytes = (dnnl_memory_desc_get_size(ordered) + LINE - 1) / LINE * LINE;
    p->is_ordered = status == dnnl_success && !dnnl_memory_desc_equal(ordered, VIEW(o.w));
    for (int64_t i = 0; status == dnnl_success && p->is_ordered && i < p->turns; i++)
        status = make_turn(dev, c, call, p, VIEW(o.w), ordered, i);
    free_operands(&o);
    return status;
}

static dnnl_status_t make_call(const cpu_device *dev, const conv *c, const bk_call *call, conv_cutting k,
                               conv_call *p)
{
    dnnl_primitive_desc_t first = NULL;
    dnnl_status_t status = dnnl_success;
    for (int64_t i = 0; status == dnnl_success && i < k.parts; i++) {
        conv_part own;
        status = dnnl_unimplemented;
        if (!conv_part_of(c, call->op, k, i, &own))
            continue;
        p->part[i].x_at = own.x_at;
        p->part[i].y_at = own.y_at;
        status = make_part(dev, &own.c, call, p, i, &first);
    }
    if (status == dnnl_success)
        status = make_turns(dev, c, call, p, weights_of(call, first));
    if (first)
        dnnl_primitive_desc_destroy(first);
    return status;
}

/* ---- scratch: ordered weights (unless they are kept), or each part's sum of them; then each thread's ----
 */

static size_t sums_bytes(const conv_call *p, const bk_call *call)
{
    if (call->op == BK_CONV_GRAD_WEIGHT)
        return p->is_ordered || p->parts > 1 ? p->ordered_bytes * (size_t)p->parts : 0;
    return p->is_ordered && call->kept_bytes == 0 ? p->ordered_bytes : 0;
}

static void *thread_scratch(const conv_call *p, const bk_call *call, int thread)
{
    return onednn_scratch(call, sums_bytes(p, call) + p->thread_bytes * (size_t)thread);
}

/* Where a part reads the weights, or leaves its sum of their gradient. */
static void *part_weights(const conv_call *p, const bk_call *call, int64_t index)
{
    if (call->op == BK_CONV_GRAD_WEIGHT)
        return sums_bytes(p, call) ? (unsigned char *)call->scratch + p->ordered_bytes * (size_t)index
                                   : conv_w(call)->data;
    return !p->is_ordered ? conv_w(call)->data : call->kept_bytes > 0 ? call->kept : call->scratch;
}

/* ---- run ---- */

typedef struct conv_job {
    const conv_call *p;
    const bk_call *call;
    atomic_int *status;
} conv_job;

static void note(const conv_job *j, dnnl_status_t status)
{
    if (status != dnnl_success)
        atomic_store(j->status, (int)status);
}

static const void *element(const void *data, dnnl_data_type_t type, int64_t index)
{
    return (const char *)data + index * (type == dnnl_bf16 ? 2 : 4);
}

static dnnl_status_t run_part(const conv_job *j, int64_t index, int thread)
{
    static const int ids[][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                 {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                 {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
    const bk_call *call = j->call;
    const part *t = &j->p->part[index];
    const int *id = ids[call->op - BK_CONV];
    const kinds k = kinds_of(call->op, j->p->rounds);
    dnnl_exec_arg_t args[MAX_ARGS];
    int n = 0;
    dnnl_status_t status = onednn_arg(args, &n, id[0], t->x, element(conv_x(call)->data, k.x, t->x_at));
    if (status == dnnl_success)
        status = onednn_arg(args, &n, id[1], t->w, part_weights(j->p, call, index));
    if (status == dnnl_success)
        status = onednn_arg(args, &n, id[2], t->y, element(conv_y(call)->data, k.y, t->y_at));
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_BIAS, t->bias, conv_bias(call));
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_SCRATCHPAD, t->scratch, thread_scratch(j->p, call, thread));
    if (status == dnnl_success)
        status = dnnl_primitive_execute(t->conv, t->stream, n, args);
    return status == dnnl_success ? dnnl_stream_wait(t->stream) : status;
}

static void some_parts(const void *job, int64_t first, int64_t end, int thread)
{
    for (int64_t i = first; i < end; i++)
        note(job, run_part(job, i, thread));
}

static dnnl_status_t run_turn(const conv_job *j, const turn *t, int thread)
{
    const bk_call *call = j->call;
    int back = call->op == BK_CONV_GRAD_WEIGHT, n = 0;
    void *plain = conv_w(call)->data, *ordered = part_weights(j->p, call, 0);
    dnnl_exec_arg_t args[MAX_ARGS];
    dnnl_status_t status = onednn_arg(args, &n, DNNL_ARG_FROM, t->from, back ? ordered : plain);
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_TO, t->to, back ? plain : ordered);
    if (status == dnnl_success)
        status = onednn_arg(args, &n, DNNL_ARG_SCRATCHPAD, t->scratch, thread_scratch(j->p, call, thread));
    if (status == dnnl_success)
        status = dnnl_primitive_execute(t->reorder, t->stream, n, args);
    return status == dnnl_success ? dnnl_stream_wait(t->stream) : status;
}

static void some_turns(const void *job, int64_t first, int64_t end, int thread)
{
    const conv_job *j = job;
    for (int64_t i = first; i < end; i++)
        note(j, run_turn(j, &j->p->turn[i], thread));
}

static void reorder(cpu_device *dev, const conv_job *j)
{
    if (j->p->is_ordered)
        cpu_team_run(dev->team, dev->threads, j->p->turns, 1, some_turns, j);
}

/* Adds the sums of all parts to the first part's, in order; or, if weights have no order of their own, into
 * the gradient itself. */
static void add_sums(const void *job, int64_t first, int64_t end, int thread)
{
    const conv_job *j = job;
    int64_t each = (int64_t)(j->p->ordered_bytes / sizeof(float));
    int64_t to = work_min(end * WORK_PIECE, each);
    float *sum = j->call->scratch;
    (void)thread;
    for (int64_t i = first * WORK_PIECE; i < to; i++)
        for (int64_t part = 1; part < j->p->parts; part++)
            sum[i] += sum[part * each + i];
    if (!j->p->is_ordered)
        memcpy((float *)conv_w(j->call)->data + first * WORK_PIECE, sum + first * WORK_PIECE,
               (size_t)(work_min(to, bk_count(&conv_w(j->call)->shape)) - first * WORK_PIECE) * sizeof *sum);
}

static void join_sums(cpu_device *dev, const conv_job *j)
{
    int64_t each = (int64_t)(j->p->ordered_bytes / sizeof(float));
    if (j->p->parts > 1)
        cpu_team_share(dev->team, work_pieces(each, WORK_PIECE), each * j->p->parts, add_sums, j);
}

/* Kept weights count as present once the library has them in order. */
static void put_in_order(cpu_device *dev, conv_call *p, const conv_job *j)
{
    const bk_tensor *w = conv_w(j->call);
    if (j->call->kept_bytes > 0 && p->kept_version == w->version && p->kept_data == w->data)
        return;
    p->kept_version = 0;
    reorder(dev, j);
    if (atomic_load(j->status) == dnnl_success) {
        p->kept_data = w->data;
        p->kept_version = w->version;
    }
}

/* ---- rounded images lie at the front of the scratch memory ---- */

/* Which inputs are images that the library reads rounded. */
static int is_rounded(const conv_call *p, const bk_call *call, int input)
{
    const bk_tensor *t = &call->in[input];
    return p->rounds && (t == conv_x(call) || t == conv_y(call));
}

static size_t images_bytes(const conv_call *p, const bk_call *call)
{
    size_t bytes = 0;
    for (int i = 0; i < call->n_in; i++)
        bytes += is_rounded(p, call, i) ? onednn_rounded_bytes(bk_count(&call->in[i].shape)) : 0;
    return bytes;
}

/* The call with its images as the library reads them. */
static bk_call rounded(const cpu_device *dev, const conv_call *p, const bk_call *call)
{
    bk_call r = *call;
    unsigned char *at = call->scratch;
    for (int i = 0; i < call->n_in; i++)
        if (is_rounded(p, call, i)) {
            r.in[i].data = (void *)(uintptr_t)onednn_round(dev, &call->in[i], at);
            at += onednn_rounded_bytes(bk_count(&call->in[i].shape));
        }
    r.scratch = at;
    return r;
}

static bk_status run_call(cpu_device *dev, bk_call *given)
{
    conv_call *p = given->state;
    const bk_call whole = rounded(dev, p, given), *call = &whole;
    atomic_int status = dnnl_success;
    conv_job j = {p, call, &status};
    int back = call->op == BK_CONV_GRAD_WEIGHT;
    if (!back)
        put_in_order(dev, p, &j);
    cpu_team_run(dev->team, dev->threads, p->parts, 1, some_parts, &j);
    if (back) {
        join_sums(dev, &j);
        reorder(dev, &j);
    }
    return onednn_status(dev, "execute", (dnnl_status_t)atomic_load(&status));
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

static void release_parts(const conv_call *p)
{
    for (int64_t i = 0; i < p->parts; i++) {
        const part *t = &p->part[i];
        dnnl_memory_t all[] = {t->x, t->bias, t->y, t->w, t->scratch};
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
            if (all[k])
                dnnl_memory_destroy(all[k]);
        if (t->conv)
            dnnl_primitive_destroy(t->conv);
        if (t->stream)
            dnnl_stream_destroy(t->stream);
    }
}

static void release_call(cpu_device *dev, bk_call *call)
{
    const conv_call *p = call->state;
    (void)dev;
    release_parts(p);
    for (int64_t i = 0; i < p->turns; i++) {
        const turn *t = &p->turn[i];
        dnnl_memory_t all[] = {t->from, t->to, t->scratch};
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
            if (all[k])
                dnnl_memory_destroy(all[k]);
        if (t->reorder)
            dnnl_primitive_destroy(t->reorder);
        if (t->stream)
            dnnl_stream_destroy(t->stream);
    }
}

/* The call, its parts and its turns are one piece of memory. */
static bk_status new_call(cpu_device *dev, const conv *c, bk_call *call, int64_t parts)
{
    int64_t turns = turn_count(c, dev->threads);
    size_t bytes = sizeof(conv_call) + (size_t)parts * sizeof(part) + (size_t)turns * sizeof(turn);
    bk_status taken = cpu_way_new(dev, call, bytes, run_call);
    if (taken != BK_OK)
        return taken;
    conv_call *p = call->state;
    p->way.release = release_call;
    p->parts = parts;
    p->turns = turns;
    p->part = (part *)(p + 1);
    p->turn = (turn *)(p->part + parts);
    return BK_OK;
}

static bk_status prepare_kind(cpu_device *dev, const conv *c, int rounds, bk_call *call)
{
    conv_cutting k = conv_cutting_of(c, call->op, dev->threads);
    bk_status taken = new_call(dev, c, call, k.parts);
    if (taken != BK_OK)
        return taken;
    conv_call *p = call->state;
    p->rounds = rounds;
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    dnnl_status_t status = make_call(dev, c, call, k, p);
    omp_set_num_threads(before);
    if (status == dnnl_success && p->is_ordered && is_worth_keeping(c, call))
        call->kept_bytes = p->ordered_bytes;
    call->scratch_bytes =
        images_bytes(p, call) + sums_bytes(p, call) + p->thread_bytes * (size_t)dev->threads;
    if (status != dnnl_success)
        cpu_way_free(dev, call);
    return status == dnnl_unimplemented ? BK_ERR_UNSUPPORTED : onednn_status(dev, "convolution", status);
}

bk_status onednn_conv_prepare(cpu_device *dev, const conv *c, bk_call *call)
{
    if (!is_trusted(c, call) || is_slow(c, call))
        return BK_ERR_UNSUPPORTED;
    bk_status status = onednn_engine(dev);
    if (status != BK_OK)
        return status;
    status = conv_is_rounded(dev, c) ? prepare_kind(dev, c, 1, call) : BK_ERR_UNSUPPORTED;
    return status == BK_ERR_UNSUPPORTED ? prepare_kind(dev, c, 0, call) : status;
}
