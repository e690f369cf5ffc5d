/* SPDX-License-Identifier: Apache-2.0 */
/* unet_parts.h - the parts of a U-Net (Ronneberger et al. 2015) whose convolutions keep the size, in two or
 * three dimensions and with batch norm. Parts as in network.h. */
#ifndef SLMT_NN_UNET_PARTS_H
#define SLMT_NN_UNET_PARTS_H

#include "nn/network.h"

/* Two convolutions of length 3, each with norm and ReLU: .conv1, .bn1, .conv2, .bn2. */
value nn_unet_block(nn *n, layer_name layer, value x, int64_t in, int64_t out, int axes);

/* x twice as large, by a transposed convolution: .weight [in,out,2,...], .bias; odd sizes get zeros at the
 * end. Returns it behind the skip connection. */
value nn_unet_up(nn *n, layer_name layer, value x, value skip, int64_t in, int64_t out, int axes);

#endif
