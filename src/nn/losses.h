/* SPDX-License-Identifier: Apache-2.0 */
/* losses.h - losses as papers name them, each a few ops.
 *
 * Logits are [B,S...,K], labels int32 [B,S...]. A loss of labels is one number: a mean as in PyTorch, but 0
 * (with a gradient of 0) if no pixel counts. */
#ifndef SLMT_NN_LOSSES_H
#define SLMT_NN_LOSSES_H

#include "lib/ops.h"

/* Further inputs of a loss of labels; start with label_defaults(). */
typedef struct label_options {
    int32_t ignored;    /* the label of pixels that do not count: -100, in label images often 255 */
    value class_weight; /* [K], or NONE */
    value pixel_weight; /* like the labels, or NONE */
    double smoothing;   /* the share of each target that is spread over all classes */
} label_options;

label_options label_defaults(void); /* -100, NONE, NONE, 0 */

/* sum w l / sum w over pixels, w the weight of a pixel's class times its own; op_cross_entropy() has each l.
 */
value loss_cross_entropy(graph *g, value logits, value label, const label_options *o);

/* The mean of l over the hardest pixels (online hard example mining, Shrivastava et al. 2016): those whose
 * probability of the true class is below the larger of `threshold` and that of hardest pixel number `kept`.
 */
value loss_hard_cross_entropy(graph *g, value logits, value label, int32_t ignored, int64_t kept,
                              double threshold);

/* Returns the mean of -alpha (1 - p)^gamma log p (Lin et al. 2017), p the probability of the true class. */
value loss_focal(graph *g, value logits, value label, int32_t ignored, double gamma, double alpha);

/* Returns the mean of -sum_k target log p over pixels, for targets that are distributions over classes. */
value loss_soft_cross_entropy(graph *g, value logits, value target);

/* For each number: -(pos_weight t log p + (1 - t) log(1 - p)), p = sigmoid(x), exact however large x is.
 * pos_weight broadcasts; NONE is 1. */
value loss_binary_cross_entropy(graph *g, value x, value target, value pos_weight);

/* For each number: -a (1 - p)^gamma log p, p the probability of the target (0 or 1), a = alpha for 1 and
 * 1 - alpha for 0. */
value loss_binary_focal(graph *g, value x, value target, double gamma, double alpha);

/* For each number: d^2 / (2 beta) below beta, |d| - beta / 2 above (Girshick 2015). */
value loss_smooth_l1(graph *g, value d, double beta);

typedef struct dice_options {
    double smooth;  /* added above and below */
    int squared;    /* 1: squares in the denominator (Milletari et al. 2016) */
    int batch;      /* 1: sums over the batch too */
    int foreground; /* 1: leaves class 0 out */
} dice_options;

/* 1 - (2 sum p t + s) / (sum p + sum t + s), sums over pixels, mean over samples and classes. p and target
 * are [B,S...,K]; valid is a mask [B,S...,1], or NONE. */
value loss_dice(graph *g, value p, value target, value valid, dice_options o);

/* Generalised Dice (Sudre et al. 2017): of each sample 1 - (2 sum_k w_k I_k + s) / (sum_k w_k (P_k + G_k) +
 * s), w_k = 1 / G_k^2, and of a class that the target lacks the sample's largest weight. Arguments as of
 * loss_dice().
 */
value loss_generalized_dice(graph *g, value p, value target, value valid, double smooth);

/* Tversky (Salehi et al. 2017): the mean over samples and classes of
 * (1 - (TP + s) / (TP + a FP + b FN + s))^power; with a power of 3/4 it is focal (Abraham and Khan 2019). */
typedef struct tversky_options {
    double false_positives, false_negatives, smooth, power;
} tversky_options;
value loss_tversky(graph *g, value p, value target, value valid, tversky_options o);

/* Active contour (Chen et al. 2019) of a foreground's probabilities and its target, [B,H,W]: the mean length
 * of the contour, on the grid of the published code, and lambda times the means of p (t - 1)^2 and (1 - p)
 * t^2. */
value loss_active_contour(graph *g, value p, value target, double lambda);

/* What a segmenter loses to a critic (Luc et al. 2016), which scores pairs of an image and its labels, above
 * 0 where it takes them for true: the mean of softplus(-score). */
value loss_adversarial(graph *g, value score);

/* Returns the Lovasz extension of the Jaccard index (Berman et al. 2018): the mean over the classes that
 * labels hold, of the whole batch or per image. p [B,S...,K] are probabilities. */
value loss_lovasz(graph *g, value p, value label, int32_t ignored, int per_image);

#endif
