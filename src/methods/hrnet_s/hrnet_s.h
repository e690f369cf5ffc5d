/* SPDX-License-Identifier: Apache-2.0 */
/* hrnet_s.h - the high-resolution network.
 *
 * Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", IEEE TPAMI 43 (2021)
 * 3349-3364, as HRNetV2-W18-small-v1: branches at a quarter of the image's size and coarser that exchange
 * what they found after every module. Tensor names are those of the reference repository. */
#ifndef SLMT_METHODS_HRNET_S_H
#define SLMT_METHODS_HRNET_S_H

#include "methods/segmentation/segmentation.h"

typedef struct hrnet_s_options {
    segment_options segment; /* width: channels of the finest branch; each coarser one has twice as many */
    int32_t stem;            /* channels of the two stem convolutions */
    int32_t first;           /* inner channels of the bottlenecks of stage 1 */
    int32_t first_blocks;    /* how many there are */
    int32_t modules[3];      /* of stages 2 to 4 */
    int32_t blocks;          /* basic blocks of a branch */
    int32_t published_start; /* 1: kernels start as the authors', with a deviation of 0.001; 0: He et al. */
} hrnet_s_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value hrnet_s_forward(nn *n, const hrnet_s_options *o, value x);

#endif
