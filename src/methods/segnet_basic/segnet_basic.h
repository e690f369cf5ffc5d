/* SPDX-License-Identifier: Apache-2.0 */
/* segnet_basic.h - the small variant of SegNet (Badrinarayanan et al. 2017): four 7x7 convolutions each way,
 * all of one width, and no ReLU on the way up. */
#ifndef SLMT_METHODS_SEGNET_BASIC_H
#define SLMT_METHODS_SEGNET_BASIC_H

#include "methods/segmentation/segmentation.h"

typedef struct segnet_basic_options {
    segment_options segment;
} segnet_basic_options;

/* x [B,H,W,channels] -> logits [B,H,W,classes]. */
value segnet_basic_forward(nn *n, const segnet_basic_options *o, value x);

#endif
