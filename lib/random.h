/* SPDX-License-Identifier: Apache-2.0 */
/* random.h - counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
 *
 * A number is a pure function of (seed, stream, counter): there is no state, so results do not depend on the
 * order of execution. A stream is a purpose ("weights of tensor 7", "mask of step 12"). */
#ifndef SLMT_LIB_RANDOM_H
#define SLMT_LIB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* out = four random words of block `counter` in `stream` under `seed`. */
void philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* A cursor over one stream, for code that draws one number after the other. */
typedef struct random_stream {
    uint64_t seed, stream, next; /* next: index of the next 32-bit word */
    uint64_t held;               /* 1 + the number of the block below; 0: none yet */
    uint32_t block[4];
} random_stream;

random_stream random_open(uint64_t seed, uint64_t stream);
uint32_t random_u32(random_stream *r);
double random_uniform(random_stream *r);             /* [0, 1), 32 bits */
uint32_t random_below(random_stream *r, uint32_t n); /* 0 .. n-1, unbiased; n must be at least 1 */
double random_normal(random_stream *r);              /* mean 0, sd 1; Box-Muller, two words a draw */
double random_truncated(random_stream *r);           /* the same, redrawn until |x| <= 2 */

/* Returns a stream number for a purpose and its index: FNV-1a of the text, mixed with the index. */
uint64_t random_purpose(const char *purpose, uint64_t index);

/* The key that the random ops of a graph read (BK_UNIFORM): a new one for each step, bound before each run.
 */
void random_key(uint64_t seed, uint64_t step, int32_t key[4]);

/* A uniform permutation of 0..n-1 (Fisher-Yates). */
void random_permutation(random_stream *r, uint32_t *index, uint32_t n);

#endif
