/* SPDX-License-Identifier: Apache-2.0 */
/* likeness.c - describes a scan by 1728 numbers that depend neither on the order of its axes nor on its
 * scale. */
#include "likeness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "tool.h"

/* The same for single voxels, which rounding to a few hundred steps changes more. */
static const double most_of_voxels = 4e-3;

/* ---- one scan ---- */

/* How a volume is walked along one of a patient's axes. */
typedef struct walk {
    int axis; /* of the voxels */
    bool back;
} walk;

/* Gives each axis of voxels to the patient's axis that it lies nearest to, the clearest first. */
static void find_walk(const double affine[16], walk to[3])
{
    bool row_taken[3] = {false}, column_taken[3] = {false};
    for (int k = 0; k < 3; k++) {
        int row = -1, column = -1;
        double most = -1;
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 3; c++) {
                double length = hypot(hypot(affine[c], affine[4 + c]), affine[8 + c]);
                double share = fabs(affine[4 * r + c]) / (length > 0 ? length : 1);
                if (!row_taken[r] && !column_taken[c] && share > most) {
                    most = share;
                    row = r;
                    column = c;
                }
            }
        row_taken[row] = column_taken[column] = true;
        to[row] = (walk){column, affine[4 * row + column] < 0};
    }
}

static void find_storage(const slmt_volume *volume, int64_t dims[3], walk to[3])
{
    double affine[16];
    slmt_volume_dims(volume, dims);
    slmt_volume_affine(volume, affine);
    find_walk(affine, to);
}

/* Sums of the blocks, and how many voxels each has. The volume is walked as it is stored. */
static void sum_blocks(const slmt_volume *volume, const int64_t dims[3], const walk to[3], double *sum,
                       double *count)
{
    const float *voxel = slmt_volume_voxels(volume);
    int64_t at[3];
    for (at[2] = 0; at[2] < dims[2]; at[2]++)
        for (at[1] = 0; at[1] < dims[1]; at[1]++)
            for (at[0] = 0; at[0] < dims[0]; at[0]++, voxel++) {
                size_t block = 0;
                for (int r = 0; r < 3; r++) {
                    int64_t n = dims[to[r].axis], i = at[to[r].axis];
                    i = to[r].back ? n - 1 - i : i;
                    block = block * LIKENESS_SIDE + (size_t)(i * LIKENESS_SIDE / n);
                }
                sum[block] += (double)*voxel;
                count[block]++;
            }
}

/* Standardises the means of the blocks. Returns false if all blocks are equal. */
static bool level(double *value, const double *count, likeness *l)
{
    double mean = 0, deviation = 0, filled = 0;
    float *out = l->block;
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++) {
        value[i] = count[i] > 0 ? value[i] / count[i] : 0;
        mean += value[i];
        filled += count[i] > 0;
    }
    mean /= filled;
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++)
        deviation += count[i] > 0 ? fabs(value[i] - mean) / filled : 0;
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++)
        out[i] = count[i] > 0 && deviation > 0 ? (float)((value[i] - mean) / deviation) : 0;
    l->mean = mean;
    l->deviation = deviation;
    return deviation > 1e-6 * fabs(mean) && isfinite(deviation);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Removes the value that fills the most of sorted values, as a background does; returns how many are left. */
static size_t without_background(float *values, size_t n)
{
    size_t first = 0, length = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && values[end] <= values[i]; end++)
            ;
        if (end - i > length) {
            first = i;
            length = end - i;
        }
    }
    if (4 * length < n)
        return n;
    memmove(values + first, values + first + length, (n - first - length) * sizeof *values);
    return n - length;
}

/* Finds the quantiles of the head's values, from at most 100000 of the voxels. */
static void find_levels(const slmt_volume *volume, const int64_t dims[3], float level[LIKENESS_LEVELS])
{
    enum { MOST = 100000 };
    size_t voxels = (size_t)(dims[0] * dims[1] * dims[2]), step = voxels / MOST + 1, n = 0;
    const float *voxel = slmt_volume_voxels(volume);
    float *values = must_alloc(voxels / step + 1, sizeof *values);
    for (size_t i = 0; i < voxels; i += step)
        values[n++] = voxel[i];
    qsort(values, n, sizeof *values, by_value);
    n = without_background(values, n);
    float low = n ? values[n / 500] : 0, high = n ? values[n - 1 - n / 500] : 0;
    for (size_t i = 0; i < LIKENESS_LEVELS; i++)
        level[i] = high > low ? (values[(i + 1) * n / (LIKENESS_LEVELS + 1)] - low) / (high - low) : 0;
    free(values);
}

bool likeness_of(const slmt_volume *volume, likeness *l)
{
    enum { LEAST_BLOCKS = 64 };
    int64_t dims[3];
    walk to[3] = {{0, 0}};
    double *sum = must_alloc(2 * LIKENESS_BLOCKS, sizeof *sum);
    find_storage(volume, dims, to);
    for (int r = 0; r < 3; r++)
        l->size[r] = dims[to[r].axis];
    find_levels(volume, dims, l->level);
    sum_blocks(volume, dims, to, sum, sum + LIKENESS_BLOCKS);
    bool shows = level(sum, sum + LIKENESS_BLOCKS, l);
    free(sum);
    size_t other = 0;
    for (size_t i = 1; i < LIKENESS_BLOCKS; i++)
        other += l->block[i] != l->block[0];
    return shows && other >= LEAST_BLOCKS;
}

bool likeness_is_same(const likeness *a, const likeness *b)
{
    double difference = 0, deviation = 0, limit = likeness_difference * LIKENESS_BLOCKS;
    if (memcmp(a->size, b->size, sizeof a->size) != 0)
        return false;
    for (size_t i = 0; i < LIKENESS_BLOCKS && difference <= limit; i++) {
        difference += fabs((double)a->block[i] - (double)b->block[i]);
        deviation += fabs((double)a->block[i]);
    }
    return difference < likeness_difference * deviation;
}

/* Where the voxel at a patient's x, y, z is stored. */
static size_t stored_at(const int64_t dims[3], const walk to[3], const int64_t patient[3])
{
    int64_t at[3];
    for (int r = 0; r < 3; r++)
        at[to[r].axis] = to[r].back ? dims[to[r].axis] - 1 - patient[r] : patient[r];
    return (size_t)((at[2] * dims[1] + at[1]) * dims[0] + at[0]);
}

bool likeness_is_copy(const slmt_volume *volume, const likeness *a, const slmt_volume *other,
                      const likeness *b)
{
    if (!likeness_is_same(a, b))
        return false;
    int64_t dims[3], other_dims[3], at[3];
    walk to[3] = {{0, 0}}, other_to[3] = {{0, 0}};
    find_storage(volume, dims, to);
    find_storage(other, other_dims, other_to);
    const float *one = slmt_volume_voxels(volume), *two = slmt_volume_voxels(other);
    double difference = 0, deviation = 0;
    for (at[2] = 0; at[2] < a->size[2]; at[2]++)
        for (at[1] = 0; at[1] < a->size[1]; at[1]++)
            for (at[0] = 0; at[0] < a->size[0]; at[0]++) {
                double x = (one[stored_at(dims, to, at)] - a->mean) / a->deviation;
                double y = (two[stored_at(other_dims, other_to, at)] - b->mean) / b->deviation;
                difference += fabs(x - y);
                deviation += fabs(x);
            }
    return difference < most_of_voxels * deviation;
}

/* ---- those of a subject ---- */

/* Returns true if more than a few voxels differ from the first one: without a head in them two volumes may be
 * equal by chance. */
static bool shows_something(const float *voxels, size_t n)
{
    enum { FEW = 64 };
    size_t other = 0;
    for (size_t i = 0; i < n && other <= FEW; i++)
        other += voxels[i] != voxels[0];
    return other > FEW;
}

static bool equal_voxels(const slmt_volume *a, const slmt_volume *b)
{
    int64_t one[3], other[3];
    slmt_volume_dims(a, one);
    slmt_volume_dims(b, other);
    if (memcmp(one, other, sizeof one) != 0)
        return false;
    size_t n = (size_t)(one[0] * one[1] * one[2]);
    const float *voxels = slmt_volume_voxels(a);
    return memcmp(voxels, slmt_volume_voxels(b), n * sizeof *voxels) == 0 && shows_something(voxels, n);
}

static const char *what_they_are(slmt_volume *const *volumes, const likeness_subject *s, size_t i, size_t k)
{
    if (volumes[i] && volumes[k] && equal_voxels(volumes[i], volumes[k]))
        return "have the same voxels";
    if (s->of[i] && s->of[k] && likeness_is_copy(volumes[i], s->of[i], volumes[k], s->of[k]))
        return "are one picture, but for scale, rounding or the order of axes";
    return NULL;
}

bool likeness_of_subject(slmt_volume *const *volumes, size_t contrasts, likeness_subject *s)
{
    *s = (likeness_subject){.of = must_alloc(contrasts, sizeof *s->of), .count = contrasts};
    for (size_t i = 0; i < contrasts && !s->are; i++) {
        s->of[i] = must_alloc(1, sizeof **s->of);
        if (!volumes[i] || !likeness_of(volumes[i], s->of[i])) {
            free(s->of[i]);
            s->of[i] = NULL;
        }
        for (size_t k = 0; k < i && !s->are; k++) {
            s->are = what_they_are(volumes, s, i, k);
            s->one = k;
            s->other = i;
        }
    }
    return s->are != NULL;
}

void likeness_subject_free(likeness_subject *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->of[i]);
    free(s->of);
}
