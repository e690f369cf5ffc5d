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

typedef struct slmt_net {
    slmt_net_options options;
    int mae_grid; /* tokens along a side at the encoder's scale: image_size / mae_patch */
    int grid;     /* and at the fine scale: image_size / patch = 2 * mae_grid */
} slmt_net;

/* Reads the options into the struct. */
slmt_net slmt_net_of(const double *option);

/* Checks the rules between options: ERR_ARGUMENT with the option and its rule. */
status slmt_net_check(const double *option);

void slmt_net_tensors(params *p, const double *option);

#endif
