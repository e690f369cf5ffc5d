/* SPDX-License-Identifier: Apache-2.0 */
/* warp.c - slices that are turned, scaled and bent. */
#include "data/warp.h"

#include <math.h>
#include <stddef.h>

/* ---- turned and scaled ---- */

/* The pixel (y, x), 0 outside. */
static double pixel_at(const float *image, int rows, int columns, int y, int x)
{
    return y < 0 || y >= rows || x < 0 || x >= columns ? 0 : image[(size_t)y * (size_t)columns + (size_t)x];
}

static double blended_at(const float *image, int rows, int columns, double y, double x)
{
    int top = (int)floor(y), left = (int)floor(x);
    double v = y - top, h = x - left;
    double upper = (1 - h) * pixel_at(image, rows, columns, top, left) +
                   h * pixel_at(image, rows, columns, top, left + 1);
    double lower = (1 - h) * pixel_at(image, rows, columns, top + 1, left) +
                   h * pixel_at(image, rows, columns, top + 1, left + 1);
    return (1 - v) * upper + v * lower;
}

void warp_turn(const float *image, int rows, int columns, double angle, double scale, int nearest, float *out)
{
    double middle[2] = {(rows - 1) / 2.0, (columns - 1) / 2.0};
    double along = cos(angle) / scale, across = sin(angle) / scale;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            double v = r - middle[0], h = c - middle[1];
            double y = middle[0] + along * v + across * h, x = middle[1] - across * v + along * h;
            *out++ =
                (float)(nearest ? pixel_at(image, rows, columns, (int)floor(y + 0.5), (int)floor(x + 0.5))
                                : blended_at(image, rows, columns, y, x));
        }
}

/* ---- bent ---- */

/* The weight of a grid point at this distance. */
static double cubic(double d)
{
    const double a = -0.75;
    d = fabs(d);
    if (d < 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* The weights of the grid's points for element i of n; the outermost ones go on beyond the ends. */
static void weigh(int i, int n, double weight[WARP_GRID])
{
    double at = (i + 0.5) * WARP_GRID / n - 0.5;
    int first = (int)floor(at) - 1;
    for (int k = 0; k < WARP_GRID; k++)
        weight[k] = 0;
    for (int k = first; k < first + 4; k++)
        weight[k < 0 ? 0 : k >= WARP_GRID ? WARP_GRID - 1 : k] += cubic(at - k);
}

void warp_flow(const double grid[2][WARP_GRID][WARP_GRID], int rows, int columns, float *flow)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            double v[WARP_GRID], h[WARP_GRID], sum[2] = {0};
            weigh(r, rows, v);
            weigh(c, columns, h);
            for (int i = 0; i < 2; i++)
                for (int k = 0; k < WARP_GRID * WARP_GRID; k++)
                    sum[i] += v[k / WARP_GRID] * h[k % WARP_GRID] * grid[i][k / WARP_GRID][k % WARP_GRID];
            *flow++ = (float)sum[0];
            *flow++ = (float)sum[1];
        }
}

/* The corner below a place along one axis, and how far behind it the place lies; both are clamped. */
static int base_of(double at, int n, double *fraction)
{
    double base = floor(at);
    base = base > n - 2 ? n - 2 : base;
    base = base < 0 ? 0 : base;
    *fraction = at - base;
    *fraction = *fraction < 0 ? 0 : *fraction > 1 ? 1 : *fraction;
    return (int)base;
}

void warp_bend(const float *image, int rows, int columns, const float *flow, float *out)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++, flow += 2) {
            double v, h;
            int y = base_of(r - (double)flow[0], rows, &v), x = base_of(c - (double)flow[1], columns, &h);
            const float *p = image + (size_t)y * (size_t)columns + (size_t)x;
            double upper = (1 - h) * p[0] + h * p[1], lower = (1 - h) * p[columns] + h * p[columns + 1];
            *out++ = (float)((1 - v) * upper + v * lower);
        }
}
