/* SPDX-License-Identifier: Apache-2.0 */
/* chart.h - curves as SVG inside a page of HTML. Colours are classes c0, c1, ... of the page's style. */
#ifndef SLMT_TOOL_CHART_H
#define SLMT_TOOL_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct chart_curve {
    const char *name;
    const double *x, *y; /* count of each, x rising; points that are not finite are left out */
    size_t count;
    bool dots; /* each point is marked */
} chart_curve;

typedef struct chart {
    const char *title;
    const char *x_name, *y_name;
    const char *note; /* a sentence below, or NULL */
    bool logarithmic; /* of y, if it spans a decade; points that are not above 0 are left out */
    const chart_curve *curves;
    size_t count;
} chart;

/* Writes a figure: the title, the curves, a legend and the note. A chart without points says so. */
void chart_write(FILE *out, const chart *c);

#endif
