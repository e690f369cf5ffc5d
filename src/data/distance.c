/* SPDX-License-Identifier: Apache-2.0 */
/* distance.c - squared distances, one axis after the other. */
#include "data/distance.h"

#include <math.h>
#include <string.h>

/* One line, and the parabolas of its lower envelope: their sites, and where each begins to be the lowest. */
typedef struct line {
    double *value, *reach, *border;
    int64_t *site;
} line;

/* The lower envelope of parabolas value[q] + (spacing (x - q))^2 over a line, written to value. */
static void envelope(line *l, int64_t n, double spacing)
{
    double square = spacing * spacing;
    int64_t k = -1;
    for (int64_t q = 0; q < n; q++) {
        if (isinf(l->value[q]))
            continue;
        double at = -INFINITY;
        while (k >= 0) {
            int64_t v = l->site[k];
            at = ((l->value[q] - l->value[v]) / square + (double)(q * q - v * v)) / (double)(2 * (q - v));
            if (at > l->border[k])
                break;
            k--;
        }
        k++;
        l->site[k] = q;
        l->border[k] = k == 0 ? -INFINITY : at;
    }
    if (k < 0)
        return;
    for (int64_t x = 0, i = 0; x < n; x++) {
        while (i < k && l->border[i + 1] < (double)x)
            i++;
        double d = (double)(x - l->site[i]) * spacing;
        l->reach[x] = d * d + l->value[l->site[i]];
    }
    memcpy(l->value, l->reach, (size_t)n * sizeof *l->value);
}

/* Squared distances along one axis more. */
static void sweep(double *square, const int64_t dim[3], int axis, double spacing, line *l)
{
    int64_t stride = axis == 2 ? 1 : axis == 1 ? dim[2] : dim[1] * dim[2], n = dim[axis];
    int64_t all = dim[0] * dim[1] * dim[2];
    for (int64_t first = 0; first < all; first++) {
        if (first / stride % n != 0)
            continue;
        for (int64_t i = 0; i < n; i++)
            l->value[i] = square[first + i * stride];
        envelope(l, n, spacing);
        for (int64_t i = 0; i < n; i++)
            square[first + i * stride] = l->value[i];
    }
}

static size_t longest_of(const int64_t dim[3])
{
    int64_t longest = dim[0] > dim[1] ? dim[0] : dim[1];
    return (size_t)(dim[2] > longest ? dim[2] : longest) + 1;
}

size_t distance_bytes(const int64_t dim[3])
{
    return longest_of(dim) * (3 * sizeof(double) + sizeof(int64_t));
}

void distance_transform(double *square, const int64_t dim[3], const double spacing[3], void *room)
{
    size_t n = longest_of(dim);
    double *number = room;
    line l = {number, number + n, number + 2 * n, (int64_t *)(void *)(number + 3 * n)};
    for (int axis = 2; axis >= 0; axis--)
        sweep(square, dim, axis, spacing[axis], &l);
}
