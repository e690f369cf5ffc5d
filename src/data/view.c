/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - cuts of a slice, and its brightness and contrast. */
#include "data/view.h"

#include <string.h>

#include "data/resize.h"

static int at_most(int n, int most)
{
    return n < most ? n : most;
}

void view_cut(const float *image, int rows, int columns, int crop, const int corner[2], float *out,
              float *spare)
{
    int height = at_most(crop, rows - corner[0]), width = at_most(crop, columns - corner[1]);
    for (int y = 0; y < height; y++)
        memcpy(spare + (size_t)y * (size_t)width,
               image + (size_t)(corner[0] + y) * (size_t)columns + (size_t)corner[1],
               (size_t)width * sizeof *spare);
    resize_bilinear(spare, height, width, out, rows, columns);
}

void view_tone(float *image, size_t n, double brightness, double contrast, double low, double high)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += image[i];
    double mean = sum / (double)n + brightness;
    for (size_t i = 0; i < n; i++) {
        double x = (image[i] + brightness - mean) * contrast + mean;
        image[i] = (float)(x < low ? low : x > high ? high : x);
    }
}
