/* SPDX-License-Identifier: Apache-2.0 */
/* contrastive.h - a U-Net that is pre-trained without labels, part by part.
 *
 * Chaitanya, Erdil, Karani and Konukoglu, "Contrastive learning of global and local features for medical
 * image segmentation with limited annotations", NeurIPS 2020. First the encoder learns where in a volume a
 * slice lies, with a small network g1 behind it (the global loss); then the first blocks of the decoder learn
 * to tell regions of a slice apart, with a small network g2 (the local loss); then the whole is trained on
 * few labels. g1 and g2 are of no use afterwards.
 *
 * Tensors have the names of the authors' code, github.com/krishnabits001/domain_specific_cl. */
#ifndef SLMT_METHODS_CONTRASTIVE_H
#define SLMT_METHODS_CONTRASTIVE_H

#include "methods/segmentation/segmentation.h"

enum { CONTRASTIVE_LEVELS = 6, CONTRASTIVE_BLOCKS = CONTRASTIVE_LEVELS - 1 };

/* It begins as segment_options does, whose width is that of the first level. */
typedef struct contrastive_options {
    int32_t channels;
    char classes[256];
    int32_t normalize;
    int32_t widths[CONTRASTIVE_LEVELS]; /* channels of each level of the encoder */
    int32_t image_size;                 /* rows and columns of a slice */
    int32_t blocks;                     /* of the decoder that the local loss trains */
    int32_t hidden, embedding;          /* widths of g1 */
    int32_t dense; /* numbers that a region of 3x3 is mapped to; 0: it is used as it is */
} contrastive_options;

/* The outputs of the encoder's levels; the last one is what the encoder makes. */
typedef struct contrastive_levels {
    value at[CONTRASTIVE_LEVELS];
} contrastive_levels;

/* x [B,H,W,channels] -> levels [B,H/2^k,W/2^k,widths[k]] */
contrastive_levels contrastive_encoder(nn *n, const contrastive_options *o, value x);

/* Returns the first `blocks` blocks of the decoder: [B,H/2^k,W/2^k,widths[k]], k = 5 - blocks. */
value contrastive_decoder(nn *n, const contrastive_options *o, const contrastive_levels *l, int blocks);

/* Returns the whole network: x [B,H,W,channels] -> logits [B,H,W,classes] */
value contrastive_forward(nn *n, const contrastive_options *o, value x);

/* Pixels of the last level. */
int64_t contrastive_cells(const contrastive_options *o);

/* g1: what the encoder makes, of so many pixels -> embeddings [B,embedding] */
value contrastive_g1(nn *n, const contrastive_options *o, value e, int64_t cells);

/* g2: a feature map of the decoder's first `blocks` blocks -> a map of the same shape */
value contrastive_g2(nn *n, const contrastive_options *o, value f);

/* Returns the matrix that maps regions of 3x3, [dense,9C]; NONE: there is none. */
value contrastive_region_matrix(nn *n, const contrastive_options *o);

/* Lists all tensors. */
void contrastive_tensors(params *p, const contrastive_options *o);

#endif
