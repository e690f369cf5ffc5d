/* SPDX-License-Identifier: Apache-2.0 */
/* The geometry of a set or a model for people: its rows in `slmt info`, and what does not fit together. */
#ifndef SLMT_TOOL_GEOMETRY_H
#define SLMT_TOOL_GEOMETRY_H

#include <stdbool.h>

#include "slmt/slmt.h"

/* Calls row() with each name and its text. */
void geometry_rows(const slmt_geometry *g, void (*row)(const char *name, const char *text));

/* Writes "1 x 1 x 3 mm" or "0.9 to 1 x 1 x 3 mm". */
enum { GEOMETRY_TEXT = 128 };
const char *geometry_spacing(const slmt_geometry *g, char text[GEOMETRY_TEXT]);

/* Returns true if both know their voxels, and those are of different sizes. */
bool geometry_differs(const slmt_geometry *one, const slmt_geometry *other);

#endif
