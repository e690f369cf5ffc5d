/* SPDX-License-Identifier: Apache-2.0 */
/* grid.c - compares the grids of volumes, and makes grids of another spacing. */
#include "data/grid.h"

#include <math.h>
#include <string.h>

grid grid_of(const int64_t dims[3], const double affine[16])
{
    orient o = orient_from_affine(dims, affine);
    grid g = {.affine = {[15] = 1}};
    for (int r = 0; r < 3; r++)
        g.affine[4 * r + 3] = affine[4 * r + 3];
    for (int a = 0; a < 3; a++) {
        double length = 0;
        g.dims[a] = o.dims[a];
        for (int r = 0; r < 3; r++) {
            double step = affine[4 * r + o.axis[a]];
            length += step * step;
            g.affine[4 * r + a] = o.flip[a] ? -step : step;
            g.affine[4 * r + 3] += o.flip[a] ? step * (double)(o.dims[a] - 1) : 0;
        }
        g.spacing[a] = sqrt(length);
    }
    return g;
}

static double distance_at(const grid *a, const grid *b, const double at[3])
{
    double sum = 0;
    for (int r = 0; r < 3; r++) {
        double d = a->affine[4 * r + 3] - b->affine[4 * r + 3];
        for (int c = 0; c < 3; c++)
            d += (a->affine[4 * r + c] - b->affine[4 * r + c]) * at[c];
        sum += d * d;
    }
    return sqrt(sum);
}

double grid_distance(const grid *a, const grid *b)
{
    double most = 0;
    for (int corner = 0; corner < 8; corner++) {
        double at[3];
        for (int i = 0; i < 3; i++)
            at[i] = corner >> i & 1 ? (double)(a->dims[i] - 1) : 0;
        most = fmax(most, distance_at(a, b, at));
    }
    return most;
}

status grid_same(const grid *a, const char *name, const grid *b, const char *other)
{
    char text[GEOMETRY_TEXT], other_text[GEOMETRY_TEXT];
    double least = INFINITY;
    if (memcmp(a->dims, b->dims, sizeof a->dims) != 0)
        return fail(ERR_ARGUMENT,
                    "%s lies on another grid than %s: %lld x %lld x %lld voxels of %s, %s has %lld x %lld x "
                    "%lld of %s",
                    name, other, (long long)a->dims[0], (long long)a->dims[1], (long long)a->dims[2],
                    geometry_text(a->spacing, a->spacing, text), other, (long long)b->dims[0],
                    (long long)b->dims[1], (long long)b->dims[2],
                    geometry_text(b->spacing, b->spacing, other_text));
    for (int i = 0; i < 3; i++)
        least = fmin(least, fmin(a->spacing[i], b->spacing[i]));
    double distance = grid_distance(a, b);
    if (distance <= 0.1 * least)
        return OK;
    return fail(ERR_ARGUMENT,
                "%s lies on another grid than %s: corners that should be the same are up to %.3g mm apart "
                "(voxels of %s, of %s %s)",
                name, other, distance, geometry_text(a->spacing, a->spacing, text), other,
                geometry_text(b->spacing, b->spacing, other_text));
}

grid grid_with_spacing(const grid *g, const double spacing[3])
{
    grid to = *g;
    for (int a = 0; a < 3; a++) {
        double n = round((double)g->dims[a] * g->spacing[a] / spacing[a]), step = spacing[a] / g->spacing[a];
        to.dims[a] = !(n >= 1) ? 1 : n > INT32_MAX ? INT32_MAX : (int64_t)n;
        to.spacing[a] = spacing[a];
        /* where the new first voxel's centre lies, in old voxels */
        double first = a == 2 ? 0.5 * step - 0.5
                              : 0.5 * (double)g->dims[a] - 0.5 - step * (0.5 * (double)to.dims[a] - 0.5);
        for (int r = 0; r < 3; r++) {
            to.affine[4 * r + 3] += first * g->affine[4 * r + a];
            to.affine[4 * r + a] = step * g->affine[4 * r + a];
        }
    }
    return to;
}
