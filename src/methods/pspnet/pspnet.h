/* SPDX-License-Identifier: Apache-2.0 */
/* pspnet.h - the pyramid scene parsing network.
 *
 * Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017: a dilated residual backbone with an output stride
 * of 8, pyramid pooling, and an auxiliary head on stage 3 that helps the training. */
#ifndef SLMT_METHODS_PSPNET_H
#define SLMT_METHODS_PSPNET_H

#include "methods/segmentation/segmentation.h"
#include "nn/residual.h"

typedef struct pspnet_options {
    segment_options segment;
    int32_t layers[4], bottleneck; /* of the backbone */
    int32_t tv_dilation;           /* as torchvision dilates: backbone_shape */
    int32_t hidden, auxiliary;     /* channels of the head and of the auxiliary head */
} pspnet_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]; auxiliary (NULL: not wanted): those of the auxiliary head. */
value pspnet_forward(nn *n, const pspnet_options *o, value x, value *auxiliary);

#endif
