/* SPDX-License-Identifier: Apache-2.0 */
/* label_weights.c - counts classes, and finds for each pixel the two objects next to it. */
#include "data/label_weights.h"

#include <math.h>
#include <stdlib.h>

#include "data/distance.h"

/* ---- classes ---- */

void label_frequency_add(label_frequency *f, int32_t classes, const int32_t *labels, size_t n)
{
    int64_t count[LABEL_CLASSES] = {0}, all = 0;
    for (size_t i = 0; i < n; i++)
        if (labels[i] >= 0 && labels[i] < classes) {
            count[labels[i]]++;
            all++;
        }
    for (int32_t k = 0; k < classes; k++) {
        f->pixels[k] += count[k];
        f->in_images[k] += count[k] > 0 ? all : 0;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void label_frequency_weights(const label_frequency *f, int32_t classes, double *weight)
{
    double sorted[LABEL_CLASSES] = {0};
    size_t n = 0;
    for (int32_t k = 0; k < classes; k++)
        if (f->pixels[k] > 0)
            sorted[n++] = (double)f->pixels[k] / (double)f->in_images[k];
    qsort(sorted, n, sizeof *sorted, by_value);
    double median = n > 0 ? (sorted[(n - 1) / 2] + sorted[n / 2]) / 2 : 0;
    for (int32_t k = 0; k < classes; k++)
        weight[k] = f->pixels[k] > 0 ? median * (double)f->in_images[k] / (double)f->pixels[k] : 0;
}

/* ---- pixels ---- */

static size_t pixels_of(const int64_t dim[3])
{
    return (size_t)(dim[0] * dim[1] * dim[2]);
}

/* The squared distances to one object, and those to the two nearest ones so far. */
enum { TO_ONE, NEAREST, SECOND, MAPS };

size_t border_bytes(const int64_t dim[3])
{
    return MAPS * pixels_of(dim) * sizeof(double) + distance_bytes(dim);
}

static void to_object(const int32_t *object, int32_t number, const int64_t dim[3], double *square, void *room)
{
    static const double pixel[3] = {1, 1, 1};
    for (size_t i = 0; i < pixels_of(dim); i++)
        square[i] = object[i] == number ? 0 : INFINITY;
    distance_transform(square, dim, pixel, room);
}

void border_weights(const border_rule *rule, const int32_t *object, int32_t count, const int64_t dim[3],
                    void *room, double *weight)
{
    size_t n = pixels_of(dim);
    double *one = room, *nearest = one + NEAREST * n, *second = one + SECOND * n;
    for (size_t i = 0; i < n; i++)
        nearest[i] = second[i] = INFINITY;
    for (int32_t k = 1; k <= count; k++) {
        to_object(object, k, dim, one, one + MAPS * n);
        for (size_t i = 0; i < n; i++) {
            second[i] = fmin(second[i], fmax(nearest[i], one[i]));
            nearest[i] = fmin(nearest[i], one[i]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        double d = sqrt(nearest[i]) + sqrt(second[i]);
        weight[i] = rule->weight * exp(-d * d / (2 * rule->sd * rule->sd));
    }
}
