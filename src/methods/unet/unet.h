/* SPDX-License-Identifier: Apache-2.0 */
/* unet.h - the U-Net, here for making one contrast from another.
 *
 * Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015, with
 * the changes that became common since: convolutions that keep the size, a norm behind each, and as an option
 * an output that is added to the input. Tensor names are those of a PyTorch module whose parts are called
 * enc1, enc2 ... (finest first), up2, dec2, up1, dec1 and head. */
#ifndef SLMT_METHODS_UNET_H
#define SLMT_METHODS_UNET_H

#include "nn/blocks.h"

enum { UNET_MAX_DEPTH = 7 };

typedef struct unet_options {
    int32_t image_size; /* side of the images in pixels */
    int32_t slices;     /* of an input: 1, or a slice and its neighbours: an odd number */
    int32_t width;      /* channels at full resolution; each coarser level has twice as many */
    int32_t depth;      /* levels: resolutions */
    int32_t norm;       /* block_norm */
    int32_t upsampling; /* block_up */
    int32_t residual;   /* 1: the network makes what is added to the middle slice */
} unet_options;

/* Lists every tensor of a network from `in` to `out` channels; a failure is stored in p->error. */
void unet_params(params *p, const unet_options *o, int64_t in, int64_t out);

/* Returns the network: x [B,H,W,in] -> [B,H,W,out], for any H and W that are halved depth - 1 times without a
 * rest of 0. `from` says where batch norms take their statistics from. */
value unet_forward(nn *n, const unet_options *o, value x, norm_statistics from);

/* Slices of one contrast [B,slices,H,W] -> the middle one in another contrast, [B,H,W], not clamped. */
value unet_translate(nn *n, const unet_options *o, value source, norm_statistics from);

/* Returns the mean of |made - target|. */
value unet_l1(graph *g, value made, value target);

#endif
