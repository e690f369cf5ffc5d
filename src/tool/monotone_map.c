/* SPDX-License-Identifier: Apache-2.0 */
/* Isotonic regression of bin means by pool-adjacent-violators (Barlow et al. 1972). */
#include "monotone_map.h"

#include <string.h>

void monotone_map_add(monotone_map *map, const float *source, const float *target, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        float scaled = source[i] * MONOTONE_BINS;
        int bin = scaled < 0 ? 0 : scaled >= MONOTONE_BINS ? MONOTONE_BINS - 1 : (int)scaled;
        map->count[bin]++;
        map->source[bin] += source[i];
        map->target[bin] += target[i];
    }
}

typedef struct block {
    double mean;
    double weight;
    size_t length;
} block;

/* Least squares fit of mean[] by sign*rising values; returns its squared error beyond that of the means. */
static double pool_adjacent_violators(const double *mean, const double *weight, size_t n, double sign,
                                      double *fit)
{
    block blocks[MONOTONE_BINS];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        blocks[count++] = (block){sign * mean[i], weight[i], 1};
        while (count > 1 && blocks[count - 2].mean >= blocks[count - 1].mean) {
            block *a = &blocks[count - 2];
            const block *b = &blocks[count - 1];
            a->mean = (a->mean * a->weight + b->mean * b->weight) / (a->weight + b->weight);
            a->weight += b->weight;
            a->length += b->length;
            count--;
        }
    }
    double error = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t end = at + blocks[i].length; at < end; at++) {
            fit[at] = sign * blocks[i].mean;
            error += weight[at] * (fit[at] - mean[at]) * (fit[at] - mean[at]);
        }
    return error;
}

bool monotone_map_fit(monotone_map *map)
{
    double mean[MONOTONE_BINS], weight[MONOTONE_BINS], falling[MONOTONE_BINS];
    size_t n = 0;
    for (size_t bin = 0; bin < MONOTONE_BINS; bin++) {
        if (map->count[bin] == 0)
            continue;
        map->x[n] = map->source[bin] / map->count[bin];
        mean[n] = map->target[bin] / map->count[bin];
        weight[n++] = map->count[bin];
    }
    double rising_error = pool_adjacent_violators(mean, weight, n, 1, map->y);
    double falling_error = pool_adjacent_violators(mean, weight, n, -1, falling);
    if (falling_error < rising_error)
        memcpy(map->y, falling, n * sizeof *falling);
    map->points = n;
    return n > 0;
}

static double map_value(const monotone_map *map, double value)
{
    size_t low = 0;
    size_t high = map->points - 1;
    if (value <= map->x[low])
        return map->y[low];
    if (value >= map->x[high])
        return map->y[high];
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (map->x[middle] <= value)
            low = middle;
        else
            high = middle;
    }
    double part = (value - map->x[low]) / (map->x[high] - map->x[low]);
    return map->y[low] + part * (map->y[high] - map->y[low]);
}

void monotone_map_apply(const monotone_map *map, const float *source, size_t pixels, float *target)
{
    for (size_t i = 0; i < pixels; i++)
        target[i] = (float)map_value(map, source[i]);
}
