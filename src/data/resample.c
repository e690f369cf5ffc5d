/* SPDX-License-Identifier: Apache-2.0 */
/* resample.c - one axis after the other, each line with the same weights. */
#include "data/resample.h"

#include <math.h>
#include <string.h>

enum { PLACES = 8 }; /* in a new voxel, for each old one that it covers */

/* Along one axis: new voxel i lies at old voxel first + step * i. */
typedef struct axis {
    int64_t n_in, n_out, stride; /* between neighbours of a line, the same in both volumes */
    double first, step;
} axis;

/* first and step from the affines, whose columns are parallel. */
static axis axis_between(const grid *from, const grid *to, int a, int64_t stride)
{
    double along = 0, length = 0;
    axis x = {.n_in = from->dims[a], .n_out = to->dims[a], .stride = stride};
    for (int r = 0; r < 3; r++) {
        double direction = from->affine[4 * r + a];
        along += direction * (to->affine[4 * r + 3] - from->affine[4 * r + 3]);
        length += direction * direction;
    }
    x.first = along / length;
    x.step = to->spacing[a] / from->spacing[a];
    return x;
}

static int64_t nearest_to(const axis *x, int64_t i)
{
    double at = round(x->first + x->step * (double)i);
    return (int64_t)fmin(fmax(at, 0), (double)(x->n_in - 1));
}

/* Adds the two old voxels around a place, each with its part of `weight`. */
static void add_place(const axis *x, double at, double weight, int64_t least, double *weights)
{
    at = fmin(fmax(at, 0), (double)(x->n_in - 1));
    int64_t i = (int64_t)at;
    double part = at - (double)i;
    weights[i - least] += weight * (1 - part);
    if (part > 0)
        weights[i + 1 - least] += weight * part;
}

/* Old voxels [*least, *least + n) and the weight of each for new voxel i; n is returned. A larger voxel is
 * the mean of places spread over it. */
static int64_t weigh(const axis *x, int64_t i, int64_t *least, double *weights)
{
    double middle = x->first + x->step * (double)i, width = x->step > 1 ? x->step : 0;
    int places = x->step > 1 ? PLACES * (int)fmin(ceil(x->step), 1000) : 1;
    double last = (double)(x->n_in - 1);
    *least = (int64_t)floor(fmin(fmax(middle - 0.5 * width, 0), last));
    int64_t end = (int64_t)ceil(fmin(fmax(middle + 0.5 * width, 0), last)) + 1;
    memset(weights, 0, (size_t)(end - *least) * sizeof *weights);
    for (int k = 0; k < places; k++)
        add_place(x, middle + width * ((k + 0.5) / places - 0.5), 1.0 / places, *least, weights);
    return end - *least;
}

/* in [blocks][n_in][stride] to out [blocks][n_out][stride]. */
static void run_axis(const axis *x, int64_t blocks, const float *in, float *out, double *weight)
{
    for (int64_t i = 0; i < x->n_out; i++) {
        int64_t least, n = weigh(x, i, &least, weight);
        for (int64_t b = 0; b < blocks; b++) {
            const float *line = in + (b * x->n_in + least) * x->stride;
            float *to = out + (b * x->n_out + i) * x->stride;
            for (int64_t s = 0; s < x->stride; s++) {
                double sum = 0;
                for (int64_t j = 0; j < n; j++)
                    sum += weight[j] * (double)line[j * x->stride + s];
                to[s] = (float)sum;
            }
        }
    }
}

static int64_t weights_of(const axis *x)
{
    return (int64_t)ceil(x->step) + 4;
}

/* Takes a block for the result of one axis, and gives that of the axis before back. */
static status next_axis(mem *m, const axis *x, int64_t blocks, float **now)
{
    void *out = NULL, *weight = NULL;
    status s = mem_array(m, (size_t)(blocks * x->n_out * x->stride), sizeof(float), &out);
    if (s == OK)
        s = mem_array(m, (size_t)weights_of(x), sizeof(double), &weight);
    if (s == OK)
        run_axis(x, blocks, *now, out, weight);
    mem_give(m, weight);
    mem_give(m, s == OK ? *now : out);
    if (s == OK)
        *now = out;
    return s;
}

status resample_volume(mem *m, const grid *from, const float *voxels, const grid *to, float *out)
{
    void *block;
    size_t n = (size_t)(from->dims[0] * from->dims[1] * from->dims[2]);
    TRY(mem_array(m, n, sizeof(float), &block));
    float *now = memcpy(block, voxels, n * sizeof(float));
    axis x = axis_between(from, to, 0, 1), y = axis_between(from, to, 1, to->dims[0]),
         z = axis_between(from, to, 2, to->dims[0] * to->dims[1]);
    status s = next_axis(m, &x, from->dims[1] * from->dims[2], &now);
    if (s == OK)
        s = next_axis(m, &y, from->dims[2], &now);
    if (s == OK)
        s = next_axis(m, &z, 1, &now);
    if (s == OK)
        memcpy(out, now, (size_t)(to->dims[0] * to->dims[1] * to->dims[2]) * sizeof(float));
    mem_give(m, now);
    return s;
}

void resample_labels(const grid *from, const float *voxels, const grid *to, float *out)
{
    axis along[3];
    for (int a = 0; a < 3; a++)
        along[a] = axis_between(from, to, a, 1);
    for (int64_t z = 0; z < to->dims[2]; z++)
        for (int64_t y = 0; y < to->dims[1]; y++) {
            int64_t row = nearest_to(&along[2], z) * from->dims[1] + nearest_to(&along[1], y);
            for (int64_t x = 0; x < to->dims[0]; x++)
                *out++ = voxels[row * from->dims[0] + nearest_to(&along[0], x)];
        }
}
