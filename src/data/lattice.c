/* SPDX-License-Identifier: Apache-2.0 */
/* lattice.c - the permutohedral lattice. */
#include "data/lattice.h"

#include <math.h>
#include <string.h>

/* ---- the lattice's points ---- */

static size_t hash_of(const int16_t *key, int32_t axes)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (int32_t i = 0; i < axes; i++)
        h = (h ^ (uint16_t)key[i]) * 0x100000001B3u;
    return (size_t)(h ^ (h >> 29));
}

/* The index of a point of the lattice; -1: it is not there, and *slot is where it would be. */
static int32_t find(const lattice *l, const int16_t *key, size_t *slot)
{
    size_t at = hash_of(key, l->axes) & (l->slots - 1);
    while (l->table[at] != 0) {
        int32_t index = l->table[at] - 1;
        if (memcmp(l->keys + (size_t)index * (size_t)l->axes, key, (size_t)l->axes * sizeof *key) == 0)
            return index;
        at = (at + 1) & (l->slots - 1);
    }
    *slot = at;
    return -1;
}

static int32_t find_or_add(lattice *l, const int16_t *key)
{
    size_t slot;
    int32_t index = find(l, key, &slot);
    if (index >= 0)
        return index;
    memcpy(l->keys + l->count * (size_t)l->axes, key, (size_t)l->axes * sizeof *key);
    l->table[slot] = (int32_t)++l->count;
    return (int32_t)l->count - 1;
}

/* ---- where a point lies ---- */

/* The simplex around a point: its corner of remainder 0, and the order of the residuals. */
typedef struct simplex {
    double at[LATTICE_AXES + 1];
    int32_t zero[LATTICE_AXES + 1], rank[LATTICE_AXES + 1];
} simplex;

/* The point in the plane of the lattice, whose coordinates sum to 0. */
static void elevate(const lattice *l, const double *feature, simplex *s)
{
    int32_t d = l->axes;
    double sum = 0, scale = sqrt(2.0 / 3) * (d + 1);
    for (int32_t j = d; j > 0; j--) {
        double f = feature[j - 1] * scale / sqrt((double)j * (j + 1));
        s->at[j] = sum - j * f;
        sum += f;
    }
    s->at[0] = sum;
}

static void find_simplex(const lattice *l, simplex *s)
{
    int32_t d = l->axes, sum = 0;
    for (int32_t i = 0; i <= d; i++) {
        int32_t nearest = (int32_t)floor(s->at[i] / (d + 1) + 0.5);
        s->zero[i] = nearest * (d + 1);
        s->rank[i] = 0;
        sum += nearest;
    }
    for (int32_t i = 0; i < d; i++)
        for (int32_t j = i + 1; j <= d; j++) {
            int less = s->at[i] - s->zero[i] < s->at[j] - s->zero[j];
            s->rank[less ? i : j]++;
        }
    for (int32_t i = 0; i <= d; i++) { /* back into the plane */
        s->rank[i] += sum;
        int32_t step = s->rank[i] < 0 ? d + 1 : s->rank[i] > d ? -(d + 1) : 0;
        s->rank[i] += step;
        s->zero[i] += step;
    }
}

static void weigh_corners(const lattice *l, const simplex *s, double *weight)
{
    int32_t d = l->axes;
    double w[LATTICE_AXES + 2] = {0};
    for (int32_t i = 0; i <= d; i++) {
        double v = (s->at[i] - s->zero[i]) / (d + 1);
        w[d - s->rank[i]] += v;
        w[d - s->rank[i] + 1] -= v;
    }
    w[0] += 1 + w[d + 1];
    memcpy(weight, w, (size_t)(d + 1) * sizeof *w);
}

static void place(lattice *l, const double *feature, size_t point)
{
    int32_t d = l->axes;
    size_t first = point * (size_t)(d + 1);
    simplex s;
    int16_t key[LATTICE_AXES];
    elevate(l, feature, &s);
    find_simplex(l, &s);
    weigh_corners(l, &s, l->weight + first);
    for (int32_t r = 0; r <= d; r++) {
        for (int32_t i = 0; i < d; i++)
            key[i] = (int16_t)(s.zero[i] + (s.rank[i] <= d - r ? r : r - (d + 1)));
        l->corner[first + (size_t)r] = find_or_add(l, key);
    }
}

static void find_neighbours(lattice *l)
{
    int32_t d = l->axes;
    size_t unused;
    for (int32_t j = 0; j <= d; j++)
        for (size_t i = 0; i < l->count; i++)
            for (int side = 0; side < 2; side++) {
                int16_t key[LATTICE_AXES + 1], step = side ? 1 : -1;
                for (int32_t k = 0; k < d; k++)
                    key[k] = (int16_t)(l->keys[i * (size_t)d + (size_t)k] + step);
                if (j < d)
                    key[j] = (int16_t)(key[j] - step * (d + 1));
                l->neighbour[(size_t)j * l->count + i][side] = find(l, key, &unused);
            }
}

/* ---- opening ---- */

static status check(const double *features, size_t points, int32_t axes)
{
    if (axes < 1 || axes > LATTICE_AXES)
        return fail(ERR_ARGUMENT, "a lattice has 1 to %d axes, not %d", LATTICE_AXES, axes);
    for (size_t i = 0; i < points * (size_t)axes; i++)
        if (!(fabs(features[i]) * (axes + 1) < 15000)) /* a key has 16 bits */
            return fail(ERR_ARGUMENT,
                        "feature %g is too large for the lattice: a standard deviation is too small",
                        features[i]);
    return OK;
}

static status take(mem *m, size_t count, size_t size, void *to)
{
    void *p = NULL;
    status s = mem_zeros(m, count ? count : 1, size, &p);
    memcpy(to, &p, sizeof p);
    return s;
}

/* Room for a lattice whose points are all different. */
static status make_room(lattice *l)
{
    size_t most = l->points * (size_t)(l->axes + 1);
    l->slots = 64;
    while (l->slots < 2 * most)
        l->slots *= 2;
    TRY(take(l->m, most * (size_t)l->axes, sizeof *l->keys, &l->keys));
    TRY(take(l->m, l->slots, sizeof *l->table, &l->table));
    TRY(take(l->m, most, sizeof *l->corner, &l->corner));
    return take(l->m, most, sizeof *l->weight, &l->weight);
}

status lattice_open(lattice *l, mem *m, const double *features, size_t points, int32_t axes, int32_t channels)
{
    *l = (lattice){.m = m, .axes = axes, .points = points, .channels = channels};
    TRY(check(features, points, axes));
    TRY(make_room(l));
    for (size_t i = 0; i < points; i++)
        place(l, features + i * (size_t)axes, i);
    TRY(take(m, l->count * (size_t)(axes + 1), sizeof *l->neighbour, &l->neighbour));
    find_neighbours(l);
    TRY(take(m, l->count * (size_t)channels, sizeof *l->values, &l->values));
    return take(m, l->count * (size_t)channels, sizeof *l->blurred, &l->blurred);
}

void lattice_close(lattice *l)
{
    void *all[] = {l->keys, l->table, l->corner, l->weight, l->neighbour, l->values, l->blurred};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_give(l->m, all[i]);
    *l = (lattice){.m = l->m};
}

/* ---- filtering ---- */

static void splat(lattice *l, const double *values)
{
    size_t c = (size_t)l->channels, corners = (size_t)l->axes + 1;
    memset(l->values, 0, l->count * c * sizeof *l->values);
    for (size_t i = 0; i < l->points * corners; i++)
        for (size_t k = 0; k < c; k++)
            l->values[(size_t)l->corner[i] * c + k] += l->weight[i] * values[i / corners * c + k];
}

static void blur(lattice *l, int32_t axis)
{
    size_t c = (size_t)l->channels;
    for (size_t i = 0; i < l->count; i++) {
        const int32_t *near = l->neighbour[(size_t)axis * l->count + i];
        for (size_t k = 0; k < c; k++) {
            double sum = 0;
            for (int side = 0; side < 2; side++)
                sum += near[side] < 0 ? 0 : l->values[(size_t)near[side] * c + k];
            l->blurred[i * c + k] = l->values[i * c + k] + sum / 2;
        }
    }
    double *now = l->blurred;
    l->blurred = l->values;
    l->values = now;
}

static void slice(const lattice *l, double *out)
{
    size_t c = (size_t)l->channels, corners = (size_t)l->axes + 1;
    double scale = 1 / (1 + ldexp(1, -l->axes));
    memset(out, 0, l->points * c * sizeof *out);
    for (size_t i = 0; i < l->points * corners; i++)
        for (size_t k = 0; k < c; k++)
            out[i / corners * c + k] += scale * l->weight[i] * l->values[(size_t)l->corner[i] * c + k];
}

void lattice_filter(lattice *l, const double *values, double *out)
{
    splat(l, values);
    for (int32_t j = 0; j <= l->axes; j++)
        blur(l, j);
    slice(l, out);
}
