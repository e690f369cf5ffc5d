/* SPDX-License-Identifier: Apache-2.0 */
/* tiles.h - products cut into tiles that a library's serial product computes. */
#ifndef SLMT_CPU_TILES_H
#define SLMT_CPU_TILES_H

#include "backends/cpu/matrix.h"

/* A tile y[rows, cols] with `step` floats a row, and the start of its rows of a and columns of b. */
typedef struct tile {
    const float *a, *b;
    float *y;
    int64_t rows, cols, step;
    float beta; /* y = a b + beta y; 0 or 1 */
} tile;

/* Multiplies one tile of product p on the calling thread, for which OpenMP has one thread (team.h), so that
 * the library starts no others. Returns 1, or 0 if the library failed. */
typedef int (*serial_product)(const product *p, const tile *t);

/* Computes the product with the device's library, tile by tile. */
bk_status tiles_prepare(cpu_device *dev, const product *p, bk_call *call);

#endif
