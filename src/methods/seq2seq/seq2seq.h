/* SPDX-License-Identifier: Apache-2.0 */
/* seq2seq.h - any MR sequence from any other, in 2D or 3D, at one or more time points.
 *
 * Han et al., "Synthesis-based imaging-differentiation representation learning for multi-sequence 3D/4D MRI",
 * Medical Image Analysis 92 (2024) 103044 (arXiv 2302.00517). Tensor names are the reference's. */
#ifndef SLMT_METHODS_SEQ2SEQ_H
#define SLMT_METHODS_SEQ2SEQ_H

#include "core/training.h"
#include "methods/vgg19/vgg19.h"
#include "nn/conv.h"

enum { SEQ2SEQ_LEVELS = 3, SEQ2SEQ_LSTM_LAYERS = 3, SEQ2SEQ_MAX_TIMES = 64 };

typedef struct seq2seq_options {
    int32_t ndims;    /* spatial axes: 2 or 3 */
    int32_t channels; /* of an image: 1, or adjacent slices */
    int32_t widths[SEQ2SEQ_LEVELS];
    int32_t lstm_width;
    int32_t residual_blocks;  /* of the encoder, and of the decoder */
    int32_t code_length;      /* the most sequences */
    int32_t bank;             /* kernels that a hyper-convolution mixes */
    int32_t perceptual_width; /* width of the VGG19 of the perceptual term in training; 0: none */
} seq2seq_options;

/* Lists every tensor; a failure is stored in p->error. */
void seq2seq_params(params *p, const seq2seq_options *o);

/* Between the arrays of a task, images [B,T,C,S...] and the index [1] of a sequence, and those of the
 * network: images [T*B,S...,C] and the one-hot code [1,code_length]. */
value seq2seq_images(graph *g, const seq2seq_options *o, value x);
value seq2seq_volumes(graph *g, const seq2seq_options *o, value x, int64_t times);
value seq2seq_code(graph *g, const seq2seq_options *o, value index);

/* T images of one sequence, images [T*B,S...,C] with time outermost in [-1,1] -> one latent [B,S/4...,W], the
 * same shape whatever T is. */
value seq2seq_encode(nn *n, const seq2seq_options *o, value images, int64_t times);

/* Unrolls the latent: the second ConvLSTM reads it `times` times, [T*B,S/4...,W]. */
value seq2seq_unroll(nn *n, value latent, int64_t times);

/* Unrolled latents -> images [T*B,S...,C] in (-1,1) of the sequence that the code [1,code_length] names. */
value seq2seq_decode(nn *n, const seq2seq_options *o, value unrolled, value code);

/* The settings of both tasks; each has some of them. */
typedef struct seq2seq_settings {
    train_settings train;
    int32_t times, times_out; /* of the source, or in training of both images; of the target */
    int32_t crops, depth, height, width;
    double rec_weight, cyc_weight, smooth_l1_beta;
    double perceptual_weight; /* 0: P is not computed */
} seq2seq_settings;

/* What a step learns from. */
typedef struct seq2seq_pair {
    value source, target;           /* [T*B,S...,C] */
    value source_code, target_code; /* [1,code_length] */
} seq2seq_pair;

typedef struct seq2seq_losses {
    value latent, y_target, y_source, y_cycle;
    value rec, cyc, perceptual, total; /* rec = SL1(y_t,x_t) + SL1(y_s,x_s), perceptual = P + P, or 0 */
} seq2seq_losses;

/* Checks that the perceptual weight is 0, or that the model has a perceptual network and the images are large
 * enough for it. ERR_ARGUMENT. */
status seq2seq_check_perceptual(seq2seq_options o, seq2seq_settings s);

/* One training step: y_t = G(x_s,t), y_s = G(x_s,s), y_c = G(y_t,s);
 * total = rec_weight (SL1(y_t,x_t) + SL1(y_s,x_s)) + cyc_weight SL1(y_c,x_s)
 *       + perceptual_weight (P(y_t,x_t) + P(y_s,x_s)).
 * vgg: the perceptual network, a VGG19, of P; may be NULL if the weight is 0. */
seq2seq_losses seq2seq_train(nn *n, nn *vgg, const seq2seq_options *o, const seq2seq_settings *s,
                             const seq2seq_pair *x);

#endif
