/* SPDX-License-Identifier: Apache-2.0 */
/* geometry.c - sizes and places of volumes as texts. */
#include "geometry.h"

#include <math.h>
#include <stdio.h>

static const char *triple(const double least[3], const double most[3], char text[GEOMETRY_TEXT])
{
    size_t at = 0;
    for (int a = 0; a < 3; a++) {
        bool same = most[a] - least[a] <= 0.005 * fabs(most[a]);
        at += (size_t)snprintf(text + at, GEOMETRY_TEXT - at, same ? "%s%.4g" : "%s%.4g to %.4g",
                               a ? " x " : "", least[a], most[a]);
    }
    snprintf(text + at, GEOMETRY_TEXT - at, " mm");
    return text;
}

const char *geometry_spacing(const slmt_geometry *g, char text[GEOMETRY_TEXT])
{
    return triple(g->spacing_least, g->spacing_most, text);
}

/* The way from crop and slices to the head, along each axis with its sign: left, back and up are positive. */
static const char *place(const slmt_geometry *g, char text[GEOMETRY_TEXT])
{
    snprintf(text, GEOMETRY_TEXT, "%+.3g to %+.3g left, %+.3g to %+.3g back, %+.3g to %+.3g up (mm)",
             g->place_least[0], g->place_most[0], g->place_least[1], g->place_most[1], g->place_least[2],
             g->place_most[2]);
    return text;
}

void geometry_rows(const slmt_geometry *g, void (*row)(const char *name, const char *text))
{
    char text[GEOMETRY_TEXT];
    if (g->volumes == 0) {
        row("voxel size", "not known");
        return;
    }
    snprintf(text, sizeof text, "%d", g->volumes);
    row("volumes", text);
    row("voxel size", geometry_spacing(g, text));
    row("field of view", triple(g->field_least, g->field_most, text));
    row("head", triple(g->head_least, g->head_most, text));
    row("head's middle", place(g, text));
    snprintf(text, sizeof text, "%.0f to %.0f %%", 100 * g->part_least, 100 * g->part_most);
    row("head in the slices", text);
}

bool geometry_differs(const slmt_geometry *one, const slmt_geometry *other)
{
    if (one->volumes == 0 || other->volumes == 0)
        return false;
    for (int a = 0; a < 3; a++)
        if (one->spacing_most[a] < 0.98 * other->spacing_least[a] ||
            one->spacing_least[a] > 1.02 * other->spacing_most[a])
            return true;
    return false;
}
