/* SPDX-License-Identifier: Apache-2.0 */
/* contrastive.c - the U-Net, and the small networks behind its parts while these are pre-trained. */
#include "methods/contrastive/contrastive.h"

#include <string.h>

_Static_assert(offsetof(contrastive_options, widths) == offsetof(segment_options, width) &&
                   offsetof(contrastive_options, normalize) == offsetof(segment_options, normalize),
               "the options begin as those of every network that labels pixels");

/* TensorFlow's numbers: the running estimates keep 0.99 of themselves in a step. */
static const batch_norm norm = {.slope = 0, .eps = 1e-3, .momentum = 0.01, .biased = 1};

static value conv_of(nn *n, layer_name layer, value x, conv_shape c)
{
    x = nn_convolution(n, at("%s.conv", layer.text), x, c);
    return nn_norm_by(n, at("%s.bn", layer.text), x, c.out, norm);
}

/* Convolution of length 3, batch norm, ReLU. */
static value conv3(nn *n, layer_name layer, value x, int64_t in, int64_t out)
{
    return conv_of(n, layer, x, (conv_shape){.in = in, .out = out, .kernel = 3, .bias = 1});
}

/* ---- encoder ---- */

contrastive_levels contrastive_encoder(nn *n, const contrastive_options *o, value x)
{
    contrastive_levels l;
    int64_t in = o->channels;
    for (int k = 0; k < CONTRASTIVE_LEVELS; k++) {
        int64_t out = o->widths[k];
        x = k > 0 ? nn_pool(n->g, x, 0, NULL) : x;
        x = conv3(n, at("enc_c%d_a", k + 1), x, in, out);
        x = l.at[k] = conv3(n, at("enc_c%d_b", k + 1), x, out, out);
        in = out;
    }
    return l;
}

/* ---- decoder ---- */

/* Twice as large, then a kernel of 2x2 that reads rows r and r + 1, columns c and c + 1. */
static value upwards(nn *n, layer_name layer, value x, value skip, int64_t in, int64_t out)
{
    int64_t size[BK_MAX_SPACE];
    nn_size(n->g, skip, size);
    nn_enter(n, layer);
    x = op_resize_nearest(n->g, x, size);
    return conv_of(n, layer, x,
                   (conv_shape){.in = in, .out = out, .kernel = 2, .pad = SAME_PADDING, .bias = 1});
}

value contrastive_decoder(nn *n, const contrastive_options *o, const contrastive_levels *l, int blocks)
{
    value x = l->at[CONTRASTIVE_BLOCKS];
    for (int k = CONTRASTIVE_BLOCKS; k > CONTRASTIVE_BLOCKS - blocks; k--) {
        int64_t out = o->widths[k - 1];
        x = upwards(n, at("dec_dc%d", k + 1), x, l->at[k - 1], o->widths[k], out);
        x = nn_join(n->g, (const value[]){x, l->at[k - 1]}, 2);
        x = conv3(n, at("dec_c%d_a", k), x, 2 * out, out);
        if (k > 1)
            x = conv3(n, at("dec_c%d_b", k), x, out, out);
    }
    return x;
}

static int64_t classes_of(const contrastive_options *o)
{
    segment_options common = {0};
    memcpy(common.classes, o->classes, sizeof common.classes);
    return segment_classes(&common);
}

/* What the decoder makes -> logits [B,H,W,classes] */
static value head(nn *n, const contrastive_options *o, value x)
{
    int64_t width = o->widths[0];
    x = conv3(n, at("seg_c1_a"), x, width, width);
    x = conv3(n, at("seg_c1_b"), x, width, width);
    return nn_convolution(n, at("seg_fin_layer"), x,
                          (conv_shape){.in = width, .out = classes_of(o), .kernel = 3});
}

value contrastive_forward(nn *n, const contrastive_options *o, value x)
{
    contrastive_levels l = contrastive_encoder(n, o, x);
    return head(n, o, contrastive_decoder(n, o, &l, CONTRASTIVE_BLOCKS));
}

/* ---- g1 and g2 ---- */

static void list_matrix(nn *n, layer_name layer, int64_t in, int64_t out)
{
    if (n->listing)
        params_add(n->listing->p, INIT_XAVIER, 1, 2, (const int64_t[]){out, in},
                   at("%s%s.weight", n->prefix, layer.text).text);
}

static value dense(nn *n, layer_name layer, value x, int64_t in, int64_t out)
{
    list_matrix(n, layer, in, out);
    return nn_linear_no_bias(n, layer, x);
}

int64_t contrastive_cells(const contrastive_options *o)
{
    int64_t side = o->image_size >> CONTRASTIVE_BLOCKS;
    return side * side;
}

value contrastive_g1(nn *n, const contrastive_options *o, value e, int64_t cells)
{
    graph *g = n->g;
    int64_t in = cells * o->widths[CONTRASTIVE_BLOCKS];
    e = op_view(g, e, 2, -1, in);
    e = op_leaky_relu(g, dense(n, at("reg_nn1"), e, in, o->hidden), 0);
    return dense(n, at("reg_pred"), e, o->hidden, o->embedding);
}

/* Its layers are called as those of the head in the authors' code, which has either. */
value contrastive_g2(nn *n, const contrastive_options *o, value f)
{
    int64_t width = o->widths[CONTRASTIVE_BLOCKS - o->blocks];
    const conv_shape c = {.in = width, .out = width};
    return nn_convolution(n, at("local.seg_c1_b"), conv_of(n, at("local.seg_c1_a"), f, c), c);
}

value contrastive_region_matrix(nn *n, const contrastive_options *o)
{
    if (o->dense == 0)
        return NONE;
    list_matrix(n, at("local.seg_pred"), 9 * (int64_t)o->widths[CONTRASTIVE_BLOCKS - o->blocks], o->dense);
    return nn_weight(n, at("local.seg_pred"), "weight");
}

void contrastive_tensors(params *p, const contrastive_options *o)
{
    nn_listing l;
    nn n = nn_list(&l, p, INIT_HE);
    contrastive_forward(&n, o, NONE);
    contrastive_g1(&n, o, NONE, contrastive_cells(o));
    contrastive_g2(&n, o, NONE);
    contrastive_region_matrix(&n, o);
}
