/* SPDX-License-Identifier: Apache-2.0 */
/* conv.h - convolutional layers as papers name them. Images are [B,S...,C], channels last, S 2 or 3 axes. */
#ifndef SLMT_NN_CONV_H
#define SLMT_NN_CONV_H

#include "nn/layers.h"

/* .weight [O,C,K...], .bias; reflect padding that keeps the size at stride 1. */
value nn_conv_reflect(nn *n, layer_name layer, value x, int stride);

/* Applies instance norm without weights (eps 1e-5), then a leaky ReLU; slope 1: none. */
value nn_instance_norm(graph *g, value x, double slope);

/* A convolution whose kernel is a mixture of a bank's (hyper-convolution, Han et al. 2024), for one code:
 *   kernel [O,C,K...] = sum_k .param[O,C,K...,k] w_k,  w = .fc(code)
 *   bias [O]          = sum_k .b[O,k] u_k,             u = .fc_bias(code) */
typedef struct hyper_kernel {
    value kernel, bias;
} hyper_kernel;

/* code [1,L] */
hyper_kernel nn_hyper_kernel(nn *n, layer_name layer, value code);
value nn_hyper_conv_reflect(graph *g, hyper_kernel k, value x);

/* Hidden state and cell of a ConvLSTM layer; NONE stands for zeros. */
typedef struct lstm_state {
    value h, c;
} lstm_state;

/* One step of a convolutional LSTM (Shi et al. 2015, without peepholes): .conv on [x, h] with zero padding
 * has its outputs in the order i, f, o, g; c' = s(f) c + s(i) tanh(g), h' = s(o) tanh(c'). If the state is
 * zeros, only i, o, g and the kernel's half for x are computed. */
lstm_state nn_conv_lstm(nn *n, layer_name layer, value x, lstm_state before);

#endif
