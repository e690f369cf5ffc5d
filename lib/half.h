/* SPDX-License-Identifier: Apache-2.0 */
/* half.h - 16-bit floats as storage: bfloat16 (BK_BF16) and IEEE binary16 (BK_F16). Their exact values are
 * bk_widen()'s (backends/backend.h). No arithmetic. */
#ifndef SLMT_LIB_HALF_H
#define SLMT_LIB_HALF_H

#include "backends/backend.h"

/* Returns the nearest value of type `half`, ties to even. A number beyond the largest value becomes an
 * infinity, as in IEEE rounding; a NaN stays a NaN. */
uint16_t half_narrow(bk_dtype half, float x);

int half_is_finite(bk_dtype half, uint16_t x);

/* The same for arrays. Widening may be done in place: `to` may begin where `from` begins. */
void half_widen_all(bk_dtype half, const void *from, size_t n, float *to);
void half_narrow_all(bk_dtype half, const float *from, size_t n, void *to);

/* Returns the index of the first number that half_narrow() would make non-finite, or n if there is none. */
size_t half_overflow(bk_dtype half, const float *x, size_t n);

/* "bfloat16", "float16" */
const char *half_name(bk_dtype half);

#endif
