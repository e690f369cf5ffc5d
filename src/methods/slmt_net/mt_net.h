/* SPDX-License-Identifier: Apache-2.0 */
/* mt_net.h - the multi-scale Transformer U-Net: synthesis and fine-tuning graphs. */
#ifndef SLMT_METHODS_MT_NET_H
#define SLMT_METHODS_MT_NET_H

#include "methods/slmt_net/edge_mae.h"

/* source [B,S,S] -> target [B,S,S]. */
value mt_net_synthesize(nn *e, nn *gen, const slmt_net_options *o, value source);

/* The inputs and the losses of fine-tuning, in the order of the task's tables. */
enum { MT_SOURCE, MT_TARGET, MT_INPUTS };            /* [B,S,S] */
enum { MT_L1, MT_CONSISTENCY, MT_TOTAL, MT_LOSSES }; /* scalars */

typedef struct mt_net_graph {
    value pred;           /* [B,S,S] */
    value block1, tokens; /* [B,N,C]: the encoder's after block 1, and after its last norm */
} mt_net_graph;

/* Largest encoder depth plus the two ends of the feature list. */
enum { MAX_FEATURES = 66 };

/* Total = l1_weight * L1 + consistency, which compares the features that the teacher finds in the prediction
 * and in the target. The teacher is a snapshot of the encoder. */
mt_net_graph mt_net_finetune(nn *e, nn *gen, nn *teacher, const slmt_net_options *o, double l1_weight,
                             const value in[MT_INPUTS], value out[MT_LOSSES]);

#endif
