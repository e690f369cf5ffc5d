/* SPDX-License-Identifier: Apache-2.0 */
/* differentiation.h - rankings and maps of imaging differentiation; the meanings are those of
 * slmt/differentiation.h. */
#ifndef SLMT_DATA_DIFFERENTIATION_H
#define SLMT_DATA_DIFFERENTIATION_H

#include "lib/mem.h"
#include "slmt/differentiation.h"

/* Indices are below n, scores are not infinite, self is one of SLMT_SELF_..., agreement may be NULL.
 * ERR_MEMORY, ERR_NONFINITE; then nothing was written. */
status differentiation_rank(mem *m, const slmt_pair_score *scores, size_t count, size_t n, int32_t self,
                            double *totipotency, double *differentiation, double *agreement);

void differentiation_map(const float *const *predictions, size_t n, const float *truth, size_t count,
                         float *map);

#endif
