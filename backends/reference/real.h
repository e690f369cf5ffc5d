/* SPDX-License-Identifier: Apache-2.0 */
/* real.h - the floating type of a kernel file that is compiled twice, once for each REFERENCE_BITS.
 *
 * Storage is `real`; sums and element functions are double in both, so that float32 results carry
 * little more than the rounding of the stored value. */
#ifndef SLMT_REFERENCE_REAL_H
#define SLMT_REFERENCE_REAL_H

#if REFERENCE_BITS == 64
typedef double real;
#define REAL_NAME(name) name##_f64
#elif REFERENCE_BITS == 32
typedef float real;
#define REAL_NAME(name) name##_f32
#else
#error "compile this file with REFERENCE_BITS 32 and with 64"
#endif

#endif
