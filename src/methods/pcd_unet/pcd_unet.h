/* SPDX-License-Identifier: Apache-2.0 */
/* pcd_unet.h - the U-Net of paced-curriculum distillation (Islam et al. 2023), which is a common port: five
 * levels, the last as wide as the one before, and images enlarged by repeating pixels. */
#ifndef SLMT_METHODS_PCD_UNET_H
#define SLMT_METHODS_PCD_UNET_H

#include "methods/segmentation/segmentation.h"

typedef struct pcd_unet_options {
    segment_options segment;
} pcd_unet_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value pcd_unet_forward(nn *n, const pcd_unet_options *o, value x);

#endif
