/* SPDX-License-Identifier: Apache-2.0 */
/* boundary.h - how far a pixel lies from pixels of another class: the score of spatially varying label
 * smoothing (Islam and Glocker, IPMI 2021).
 *
 * The kernel is a Gaussian whose centre is replaced by the sum of its neighbours; it sums to 1, so that the
 * centre is 1/2. Each class's share of the kernel around a pixel is what the smoothed label has of it, and
 * the share of the pixel's own class is the score: 1 inside a region, 1/2 of a pixel that stands alone. */
#ifndef SLMT_DATA_BOUNDARY_H
#define SLMT_DATA_BOUNDARY_H

#include <stddef.h>
#include <stdint.h>

enum { BOUNDARY_SIDE = 7 }; /* of a kernel, at most */

typedef struct boundary_kernel {
    int size[3]; /* slices, rows, columns: odd; 1 slice: each slice by itself */
    double weight[BOUNDARY_SIDE * BOUNDARY_SIDE * BOUNDARY_SIDE];
} boundary_kernel;

/* axes: 2 or 3; side: odd, 3 to BOUNDARY_SIDE; sigma in pixels. */
void boundary_kernel_of(boundary_kernel *k, int axes, int side, double sigma);

/* Labels [size[0]][size[1]][size[2]], repeated beyond their border. Returns the share of class `label` in the
 * kernel around pixel `at`. */
double boundary_share(const boundary_kernel *k, const int32_t *labels, const int64_t size[3], size_t at,
                      int32_t label);

/* Returns the score of pixel `at`: the share of its own class. Neighbours whose label is unknown (-1) count
 * as another class. */
double boundary_score(const boundary_kernel *k, const int32_t *labels, const int64_t size[3], size_t at);

#endif
