/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net.h - SLMT-Net as a whole: its options and its tensors. The networks themselves: edge_mae.h
 * (pre-training, encoder), mt_net.h (generator, fine-tuning). The method's tasks: slmt_net_tasks.c.
 *
 * Li et al., "Multi-scale Transformer Network with Edge-aware Pre-training for Cross-Modality MR Image
 * Synthesis", IEEE TMI 2023. Tensor names are the reference's, "E." before the Edge-MAE's, "G." before the
 * generator's. */
#ifndef SLMT_METHODS_SLMT_NET_H
#define SLMT_METHODS_SLMT_NET_H

#include "core/method.h"
#include "nn/layers.h"
#include "slmt/slmt_net.h"

extern const method method_slmt_net;

enum { STAGES = 4 };

/* Reads the options into the struct, but for struct_size. */
slmt_net_options slmt_net_options_of(const double *option);

/* Returns the number of tokens along a side of the encoder's grid. The generator's finest grid has twice as
 * many. */
int slmt_net_grid(const slmt_net_options *o);

/* The settings of both stages. The rows of a stage fill in those that it has. */
typedef struct slmt_net_settings {
    train_settings train;
    int32_t patch_weight; /* SLMT_NET_PATCH_WEIGHT_... */
    double mask_ratio, rec_weight, visible_weight, l1_weight;
} slmt_net_settings;

/* Checks the rules between options: ERR_ARGUMENT with the option and its rule. */
status slmt_net_check(const double *option);

void slmt_net_tensors(params *p, const double *option);

#endif
