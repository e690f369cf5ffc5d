/* SPDX-License-Identifier: Apache-2.0 */
/* distillation.h - losses of a student that learns from a teacher and from labels, pixel by pixel
 * (paced-curriculum distillation, Islam et al. 2023).
 *
 * Logits are [B,S...,K], labels int32 [B,S...], and so are scores. */
#ifndef SLMT_NN_DISTILLATION_H
#define SLMT_NN_DISTILLATION_H

#include "lib/ops.h"

/* T^2 / K sum_k q_k (log q_k - log r_k) of each pixel, q = softmax(teacher / T), r = softmax(student / T). */
value loss_distillation(graph *g, value student, value teacher, double temperature);

/* softmax(scale * logits)[label] of each pixel; 0 where the label is `ignored`. scale is one number. */
value class_probability(graph *g, value logits, value label, int32_t ignored, value scale);

/* Which pixels count. */
typedef enum pace_mode {
    PACE_ALL,            /* every pixel: plain distillation */
    PACE_SCORE,          /* those whose score is at least a threshold */
    PACE_SCORE_BOUNDARY, /* and whose boundary score is at least the same threshold */
    PACE_SOFT,           /* every pixel; below a threshold of its own less, see paced_values.soft_limit */
    PACE_SOFT_SCORE      /* PACE_SCORE and PACE_SOFT together */
} pace_mode;

/* Which term PACE_SOFT is for. */
typedef enum pace_soft { SOFT_CROSS_ENTROPY, SOFT_TEACHER, SOFT_BOTH } pace_soft;

typedef struct paced_options {
    pace_mode mode;
    pace_soft soft;
    int batch_mean; /* 1: the weights of a pixel are their mean over the batch, as in the published code */
    double temperature; /* T of loss_distillation() */
    int32_t ignored;    /* label of pixels that do not count */
} paced_options;

typedef struct paced_values {
    value student, teacher, label;
    value score;      /* of each pixel, by the teacher: class_probability() */
    value boundary;   /* of each pixel: data/boundary.h; of PACE_SCORE_BOUNDARY alone, else NONE */
    value limit;      /* the threshold of both */
    value soft_limit; /* m: a pixel whose score is below it has the weight max(m - 0.1, 0), others 1 */
} paced_values;

/* The terms of a loss. */
typedef struct paced_loss {
    value cross_entropy, teacher; /* means over all pixels, whatever their weights */
    value admitted;               /* the mean weight */
    value loss;                   /* to be minimised: a mean over all pixels of weight times both terms */
} paced_loss;

paced_loss loss_paced(graph *g, const paced_values *v, const paced_options *o);

#endif
