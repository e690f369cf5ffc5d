/* SPDX-License-Identifier: Apache-2.0 */
/* edge_mae.h - the edge-preserving masked auto-encoder: pre-training graph, and its encoder alone. */
#ifndef SLMT_METHODS_EDGE_MAE_H
#define SLMT_METHODS_EDGE_MAE_H

#include "methods/slmt_net/slmt_net.h"

/* The encoder on whole images, without mask and cls token. images [B,S,S] -> features[0..depth+1], each
 * [B,N,C]: tokens after embedding, after each block, after the last norm. */
void edge_mae_encode(nn *e, const slmt_net *net, value images, value *features);

/* The inputs and outputs of a pre-training graph. B is the batch, N the number of patches, P the pixels of a
 * patch. */
typedef struct edge_mae_graph {
    /* set by the caller */
    value images;  /* [B,S,S] */
    value keep;    /* int32 [B,K]: visible patches, in the order in which they are encoded */
    value restore; /* int32 [B,N]: index of each patch among the visible ones, K if removed */
    value weight;  /* [B,N,1]: weight of a patch in the losses, 0 if visible */
    value edges;   /* [B,S,S]: the target edge map */
    /* made */
    value rec_pred;  /* [B,N,P] */
    value edge_pred; /* [B,N,P] */
    value rec_loss, edge_loss, total;
} edge_mae_graph;

/* Returns the number of visible patches: floor(N (1 - mask_ratio)). */
int edge_mae_kept(const slmt_net *net, double mask_ratio);

/* total = rec_weight * rec_loss + edge_loss; rec_loss is that of the removed patches plus visible_weight
 * times the mean square error of the kept ones. */
typedef struct edge_mae_losses {
    double rec_weight, visible_weight;
} edge_mae_losses;
void edge_mae_pretrain(nn *e, const slmt_net *net, edge_mae_losses losses, edge_mae_graph *v);

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

/* The inputs of pre-training, in the order of its table. */
enum { MAE_IMAGES, MAE_KEEP, MAE_RESTORE, MAE_WEIGHT, MAE_EDGES };

/* Fills in all inputs of a step but the images: removes all but `kept` patches of each image at random, and
 * computes loss weights and edge maps. It draws a number for each patch. */
task_needs edge_mae_needs(const slmt_net *net, size_t batch);
void edge_mae_prepare(const task_step *s, const slmt_net *net, int kept, int easy);

#endif
