/* SPDX-License-Identifier: Apache-2.0 */
/* mt_net.c - MT-UNet (section III-B): two Swin encoders on the Edge-MAE's tokens, at the patch grid and at
 * twice its resolution; a Swin decoder that fuses both at each scale. */
#include "methods/slmt_net/mt_net.h"

/* One stage of an encoder branch: Swin blocks, every second one shifted, then patch merging. */
static value down_stage(nn *n, const slmt_net_options *o, int branch, int s, value x, int grid)
{
    for (int b = 0; b < o->generator_depths[s]; b++)
        x = nn_swin_block(n, at("layers%d.%d.blocks.%d", branch, s, b), x, grid, o->window,
                          o->generator_heads[s], b % 2);
    return nn_patch_merging(n, at("layers%d.%d.downsample", branch, s), x, grid);
}

/* sigmoid of a 1x1 convolution of [a, x] to one channel, written as two products: no concatenation. */
static value gate(nn *n, layer_name conv, value a, value x)
{
    graph *g = n->g;
    nn_enter(n, conv);
    int64_t c = graph_dim(g, a, -1);
    value w = op_view(g, nn_weight(n, conv, "weight"), 2, 1, 2 * c);
    value from_a = op_linear(g, a, op_slice(g, w, 1, 0, c), nn_weight(n, conv, "bias"));
    value from_x = op_linear(g, x, op_slice(g, w, 1, c, c), NONE);
    return op_sigmoid(g, op_add(g, from_a, from_x));
}

/* Dual-scale selective fusion (equations 8-11): per pixel and per channel, the coarse or the fine branch.
 *   x [B,N,C] decoder tokens; coarse [B,N/4,C]; fine [B,N,C] -> [B,N,C] */
static value dual_scale_fusion(nn *n, layer_name layer, value x, value coarse, value fine, int grid)
{
    graph *g = n->g;
    value a1 = nn_upconv_depthwise(n, at("%s.upconv", layer.text), coarse, grid / 2);
    a1 = op_mul(g, a1, gate(n, at("%s.conv1", layer.text), a1, x));
    value a2 = op_mul(g, fine, gate(n, at("%s.conv2", layer.text), fine, x));

    nn_enter(n, layer);
    /* softmax over two = sigmoid of the difference */
    value choice = op_sigmoid(g, op_sub(g, op_mean(g, a1, 1u << 1), op_mean(g, a2, 1u << 1))); /* [B,1,C] */
    return op_add(g, op_mul(g, a1, choice), op_mul(g, a2, op_affine(g, choice, -1, 1)));
}

/* Each token of a grid becomes 2x2 equal ones: [B,grid^2,C] -> [B,4 grid^2,C]. */
static value double_nearest(graph *g, value x, int grid)
{
    int64_t b = graph_dim(g, x, 0), c = graph_dim(g, x, 2);
    bk_shape wide = shape_of(g->real, 6, (const int64_t[]){b, grid, 2, grid, 2, c});
    value cells = op_view(g, x, 6, b, grid, 1, grid, 1, c);
    return op_view(g, op_broadcast(g, cells, &wide), 3, b, 4 * (int64_t)grid * grid, c);
}

/* tokens [B,N,C] of the encoder -> images [B,S,S] in (0,1). */
static value generate(nn *n, const slmt_net_options *o, value tokens)
{
    graph *g = n->g;
    value skip1[STAGES - 1], skip2[STAGES];
    int coarse = slmt_net_grid(o), fine = 2 * coarse, grid = fine >> STAGES;
    value x1 = tokens, x2 = double_nearest(g, tokens, coarse);
    for (int s = 0; s < STAGES - 1; s++) /* nothing reads the coarse branch's last stage */
        x1 = skip1[s] = down_stage(n, o, 1, s, x1, coarse >> s);
    for (int s = 0; s < STAGES; s++)
        x2 = skip2[s] = down_stage(n, o, 2, s, x2, fine >> s);

    value x = nn_patch_expand(n, at("layers_up.0"), nn_layer_norm(n, at("norm2"), x2), grid);
    for (int k = 1; k < STAGES; k++) {
        int s = STAGES - 1 - k;
        grid *= 2;
        value f = dual_scale_fusion(n, at("fusion.%d", s), x, skip1[s], skip2[s], grid);
        x = nn_linear(n, at("concat_back_dim.%d", k - 1), op_concat(g, 2, (const value[]){x, f}, 2));
        for (int b = 0; b < o->generator_depths[s]; b++)
            x = nn_swin_block(n, at("layers_up.%d.blocks.%d", k, b), x, grid, o->window,
                              o->generator_heads[s], b % 2);
        x = nn_patch_expand(n, at("layers_up.%d.upsample", k), x, grid);
    }
    x = nn_linear(n, at("to_img.linear"), nn_layer_norm(n, at("norm_up"), x));
    return op_sigmoid(g, nn_unpatchify(g, x, fine, o->patch));
}

value mt_net_synthesize(nn *e, nn *gen, const slmt_net_options *o, value source)
{
    value features[MAX_FEATURES];
    edge_mae_encode(e, o, source, features);
    return generate(gen, o, features[o->depth + 1]);
}

/* Feature consistency: sum over the encoder's list, last norm left out, of mean |FC(pred) - FC(target)|. */
static value feature_consistency(nn *teacher, const slmt_net_options *o, value pred, value target)
{
    graph *g = teacher->g;
    value ours[MAX_FEATURES], theirs[MAX_FEATURES], sum = NONE;
    edge_mae_encode(teacher, o, target, theirs);
    edge_mae_encode(teacher, o, pred, ours);
    for (int j = 0; j < o->depth; j++) {
        graph_layer(g, "loss");
        value d = op_mean_all(g, op_abs(g, op_sub(g, ours[j], theirs[j])));
        sum = j == 0 ? d : op_add(g, sum, d);
    }
    return sum;
}

mt_net_graph mt_net_finetune(nn *e, nn *gen, nn *teacher, const slmt_net_options *o, double l1_weight,
                             const value in[MT_INPUTS], value out[MT_LOSSES])
{
    graph *g = e->g;
    mt_net_graph v;
    value features[MAX_FEATURES];
    edge_mae_encode(e, o, in[MT_SOURCE], features);
    v.block1 = features[1];
    v.tokens = features[o->depth + 1];
    v.pred = generate(gen, o, v.tokens);
    graph_layer(g, "loss");
    out[MT_L1] = op_mean_all(g, op_abs(g, op_sub(g, v.pred, in[MT_TARGET])));
    out[MT_CONSISTENCY] = feature_consistency(teacher, o, v.pred, in[MT_TARGET]);
    graph_layer(g, "loss");
    out[MT_TOTAL] = op_add(g, op_affine(g, out[MT_L1], l1_weight, 0), out[MT_CONSISTENCY]);
    return v;
}
