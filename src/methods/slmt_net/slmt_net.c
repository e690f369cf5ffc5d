/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net.c - the sizes that fit each other, and the list of tensors, in the reference's names and order of
 * use. */
#include "methods/slmt_net/slmt_net.h"

int slmt_net_grid(const slmt_net_options *o)
{
    return o->image_size / o->mae_patch;
}

/* ---- rules between options ---- */

static status divides(const char *name, int64_t value, const char *whole_name, int64_t whole)
{
    if (whole % value != 0)
        return fail(ERR_ARGUMENT, "option %s = %lld must divide %s = %lld", name, (long long)value,
                    whole_name, (long long)whole);
    return OK;
}

/* Every grid a window attention runs on holds whole windows, or fits into one. */
static status check_grids(const slmt_net_options *o)
{
    int64_t coarse = slmt_net_grid(o);
    if (coarse % 16 != 0)
        return fail(ERR_ARGUMENT,
                    "option image_size = %d gives a grid of %lld patches of mae_patch = %d; the four "
                    "stages need a multiple of 16",
                    o->image_size, (long long)coarse, o->mae_patch);
    for (int64_t side = 2 * coarse; side >= coarse / 8; side /= 2)
        if (side > o->window && side % o->window != 0)
            return fail(ERR_ARGUMENT, "option window = %d does not cut a grid of %lld x %lld tokens evenly",
                        o->window, (long long)side, (long long)side);
    return OK;
}

status slmt_net_check(const double *option)
{
    const slmt_net_options options = slmt_net_options_of(option), *o = &options;
    TRY(divides("mae_patch", o->mae_patch, "image_size", o->image_size));
    TRY(divides("num_heads", o->num_heads, "embed_dim", o->embed_dim));
    TRY(divides("decoder_heads", o->decoder_heads, "decoder_dim", o->decoder_dim));
    TRY(divides("4 (sine-cosine table)", 4, "embed_dim", o->embed_dim));
    TRY(divides("4 (sine-cosine table)", 4, "decoder_dim", o->decoder_dim));
    if (o->mae_patch != 2 * o->patch)
        return fail(ERR_ARGUMENT, "option mae_patch = %d must be twice patch = %d", o->mae_patch, o->patch);
    for (int s = 0; s < STAGES; s++) {
        int64_t width = (int64_t)o->embed_dim << s;
        TRY(divides("generator_heads", o->generator_heads[s], "the stage's width", width));
        if (s > 0) /* decoder blocks use the heads of the stage one finer on this stage's width */
            TRY(divides("generator_heads", o->generator_heads[s - 1], "the next stage's width", width));
    }
    return check_grids(o);
}

/* ---- tensors ---- */

/* add(p, init, used, name, dims...) */
#define ADD(p, init, used, layer, rank, ...)                                                                 \
    params_add(p, init, used, rank, (const int64_t[]){__VA_ARGS__}, at layer.text)

/* The same for what nothing changes. */
#define ADD_FIXED(p, init, layer, rank, ...)                                                                 \
    params_add_role(p, ROLE_FIXED, init, rank, (const int64_t[]){__VA_ARGS__}, at layer.text)

/* The same for tensors that only linear layers read: their matrices. */
#define ADD_MATRIX(p, init, used, layer, rank, ...)                                                          \
    params_add_matrix(p, init, used, rank, (const int64_t[]){__VA_ARGS__}, at layer.text)

static void add_linear(params *p, param_init init, int used, layer_name l, int64_t out, int64_t in)
{
    ADD_MATRIX(p, init, used, ("%s.weight", l.text), 2, out, in);
    ADD(p, INIT_ZERO, used, ("%s.bias", l.text), 1, out);
}

static void add_norm(params *p, int used, layer_name l, int64_t c)
{
    ADD(p, INIT_ONE, used, ("%s.weight", l.text), 1, c);
    ADD(p, INIT_ZERO, used, ("%s.bias", l.text), 1, c);
}

/* A Transformer block; table_rows > 0: with a relative position bias table. */
static void add_block(params *p, param_init init, int used, layer_name l, int64_t c, int64_t ratio,
                      int64_t table_rows, int64_t heads)
{
    add_norm(p, used, at("%s.norm1", l.text), c);
    if (table_rows > 0)
        ADD(p, init, used, ("%s.attn.relative_position_bias_table", l.text), 2, table_rows, heads);
    add_linear(p, init, used, at("%s.attn.qkv", l.text), 3 * c, c);
    add_linear(p, init, used, at("%s.attn.proj", l.text), c, c);
    add_norm(p, used, at("%s.norm2", l.text), c);
    add_linear(p, init, used, at("%s.mlp.fc1", l.text), ratio * c, c);
    add_linear(p, init, used, at("%s.mlp.fc2", l.text), c, ratio * c);
}

static void add_edge_mae(params *p, const slmt_net_options *o, int64_t tokens)
{
    int64_t c = o->embed_dim, d = o->decoder_dim, pixels = (int64_t)o->mae_patch * o->mae_patch;
    ADD_MATRIX(p, INIT_XAVIER, 1, ("E.patch_embed.proj.weight"), 4, c, 1, o->mae_patch, o->mae_patch);
    ADD(p, INIT_ZERO, 1, ("E.patch_embed.proj.bias"), 1, c);
    ADD(p, INIT_NORMAL, 1, ("E.cls_token"), 3, 1, 1, c);
    ADD_FIXED(p, INIT_POSITION, ("E.pos_embed"), 3, 1, 1 + tokens, c);
    for (int i = 0; i < o->depth; i++)
        add_block(p, INIT_XAVIER, 1, at("E.blocks.%d", i), c, o->mlp_ratio, 0, 0);
    add_norm(p, 1, at("E.norm"), c);
    add_linear(p, INIT_XAVIER, 1, at("E.decoder_embed"), d, c);
    ADD(p, INIT_NORMAL, 1, ("E.mask_token"), 3, 1, 1, d);
    ADD_FIXED(p, INIT_POSITION, ("E.decoder_pos_embed"), 3, 1, 1 + tokens, d);
    for (int i = 0; i < o->decoder_depth; i++)
        add_block(p, INIT_XAVIER, 1, at("E.decoder_blocks.%d", i), d, o->mlp_ratio, 0, 0);
    add_norm(p, 1, at("E.rec_norm"), d);
    add_linear(p, INIT_XAVIER, 1, at("E.rec_pred"), pixels, d);
    add_norm(p, 1, at("E.edge_norm"), d);
    add_linear(p, INIT_XAVIER, 1, at("E.edge_pred"), pixels, d);
    ADD_FIXED(p, INIT_SOBEL, ("E.operator.filter.weight"), 4, 2, 1, 3, 3);
    for (int i = 0; i < 3; i++) { /* stored by the reference, but never read */
        add_block(p, INIT_XAVIER, 0, at("E.rec_blocks.%d", i), d, o->mlp_ratio, 0, 0);
        add_block(p, INIT_XAVIER, 0, at("E.edge_blocks.%d", i), d, o->mlp_ratio, 0, 0);
    }
}

static int64_t table_rows(int64_t grid, int64_t window)
{
    int64_t w = grid <= window ? grid : window;
    return (2 * w - 1) * (2 * w - 1);
}

/* One Swin stage of branch j (1 coarse, 2 fine): blocks at width c, then patch merging. */
static void add_down_stage(params *p, const slmt_net_options *o, int j, int s, int64_t grid)
{
    int64_t c = (int64_t)o->embed_dim << s;
    int used = !(j == 1 && s == STAGES - 1); /* no output depends on the coarse branch's last stage */
    for (int b = 0; b < o->generator_depths[s]; b++)
        add_block(p, INIT_TRUNCATED, used, at("G.layers%d.%d.blocks.%d", j, s, b), c, o->mlp_ratio,
                  table_rows(grid, o->window), o->generator_heads[s]);
    add_norm(p, used, at("G.layers%d.%d.downsample.norm", j, s), 4 * c);
    ADD_MATRIX(p, INIT_TRUNCATED, used, ("G.layers%d.%d.downsample.reduction.weight", j, s), 2, 2 * c, 4 * c);
}

static void add_expand(params *p, int used, layer_name l, int64_t c, int64_t out, int64_t width)
{
    ADD_MATRIX(p, INIT_TRUNCATED, used, ("%s.expand.weight", l.text), 2, out, c);
    add_norm(p, used, at("%s.norm", l.text), width);
}

/* Decoder step k = 1..3: blocks at width c on a grid, with the heads of the stage one finer; then expand. */
static void add_up_stage(params *p, const slmt_net_options *o, int k, int64_t grid)
{
    int s = STAGES - k;
    int64_t c = (int64_t)o->embed_dim << s;
    for (int b = 0; b < o->generator_depths[s - 1]; b++)
        add_block(p, INIT_TRUNCATED, 1, at("G.layers_up.%d.blocks.%d", k, b), c, o->mlp_ratio,
                  table_rows(grid, o->window), o->generator_heads[s - 1]);
    add_expand(p, 1, at("G.layers_up.%d.upsample", k), c, 2 * c, c / 2);
}

static void add_fusion(params *p, const slmt_net_options *o, int s)
{
    int64_t c = (int64_t)o->embed_dim << (s + 1);
    int used = s < STAGES - 1;
    ADD(p, INIT_FAN_IN, used, ("G.fusion.%d.upconv.weight", s), 4, c, 1, 2, 2);
    ADD(p, INIT_ZERO, used, ("G.fusion.%d.upconv.bias", s), 1, c);
    for (int j = 1; j <= 2; j++) {
        ADD(p, INIT_FAN_IN, used, ("G.fusion.%d.conv%d.weight", s, j), 4, 1, 2 * c, 1, 1);
        ADD(p, INIT_ZERO, used, ("G.fusion.%d.conv%d.bias", s, j), 1, 1);
    }
}

/* Tensors of the reference's generator that its forward pass never reads, beside those above. */
static void add_unread(params *p, const slmt_net_options *o)
{
    int64_t c = o->embed_dim;
    add_linear(p, INIT_ZERO, 0, at("G.concat_back_dim.3"), c, 2 * c);
    ADD(p, INIT_ZERO, 0, ("G.patch_embed.proj.weight"), 4, c, 1, o->patch, o->patch);
    ADD(p, INIT_ZERO, 0, ("G.patch_embed.proj.bias"), 1, c);
    add_norm(p, 0, at("G.patch_embed.norm"), c);
    ADD(p, INIT_ZERO, 0, ("G.conv.weight"), 4, 128, 128, 3, 3);
    ADD(p, INIT_ZERO, 0, ("G.conv.bias"), 1, 128);
    add_expand(p, 0, at("G.up"), c, 16 * c, c);
    ADD(p, INIT_ZERO, 0, ("G.output.weight"), 4, c, 1, 2, 2);
    ADD(p, INIT_ZERO, 0, ("G.output.bias"), 1, 1);
    add_linear(p, INIT_ZERO, 0, at("G.linear"), c, 512);
    add_norm(p, 0, at("G.norm1"), 16 * c);
}

static void add_generator(params *p, const slmt_net_options *o, int64_t coarse)
{
    int64_t c = o->embed_dim, pixels = (int64_t)o->patch * o->patch;
    for (int s = 0; s < STAGES; s++) {
        add_down_stage(p, o, 1, s, coarse >> s);
        add_down_stage(p, o, 2, s, 2 * coarse >> s);
        add_fusion(p, o, s);
    }
    add_norm(p, 1, at("G.norm2"), 16 * c);
    add_expand(p, 1, at("G.layers_up.0"), 16 * c, 32 * c, 8 * c);
    for (int k = 1; k < STAGES; k++) {
        add_linear(p, INIT_TRUNCATED, 1, at("G.concat_back_dim.%d", k - 1), c << (STAGES - k),
                   2 * c << (STAGES - k));
        add_up_stage(p, o, k, coarse >> (STAGES - 1 - k));
    }
    add_norm(p, 1, at("G.norm_up"), c);
    add_linear(p, INIT_TRUNCATED, 1, at("G.to_img.linear"), pixels, c);
    add_unread(p, o);
}

void slmt_net_tensors(params *p, const double *option)
{
    const slmt_net_options o = slmt_net_options_of(option);
    const int64_t grid = slmt_net_grid(&o);
    add_edge_mae(p, &o, grid * grid);
    add_generator(p, &o, grid);
}
