/* SPDX-License-Identifier: Apache-2.0 */
/* fpn.h - the semantic branch of a feature pyramid network.
 *
 * Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019: a residual backbone, a feature pyramid
 * (Lin et al. 2017), and all its levels brought to a quarter of the image's size and added. */
#ifndef SLMT_METHODS_FPN_H
#define SLMT_METHODS_FPN_H

#include "methods/segmentation/segmentation.h"
#include "nn/residual.h"

typedef struct fpn_options {
    segment_options segment;
    int32_t layers[4], bottleneck; /* of the backbone */
    int32_t pyramid, branch;       /* channels of the pyramid and of the branch */
    int32_t groups;                /* of the branch's group norms */
} fpn_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value fpn_forward(nn *n, const fpn_options *o, value x);

#endif
