/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net.h - SLMT-Net as a whole: its options, its tensors, and how its graphs are bound.
 * The networks themselves: edge_mae.h (pre-training, encoder), mt_net.h (generator, fine-tuning).
 *
 * Li et al., "Multi-scale Transformer Network with Edge-aware Pre-training for Cross-Modality MR Image
 * Synthesis", IEEE TMI 2023. Tensor names are the reference's, "E." before the Edge-MAE's, "G." before the
 * generator's. */
#ifndef SLMT_METHODS_SLMT_NET_H
#define SLMT_METHODS_SLMT_NET_H

#include "nn/layers.h"
#include "nn/params.h"
#include "slmt/model.h"

enum { STAGES = 4 };

typedef struct slmt_net {
    slmt_model_options options;
    params params;
    int mae_grid; /* tokens along a side at the encoder's scale: image_size / mae_patch */
    int grid;     /* and at the fine scale: image_size / patch = 2 * mae_grid */
} slmt_net;

status net_options_preset(slmt_model_options *o, int32_t preset);

/* ERR_ARGUMENT with the option and its rule. */
status net_options_check(const slmt_model_options *o);

/* Options already checked; net->params lists every tensor. matrix: how linear layers' matrices are stored, as
 * params_init() takes it. */
status net_init(slmt_net *net, mem *m, bk_dtype real, bk_dtype matrix, const slmt_model_options *o);
void net_clear(slmt_net *net);

/* Plan slots of a graph over a network with n = net->params.n tensors: weights, the frozen encoder's weights,
 * then the data slots of the graph at hand. */
static inline int32_t slot_weight(const slmt_net *net)
{
    (void)net;
    return 0;
}
static inline int32_t slot_frozen(const slmt_net *net)
{
    return net->params.n;
}
static inline int32_t slot_data(const slmt_net *net)
{
    return 2 * net->params.n;
}

/* A network builder over graph g with weights bound from `slot`; close frees its table, not the graph. */
status nn_open(nn *n, graph *g, const slmt_net *net, const char *prefix, int32_t slot);
void nn_close(nn *n);

#endif
