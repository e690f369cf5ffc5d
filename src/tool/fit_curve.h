/* SPDX-License-Identifier: Apache-2.0 */
/* fit_curve.h - what a training reported, step by step, in a file that a resumed run goes on with. */
#ifndef SLMT_TOOL_FIT_CURVE_H
#define SLMT_TOOL_FIT_CURVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct fit_curve {
    double *step, *value;
    size_t count;
} fit_curve;

/* Appends "NAME STEP VALUE" to a file of curves. */
void fit_curve_append(FILE *file, const char *name, uint64_t step, double value);

/* Reads the points of a name. Where a run was resumed before its last line, the later lines count. A file
 * that is not there has no points. */
fit_curve fit_curve_read(const char *path, const char *name);

/* Means of neighbours, so that at most `most` points are left. */
void fit_curve_thin(fit_curve *curve, size_t most);

void fit_curve_free(fit_curve *curve);

#endif
