/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c - the layers as papers name them. */
#include "nn/layers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/method.h"

nn nn_of(const struct task_graph *t, const char *prefix)
{
    return (nn){.g = t->g, .params = t->params, .prefix = prefix, .slot = t->weights};
}

nn nn_of_state(const struct task_graph *t, const char *prefix, int32_t state)
{
    return (nn){.g = t->g, .params = t->params, .prefix = prefix, .slot = t->states[state]};
}

status nn_open(nn *n, graph *g, const params *p, const char *prefix, int32_t slot)
{
    void *weights;
    *n = (nn){.g = g, .params = p, .prefix = prefix, .slot = slot};
    TRY(mem_array(g->mem, (size_t)p->n, sizeof(value), &weights));
    n->weights = weights;
    for (int32_t i = 0; i < p->n; i++)
        n->weights[i] = NONE;
    return OK;
}

void nn_close(nn *n)
{
    mem_give(n->g->mem, n->weights);
    n->weights = NULL;
}

layer_name at(const char *format, ...)
{
    layer_name name;
    va_list args;
    va_start(args, format);
    vsnprintf(name.text, sizeof name.text, format, args);
    va_end(args);
    return name;
}

void nn_enter(nn *n, layer_name layer)
{
    char name[2 * PARAM_NAME_MAX];
    snprintf(name, sizeof name, "%s%s", n->prefix, layer.text);
    graph_layer(n->g, name);
}

static int32_t find(const nn *n, layer_name layer, const char *part)
{
    char name[2 * PARAM_NAME_MAX];
    snprintf(name, sizeof name, "%s%s%s%s", n->prefix, layer.text, layer.text[0] ? "." : "", part);
    int32_t k = params_find(n->params, name);
    if (k < 0)
        graph_fail(n->g, fail(ERR_INTERNAL, "the network has no tensor %s", name));
    return k;
}

value nn_weight(nn *n, layer_name layer, const char *part)
{
    int32_t k = find(n, layer, part);
    if (k < 0)
        return NONE;
    if (n->weights && n->weights[k] != NONE)
        return n->weights[k];
    value bound = graph_bound(n->g, n->slot + k, n->params->list[k].shape);
    if (n->weights)
        n->weights[k] = bound;
    return bound;
}

value nn_buffer(nn *n, layer_name layer, const char *part)
{
    int32_t k = find(n, layer, part);
    if (k < 0)
        return NONE;
    if (n->params->list[k].role != ROLE_BUFFER)
        return graph_fail(n->g, fail(ERR_INTERNAL, "tensor %s is no buffer", n->params->list[k].name));
    value state = graph_state(n->g, n->slot + k, n->params->list[k].shape);
    if (n->weights)
        n->weights[k] = state;
    return state;
}

value nn_linear(nn *n, layer_name layer, value x)
{
    nn_enter(n, layer);
    return op_linear(n->g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"));
}

value nn_linear_no_bias(nn *n, layer_name layer, value x)
{
    nn_enter(n, layer);
    return op_linear(n->g, x, nn_weight(n, layer, "weight"), NONE);
}

value nn_layer_norm(nn *n, layer_name layer, value x)
{
    nn_enter(n, layer);
    return op_layer_norm(n->g, x, nn_weight(n, layer, "weight"), nn_weight(n, layer, "bias"), 1e-5);
}

value nn_mlp(nn *n, layer_name layer, value x)
{
    value hidden = op_gelu(n->g, nn_linear(n, at("%s.fc1", layer.text), x));
    return nn_linear(n, at("%s.fc2", layer.text), hidden);
}

static double head_scale(graph *g, value x, int heads)
{
    return 1.0 / sqrt((double)graph_dim(g, x, -1) / heads);
}

value nn_vit_block(nn *n, layer_name layer, value x, int heads)
{
    graph *g = n->g;
    value qkv = nn_linear(n, at("%s.attn.qkv", layer.text), nn_layer_norm(n, at("%s.norm1", layer.text), x));
    nn_enter(n, at("%s.attn", layer.text));
    value mixed = op_attention(g, qkv, heads, head_scale(g, x, heads));
    x = op_add(g, x, nn_linear(n, at("%s.attn.proj", layer.text), mixed));
    return op_add(g, x, nn_mlp(n, at("%s.mlp", layer.text), nn_layer_norm(n, at("%s.norm2", layer.text), x)));
}

value nn_swin_block(nn *n, layer_name layer, value x, int grid, int window, int heads, int shifted)
{
    graph *g = n->g;
    window_grid w = {grid, grid, window, shifted ? window / 2 : 0};
    if (grid <= window) { /* a single window covers the grid, so a shift has no effect */
        w.window = grid;
        w.shift = 0;
    }
    value qkv = nn_linear(n, at("%s.attn.qkv", layer.text), nn_layer_norm(n, at("%s.norm1", layer.text), x));
    nn_enter(n, at("%s.attn", layer.text));
    value table = nn_weight(n, layer, "attn.relative_position_bias_table");
    value mixed = op_window_attention(g, qkv, table, w, heads, head_scale(g, x, heads));
    x = op_add(g, x, nn_linear(n, at("%s.attn.proj", layer.text), mixed));
    return op_add(g, x, nn_mlp(n, at("%s.mlp", layer.text), nn_layer_norm(n, at("%s.norm2", layer.text), x)));
}

value nn_patch_merging(nn *n, layer_name layer, value x, int grid)
{
    graph *g = n->g;
    nn_enter(n, layer);
    int64_t half = grid / 2, c = graph_dim(g, x, -1);
    value cells = op_view(g, x, 6, -1, half, 2, half, 2, c); /* B, row, r, column, c', C */
    value joined = op_permute(g, cells, 0, 1, 3, 4, 2, 5);   /* (r,c') in the order 00, 10, 01, 11 */
    joined = op_view(g, joined, 3, -1, half * half, 4 * c);
    return nn_linear_no_bias(n, at("%s.reduction", layer.text),
                             nn_layer_norm(n, at("%s.norm", layer.text), joined));
}

value nn_patch_expand(nn *n, layer_name layer, value x, int grid)
{
    graph *g = n->g;
    value wide = nn_linear_no_bias(n, at("%s.expand", layer.text), x);
    int64_t c = graph_dim(g, wide, -1) / 4;
    value cells = op_view(g, wide, 6, -1, grid, grid, 2, 2, c); /* B, row, column, p1, p2, C */
    value spread = op_permute(g, cells, 0, 1, 3, 2, 4, 5);
    return nn_layer_norm(n, at("%s.norm", layer.text),
                         op_view(g, spread, 3, -1, 4 * (int64_t)grid * grid, c));
}

value nn_upconv_depthwise(nn *n, layer_name layer, value x, int grid)
{
    graph *g = n->g;
    nn_enter(n, layer);
    int64_t c = graph_dim(g, x, -1);
    value kernel = op_permute(g, nn_weight(n, layer, "weight"), 2, 3, 1, 0); /* [2,2,1,C] */
    kernel = op_view(g, kernel, 6, 1, 1, 2, 1, 2, c);
    value cells = op_view(g, x, 6, -1, grid, 1, grid, 1, c);
    value spread = op_mul(g, cells, kernel); /* B, row, 2, column, 2, C */
    return op_add(g, op_view(g, spread, 3, -1, 4 * (int64_t)grid * grid, c), nn_weight(n, layer, "bias"));
}

value nn_patchify(graph *g, value images, int grid, int patch)
{
    value cells = op_view(g, images, 5, -1, grid, patch, grid, patch);
    return op_view(g, op_permute(g, cells, 0, 1, 3, 2, 4), 3, -1, (int64_t)grid * grid,
                   (int64_t)patch * patch);
}

value nn_unpatchify(graph *g, value patches, int grid, int patch)
{
    value cells = op_view(g, patches, 5, -1, grid, grid, patch, patch);
    return op_view(g, op_permute(g, cells, 0, 1, 3, 2, 4), 3, -1, (int64_t)grid * patch,
                   (int64_t)grid * patch);
}
