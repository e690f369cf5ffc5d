/* SPDX-License-Identifier: Apache-2.0 */
/* norm.h - normalisation layers with weights and, for batch norm, running estimates. Images are [B,S...,C] or
 * features [B,C], channels last. */
#ifndef SLMT_NN_NORM_H
#define SLMT_NN_NORM_H

#include "nn/layers.h"

/* Where a batch norm takes mean and variance from. */
typedef enum norm_statistics {
    NORM_RUNNING, /* the running estimates: inference */
    NORM_BATCH,   /* the batch, and nothing is updated: a frozen encoder, a step that looks ahead */
    NORM_UPDATE,  /* the batch, and after the run the running estimates have moved towards it: training */
    NORM_FROZEN /* the running estimates, of a layer through which gradients pass: it never becomes a part of
                   the convolution before it, whose gradient would lose digits of the gain's */
} norm_statistics;

typedef struct batch_norm {
    norm_statistics from;
    double slope;    /* of a leaky ReLU behind it; 1: none */
    double eps;      /* added to the variance */
    double momentum; /* running = (1 - momentum) running + momentum batch */
    int biased;      /* 1: the running variance follows sum of squares / N, not / (N - 1) */
} batch_norm;

/* PyTorch's numbers. */
static inline batch_norm batch_norm_of(norm_statistics from, double slope)
{
    return (batch_norm){.from = from, .slope = slope, .eps = 1e-5, .momentum = 0.1};
}

/* Batch norm (Ioffe and Szegedy 2015): .weight, .bias, .running_mean, .running_var, each [C]. Where one graph
 * holds a layer twice, its estimates move twice, in order. The graph fails where the batch gives one number
 * for each channel: it has no variance. */
value nn_batch_norm(nn *n, layer_name layer, value x, batch_norm how);

/* Group norm (Wu and He 2018): .weight, .bias [C]; eps 1e-5; then a leaky ReLU (slope 1: none). */
value nn_group_norm(nn *n, layer_name layer, value x, int groups, double slope);

#endif
