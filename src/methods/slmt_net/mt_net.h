/* SPDX-License-Identifier: Apache-2.0 */
/* mt_net.h - the multi-scale Transformer U-Net: synthesis and fine-tuning graphs. */
#ifndef SLMT_METHODS_MT_NET_H
#define SLMT_METHODS_MT_NET_H

#include "methods/slmt_net/edge_mae.h"

/* source [B,S,S] -> target [B,S,S]. */
value mt_net_synthesize(nn *e, nn *gen, const slmt_net *net, value source);

typedef struct mt_net_graph {
    value pred;           /* [B,S,S] */
    value block1, tokens; /* [B,N,C]: encoder after block 1, after the last norm */
    value l1_loss, fc_loss, total;
} mt_net_graph;

/* Largest encoder depth plus the two ends of the feature list. */
enum { MAX_FEATURES = 66 };

/* total = l1_weight * l1_loss + fc_loss; fc_loss compares features of the teacher, a snapshot of the encoder.
 */
mt_net_graph mt_net_finetune(nn *e, nn *gen, nn *frozen, const slmt_net *net, double l1_weight, value source,
                             value target);

#endif
