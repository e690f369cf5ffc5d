/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq.c - the generator of Seq2Seq and its training step. */
#include "methods/seq2seq/seq2seq.h"

/* Slope of every leaky ReLU. */
#define SLOPE 0.2

/* ---- tensors ---- */

static void add(params *p, param_init init, layer_name name, int32_t rank, const int64_t *dim)
{
    params_add(p, init, 1, rank, dim, name.text);
}

/* [out,in,k...] and, for a bank, one more axis. */
static void add_kernel(params *p, const seq2seq_options *o, layer_name name, int64_t out, int64_t in,
                       int64_t k, int64_t bank)
{
    int64_t dim[BK_MAX_RANK] = {out, in};
    int32_t rank = 2;
    for (int32_t i = 0; i < o->ndims; i++)
        dim[rank++] = k;
    if (bank)
        dim[rank++] = bank;
    add(p, INIT_HE, name, rank, dim);
}

static void add_conv(params *p, const seq2seq_options *o, layer_name l, int64_t out, int64_t in, int64_t k)
{
    add_kernel(p, o, at("%s.weight", l.text), out, in, k, 0);
    add(p, INIT_ZERO, at("%s.bias", l.text), 1, &out);
}

static void add_linear(params *p, layer_name l, int64_t out, int64_t in)
{
    add(p, INIT_FAN_IN, at("%s.weight", l.text), 2, (const int64_t[]){out, in});
    add(p, INIT_ZERO, at("%s.bias", l.text), 1, &out);
}

static void add_hyper_conv(params *p, const seq2seq_options *o, layer_name l, int64_t out, int64_t in,
                           int64_t k)
{
    add_kernel(p, o, at("%s.param", l.text), out, in, k, o->bank);
    add(p, INIT_ZERO, at("%s.b", l.text), 2, (const int64_t[]){out, o->bank});
    add_linear(p, at("%s.fc", l.text), o->bank, o->code_length);
    add_linear(p, at("%s.fc_bias", l.text), o->bank, o->code_length);
}

static void add_lstm(params *p, const seq2seq_options *o, layer_name l, int64_t in)
{
    for (int i = 0; i < SEQ2SEQ_LSTM_LAYERS; i++)
        add_conv(p, o, at("%s.cell_list.%d.conv", l.text, i), 4 * o->lstm_width,
                 (i == 0 ? in : o->lstm_width) + o->lstm_width, 3);
}

void seq2seq_params(params *p, const seq2seq_options *o)
{
    int64_t deep = o->widths[2], wide = o->lstm_width;
    for (int i = 0; i < SEQ2SEQ_LEVELS; i++)
        add_conv(p, o, at("encoder.conv.%d.0", i), o->widths[i], i == 0 ? o->channels : o->widths[i - 1],
                 i == 0 ? 7 : 3);
    for (int i = 0; i < o->residual_blocks; i++) {
        add_conv(p, o, at("encoder.res.%d.conv_block.1", i), deep, deep, 3);
        add_conv(p, o, at("encoder.res.%d.conv_block.5", i), deep, deep, 3);
    }
    add_lstm(p, o, at("enc_convlstm"), deep);
    add_lstm(p, o, at("dec_convlstm"), wide);
    add_linear(p, at("style_fc.0"), o->code_length, o->code_length);
    for (int i = 0; i < o->residual_blocks; i++) {
        add_hyper_conv(p, o, at("decoder.res.%d.conv1", i), wide, wide, 3);
        add_hyper_conv(p, o, at("decoder.res.%d.conv2", i), wide, wide, 3);
    }
    add_hyper_conv(p, o, at("decoder.convs.0"), o->widths[1], wide, 3);
    add_hyper_conv(p, o, at("decoder.convs.1"), o->widths[0], o->widths[1], 3);
    add_hyper_conv(p, o, at("decoder.conv_last"), o->channels, o->widths[0], 7);
    if (o->perceptual_width)
        vgg19_params(p, "vgg19.", o->perceptual_width);
}

/* ---- arrays of a task ---- */

value seq2seq_images(graph *g, const seq2seq_options *o, value x)
{
    int axes[BK_MAX_RANK] = {1, 0};
    int64_t dim[BK_MAX_RANK] = {-1};
    for (int32_t i = 0; i < o->ndims; i++) {
        axes[2 + i] = 3 + i;
        dim[1 + i] = graph_dim(g, x, 3 + i);
    }
    axes[2 + o->ndims] = 2;
    dim[1 + o->ndims] = graph_dim(g, x, 2);
    return op_reshape(g, op_transpose(g, x, axes), o->ndims + 2, dim);
}

value seq2seq_volumes(graph *g, const seq2seq_options *o, value x, int64_t times)
{
    int axes[BK_MAX_RANK] = {1, 0, 2 + o->ndims};
    int64_t dim[BK_MAX_RANK] = {times, -1};
    for (int32_t i = 0; i <= o->ndims; i++)
        dim[2 + i] = graph_dim(g, x, 1 + i);
    for (int32_t i = 0; i < o->ndims; i++)
        axes[3 + i] = 2 + i;
    return op_transpose(g, op_reshape(g, x, o->ndims + 3, dim), axes);
}

value seq2seq_code(graph *g, const seq2seq_options *o, value index)
{
    return op_one_hot(g, index, o->code_length, -1);
}

/* ---- encoder ---- */

static value encoder(nn *n, const seq2seq_options *o, value x)
{
    graph *g = n->g;
    for (int i = 0; i < SEQ2SEQ_LEVELS; i++)
        x = nn_instance_norm(g, nn_conv_reflect(n, at("encoder.conv.%d.0", i), x, i == 0 ? 1 : 2), SLOPE);
    for (int i = 0; i < o->residual_blocks; i++) {
        value y = nn_conv_reflect(n, at("encoder.res.%d.conv_block.1", i), x, 1);
        y = nn_conv_reflect(n, at("encoder.res.%d.conv_block.5", i), nn_instance_norm(g, y, SLOPE), 1);
        x = op_add(g, x, nn_instance_norm(g, y, 1));
    }
    return x;
}

/* Applies three ConvLSTM layers to `times` inputs x[t] [B,s...,C], which are replaced by the last layer's h.
 */
static void convlstm(nn *n, layer_name l, value *x, int64_t times)
{
    for (int i = 0; i < SEQ2SEQ_LSTM_LAYERS; i++) {
        lstm_state s = {NONE, NONE};
        for (int64_t t = 0; t < times; t++) {
            s = nn_conv_lstm(n, at("%s.cell_list.%d", l.text, i), x[t], s);
            x[t] = s.h;
        }
    }
}

value seq2seq_encode(nn *n, const seq2seq_options *o, value images, int64_t times)
{
    graph *g = n->g;
    value all = encoder(n, o, images), x[SEQ2SEQ_MAX_TIMES];
    int64_t batch = graph_dim(g, all, 0) / times;
    for (int64_t t = 0; t < times; t++)
        x[t] = op_slice(g, all, 0, t * batch, batch);
    convlstm(n, at("enc_convlstm"), x, times);
    value sum = x[0];
    for (int64_t t = 1; t < times; t++)
        sum = op_add(g, sum, x[t]);
    return times == 1 ? sum : op_affine(g, sum, 1.0 / (double)times, 0);
}

value seq2seq_unroll(nn *n, value latent, int64_t times)
{
    graph *g = n->g;
    value x[SEQ2SEQ_MAX_TIMES];
    for (int64_t t = 0; t < times; t++)
        x[t] = latent;
    convlstm(n, at("dec_convlstm"), x, times);
    value all = x[0];
    for (int64_t t = 1; t < times; t++)
        all = op_concat(g, 0, (const value[]){all, x[t]}, 2);
    return all;
}

/* ---- decoder ---- */

static value hyper_conv(nn *n, layer_name l, value x, value style)
{
    return nn_hyper_conv_reflect(n->g, nn_hyper_kernel(n, l, style), x);
}

/* Doubles every spatial axis by (bi-, tri-)linear interpolation. */
static value doubled(graph *g, value x)
{
    if (g->error != OK)
        return NONE;
    int64_t size[3];
    for (int32_t i = 1; i < graph_shape(g, x)->rank - 1; i++)
        size[i - 1] = 2 * graph_dim(g, x, i);
    return op_resize_linear(g, x, size);
}

value seq2seq_decode(nn *n, const seq2seq_options *o, value x, value code)
{
    graph *g = n->g;
    value style = op_leaky_relu(g, nn_linear(n, at("style_fc.0"), code), SLOPE);
    for (int i = 0; i < o->residual_blocks; i++) {
        value y = hyper_conv(n, at("decoder.res.%d.conv1", i), x, style);
        y = hyper_conv(n, at("decoder.res.%d.conv2", i), nn_instance_norm(g, y, SLOPE), style);
        x = op_add(g, x, nn_instance_norm(g, y, 1));
    }
    for (int i = 0; i < SEQ2SEQ_LEVELS - 1; i++)
        x = nn_instance_norm(g, hyper_conv(n, at("decoder.convs.%d", i), doubled(g, x), style), SLOPE);
    return op_tanh(g, hyper_conv(n, at("decoder.conv_last"), x, style));
}

/* ---- training ---- */

/* Mean smooth L1: with m = min(|d|, beta), m (|d| - m/2) / beta. */
static value smooth_l1(graph *g, value a, value b, double beta)
{
    value d = op_abs(g, op_sub(g, a, b));
    double low = -beta;
    value m = op_affine(
        g, op_maximum(g, op_affine(g, d, -1, 0), graph_constant(g, shape_of(g->real, 0, NULL), &low)), -1, 0);
    value each = op_mul(g, m, op_sub(g, d, op_affine(g, m, 0.5, 0)));
    return op_affine(g, op_mean_all(g, each), 1 / beta, 0);
}

/* Every slice of every channel: [M,(D,)H,W,C] -> [M*(D*)C,H,W]. */
static value slices(graph *g, value x)
{
    if (g->error != OK)
        return NONE;
    int64_t h = graph_dim(g, x, -3), w = graph_dim(g, x, -2);
    if (graph_shape(g, x)->rank == 4)
        return op_view(g, op_permute(g, x, 0, 3, 1, 2), 3, -1, h, w);
    return op_view(g, op_permute(g, x, 0, 1, 4, 2, 3), 3, -1, h, w);
}

/* Mean perceptual distance of two images. */
static value perceptual(nn *vgg, value a, value b)
{
    graph *g = vgg->g;
    return op_mean_all(g, vgg19_distance(vgg, slices(g, a), slices(g, b)));
}

status seq2seq_check_perceptual(seq2seq_options o, seq2seq_settings s)
{
    const int32_t sides[] = {s.height, s.width};
    if (s.perceptual_weight == 0)
        return OK;
    if (o.perceptual_width == 0)
        return fail(ERR_ARGUMENT,
                    "setting perceptual_weight is %g, which needs a model made with option perceptual_width "
                    "(64), whose tensors vgg19.* are set",
                    s.perceptual_weight);
    for (int i = 0; i < 2; i++)
        if (sides[i] < VGG19_LEAST_SIDE)
            return fail(ERR_ARGUMENT, "setting %s is %d, a perceptual term needs at least %d",
                        i ? "width" : "height", (int)sides[i], VGG19_LEAST_SIDE);
    return OK;
}

seq2seq_losses seq2seq_train(nn *n, nn *vgg, const seq2seq_options *o, const seq2seq_settings *s,
                             const seq2seq_pair *x)
{
    graph *g = n->g;
    seq2seq_losses v;
    v.latent = seq2seq_encode(n, o, x->source, s->times);
    value unrolled = seq2seq_unroll(n, v.latent, s->times); /* does not depend on the code: one for both */
    v.y_target = seq2seq_decode(n, o, unrolled, x->target_code);
    v.y_source = seq2seq_decode(n, o, unrolled, x->source_code);
    value again = seq2seq_unroll(n, seq2seq_encode(n, o, v.y_target, s->times), s->times);
    v.y_cycle = seq2seq_decode(n, o, again, x->source_code);
    graph_layer(g, "loss");
    v.rec = op_add(g, smooth_l1(g, v.y_target, x->target, s->smooth_l1_beta),
                   smooth_l1(g, v.y_source, x->source, s->smooth_l1_beta));
    v.cyc = smooth_l1(g, v.y_cycle, x->source, s->smooth_l1_beta);
    v.total = op_add(g, op_affine(g, v.rec, s->rec_weight, 0), op_affine(g, v.cyc, s->cyc_weight, 0));
    v.perceptual = op_affine(g, v.rec, 0, 0);
    if (s->perceptual_weight == 0)
        return v;
    v.perceptual = op_add(g, perceptual(vgg, v.y_target, x->target), perceptual(vgg, v.y_source, x->source));
    v.total = op_add(g, v.total, op_affine(g, v.perceptual, s->perceptual_weight, 0));
    return v;
}
