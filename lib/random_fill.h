/* SPDX-License-Identifier: Apache-2.0 */
/* random_fill.h - many random numbers at once: the same bits, and the same place in the stream afterwards, as
 * the functions of lib/random.h draw one by one. */
#ifndef SLMT_LIB_RANDOM_FILL_H
#define SLMT_LIB_RANDOM_FILL_H

#include "lib/random.h"

/* The code for one instruction level of processors. */
typedef struct random_filler random_filler;

/* Returns the best of this processor up to a level of x86-64: 3 (AVX2), 4 (AVX-512); less: any processor. */
const random_filler *random_filler_for(int level);

/* x[i] = random_uniform(r) */
void random_fill_uniform(const random_filler *f, random_stream *r, size_t n, double *x);

/* x[i] = (float)(scale * random_normal(r)) */
void random_fill_normal(const random_filler *f, random_stream *r, double scale, size_t n, float *x);

/* x[i] = (float)(scale * random_truncated(r)) */
void random_fill_truncated(const random_filler *f, random_stream *r, double scale, size_t n, float *x);

#endif
