/* SPDX-License-Identifier: Apache-2.0 */
/* draw.h - random draws of samplers beside uniform numbers. */
#ifndef SLMT_DATA_SAMPLER_DRAW_H
#define SLMT_DATA_SAMPLER_DRAW_H

#include "lib/random.h"

/* Draws a whole number below n. */
static inline int64_t draw_below(random_stream *r, int64_t n)
{
    int64_t k = (int64_t)(random_uniform(r) * (double)n);
    return k < n ? k : n - 1;
}

#endif
