/* SPDX-License-Identifier: Apache-2.0 */
/* network.h - parts of convolutional networks that know their tensors.
 *
 * A network made of them is one function: over a graph it adds ops, and under nn_list() the same function
 * lists the network's tensors instead. Then there is no image, every value is NONE, and nothing is added
 * anywhere; so numbers of channels are told and not read from values. Images are [B,S...,C], channels last.
 */
#ifndef SLMT_NN_NETWORK_H
#define SLMT_NN_NETWORK_H

#include "nn/norm.h"

/* ---- listing ---- */

typedef struct nn_listing {
    params *p;
    param_init init; /* of the kernels of convolutions */
    graph none;      /* a graph that has failed, so that every op returns NONE */
} nn_listing;

/* Returns a builder whose parts list tensors in p; a failure is stored in p->error. */
nn nn_list(nn_listing *l, params *p, param_init init);

/* ---- convolutions ---- */

enum { NO_PADDING = -1, SAME_PADDING = -2 };

/* Numbers that are 0 have the value that stands behind them. */
typedef struct conv_shape {
    int64_t in, out; /* channels */
    int kernel;      /* along each axis of space: 1 */
    int stride;      /* 1 */
    int dilation;    /* 1 */
    int groups;      /* 1 */
    int pad;         /* zeros around the image: as many as keep its size at stride 1, of an odd kernel;
                        NO_PADDING: none; SAME_PADDING: an even kernel has one zero more at the end */
    int axes;        /* of space: 2 */
    int bias;        /* 1: it has one */
    int more;        /* of a transposed convolution: rows and columns behind those that the rest gives: 0 */
} conv_shape;

/* .weight [out,in/groups,K...] and maybe .bias [out]. */
value nn_convolution(nn *n, layer_name layer, value x, conv_shape c);

/* Returns the transposed convolution: .weight [in,out,K...] with start values of its own, maybe .bias [out].
 * `pad` rows and columns are cut off at each side; 0 is none. */
value nn_up_convolution(nn *n, layer_name layer, value x, conv_shape c, param_init init);

/* Batch norm of `channels`, then a leaky ReLU (slope 1: none): .weight, .bias, .running_mean, .running_var.
 */
value nn_norm(nn *n, layer_name layer, value x, int64_t channels, double slope);

/* The same with numbers of its own; where its statistics come from is the builder's. */
value nn_norm_by(nn *n, layer_name layer, value x, int64_t channels, batch_norm how);

/* Group norm with weights, then ReLU: .weight, .bias. */
value nn_group_norm_relu(nn *n, layer_name layer, value x, int64_t channels, int groups);

/* Convolution, batch norm and leaky ReLU (slope 1: none), each with a name of its own. */
value nn_conv_norm_of(nn *n, layer_name conv, layer_name norm, value x, conv_shape c, double slope);

/* The same with ReLU, called .conv and .bn. */
value nn_conv_norm_relu(nn *n, layer_name layer, value x, conv_shape c);

/* max(0, x) + a min(0, x): .weight [channels] is a of each channel (He et al. 2015). */
value nn_prelu(nn *n, layer_name layer, value x, int64_t channels);

/* In training each number, or whole channels of each sample, is 0 with probability `rate`, and the others are
 * divided by 1 - rate. */
value nn_dropout(nn *n, layer_name layer, value x, double rate);
value nn_channel_dropout(nn *n, layer_name layer, value x, double rate);

/* ---- sizes ---- */

/* Writes the extents of space; ones on a failed graph. Returns how many there are. */
int nn_size(const graph *g, value x, int64_t size[BK_MAX_SPACE]);

/* Zeros behind x along each axis of space, up to `size`. */
value nn_pad_to(graph *g, value x, const int64_t *size);

/* Zeros up to the next multiples of `m`. */
value nn_pad_to_multiple(graph *g, value x, int64_t m);

/* Returns the part of x of this size whose first pixel lies at `first` along each axis. */
value nn_crop(graph *g, value x, int64_t first, const int64_t *size);

/* x joined behind each other along the channels. */
value nn_join(graph *g, const value *x, int32_t count);

/* ---- pooling by twos ---- */

/* Maxima of 2x2 pixels; with `index`, where they were, for nn_unpool(). ceil: an odd last row has a maximum
 * of its own. */
value nn_pool(graph *g, value x, int ceil, value *index);

/* x at the places `index` of an image of this size, 0 elsewhere (Badrinarayanan et al. 2017). */
value nn_unpool(graph *g, value x, value index, const int64_t *size);

#endif
