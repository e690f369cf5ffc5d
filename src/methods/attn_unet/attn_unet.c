/* SPDX-License-Identifier: Apache-2.0 */
/* attn_unet.c - the U-Net with attention gates. */
#include "methods/attn_unet/attn_unet.h"

#include "nn/pyramid.h"
#include "nn/unet_parts.h"

enum { LEVELS = 5 };

static int64_t width_of(const attn_unet_options *o, int level)
{
    return (int64_t)o->segment.width << (level - 1);
}

/* The logits from the finest level, or of all levels at full size. */
static value head(nn *n, const attn_unet_options *o, value level[LEVELS + 1])
{
    int64_t size[BK_MAX_SPACE], classes = segment_classes(&o->segment);
    value score[LEVELS];
    const conv_shape c = {.in = width_of(o, 1), .out = classes, .axes = o->axes, .bias = 1};
    if (!o->deep)
        return nn_convolution(n, at("head"), level[1], c);
    nn_size(n->g, level[1], size);
    for (int i = 1; i < LEVELS; i++) {
        const conv_shape each = {.in = width_of(o, i), .out = classes, .axes = o->axes, .bias = 1};
        score[i] = op_resize_linear(n->g, nn_convolution(n, at("dsv%d", i), level[i], each), size);
    }
    return nn_convolution(
        n, at("final"), nn_join(n->g, score + 1, LEVELS - 1),
        (conv_shape){.in = (LEVELS - 1) * classes, .out = classes, .axes = o->axes, .bias = 1});
}

value attn_unet_forward(nn *n, const attn_unet_options *o, value x, value maps[LEVELS])
{
    value level[LEVELS + 1]; /* on the way down the encoder's, on the way up the decoder's */
    for (int i = 1; i <= LEVELS; i++) {
        x = i > 1 ? nn_pool(n->g, x, 0, NULL) : x;
        x = level[i] = nn_unet_block(n, at("enc%d", i), x, i > 1 ? width_of(o, i - 1) : o->segment.channels,
                                     width_of(o, i), o->axes);
    }
    int64_t deepest = width_of(o, LEVELS);
    value signal =
        nn_conv_norm_relu(n, at("gating"), x, (conv_shape){.in = deepest, .out = deepest, .axes = o->axes});
    for (int i = LEVELS - 1; i >= 1; i--) {
        value skip = level[i];
        if (i > 1)
            skip = nn_attention_gate(n, at("att%d", i), skip, signal,
                                     (gate_shape){width_of(o, i), width_of(o, i + 1), o->axes},
                                     maps ? &maps[i] : NULL);
        x = nn_unet_up(n, at("up%d", i), x, skip, width_of(o, i + 1), width_of(o, i), o->axes);
        x = signal = level[i] =
            nn_unet_block(n, at("dec%d", i), x, 2 * width_of(o, i), width_of(o, i), o->axes);
    }
    return head(n, o, level);
}
