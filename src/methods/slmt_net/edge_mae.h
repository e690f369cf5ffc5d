/* SPDX-License-Identifier: Apache-2.0 */
/* edge_mae.h - the edge-preserving masked auto-encoder: pre-training graph, and its encoder alone. */
#ifndef SLMT_METHODS_EDGE_MAE_H
#define SLMT_METHODS_EDGE_MAE_H

#include "methods/slmt_net/slmt_net.h"

/* The encoder on whole images, without mask and cls token. images [B,S,S] -> features[0..depth+1], each
 * [B,N,C]: tokens after embedding, after each block, after the last norm. */
void edge_mae_encode(nn *e, const slmt_net_options *o, value images, value *features);

/* ---- pre-training ---- */

/* Reads the settings of pre-training. */
slmt_net_settings edge_mae_settings_of(const double *setting);

/* The inputs of a graph, in the order of its table. B is the batch, N the number of patches, K that of
 * visible ones, P the pixels of a patch. */
enum {
    MAE_IMAGES,  /* [B,S,S] */
    MAE_KEEP,    /* int32 [B,K]: visible patches, in the order in which they are encoded */
    MAE_RESTORE, /* int32 [B,N]: index of each patch among the visible ones, K if removed */
    MAE_WEIGHT,  /* [B,N,1]: weight of a patch in the losses, 0 if visible */
    MAE_EDGES,   /* [B,S,S]: the target edge map */
    MAE_INPUTS
};

/* The losses of a graph, in the order of its table. */
enum { MAE_REC, MAE_EDGE, MAE_TOTAL, MAE_LOSSES };

typedef struct edge_mae_graph {
    value rec_pred;  /* [B,N,P] */
    value edge_pred; /* [B,N,P] */
} edge_mae_graph;

/* Total = rec_weight * reconstruction + edge. The loss of reconstruction is the mean square error of removed
 * patches plus visible_weight times the mean square error of kept ones. */
edge_mae_graph edge_mae_pretrain(nn *e, const slmt_net_options *o, const slmt_net_settings *s,
                                 const value in[MAE_INPUTS], value out[MAE_LOSSES]);

/* ---- inputs of a step beside the images ---- */

/* Ranks of a stable ascending sort of noise[N] -> keep[kept], restore[N], mask[N] (1 = removed). order: N
 * ints of scratch. */
void edge_mae_mask(const double *noise, int n, int kept, int32_t *keep, int32_t *restore, unsigned char *mask,
                   int32_t *order);

/* weight[n] = mask * w / (removed patches of the whole batch * pixels of a patch);
 * w = 1 + m (hard) or 2 - m (easy), m the 3x3 mean of the mask on the grid, zeros outside, divisor 9. */
void edge_mae_weights(const unsigned char *mask, int grid, int easy, double divisor, bk_dtype real,
                      void *weight);

/* sqrt(gx^2 + gy^2), at most 1, gx and gy the correlation of the image (replicate padding) with the two 3x3
 * filters of E.operator.filter.weight: Sobel's, unless a checkpoint has others. */
void edge_mae_edges(const float *image, int size, const double filters[18], bk_dtype real, void *edges);

/* These are functions of the task's table. */

/* Fills in the extents N and K of the inputs' shapes. ERR_ARGUMENT: no patch is kept, or none removed. */
status edge_mae_shapes(numbers at, bk_dtype real, bk_shape *shape);

/* Fills in all inputs of a step but the images: removes all but floor(N (1 - mask_ratio)) patches of each
 * image at random, and computes loss weights and edge maps. A number is drawn for each patch. */
task_needs edge_mae_needs(numbers at);
void edge_mae_prepare(const task_step *step);

#endif
