/* SPDX-License-Identifier: Apache-2.0 */
/* layers.h - the layers as papers name them, each a few ops. Weights are found by name.
 *
 * Tokens are [B,N,C], channels last. A layer called "blocks.3" finds "blocks.3.norm1.weight" and so on. */
#ifndef SLMT_NN_LAYERS_H
#define SLMT_NN_LAYERS_H

#include "core/params.h"
#include "lib/graph.h"
#include "lib/ops.h"

/* A network under construction: its graph and the source of its weights. */
typedef struct nn {
    graph *g;
    const params *params;
    const char *prefix; /* in front of every name: "E." */
    int32_t slot;       /* weight k is bound to plan slot `slot + k` */
    value *weights; /* NULL, or by tensor index: its value, NONE until it is used; a method may set another
                       value first, such as a weight after a step that looks ahead */
    /* What the parts of nn/network.h need besides. */
    int32_t statistics;         /* NORM_...: where batch norms take mean and variance from */
    struct task_graph *dropout; /* the task that trains with dropout; NULL: nothing is dropped */
    struct nn_listing *listing; /* NULL: ops are added; else tensors are listed, by nn_list() */
} nn;

/* The network of a task whose tensors' names begin with `prefix`, over the model's weights or those of a
 * state (t->states[k]): a builder without a table, which need not be closed. */
struct task_graph;
nn nn_of(const struct task_graph *t, const char *prefix);
nn nn_of_state(const struct task_graph *t, const char *prefix, int32_t state);

/* Opens a builder with a table over graph g, whose tensor k is bound to plan slot `slot + k`; close frees the
 * table, not the graph. */
status nn_open(nn *n, graph *g, const params *p, const char *prefix, int32_t slot);
void nn_close(nn *n);

/* Makes a layer's name as printf() does. */
typedef struct layer_name {
    char text[PARAM_NAME_MAX];
} layer_name;

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
layer_name
at(const char *format, ...);

/* Ops added from now on belong to this layer in profiles. Every layer function below calls this itself. */
void nn_enter(nn *n, layer_name layer);

/* Returns the tensor `layer.part`. */
value nn_weight(nn *n, layer_name layer, const char *part);

/* Returns the buffer `layer.part` as a state: graph_assign() replaces it after a run. A second update in one
 * graph must start from graph_latest(). */
value nn_buffer(nn *n, layer_name layer, const char *part);

value nn_linear(nn *n, layer_name layer, value x);         /* .weight, .bias */
value nn_linear_no_bias(nn *n, layer_name layer, value x); /* .weight */
value nn_layer_norm(nn *n, layer_name layer, value x);     /* .weight, .bias; eps 1e-5 */
value nn_mlp(nn *n, layer_name layer, value x);            /* fc2(gelu(fc1(x))) */

/* Pre-norm Transformer block (Dosovitskiy et al. 2021). x [B,N,C] */
value nn_vit_block(nn *n, layer_name layer, value x, int heads);

/* Swin block (Liu et al. 2021) on a grid x grid field of tokens; shifted by half a window if `shifted`. */
value nn_swin_block(nn *n, layer_name layer, value x, int grid, int window, int heads, int shifted);

/* Swin's patch merging: [B,grid*grid,C] -> [B,(grid/2)^2,2C]. */
value nn_patch_merging(nn *n, layer_name layer, value x, int grid);

/* Swin-Unet's patch expanding: [B,grid*grid,C] -> [B,(2 grid)^2,C/2]. */
value nn_patch_expand(nn *n, layer_name layer, value x, int grid);

/* Depthwise 2x2 transposed convolution of stride 2: [B,grid*grid,C] -> [B,(2 grid)^2,C]. */
value nn_upconv_depthwise(nn *n, layer_name layer, value x, int grid);

/* Images [B,H,W] (H = W = grid*patch) to rows of pixels [B,grid*grid,patch*patch], and back. */
value nn_patchify(graph *g, value images, int grid, int patch);
value nn_unpatchify(graph *g, value patches, int grid, int patch);

#endif
