/* SPDX-License-Identifier: Apache-2.0 */
/* blend.c - windows that overlap, and their results put together. */
#include "data/blend.h"

#include <math.h>

blend_axis blend_axis_of(int64_t size, int64_t window, double overlap)
{
    blend_axis a = {size, window < size ? window : size, 1};
    int64_t step = (int64_t)floor((double)a.window * (1 - overlap) + 1e-9);
    a.step = step > 1 ? step : 1;
    return a;
}

int64_t blend_count(const blend_axis *a)
{
    return (a->size - a->window + a->step - 1) / a->step + 1;
}

int64_t blend_start(const blend_axis *a, int64_t index)
{
    int64_t at = index * a->step, last = a->size - a->window;
    return at < last ? at : last;
}

/* The weight of pixel i of a window of n pixels along one axis. */
static double weight_at(blend_weight kind, int64_t i, int64_t n)
{
    double off = ((double)i - (double)(n - 1) / 2) / (0.125 * (double)n);
    return kind == BLEND_GAUSSIAN ? exp(-off * off / 2) : 1;
}

void blend_add(const blend_axis axis[3], blend_weight kind, const int64_t start[3], const float *window,
               int64_t channels, float *sum, float *total)
{
    int64_t d = axis[0].window, h = axis[1].window, w = axis[2].window;
    int64_t pixels = axis[0].size * axis[1].size * axis[2].size;
    for (int64_t z = 0; z < d; z++)
        for (int64_t y = 0; y < h; y++) {
            double row = weight_at(kind, z, d) * weight_at(kind, y, h);
            int64_t to = ((start[0] + z) * axis[1].size + start[1] + y) * axis[2].size + start[2];
            for (int64_t x = 0; x < w; x++) {
                float weight = (float)(row * weight_at(kind, x, w));
                total[to + x] += weight;
                for (int64_t c = 0; c < channels; c++)
                    sum[c * pixels + to + x] += weight * window[((c * d + z) * h + y) * w + x];
            }
        }
}

void blend_finish(int64_t pixels, int64_t channels, const float *total, float *sum)
{
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < pixels; i++)
            sum[c * pixels + i] /= total[i];
}
