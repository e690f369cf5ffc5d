/* SPDX-License-Identifier: Apache-2.0 */
/* geometry.c - ranges of the sizes and places of volumes. */
#include "core/geometry.h"

#include <math.h>
#include <stdio.h>

_Static_assert(sizeof(scan_geometry) == GEOMETRY_NUMBERS * sizeof(double), "numbers without gaps");
_Static_assert(sizeof(slmt_geometry) == 8 + 2 * sizeof(scan_geometry), "two of them behind the count");
_Static_assert(offsetof(slmt_geometry, part_least) - offsetof(slmt_geometry, spacing_least) ==
                   offsetof(scan_geometry, part),
               "in the same order");

static const double tolerance = 0.02;

const char *const geometry_names[GEOMETRY_NUMBERS] = {
    "spacing_x", "spacing_y", "spacing_z", "field_x", "field_y", "field_z", "head_x",
    "head_y",    "head_z",    "place_x",   "place_y", "place_z", "part"};

int geometry_ok(const scan_geometry *one)
{
    for (int a = 0; a < 3; a++)
        if (!(one->spacing[a] > 0) || !(one->field[a] > 0) || !(one->head[a] >= 0) ||
            !isfinite(one->place[a]) || !isfinite(one->spacing[a]) || !isfinite(one->field[a]) ||
            !isfinite(one->head[a]))
            return 0;
    return one->part >= 0 && one->part <= 1;
}

void geometry_add(slmt_geometry *g, const scan_geometry *one)
{
    double *least = geometry_numbers(geometry_least(g)), *most = geometry_numbers(geometry_most(g));
    const double *value = (const double *)(const void *)one;
    for (int i = 0; i < GEOMETRY_NUMBERS; i++) {
        least[i] = g->volumes == 0 || value[i] < least[i] ? value[i] : least[i];
        most[i] = g->volumes == 0 || value[i] > most[i] ? value[i] : most[i];
    }
    g->volumes++;
}

int geometry_has_spacing(const slmt_geometry *g, const double spacing[3])
{
    for (int a = 0; a < 3; a++)
        if (!(spacing[a] >= g->spacing_least[a] * (1 - tolerance)) ||
            !(spacing[a] <= g->spacing_most[a] * (1 + tolerance)))
            return 0;
    return 1;
}

const char *geometry_text(const double least[3], const double most[3], char text[GEOMETRY_TEXT])
{
    size_t at = 0;
    for (int a = 0; a < 3; a++) {
        char low[16], high[16];
        snprintf(low, sizeof low, "%.3g", least[a]);
        snprintf(high, sizeof high, "%.3g", most[a]);
        int same = most[a] - least[a] <= 0.005 * fabs(most[a]);
        at += (size_t)snprintf(text + at, GEOMETRY_TEXT - at, "%s%s%s%s", a ? " x " : "", same ? high : low,
                               same ? "" : " to ", same ? "" : high);
    }
    snprintf(text + at, GEOMETRY_TEXT - at, " mm");
    return text;
}
