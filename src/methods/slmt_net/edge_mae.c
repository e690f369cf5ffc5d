/* SPDX-License-Identifier: Apache-2.0 */
/* edge_mae.c - Edge-MAE (section III-A): reconstruct removed patches and the edge map of the whole slice. */
#include "methods/slmt_net/edge_mae.h"

#include <math.h>

/* ---- the encoder ---- */

/* Embeds images as patches with their positions, [B,N,C]. */
static value embed(nn *e, const slmt_net *net, value images)
{
    graph *g = e->g;
    nn_enter(e, at("patch_embed"));
    value patches = nn_patchify(g, images, net->mae_grid, net->options.mae_patch);
    value projection =
        op_view(g, nn_weight(e, at("patch_embed.proj"), "weight"), 2, net->options.embed_dim, -1);
    value tokens = op_linear(g, patches, projection, nn_weight(e, at("patch_embed.proj"), "bias"));
    value positions = nn_weight(e, at("%s", ""), "pos_embed");
    return op_add(g, tokens, op_slice(g, positions, 1, 1, graph_dim(g, tokens, 1)));
}

void edge_mae_encode(nn *e, const slmt_net *net, value images, value *features)
{
    const slmt_net_options *o = &net->options;
    features[0] = embed(e, net, images);
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
static value encode_kept(nn *e, const slmt_net *net, int batch, const edge_mae_graph *v)
{
    graph *g = e->g;
    value cls = op_add(g, nn_weight(e, at("%s", ""), "cls_token"),
                       op_slice(g, nn_weight(e, at("%s", ""), "pos_embed"), 1, 0, 1));
    value x = join(g, repeat(g, cls, batch, 1), op_gather(g, embed(e, net, v->images), v->keep));
    for (int i = 0; i < net->options.depth; i++)
        x = nn_vit_block(e, at("blocks.%d", i), x, net->options.num_heads);
    return nn_layer_norm(e, at("norm"), x);
}

/* Inserts mask tokens for the removed patches, restores the order and applies the decoder: [B,N,D]. */
static value decode(nn *e, const slmt_net *net, int batch, int kept, value encoded, const edge_mae_graph *v)
{
    graph *g = e->g;
    int64_t n = graph_dim(g, v->restore, 1);
    value x = nn_linear(e, at("decoder_embed"), encoded);
    value cls = op_slice(g, x, 1, 0, 1), tokens = op_slice(g, x, 1, 1, kept);
    tokens = join(g, tokens,
                  repeat(g, nn_weight(e, at("%s", ""), "mask_token"), batch, 1)); /* row K: the mask token */
    x = join(g, cls, op_gather(g, tokens, v->restore));
    x = op_add(g, x, nn_weight(e, at("%s", ""), "decoder_pos_embed"));
    for (int i = 0; i < net->options.decoder_depth; i++)
        x = nn_vit_block(e, at("decoder_blocks.%d", i), x, net->options.decoder_heads);
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

int edge_mae_kept(const slmt_net *net, double mask_ratio)
{
    int n = net->mae_grid * net->mae_grid;
    return (int)(n * (1 - mask_ratio));
}

/* The mean square error of kept patches: those whose weight in the other losses is 0. */
static value visible_loss(graph *g, const slmt_net *net, value target, const edge_mae_graph *v)
{
    double patches = (double)graph_dim(g, v->images, 0) * (double)graph_dim(g, v->keep, 1);
    double pixels = (double)net->options.mae_patch * net->options.mae_patch;
    value is_visible = op_equal(g, v->weight, op_number(g, 0));
    return patch_loss(g, v->rec_pred, target, op_affine(g, is_visible, 1 / (patches * pixels), 0));
}

void edge_mae_pretrain(nn *e, const slmt_net *net, edge_mae_losses losses, edge_mae_graph *v)
{
    graph *g = e->g;
    int batch = (int)graph_dim(g, v->images, 0), kept = (int)graph_dim(g, v->keep, 1);
    value x = decode(e, net, batch, kept, encode_kept(e, net, batch, v), v);
    v->rec_pred = head(e, "rec", x);
    v->edge_pred = head(e, "edge", x);

    int p = net->options.mae_patch;
    graph_layer(g, "loss");
    value target = nn_patchify(g, v->images, net->mae_grid, p);
    v->rec_loss = patch_loss(g, v->rec_pred, target, v->weight);
    if (losses.visible_weight > 0)
        v->rec_loss =
            op_add(g, v->rec_loss, op_affine(g, visible_loss(g, net, target, v), losses.visible_weight, 0));
    v->edge_loss = patch_loss(g, v->edge_pred, nn_patchify(g, v->edges, net->mae_grid, p), v->weight);
    v->total = op_add(g, op_affine(g, v->rec_loss, losses.rec_weight, 0), v->edge_loss);
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

/* The room is for an order and a mask. */
task_needs edge_mae_needs(const slmt_net *net, size_t batch)
{
    size_t n = (size_t)net->mae_grid * (size_t)net->mae_grid;
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

void edge_mae_prepare(const task_step *s, const slmt_net *net, int kept, int easy)
{
    size_t n = (size_t)net->mae_grid * (size_t)net->mae_grid, batch = (size_t)s->at.setting[TRAIN_BATCH];
    size_t side = (size_t)net->options.image_size;
    double area = (double)net->options.mae_patch * net->options.mae_patch, filters[18];
    int32_t *order = s->room;
    unsigned char *mask = (unsigned char *)(order + n);
    read_filters(s, filters);
    for (size_t b = 0; b < batch; b++) {
        edge_mae_mask(s->draws + b * n, (int)n, kept, shift(s->in[MAE_KEEP], BK_I32, b * (size_t)kept),
                      shift(s->in[MAE_RESTORE], BK_I32, b * n), mask, order);
        edge_mae_weights(mask, net->mae_grid, easy, (double)batch * (double)(n - (size_t)kept) * area,
                         s->real, shift(s->in[MAE_WEIGHT], s->real, b * n));
        edge_mae_edges((const float *)s->given[MAE_IMAGES] + b * side * side, net->options.image_size,
                       filters, s->real, shift(s->in[MAE_EDGES], s->real, b * side * side));
    }
}
