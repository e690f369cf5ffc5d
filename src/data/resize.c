/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c - bilinear and nearest-neighbour resampling. */
#include "data/resize.h"

#include <stddef.h>
#include <stdint.h>

/* The two samples around an output sample along one axis, and the weight of the second. */
typedef struct tap {
    int first, second;
    double weight;
} tap;

static tap tap_at(int i, int in, int out)
{
    double x = (i + 0.5) * in / out - 0.5;
    if (x < 0)
        x = 0;
    tap t = {.first = (int)x};
    if (t.first > in - 1)
        t.first = in - 1;
    t.second = t.first < in - 1 ? t.first + 1 : t.first;
    t.weight = x - t.first;
    return t;
}

void resize_bilinear(const float *in, int in_height, int in_width, float *out, int out_height, int out_width)
{
    for (int r = 0; r < out_height; r++) {
        tap v = tap_at(r, in_height, out_height);
        const float *upper = in + (size_t)v.first * (size_t)in_width;
        const float *lower = in + (size_t)v.second * (size_t)in_width;
        for (int c = 0; c < out_width; c++) {
            tap h = tap_at(c, in_width, out_width);
            double u = upper[h.first] * (1 - h.weight) + upper[h.second] * h.weight;
            double l = lower[h.first] * (1 - h.weight) + lower[h.second] * h.weight;
            *out++ = (float)(u * (1 - v.weight) + l * v.weight);
        }
    }
}

void resize_nearest(const float *in, int in_height, int in_width, float *out, int out_height, int out_width)
{
    for (int r = 0; r < out_height; r++) {
        const float *row = in + (int64_t)r * in_height / out_height * in_width;
        for (int c = 0; c < out_width; c++)
            *out++ = row[(int64_t)c * in_width / out_width];
    }
}
