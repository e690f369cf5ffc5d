/* SPDX-License-Identifier: Apache-2.0 */
/* boundary.c - the score of spatially varying label smoothing. */
#include "data/boundary.h"

#include <math.h>

static int count_of(const boundary_kernel *k)
{
    return k->size[0] * k->size[1] * k->size[2];
}

static double square_of(int i, int size)
{
    const int middle = size / 2;
    double d = i - middle;
    return d * d;
}

void boundary_kernel_of(boundary_kernel *k, int axes, int side, double sigma)
{
    double sum = 0;
    k->size[0] = axes == 3 ? side : 1;
    k->size[1] = k->size[2] = side;
    int n = count_of(k);
    for (int i = 0; i < n; i++) {
        double away = square_of(i / (side * side), k->size[0]) + square_of(i / side % side, side) +
                      square_of(i % side, side);
        k->weight[i] = exp(-away / (2 * sigma * sigma));
        sum += i == n / 2 ? 0 : k->weight[i];
    }
    for (int i = 0; i < n; i++)
        k->weight[i] = i == n / 2 ? 0.5 : k->weight[i] / (2 * sum);
}

static int64_t inside(int64_t i, int64_t size)
{
    return i < 0 ? 0 : i < size ? i : size - 1;
}

double boundary_share(const boundary_kernel *k, const int32_t *labels, const int64_t size[3], size_t at,
                      int32_t label)
{
    int64_t x = (int64_t)at % size[2], y = (int64_t)at / size[2] % size[1],
            z = (int64_t)at / (size[1] * size[2]);
    const double *weight = k->weight;
    double share = 0;
    for (int a = 0; a < k->size[0]; a++)
        for (int b = 0; b < k->size[1]; b++) {
            int64_t slice = inside(z + a - k->size[0] / 2, size[0]),
                    row = inside(y + b - k->size[1] / 2, size[1]);
            const int32_t *line = labels + (slice * size[1] + row) * size[2];
            for (int c = 0; c < k->size[2]; c++)
                share += *weight++ * (line[inside(x + c - k->size[2] / 2, size[2])] == label);
        }
    return share;
}

double boundary_score(const boundary_kernel *k, const int32_t *labels, const int64_t size[3], size_t at)
{
    return boundary_share(k, labels, size, at, labels[at]);
}
