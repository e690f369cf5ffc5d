/* SPDX-License-Identifier: Apache-2.0 */
/* distance.h - exact Euclidean distances on a grid (Felzenszwalb and Huttenlocher 2012). */
#ifndef SLMT_DATA_DISTANCE_H
#define SLMT_DATA_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

/* Returns the bytes of working memory for a grid of this size. */
size_t distance_bytes(const int64_t dim[3]);

/* On entry square is 0 at the sites and infinite elsewhere, [dim[0]][dim[1]][dim[2]]; on return it is the
 * squared distance to the nearest site, or infinite if there is none. Voxels are `spacing` apart. */
void distance_transform(double *square, const int64_t dim[3], const double spacing[3], void *room);

#endif
