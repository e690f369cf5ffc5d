/* SPDX-License-Identifier: Apache-2.0 */
/* label_surface.c - distances between the surfaces of masks, and the match of instances. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/distance.h"
#include "data/label_metrics.h"

/* ---- surfaces ---- */

static int is_inside(const uint8_t *mask, const int64_t dim[3], int64_t z, int64_t y, int64_t x)
{
    if (z < 0 || y < 0 || x < 0 || z >= dim[0] || y >= dim[1] || x >= dim[2])
        return 0;
    return mask[(z * dim[1] + y) * dim[2] + x] != 0;
}

static int is_inner(const uint8_t *mask, const label_grid *g, int64_t z, int64_t y, int64_t x)
{
    const int64_t *dim = g->dim;
    if (g->axes == 3 && !(is_inside(mask, dim, z - 1, y, x) && is_inside(mask, dim, z + 1, y, x)))
        return 0;
    return is_inside(mask, dim, z, y - 1, x) && is_inside(mask, dim, z, y + 1, x) &&
           is_inside(mask, dim, z, y, x - 1) && is_inside(mask, dim, z, y, x + 1);
}

void label_surface_mask(const uint8_t *mask, const label_grid *g, uint8_t *surface)
{
    for (int64_t z = 0; z < g->dim[0]; z++)
        for (int64_t y = 0; y < g->dim[1]; y++)
            for (int64_t x = 0; x < g->dim[2]; x++)
                *surface++ = is_inside(mask, g->dim, z, y, x) && !is_inner(mask, g, z, y, x);
}

static void distances(const uint8_t *surface, const label_grid *g, double *square, void *room)
{
    for (int64_t i = 0; i < g->dim[0] * g->dim[1] * g->dim[2]; i++)
        square[i] = surface[i] ? 0 : INFINITY;
    distance_transform(square, g->dim, g->spacing, room);
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, linearly interpolated. */
static double percentile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t low = (size_t)floor(at);
    double rest = at - (double)low;
    return low + 1 < n ? sorted[low] + rest * (sorted[low + 1] - sorted[low]) : sorted[low];
}

static size_t gather(const uint8_t *surface, const double *square, size_t all, double *list)
{
    size_t n = 0;
    for (size_t i = 0; i < all; i++)
        if (surface[i])
            list[n++] = sqrt(square[i]);
    qsort(list, n, sizeof *list, by_size);
    return n;
}

/* list: the distances of one direction, n of them, then those of the other. */
static label_surface figures_of(double *list, size_t n, size_t other, double tolerance)
{
    label_surface s = {0};
    size_t all = n + other, near = 0;
    double sum = 0;
    for (size_t i = 0; i < all; i++) {
        sum += list[i];
        near += list[i] <= tolerance;
    }
    s.hausdorff = fmax(list[n - 1], list[all - 1]);
    s.hausdorff95 = fmax(percentile(list, n, 0.95), percentile(list + n, other, 0.95));
    s.mean = sum / (double)all;
    s.within = (double)near / (double)all;
    qsort(list, all, sizeof *list, by_size);
    s.hausdorff95_joined = percentile(list, all, 0.95);
    return s;
}

/* Working memory. */
typedef struct rooms {
    uint8_t *surface[2];
    double *square[2], *list;
    void *distance;
} rooms;

static status make_rooms(mem *m, size_t all, size_t distance, rooms *r)
{
    void *p[6] = {NULL};
    const size_t bytes[5] = {1, 1, 8, 8, 16};
    status s = mem_array(m, distance, 1, &p[5]);
    for (int i = 0; i < 5 && s == OK; i++)
        s = mem_array(m, all, bytes[i], &p[i]);
    *r = (rooms){{p[0], p[1]}, {p[2], p[3]}, p[4], p[5]};
    return s;
}

static void free_rooms(mem *m, rooms *r)
{
    void *p[] = {r->surface[0], r->surface[1], r->square[0], r->square[1], r->list, r->distance};
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        mem_give(m, p[i]);
}

static size_t voxels_of(const label_grid *g)
{
    return (size_t)(g->dim[0] * g->dim[1] * g->dim[2]);
}

static label_surface compare(const uint8_t *const mask[2], const label_grid *g, double tolerance, rooms *r)
{
    size_t all = voxels_of(g), n[2];
    for (int i = 0; i < 2; i++) {
        label_surface_mask(mask[i], g, r->surface[i]);
        distances(r->surface[i], g, r->square[i], r->distance);
    }
    n[0] = gather(r->surface[0], r->square[1], all, r->list);
    n[1] = gather(r->surface[1], r->square[0], all, r->list + n[0]);
    if (n[0] == 0 && n[1] == 0)
        return (label_surface){NAN, NAN, NAN, NAN, NAN};
    if (n[0] == 0 || n[1] == 0)
        return (label_surface){INFINITY, INFINITY, INFINITY, INFINITY, 0};
    return figures_of(r->list, n[0], n[1], tolerance);
}

status label_surfaces(mem *m, const uint8_t *truth, const uint8_t *answer, const label_grid *g,
                      double tolerance, label_surface *out)
{
    rooms r;
    const uint8_t *const mask[2] = {truth, answer};
    size_t all = voxels_of(g);
    status s = make_rooms(m, all ? all : 1, distance_bytes(g->dim), &r);
    if (s == OK)
        *out = compare(mask, g, tolerance, &r);
    free_rooms(m, &r);
    return s;
}

/* ---- instances ---- */

/* A pixel's instances; sorted, equal ones lie together. */
typedef struct both {
    int32_t truth, answer;
} both;

static int by_pair(const void *a, const void *b)
{
    const both *x = a, *y = b;
    int first = (x->truth > y->truth) - (x->truth < y->truth);
    return first ? first : (x->answer > y->answer) - (x->answer < y->answer);
}

/* The pixels of each value of a sorted list, and how many values but 0 there are. */
static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static size_t size_of(const int32_t *sorted, size_t n, int32_t value)
{
    size_t edge[2];
    for (int i = 0; i < 2; i++) { /* the first element not below value, and the first above it */
        size_t low = 0, high = n;
        while (low < high) {
            size_t mid = (low + high) / 2;
            if (sorted[mid] < value + i)
                low = mid + 1;
            else
                high = mid;
        }
        edge[i] = low;
    }
    return edge[1] - edge[0];
}

static int64_t instances_of(const int32_t *sorted, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += sorted[i] != 0 && (i == 0 || sorted[i] != sorted[i - 1]);
    return count;
}

static void match(const both *pairs, const int32_t *truth, const int32_t *answer, size_t n,
                  label_panoptic *out)
{
    double sum = 0;
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i; next < n && by_pair(&pairs[i], &pairs[next]) == 0; next++)
            ;
        if (pairs[i].truth == 0 || pairs[i].answer == 0)
            continue;
        size_t shared = next - i;
        size_t whole = size_of(truth, n, pairs[i].truth) + size_of(answer, n, pairs[i].answer) - shared;
        if (2 * shared > whole) {
            out->matched++;
            sum += (double)shared / (double)whole;
        }
    }
    out->missed = instances_of(truth, n) - out->matched;
    out->extra = instances_of(answer, n) - out->matched;
    double parts = (double)out->matched + 0.5 * (double)out->extra + 0.5 * (double)out->missed;
    out->recognition = parts > 0 ? (double)out->matched / parts : NAN;
    out->quality = parts > 0 ? sum / parts : NAN;
    out->segmentation = out->matched > 0 ? sum / (double)out->matched : parts > 0 ? 0 : NAN;
}

status label_instances(mem *m, const int32_t *truth, const int32_t *answer, size_t n, label_panoptic *out)
{
    void *p[3] = {NULL};
    status s = OK;
    *out = (label_panoptic){0};
    for (int i = 0; i < 3 && s == OK; i++)
        s = mem_array(m, n + 1, i == 0 ? sizeof(both) : sizeof(int32_t), &p[i]);
    if (s == OK) {
        both *pairs = p[0];
        for (size_t i = 0; i < n; i++)
            pairs[i] = (both){truth[i], answer[i]};
        memcpy(p[1], truth, n * sizeof *truth);
        memcpy(p[2], answer, n * sizeof *answer);
        qsort(pairs, n, sizeof *pairs, by_pair);
        qsort(p[1], n, sizeof *truth, by_number);
        qsort(p[2], n, sizeof *answer, by_number);
        match(pairs, p[1], p[2], n, out);
    }
    for (int i = 0; i < 3; i++)
        mem_give(m, p[i]);
    return s;
}
