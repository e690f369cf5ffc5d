/* SPDX-License-Identifier: Apache-2.0 */
/* fit_look.c - the head is what differs from the air, and the air is what lies on the faces of the volume. */
#include "fit_look.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "must.h"

enum { MOST_SAMPLES = 20000 };
static const double head_part = 0.05;   /* of the contrast between head and air: what is less is noise */
static const double plane_part = 0.002; /* of a plane's voxels: a plane with less head has none */
static const double slice_part = 0.25; /* of the fullest slice's head: a slice with less is not learnt from */

/* ---- axes ---- */

typedef struct axes {
    int of[3];       /* axis of the file for each axis of the patient */
    bool turned[3];  /* it runs the other way */
    int64_t size[3]; /* along the patient's axes */
} axes;

/* Gives each patient axis the file's axis that is nearest to it, the clearest one first. */
static axes find_axes(const slmt_volume *volume, double spacing[3])
{
    double affine[16];
    int64_t dims[3];
    axes a = {.of = {-1, -1, -1}};
    bool used[3] = {false, false, false};
    slmt_volume_affine(volume, affine);
    slmt_volume_dims(volume, dims);
    for (int round = 0; round < 3; round++) {
        int world = 0, file = 0;
        double best = -1;
        for (int w = 0; w < 3; w++)
            for (int f = 0; f < 3; f++) {
                double length = hypot(hypot(affine[f], affine[4 + f]), affine[8 + f]);
                double part = fabs(affine[4 * w + f]) / length;
                if (a.of[w] < 0 && !used[f] && part > best)
                    best = part, world = w, file = f;
            }
        used[file] = true;
        a.of[world] = file;
        a.turned[world] = (affine[4 * world + file] < 0) == (world == 2); /* NIfTI: to the right, front, up */
        a.size[world] = dims[file];
        spacing[world] = hypot(hypot(affine[file], affine[4 + file]), affine[8 + file]);
    }
    return a;
}

void fit_spacing_of(const slmt_volume *volume, double spacing[3])
{
    find_axes(volume, spacing);
}

/* ---- values ---- */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float percentile(float *values, size_t n, double part)
{
    qsort(values, n, sizeof *values, by_value);
    return n ? values[(size_t)(part * (double)(n - 1))] : 0;
}

/* Median of the voxels on the six faces. */
static float find_background(const float *voxels, const int64_t dims[3])
{
    size_t n = (size_t)(dims[0] * dims[1] * dims[2]), count = 0;
    float *values = must_alloc(MOST_SAMPLES, sizeof *values);
    size_t step = 1 + n / MOST_SAMPLES;
    for (size_t i = 0; i < n && count < MOST_SAMPLES; i += step) {
        int64_t x = (int64_t)i % dims[0], y = (int64_t)i / dims[0] % dims[1],
                z = (int64_t)i / (dims[0] * dims[1]);
        /* each sample is moved to the nearest face along one axis */
        int axis = (int)(count % 3);
        int64_t at[3] = {x, y, z};
        at[axis] = at[axis] < dims[axis] / 2 ? 0 : dims[axis] - 1;
        values[count++] = voxels[(at[2] * dims[1] + at[1]) * dims[0] + at[0]];
    }
    float median = percentile(values, count, 0.5);
    free(values);
    return median;
}

/* How far from the air a voxel must be to belong to the head. */
static float find_threshold(const float *voxels, size_t n, float background)
{
    size_t count = 0, step = 1 + n / MOST_SAMPLES;
    float *values = must_alloc(MOST_SAMPLES, sizeof *values);
    for (size_t i = 0; i < n && count < MOST_SAMPLES; i += step)
        if (voxels[i] != background)
            values[count++] = fabsf(voxels[i] - background);
    float threshold = (float)head_part * percentile(values, count, 0.98);
    free(values);
    return threshold;
}

/* ---- the head ---- */

/* Counts the voxels of the head in each plane of each patient axis, and finds the smallest and largest value.
 */
static void count_head(const slmt_volume *volume, const axes *a, fit_look *look, size_t *count[3])
{
    int64_t dims[3], at[3];
    const float *v = slmt_volume_voxels(volume);
    slmt_volume_dims(volume, dims);
    look->background = find_background(v, dims);
    float threshold = find_threshold(v, (size_t)(dims[0] * dims[1] * dims[2]), look->background);
    look->low = look->high = v[0];
    for (at[2] = 0; at[2] < dims[2]; at[2]++)
        for (at[1] = 0; at[1] < dims[1]; at[1]++)
            for (at[0] = 0; at[0] < dims[0]; at[0]++, v++) {
                look->low = fminf(look->low, *v);
                look->high = fmaxf(look->high, *v);
                if (!(fabsf(*v - look->background) > threshold))
                    continue;
                for (int w = 0; w < 3; w++) {
                    int64_t i = at[a->of[w]];
                    count[w][a->turned[w] ? a->size[w] - 1 - i : i]++;
                }
            }
}

/* The planes between the first and the last that hold at least `least` voxels. */
static void find_ends(const size_t *count, int64_t size, double least, int64_t ends[2])
{
    ends[0] = 0;
    ends[1] = size;
    while (ends[0] < size && (double)count[ends[0]] < least)
        ends[0]++;
    while (ends[1] > ends[0] && (double)count[ends[1] - 1] < least)
        ends[1]--;
}

fit_look fit_look_at(const slmt_volume *volume)
{
    fit_look look = {0};
    size_t *count[3], fullest = 0;
    axes a = find_axes(volume, look.spacing);
    double voxels = (double)a.size[0] * (double)a.size[1] * (double)a.size[2];
    for (int w = 0; w < 3; w++)
        count[w] = must_alloc((size_t)a.size[w], sizeof **count);
    count_head(volume, &a, &look, count);
    for (int w = 0; w < 3; w++) {
        look.size[w] = a.size[w];
        find_ends(count[w], a.size[w], fmax(1, plane_part * voxels / (double)a.size[w]), look.head[w]);
    }
    for (int64_t i = 0; i < a.size[2]; i++)
        fullest = count[2][i] > fullest ? count[2][i] : fullest;
    find_ends(count[2], a.size[2], fmax(1, slice_part * (double)fullest), look.slices);
    for (int w = 0; w < 3; w++)
        free(count[w]);
    return look;
}
