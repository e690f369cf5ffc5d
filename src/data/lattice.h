/* SPDX-License-Identifier: Apache-2.0 */
/* lattice.h - the permutohedral lattice (Adams, Baek and Davis 2010): sums of values of n points, weighted by
 * exp(-|f_i - f_j|^2 / 2) of their features, approximately and in time linear in n. */
#ifndef SLMT_DATA_LATTICE_H
#define SLMT_DATA_LATTICE_H

#include "lib/mem.h"

enum { LATTICE_AXES = 16 }; /* at most */

typedef struct lattice {
    mem *m;
    int32_t axes;
    size_t points;            /* given */
    size_t count;             /* of the lattice */
    int16_t *keys;            /* [count][axes] */
    int32_t *table;           /* hash: index + 1 of a lattice point, 0: free */
    size_t slots;             /* of the table, a power of 2 */
    int32_t *corner;          /* [points][axes + 1]: the lattice points around a point */
    double *weight;           /* [points][axes + 1] */
    int32_t (*neighbour)[2];  /* [axes + 1][count]: along each axis of the lattice, -1: none */
    double *values, *blurred; /* of the lattice, for `channels` */
    int32_t channels;         /* that these have room for */
} lattice;

/* features [points][axes]. ERR_ARGUMENT: too many axes, or a feature that is far too large. ERR_MEMORY,
 * ERR_LIMIT; lattice_close() is needed in every case. */
status lattice_open(lattice *l, mem *m, const double *features, size_t points, int32_t axes,
                    int32_t channels);
void lattice_close(lattice *l);

/* out[points][channels] = the weighted sums of values, of which each point itself is a part. */
void lattice_filter(lattice *l, const double *values, double *out);

#endif
