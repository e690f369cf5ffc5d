/* SPDX-License-Identifier: Apache-2.0 */
/* blocks.h - blocks of encoder-decoder networks for two-dimensional images, as the segmentation and synthesis
 * papers name them, and the tensors of each. Images are [B,H,W,C], channels last.
 *
 * Every block comes as two functions: one lists its tensors, the other adds its ops to a graph. */
#ifndef SLMT_NN_BLOCKS_H
#define SLMT_NN_BLOCKS_H

#include "nn/norm.h"

/* What stands between a convolution and its ReLU. */
typedef enum block_norm {
    BLOCK_INSTANCE, /* instance norm with weights (Ulyanov et al. 2016): each channel of each image by itself
                     */
    BLOCK_BATCH,    /* batch norm (Ioffe and Szegedy 2015) */
    BLOCK_PLAIN     /* nothing; the convolution then has a bias */
} block_norm;

/* How a block works in one graph. */
typedef struct block_style {
    block_norm norm;
    norm_statistics from; /* of batch norms */
} block_style;

/* Convolution number `i` of a block, from `in` to `out` channels: .conv<i>.weight [out,in,3,3], He's start
 * values, and .in<i>.weight, .in<i>.bias [out]; with batch norm .bn<i>.* and its buffers; with neither
 * .conv<i>.bias. */
void nn_conv_norm_tensors(params *p, layer_name layer, int i, int64_t out, int64_t in, block_norm norm);

/* 3x3 convolution with zero padding, norm, ReLU. x [B,H,W,in] -> [B,H,W,out] */
value nn_conv_norm(nn *n, layer_name layer, int i, value x, block_style style);

/* Two of them, number 1 and 2: the block of a U-Net (Ronneberger et al. 2015) that keeps the size. */
void nn_double_conv_tensors(params *p, layer_name layer, int64_t out, int64_t in, block_norm norm);
value nn_double_conv(nn *n, layer_name layer, value x, block_style style);

/* Returns the maxima of 2x2 pixels; an odd last row or column is left out. [B,H,W,C] -> [B,H/2,W/2,C] */
value nn_halve(nn *n, layer_name layer, value x);

/* How an image is doubled. */
typedef enum block_up {
    UP_TRANSPOSED, /* 2x2 transposed convolution of stride 2; an odd size gets zeros at the end */
    UP_LINEAR      /* 1x1 convolution, then bilinear interpolation to the size of the skip connection */
} block_up;

/* .weight ([in,out,2,2], or [out,in,1,1] with UP_LINEAR) and .bias [out]. */
void nn_up_tensors(params *p, layer_name layer, int64_t out, int64_t in, block_up how);

/* x [B,h,w,in], doubled to the size of the skip connection and behind it: [B,H,W,C] -> [B,H,W,C + out]. */
value nn_up_join(nn *n, layer_name layer, value x, value skip, block_up how);

#endif
