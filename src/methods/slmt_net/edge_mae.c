/* SPDX-License-Identifier: Apache-2.0 */
/* edge_mae.c - Edge-MAE (section III-A): reconstruct removed patches and the edge map of the whole slice. */
#include "methods/slmt_net/edge_mae.h"

#include <math.h>

#include "slmt/trainer.h"

/* ---- the encoder ---- */

/* Embeds images as patches with their positions, [B,N,C]. */
static value embed(nn *e, const slmt_net_options *o, value images)
{
    graph *g = e->g;
    nn_enter(e, at("patch_embed"));
    value patches = nn_patchify(g, images, slmt_net_grid(o), o->mae_patch);
    value projection = op_view(g, nn_weight(e, at("patch_embed.proj"), "weight"), 2, o->embed_dim, -1);
    value tokens = op_linear(g, patches, projection, nn_weight(e, at("patch_embed.proj"), "bias"));
    value positions = nn_weight(e, at("%s", ""), "pos_embed");
    return op_add(g, tokens, op_slice(g, positions, 1, 1, graph_dim(g, tokens, 1)));
}

void edge_mae_encode(nn *e, const slmt_net_options *o, value images, value *features)
{
    features[0] = embed(e, o, images);
    for (int i = 0; i < o->depth; i++)
        features[i + 1] = nn_vit_block(e, at("blocks.%d", i), features[i], o->num_heads);
    features[o->depth + 1] = nn_layer_norm(e, at("norm"), features[o->depth]);
}

/* ---- pre-training ---- */

static value repeat(graph *g, value token, int64_t batch, int64_t n) /* [1,1,C] -> [batch,n,C] */
{
    bk_shape to = shape_of(g->real, 3, (const int64_t[]){batch, n, graph_dim(g, token, 2)});
    return op_broadcast(g, token, &to);
}

static value join(graph *g, value a, value b) /* along the tokens */
{
    return op_concat(g, 1, (const value[]){a, b}, 2);
}

/* Encodes cls and the visible patches with all blocks: [B,1+K,C]. */
static value encode_kept(nn *e, const slmt_net_options *o, int batch, const value *in)
{
    graph *g = e->g;
    value cls = op_add(g, nn_weight(e, at("%s", ""), "cls_token"),
                       op_slice(g, nn_weight(e, at("%s", ""), "pos_embed"), 1, 0, 1));
    value x = join(g, repeat(g, cls, batch, 1), op_gather(g, embed(e, o, in[MAE_IMAGES]), in[MAE_KEEP]));
    for (int i = 0; i < o->depth; i++)
        x = nn_vit_block(e, at("blocks.%d", i), x, o->num_heads);
    return nn_layer_norm(e, at("norm"), x);
}

/* Inserts mask tokens for the removed patches, restores the order and applies the decoder: [B,N,D]. */
static value decode(nn *e, const slmt_net_options *o, int batch, int kept, value encoded, value restore)
{
    graph *g = e->g;
    int64_t n = graph_dim(g, restore, 1);
    value x = nn_linear(e, at("decoder_embed"), encoded);
    value cls = op_slice(g, x, 1, 0, 1), tokens = op_slice(g, x, 1, 1, kept);
    tokens = join(g, tokens,
                  repeat(g, nn_weight(e, at("%s", ""), "mask_token"), batch, 1)); /* row K: the mask token */
    x = join(g, cls, op_gather(g, tokens, restore));
    x = op_add(g, x, nn_weight(e, at("%s", ""), "decoder_pos_embed"));
    for (int i = 0; i < o->decoder_depth; i++)
        x = nn_vit_block(e, at("decoder_blocks.%d", i), x, o->decoder_heads);
    return op_slice(g, x, 1, 1, n);
}

static value head(nn *e, const char *name, value x)
{
    return op_sigmoid(e->g, nn_linear(e, at("%s_pred", name), nn_layer_norm(e, at("%s_norm", name), x)));
}

/* sum over patches of weight * sum over pixels of (pred - target)^2; the weight carries all divisors. */
static value patch_loss(graph *g, value pred, value target, value weight)
{
    value d = op_sub(g, pred, target);
    return op_sum_all(g, op_mul(g, op_mul(g, d, d), weight));
}

/* The mean square error of kept patches: those whose weight in the other losses is 0. */
static value visible_loss(graph *g, const slmt_net_options *o, value pred, value target, const value *in)
{
    double patches = (double)graph_dim(g, in[MAE_IMAGES], 0) * (double)graph_dim(g, in[MAE_KEEP], 1);
    double pixels = (double)o->mae_patch * o->mae_patch;
    value is_visible = op_equal(g, in[MAE_WEIGHT], op_number(g, 0));
    return patch_loss(g, pred, target, op_affine(g, is_visible, 1 / (patches * pixels), 0));
}

edge_mae_graph edge_mae_pretrain(nn *e, const slmt_net_options *o, const slmt_net_settings *s,
                                 const value in[MAE_INPUTS], value out[MAE_LOSSES])
{
    graph *g = e->g;
    edge_mae_graph v;
    int batch = (int)graph_dim(g, in[MAE_IMAGES], 0), kept = (int)graph_dim(g, in[MAE_KEEP], 1);
    value x = decode(e, o, batch, kept, encode_kept(e, o, batch, in), in[MAE_RESTORE]);
    v.rec_pred = head(e, "rec", x);
    v.edge_pred = head(e, "edge", x);

    int p = o->mae_patch;
    graph_layer(g, "loss");
    value target = nn_patchify(g, in[MAE_IMAGES], slmt_net_grid(o), p);
    out[MAE_REC] = patch_loss(g, v.rec_pred, target, in[MAE_WEIGHT]);
    if (s->visible_weight > 0)
        out[MAE_REC] = op_add(g, out[MAE_REC],
                              op_affine(g, visible_loss(g, o, v.rec_pred, target, in), s->visible_weight, 0));
    value edges = nn_patchify(g, in[MAE_EDGES], slmt_net_grid(o), p);
    out[MAE_EDGE] = patch_loss(g, v.edge_pred, edges, in[MAE_WEIGHT]);
    out[MAE_TOTAL] = op_add(g, op_affine(g, out[MAE_REC], s->rec_weight, 0), out[MAE_EDGE]);
    return v;
}

/* ---- masks, weights, edges ---- */

/* Merge sort of order[0..n) by noise: it is stable, which determines the order of equal numbers. */
static void sort_stable(const double *noise, int32_t *order, int32_t *spare, int n)
{
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int width = 1; width < n; width *= 2) {
        for (int lo = 0; lo < n; lo += 2 * width) {
            int mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            for (int a = lo, b = mid, k = lo; k < hi; k++) {
                int take_a = a < mid && (b >= hi || noise[order[a]] <= noise[order[b]]);
                spare[k] = take_a ? order[a++] : order[b++];
            }
        }
        for (int i = 0; i < n; i++)
            order[i] = spare[i];
    }
}

void edge_mae_mask(const double *noise, int n, int kept, int32_t *keep, int32_t *restore, unsigned char *mask,
                   int32_t *order)
{
    sort_stable(noise, order, restore, n); /* restore is first used as scratch */
    for (int i = 0; i < n; i++)
        restore[i] = kept;
    for (int i = 0; i < n; i++) {
        mask[order[i]] = i >= kept;
        if (i < kept) {
            keep[i] = order[i];
            restore[order[i]] = i;
        }
    }
}

/* The edge map is computed in float32 on every backend, as in the reference. */
static float mask_mean(const unsigned char *mask, int grid, int r, int c)
{
    int sum = 0;
    for (int y = r - 1; y <= r + 1; y++)
        for (int x = c - 1; x <= c + 1; x++)
            if (y >= 0 && y < grid && x >= 0 && x < grid)
                sum += mask[y * grid + x];
    return (float)sum / 9.0f;
}

void edge_mae_weights(const unsigned char *mask, int grid, int easy, double divisor, bk_dtype real,
                      void *weight)
{
    for (int r = 0; r < grid; r++)
        for (int c = 0; c < grid; c++) {
            float m = mask_mean(mask, grid, r, c);
            float w = easy ? 2 - m : 1 + m;
            real_set(weight, real, (size_t)r * (size_t)grid + (size_t)c,
                     mask[r * grid + c] * (double)w / divisor);
        }
}

static int clamp_index(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static double pixel(const float *image, int size, int r, int c)
{
    return image[(size_t)clamp_index(r, size) * (size_t)size + (size_t)clamp_index(c, size)];
}

void edge_mae_edges(const float *image, int size, const double filters[18], bk_dtype real, void *edges)
{
    for (int r = 0; r < size; r++)
        for (int c = 0; c < size; c++) {
            double gx = 0, gy = 0;
            for (int k = 0; k < 9; k++) {
                double x = pixel(image, size, r + k / 3 - 1, c + k % 3 - 1);
                gx += filters[k] * x;
                gy += filters[9 + k] * x;
            }
            double magnitude = sqrt(gx * gx + gy * gy);
            real_set(edges, real, (size_t)r * (size_t)size + (size_t)c, magnitude > 1 ? 1 : magnitude);
        }
}

/* ---- a whole step ---- */

static int patch_count(const slmt_net_options *o)
{
    return slmt_net_grid(o) * slmt_net_grid(o);
}

static int kept_count(const slmt_net_options *o, const slmt_net_settings *s)
{
    return (int)(patch_count(o) * (1 - s->mask_ratio));
}

status edge_mae_shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    const slmt_net_options o = slmt_net_options_of(at.option);
    const slmt_net_settings s = edge_mae_settings_of(at.setting);
    int patches = patch_count(&o), kept = kept_count(&o, &s);
    (void)real;
    if (kept < 1 || kept >= patches)
        return fail(ERR_ARGUMENT,
                    "setting mask_ratio is %g, which keeps %d of %d patches; at least one patch must be kept "
                    "and one removed",
                    s.mask_ratio, kept, patches);
    shape[MAE_KEEP].dim[1] = kept;
    shape[MAE_RESTORE].dim[1] = shape[MAE_WEIGHT].dim[1] = patches;
    return OK;
}

/* The room is for an order and a mask. */
task_needs edge_mae_needs(numbers at)
{
    const slmt_net_options o = slmt_net_options_of(at.option);
    size_t n = (size_t)patch_count(&o), batch = (size_t)at.setting[TRAIN_BATCH];
    return (task_needs){batch * n, n * (sizeof(int32_t) + 1)};
}

static void *shift(void *array, bk_dtype type, size_t n)
{
    return (unsigned char *)array + n * bk_dtype_size(type);
}

static void read_filters(const task_step *s, double filters[18])
{
    const param *p = &s->params->list[params_find(s->params, "E.operator.filter.weight")];
    for (size_t i = 0; i < 18; i++)
        filters[i] = real_get((const unsigned char *)s->weights + p->byte, s->real, i);
}

void edge_mae_prepare(const task_step *step)
{
    const slmt_net_options o = slmt_net_options_of(step->at.option);
    const slmt_net_settings s = edge_mae_settings_of(step->at.setting);
    size_t n = (size_t)patch_count(&o), kept = (size_t)kept_count(&o, &s), batch = (size_t)s.train.batch;
    size_t side = (size_t)o.image_size;
    int easy = s.patch_weight == SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD && step->epoch < 0.5 * s.train.epochs;
    double area = (double)o.mae_patch * o.mae_patch, filters[18];
    int32_t *order = step->room;
    unsigned char *mask = (unsigned char *)(order + n);
    read_filters(step, filters);
    for (size_t b = 0; b < batch; b++) {
        edge_mae_mask(step->draws + b * n, (int)n, (int)kept, shift(step->in[MAE_KEEP], BK_I32, b * kept),
                      shift(step->in[MAE_RESTORE], BK_I32, b * n), mask, order);
        edge_mae_weights(mask, slmt_net_grid(&o), easy, (double)batch * (double)(n - kept) * area, step->real,
                         shift(step->in[MAE_WEIGHT], step->real, b * n));
        edge_mae_edges((const float *)step->given[MAE_IMAGES] + b * side * side, o.image_size, filters,
                       step->real, shift(step->in[MAE_EDGES], step->real, b * side * side));
    }
}
