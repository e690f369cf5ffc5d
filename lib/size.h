/* SPDX-License-Identifier: Apache-2.0 */
/* size.h - the one bound on the size of an array, checked before any kernel or library sees it.
 *
 * Kernels and the libraries under them count elements in int in some places: with 2^31 and more, oneDNN 2.6
 * divides by zero even while it is only asked for its memory. No array of a graph, no weight and no port of a
 * task has as many. */
#ifndef SLMT_LIB_SIZE_H
#define SLMT_LIB_SIZE_H

#include "backends/backend.h"
#include "lib/status.h"

enum { SIZE_MOST = INT32_MAX }; /* elements */

/* Multiplies unchecked extents. Returns 0 if one is negative or the product is above `most`. */
int size_product(const int64_t *extents, int32_t rank, int64_t most, int64_t *product);

/* Checks the shape of `what`, such as "tensor G.norm.bias". ERR_ARGUMENT: it has more than SIZE_MOST
 * elements.
 */
status size_check(const bk_shape *shape, const char *what);

#endif
