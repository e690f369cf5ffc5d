/* SPDX-License-Identifier: Apache-2.0 */
/* finite.h - whether results are numbers: finite input and weights can overflow on the way through a network.
 */
#ifndef SLMT_CORE_FINITE_H
#define SLMT_CORE_FINITE_H

#include "backends/backend.h"
#include "lib/status.h"

/* Counts the NaNs and infinities among n floats; *first is the index of the first one, or n. */
size_t count_nonfinite(const float *x, size_t n, size_t *first);

/* Checks an array that was made, whose shape is `rank` extents. The message says of `what` (a task's output,
 * "the result") how many elements are not finite, and where the first one is. ERR_NONFINITE. */
status check_made(const char *what, const float *x, const int64_t *extents, int32_t rank);

#endif
