/* SPDX-License-Identifier: Apache-2.0 */
/* conv_parts.h - parts of a convolution, or of one of its gradients, for a library that computes each of them
 * on one thread: some samples, or some rows of one sample. As channels lie last, what a part reads and writes
 * is one piece of memory each. */
#ifndef SLMT_CPU_CONV_PARTS_H
#define SLMT_CPU_CONV_PARTS_H

#include "backends/cpu/conv.h"

/* How many parts, and how many pieces of each sample they are: 1 if a part is whole samples. */
typedef struct conv_cutting {
    int64_t parts, cuts;
} conv_cutting;

/* Chosen by the sizes and the number of threads. The parts of a gradient of the weights are sums, one a
 * thread. */
conv_cutting conv_cutting_of(const conv *c, bk_op op, int threads);

typedef struct conv_part {
    conv c;             /* its sizes and padding */
    int64_t x_at, y_at; /* index of its first elements in x and y, or in their gradients */
} conv_part;

/* Returns 0 if the part is no convolution of its own, such as rows that read nothing but padding. */
int conv_part_of(const conv *whole, bk_op op, conv_cutting k, int64_t index, conv_part *p);

#endif
