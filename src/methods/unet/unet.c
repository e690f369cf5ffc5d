/* SPDX-License-Identifier: Apache-2.0 */
/* unet.c - the U-Net and its loss. */
#include "methods/unet/unet.h"

static int64_t width_of(const unet_options *o, int level)
{
    return (int64_t)o->width << (level - 1);
}

void unet_params(params *p, const unet_options *o, int64_t in, int64_t out)
{
    for (int i = 1; i <= o->depth; i++)
        nn_double_conv_tensors(p, at("enc%d", i), width_of(o, i), i == 1 ? in : width_of(o, i - 1),
                               (block_norm)o->norm);
    for (int i = o->depth - 1; i >= 1; i--) {
        nn_up_tensors(p, at("up%d", i), width_of(o, i), width_of(o, i + 1), (block_up)o->upsampling);
        nn_double_conv_tensors(p, at("dec%d", i), width_of(o, i), 2 * width_of(o, i), (block_norm)o->norm);
    }
    param_init init = o->residual ? INIT_ZERO : INIT_FAN_IN; /* at first nothing is added */
    params_add(p, init, 1, 4, (const int64_t[]){out, o->width, 1, 1}, "head.weight");
    params_add(p, INIT_ZERO, 1, 1, &out, "head.bias");
}

value unet_forward(nn *n, const unet_options *o, value x, norm_statistics from)
{
    const block_style style = {(block_norm)o->norm, from};
    value skip[UNET_MAX_DEPTH + 1];
    for (int i = 1; i <= o->depth; i++) {
        if (i > 1)
            x = nn_halve(n, at("enc%d", i), x);
        x = skip[i] = nn_double_conv(n, at("enc%d", i), x, style);
    }
    for (int i = o->depth - 1; i >= 1; i--) {
        x = nn_up_join(n, at("up%d", i), x, skip[i], (block_up)o->upsampling);
        x = nn_double_conv(n, at("dec%d", i), x, style);
    }
    nn_enter(n, at("head"));
    return op_conv(n->g, x, nn_weight(n, at("head"), "weight"), nn_weight(n, at("head"), "bias"), 1, 0);
}

value unet_translate(nn *n, const unet_options *o, value source, norm_statistics from)
{
    graph *g = n->g;
    int64_t h = graph_dim(g, source, 2), w = graph_dim(g, source, 3);
    value made = unet_forward(n, o, op_permute(g, source, 0, 2, 3, 1), from);
    made = op_view(g, made, 3, -1, h, w);
    if (!o->residual)
        return made;
    value middle = op_slice(g, source, 1, o->slices / 2, 1);
    return op_add(g, made, op_view(g, middle, 3, -1, h, w));
}

value unet_l1(graph *g, value made, value target)
{
    graph_layer(g, "loss");
    return op_mean_all(g, op_abs(g, op_sub(g, made, target)));
}
