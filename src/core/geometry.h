/* SPDX-License-Identifier: Apache-2.0 */
/* geometry.h - the geometry of volumes in numbers: of one volume, and the ranges that a set or a model keeps.
 */
#ifndef SLMT_CORE_GEOMETRY_H
#define SLMT_CORE_GEOMETRY_H

#include <stddef.h>

#include "slmt/model.h"

enum { GEOMETRY_NUMBERS = 13, GEOMETRY_TEXT = 128 };

/* One volume, in the order of slmt_geometry. */
typedef struct scan_geometry {
    double spacing[3], field[3], head[3], place[3], part;
} scan_geometry;

/* The numbers' names in files: "spacing_x", ..., "part". */
extern const char *const geometry_names[GEOMETRY_NUMBERS];

static inline double *geometry_numbers(scan_geometry *g)
{
    return (double *)(void *)g;
}

/* These return the lower and the upper ends of the ranges. */
static inline scan_geometry *geometry_least(slmt_geometry *g)
{
    return (scan_geometry *)(void *)((char *)g + offsetof(slmt_geometry, spacing_least));
}

static inline scan_geometry *geometry_most(slmt_geometry *g)
{
    return (scan_geometry *)(void *)((char *)g + offsetof(slmt_geometry, spacing_most));
}

/* Returns 1 if numbers, which may come from a file, can be those of a volume. */
int geometry_ok(const scan_geometry *one);

/* Widens the ranges. */
void geometry_add(slmt_geometry *g, const scan_geometry *one);

/* Returns 1 if voxels are of a size that g has, to 2 % along each axis. g knows at least one volume. */
int geometry_has_spacing(const slmt_geometry *g, const double spacing[3]);

/* Writes "1 x 1 x 3 mm" or "0.9 to 1 x 1 x 3 mm". most may be least. */
const char *geometry_text(const double least[3], const double most[3], char text[GEOMETRY_TEXT]);

#endif
