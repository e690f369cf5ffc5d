/* SPDX-License-Identifier: Apache-2.0 */
/* background.c - finds the values of the background: frequent values first, then how flat they lie. */
#include "data/background.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 1 << 16, LEAST_VOXELS = 4 };

/* A value that occurs often. */
typedef struct candidate {
    float value;
    double surface;      /* its part of the surface's voxels */
    double volume;       /* its part of the sample of all voxels */
    uint64_t neighbours; /* of its voxels */
    uint64_t alike;      /* of those, how many have this value too */
} candidate;

typedef struct search {
    mem *mem;
    const float *voxels;
    int64_t dims[3], stride[3];
    float *surface, *sample; /* in ascending order */
    size_t n_surface, n_sample;
    candidate list[BACKGROUND_MOST];
    int count;
} search;

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float value_at_part(const float *sorted, size_t n, double part)
{
    return sorted[(size_t)(part * (double)(n - 1))];
}

/* ---- samples ---- */

/* An axis of less than three voxels has no inside, so that its ends are no surface; if no axis has, all
 * voxels are. */
static int on_surface(const search *s, const int64_t at[3])
{
    int thick = 0;
    for (int a = 0; a < 3; a++) {
        if (s->dims[a] < 3)
            continue;
        thick = 1;
        if (at[a] == 0 || at[a] == s->dims[a] - 1)
            return 1;
    }
    return !thick;
}

static void take_row(search *s, int64_t at[3], float *to)
{
    const float *row = s->voxels + at[1] * s->stride[1] + at[2] * s->stride[2];
    at[0] = s->dims[0] / 2;
    int whole = on_surface(s, at);
    for (at[0] = 0; at[0] < s->dims[0]; at[0]++) {
        if (!whole && !on_surface(s, at))
            continue;
        if (to)
            to[s->n_surface] = row[at[0]];
        s->n_surface++;
    }
}

/* Counts the voxels of the surface, or takes their values. */
static void walk_surface(search *s, float *to)
{
    int64_t at[3];
    s->n_surface = 0;
    for (at[2] = 0; at[2] < s->dims[2]; at[2]++)
        for (at[1] = 0; at[1] < s->dims[1]; at[1]++)
            take_row(s, at, to);
}

static status take_surface(search *s)
{
    void *p;
    walk_surface(s, NULL);
    TRY(mem_array(s->mem, s->n_surface, sizeof(float), &p));
    s->surface = p;
    walk_surface(s, s->surface);
    qsort(s->surface, s->n_surface, sizeof(float), ascending);
    return OK;
}

/* All voxels, or so many of them that are spread by the multiplicative hash of Knuth. */
static status take_sample(search *s)
{
    uint64_t n = (uint64_t)(s->dims[0] * s->dims[1] * s->dims[2]);
    void *p;
    s->n_sample = n < SAMPLE ? (size_t)n : SAMPLE;
    TRY(mem_array(s->mem, s->n_sample, sizeof(float), &p));
    s->sample = p;
    for (size_t i = 0; i < s->n_sample; i++)
        s->sample[i] = s->voxels[n < SAMPLE ? i : i * UINT64_C(11400714819323198485) % n];
    qsort(s->sample, s->n_sample, sizeof(float), ascending);
    return OK;
}

/* ---- candidates ---- */

static candidate *find(const search *s, float value)
{
    for (int i = 0; i < s->count; i++)
        if (s->list[i].value == value)
            return (candidate *)&s->list[i];
    return NULL;
}

/* Adds a value, or replaces the rarest one if there is no room and that is rarer. */
static candidate *add(search *s, float value, double part)
{
    candidate *to = find(s, value);
    if (to)
        return to;
    if (s->count < BACKGROUND_MOST) {
        to = &s->list[s->count++];
    } else {
        to = &s->list[0];
        for (int i = 1; i < s->count; i++)
            if (s->list[i].surface + s->list[i].volume < to->surface + to->volume)
                to = &s->list[i];
        if (to->surface + to->volume >= part)
            return NULL;
    }
    *to = (candidate){.value = value};
    return to;
}

/* The values that make up at least this part of an ordered array. */
static void add_frequent(search *s, const float *sorted, size_t n, double least, int of_surface)
{
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end] == sorted[i];)
            end++;
        double part = (double)(end - i) / (double)n;
        candidate *c = end - i >= LEAST_VOXELS && part >= least ? add(s, sorted[i], part) : NULL;
        if (c && of_surface)
            c->surface = part;
        else if (c)
            c->volume = part;
    }
}

static void count_around(const search *s, const int64_t at[3], const float *v, candidate *c)
{
    for (int a = 0; a < 3; a++) {
        if (at[a] > 0) {
            c->neighbours++;
            c->alike += v[-s->stride[a]] == *v;
        }
        if (at[a] + 1 < s->dims[a]) {
            c->neighbours++;
            c->alike += v[s->stride[a]] == *v;
        }
    }
}

static void count_neighbours(search *s)
{
    int64_t at[3];
    const float *v = s->voxels;
    for (at[2] = 0; at[2] < s->dims[2]; at[2]++)
        for (at[1] = 0; at[1] < s->dims[1]; at[1]++)
            for (at[0] = 0; at[0] < s->dims[0]; at[0]++, v++) {
                candidate *c = find(s, *v);
                if (c)
                    count_around(s, at, v, c);
            }
}

static int is_flat(const candidate *c)
{
    return c->neighbours > 0 && 2 * c->alike >= c->neighbours;
}

static void drop_rough(search *s)
{
    int kept = 0;
    for (int i = 0; i < s->count; i++)
        if (is_flat(&s->list[i]))
            s->list[kept++] = s->list[i];
    s->count = kept;
}

/* ---- decisions ---- */

/* The range of what is no candidate; 0: there is nothing else, or one value only. */
static int rest_range(const search *s, float *low, float *high)
{
    size_t n = 0, first, last;
    for (size_t i = 0; i < s->n_sample; i++)
        n += find(s, s->sample[i]) == NULL;
    if (n == 0)
        return 0;
    first = (size_t)(0.01 * (double)(n - 1));
    last = (size_t)(0.99 * (double)(n - 1));
    n = 0;
    for (size_t i = 0; i < s->n_sample; i++) {
        if (find(s, s->sample[i]))
            continue;
        if (n == first)
            *low = s->sample[i];
        if (n++ == last)
            *high = s->sample[i];
    }
    return *high > *low;
}

static int is_end_of_type(const candidate *c)
{
    float v = c->value;
    return c->surface > 0 && (v == 32767 || v == -32768 || v == 65535);
}

/* low <= 0 <= high. What is dark must lie less far away: 0 is the natural end of a scan. */
static int is_far(const candidate *c, float low, float high)
{
    double width = (double)high - low;
    if (c->value < low - width / 4)
        return c->surface > 0 || c->volume >= 0.1;
    return c->surface > 0 && c->value > high + width;
}

static const candidate *largest_on_surface(const search *s)
{
    const candidate *most = NULL;
    for (int i = 0; i < s->count; i++)
        if (s->list[i].surface >= 0.25 && (!most || s->list[i].surface > most->surface))
            most = &s->list[i];
    return most;
}

static void decide(const search *s, float corner, background *out)
{
    float low = 0, high = 0;
    int ranged = rest_range(s, &low, &high);
    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    const candidate *most = largest_on_surface(s);
    out->count = 0;
    for (int i = 0; i < s->count; i++) {
        const candidate *c = &s->list[i];
        if (c == most || c->value == 0 || is_end_of_type(c) || (ranged && is_far(c, low, high)))
            out->value[out->count++] = c->value;
    }
    if (corner == 0 && !background_has(out, 0)) {
        out->count -= out->count == BACKGROUND_MOST;
        out->value[out->count++] = 0;
    }
}

/* ---- the whole ---- */

/* The middle of the volume, sampled along each axis. */
static float middle_high(search *s)
{
    size_t n = 0;
    int64_t step[3];
    for (int a = 0; a < 3; a++)
        step[a] = s->dims[a] / 64 + 1;
    for (int64_t k = s->dims[2] / 4; k < s->dims[2] - s->dims[2] / 4; k += step[2])
        for (int64_t j = s->dims[1] / 4; j < s->dims[1] - s->dims[1] / 4; j += step[1])
            for (int64_t i = s->dims[0] / 4; i < s->dims[0] - s->dims[0] / 4 && n < s->n_sample; i += step[0])
                s->sample[n++] = s->voxels[i + j * s->stride[1] + k * s->stride[2]];
    qsort(s->sample, n, sizeof(float), ascending);
    return value_at_part(s->sample, n, 0.9);
}

static status look(search *s, float corner, background *out, surroundings *around)
{
    TRY(take_surface(s));
    TRY(take_sample(s));
    add_frequent(s, s->surface, s->n_surface, 0.002, 1);
    add_frequent(s, s->sample, s->n_sample, 0.01, 0);
    count_neighbours(s);
    drop_rough(s);
    decide(s, corner, out);
    if (around) {
        around->surface = value_at_part(s->surface, s->n_surface, 0.5);
        around->inside = middle_high(s);
    }
    return OK;
}

status background_find(mem *m, const float *voxels, const int64_t dims[3], int64_t corner, background *out,
                       surroundings *around)
{
    search s = {.mem = m, .voxels = voxels, .stride = {1, dims[0], dims[0] * dims[1]}};
    memcpy(s.dims, dims, sizeof s.dims);
    status done = look(&s, voxels[corner], out, around);
    mem_give(m, s.surface);
    mem_give(m, s.sample);
    return done;
}
