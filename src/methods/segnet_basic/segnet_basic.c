/* SPDX-License-Identifier: Apache-2.0 */
/* segnet_basic.c - the small variant of SegNet. */
#include "methods/segnet_basic/segnet_basic.h"

enum { STAGES = 4 };

/* Local response normalisation (Krizhevsky et al. 2012) over five neighbouring channels:
 * x / (1 + 1e-4 / 5 sum x^2)^0.75. */
static value response_norm(graph *g, value x, int64_t channels)
{
    enum { REACH = 2 };
    if (g->error != OK)
        return NONE;
    bk_shape zeros = *graph_shape(g, x);
    zeros.dim[3] = REACH;
    value none = op_broadcast(g, op_fill(g, 4, 0), &zeros);
    value square = nn_join(g, (const value[]){none, op_mul(g, x, x), none}, 3);
    value sum = op_slice(g, square, 3, 0, channels);
    for (int i = 1; i <= 2 * REACH; i++)
        sum = op_add(g, sum, op_slice(g, square, 3, i, channels));
    value power = op_affine(g, op_log(g, op_affine(g, sum, 1e-4 / 5, 1)), -0.75, 0);
    return op_mul(g, x, op_exp(g, power));
}

/* Convolution, norm and, on the way down, ReLU. */
static value layer_of(nn *n, layer_name layer, value x, int64_t in, int64_t out, double slope)
{
    const conv_shape c = {.in = in, .out = out, .kernel = 7, .bias = 1};
    return nn_conv_norm_of(n, at("%s.conv", layer.text), at("%s.bn", layer.text), x, c, slope);
}

value segnet_basic_forward(nn *n, const segnet_basic_options *o, value x)
{
    int64_t size[STAGES + 1][BK_MAX_SPACE], w = o->segment.width;
    value index[STAGES + 1];
    nn_size(n->g, x, size[0]);
    x = response_norm(n->g, nn_pad_to_multiple(n->g, x, 1 << STAGES), o->segment.channels);
    for (int i = 1; i <= STAGES; i++) {
        x = layer_of(n, at("enc%d", i), x, i == 1 ? o->segment.channels : w, w, 0);
        nn_size(n->g, x, size[i]);
        x = nn_pool(n->g, x, 0, &index[i]);
    }
    for (int i = STAGES; i >= 1; i--)
        x = layer_of(n, at("dec%d", i), nn_unpool(n->g, x, index[i], size[i]), w, w, 1);
    const conv_shape head = {.in = w, .out = segment_classes(&o->segment), .bias = 1};
    return nn_crop(n->g, nn_convolution(n, at("head"), x, head), 0, size[0]);
}
