/* SPDX-License-Identifier: Apache-2.0 */
/* intensity.c - measures a volume's range of grey values, and tells what is remarkable about it. */
#include "data/intensity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/ranking.h"

/* Up to this part of the head may stand apart, beyond a gap of this many times the width of the others. */
static const double apart_part = 0.05, apart_gap = 2;

enum { FEW_VALUES = 32, FEW_VOXELS = 1000 };

/* Limits of warnings. In label maps a larger part of neighbours is equal, in scans a smaller one. The eye
 * cannot tell greys apart if nine tenths of a head lie in a part of the range as narrow as this. The last one
 * is the part of a head that is negative. */
static const double alike_least = 0.7, narrow_most = 0.04, negative_least = 0.02;

/* ---- applying ---- */

static float clip(const intensity *s, float v)
{
    if (v == s->corner)
        return v;
    return v < s->low ? s->low : v > s->high ? s->high : v;
}

float intensity_apply(const intensity *scale, float value)
{
    if (background_has(&scale->back, value))
        return 0;
    float v = clip(scale, value);
    if (scale->base == 0)
        v /= scale->top;
    else
        v = (float)(((double)v - scale->base) / ((double)scale->top - scale->base));
    return v > 0 ? v : 0;
}

/* ---- the corner's rule ---- */

static status measure_corner(ranking *r, double low_percentile, double high_percentile, intensity *out)
{
    if (r->inside == 0)
        return fail(ERR_ARGUMENT, "the volume is constant: every voxel is %g", r->corner);
    *out = (intensity){.corner = r->corner, .top = r->corner};
    out->low = ranking_percentile(r, low_percentile, 0, r->inside);
    out->high = ranking_percentile(r, high_percentile, 0, r->inside);
    for (size_t i = 0; i < r->count; i++)
        out->top = fmaxf(out->top, clip(out, r->voxels[i]));
    if (out->top <= 0)
        return fail(ERR_ARGUMENT, "the volume has no positive value below its high percentile");
    return OK;
}

static status refuse_p99(float p99)
{
    return fail(ERR_ARGUMENT,
                "the volume's 99th percentile is %g: less than a hundredth of its voxels are positive", p99);
}

static status measure_p99(ranking *r, intensity *out)
{
    float p99 = ranking_percentile(r, 99, 0, r->inside);
    if (!(p99 > 0))
        return refuse_p99(p99);
    *out = (intensity){.corner = NAN, .low = 0, .high = 2 * p99, .top = 2 * p99};
    return OK;
}

status intensity_measure_p99(mem *m, const float *voxels, size_t count, intensity *out)
{
    ranking r = {.mem = m, .voxels = voxels, .count = count, .corner = NAN}; /* no voxel is excluded */
    TRY(ranking_open(&r));
    status s = measure_p99(&r, out);
    ranking_close(&r);
    return s;
}

status intensity_measure(mem *m, const float *voxels, size_t count, float corner, double low_percentile,
                         double high_percentile, intensity *out)
{
    ranking r = {.mem = m, .voxels = voxels, .count = count, .corner = corner};
    TRY(ranking_open(&r));
    status s = measure_corner(&r, low_percentile, high_percentile, out);
    ranking_close(&r);
    return s;
}

/* ---- the surface's rule ---- */

/* The head's range, without what stands apart from it. */
typedef struct head_range {
    uint64_t above, below; /* values that stand apart */
    float low, high;
} head_range;

static head_range measure_head(ranking *r, double low_percentile, double high_percentile)
{
    head_range h = {0};
    float edge;
    double width = (double)ranking_about(r, 0.95) - ranking_about(r, 0.05), n = (double)r->inside;
    uint64_t most = (uint64_t)(apart_part * n);
    if (width > 0) {
        h.above = ranking_apart(r, 1, most, apart_gap * width, &edge);
        h.below = ranking_apart(r, 0, most, apart_gap * width, &edge);
    }
    if ((double)h.above <= (1 - high_percentile / 100) * n) /* the percentile clips them anyway */
        h.above = 0;
    if ((double)h.below <= low_percentile / 100 * n)
        h.below = 0;
    uint64_t rest = r->inside - h.above - h.below;
    h.low = ranking_percentile(r, low_percentile, h.below, rest);
    h.high = ranking_percentile(r, high_percentile, h.below, rest);
    return h;
}

/* What becomes 0: 0 itself in a head without negative values. Else the background, if it lies below the head
 * and not farther away than the head's range is wide, as in a scan that was shifted as a whole; else the
 * head's low end. */
static float find_base(const background *back, const head_range *h)
{
    float base = h->low;
    if (h->low >= 0)
        return 0;
    for (int i = 0; i < back->count; i++) {
        float b = back->value[i];
        if (b < h->low && (double)h->low - b <= (double)h->high - h->low && (base == h->low || b > base))
            base = b;
    }
    return base;
}

/* The value of a rank among all voxels, where those of the background count as `base`. below: voxels of the
 * head under base. */
static double value_of_all(ranking *r, uint64_t rank, uint64_t below, float base)
{
    uint64_t outside = r->count - r->inside;
    if (rank < below)
        return ranking_value(r, rank);
    return rank < below + outside ? base : ranking_value(r, rank - outside);
}

static float p99_of_all(ranking *r, float base)
{
    uint64_t below = 0;
    for (size_t i = 0; i < r->count; i++)
        below += r->voxels[i] < base && ranking_has(r, r->voxels[i]);
    double position = 0.99 * (double)(r->count - 1);
    uint64_t rank = (uint64_t)position;
    double a = value_of_all(r, rank, below, base);
    double b = rank + 1 < r->count ? value_of_all(r, rank + 1, below, base) : a;
    return (float)(a + (b - a) * (position - (double)rank));
}

static status scale_by_p99(ranking *r, const head_range *h, intensity *out)
{
    float p99 = p99_of_all(r, out->base);
    if (h->above > 0 && p99 > h->high)
        p99 = h->high;
    if (!(p99 > out->base))
        return refuse_p99(p99);
    out->low = out->base;
    out->high = out->top = out->base == 0 ? 2 * p99 : (float)(2 * ((double)p99 - out->base) + out->base);
    return OK;
}

static status measure_surface(ranking *r, const slmt_preprocess *p, intensity *out, head_range *h)
{
    if (r->inside == 0)
        return fail(ERR_ARGUMENT, "the volume is constant: every voxel is %g", r->voxels[0]);
    int by_p99 = p->scaling == SLMT_SCALE_TWICE_P99;
    *h = measure_head(r, by_p99 ? 0.2 : p->low_percentile, by_p99 ? 99.8 : p->high_percentile);
    *out = (intensity){.corner = NAN, .back = r->back, .low = h->low, .high = h->high, .top = h->high};
    out->base = find_base(&r->back, h);
    if (by_p99)
        return scale_by_p99(r, h, out);
    if (!(out->top > out->base))
        return fail(ERR_ARGUMENT, "the volume has no range of grey values: its head goes from %g to %g",
                    h->low, h->high);
    return OK;
}

/* ---- facts ---- */

static void note_range(ranking *r, const head_range *h, intensity_facts *f)
{
    f->high = h->high;
    if (h->above > 0) {
        f->spike = ranking_value(r, r->inside - 1);
        f->spike_part = (float)h->above / (float)r->inside;
    }
    if (h->below > 0) {
        f->dip = ranking_value(r, 0);
        f->dip_part = (float)h->below / (float)r->inside;
    }
}

static void note_background(const ranking *r, intensity_facts *f)
{
    uint64_t same = 0;
    float bright = f->high;
    for (int i = 0; i < r->back.count; i++)
        bright = fmaxf(bright, r->back.value[i]);
    for (size_t i = 0; bright > f->high && i < r->count; i++)
        same += r->voxels[i] == bright;
    f->bright = bright;
    f->bright_part = (float)same / (float)r->count;
    f->inverted = r->back.count == 0 && f->around.surface > f->around.inside;
}

/* A value that most voxels share is their median. */
static void note_greys(ranking *r, const intensity *scale, intensity_facts *f)
{
    float few[FEW_VALUES], grey = clip(scale, ranking_value(r, r->inside / 2));
    uint64_t same = 0;
    int n = 0;
    for (size_t i = 0; i < r->count; i++) {
        float v = r->voxels[i];
        if (!ranking_has(r, v))
            continue;
        same += clip(scale, v) == grey;
        int k = n > FEW_VALUES ? n : 0;
        while (k < n && few[k] != v)
            k++;
        if (k == n && n <= FEW_VALUES && n++ < FEW_VALUES)
            few[k] = v;
    }
    f->values = n <= FEW_VALUES && r->inside >= FEW_VOXELS ? n : 0;
    if (2 * same > r->inside) {
        f->grey = grey;
        f->grey_part = (float)same / (float)r->inside;
    }
}

static void note_alike(const ranking *r, intensity_facts *f)
{
    uint64_t pairs = 0, alike = 0;
    for (size_t i = 1; i < r->count; i++)
        if (ranking_has(r, r->voxels[i]) && ranking_has(r, r->voxels[i - 1])) {
            pairs++;
            alike += r->voxels[i] == r->voxels[i - 1];
        }
    if (r->inside >= FEW_VOXELS && (double)alike > alike_least * (double)pairs)
        f->alike_part = (float)alike / (float)pairs;
}

static void note_width(const ranking *r, const intensity *scale, intensity_facts *f)
{
    double width = (double)intensity_apply(scale, ranking_about(r, 0.95)) -
                   intensity_apply(scale, ranking_about(r, 0.05));
    if (r->inside >= FEW_VOXELS && width < narrow_most)
        f->narrow = (float)fmax(width, 1e-6);
}

static void note_all(ranking *r, const intensity *scale, const head_range *h, intensity_facts *f)
{
    f->voxels = r->count;
    f->head = r->inside;
    note_range(r, h, f);
    note_background(r, f);
    note_greys(r, scale, f);
    note_alike(r, f);
    note_width(r, scale, f);
}

/* ---- the whole ---- */

static status find_by_surface(ranking *r, const slmt_preprocess *p, intensity *out, intensity_facts *f)
{
    head_range h = {0};
    status s = measure_surface(r, p, out, &h);
    if (s == OK)
        note_all(r, out, &h, f);
    return s;
}

static void note_negative(const float *voxels, size_t n, float corner, intensity_facts *f)
{
    uint64_t head = 0, negative = 0;
    for (size_t i = 0; i < n; i++) {
        int inside = voxels[i] != corner && !background_has(&f->back, voxels[i]);
        head += inside;
        negative += inside && voxels[i] < 0;
    }
    if ((double)negative > negative_least * (double)head)
        f->negative_part = (float)negative / (float)head;
}

static status find_by_corner(mem *m, const slmt_preprocess *p, const float *voxels, size_t n, int64_t corner,
                             intensity *out, intensity_facts *f)
{
    note_negative(voxels, n, voxels[corner], f);
    if (p->scaling == SLMT_SCALE_TWICE_P99)
        return intensity_measure_p99(m, voxels, n, out);
    TRY(intensity_measure(m, voxels, n, voxels[corner], p->low_percentile, p->high_percentile, out));
    f->high = out->high;
    f->corner = out->top > out->high ? voxels[corner] : 0;
    return OK;
}

status intensity_find(mem *m, const slmt_preprocess *p, const float *voxels, const int64_t dims[3],
                      int64_t corner, intensity *out, intensity_facts *facts)
{
    intensity_facts unused;
    intensity_facts *f = facts ? facts : &unused;
    size_t n = (size_t)(dims[0] * dims[1] * dims[2]);
    *f = (intensity_facts){.voxels = n};
    TRY(background_find(m, voxels, dims, corner, &f->back, &f->around));
    if (p->background == SLMT_BACKGROUND_CORNER)
        return find_by_corner(m, p, voxels, n, corner, out, f);
    ranking r = {.mem = m, .voxels = voxels, .count = n, .corner = NAN, .back = f->back};
    TRY(ranking_open(&r));
    status s = find_by_surface(&r, p, out, f);
    ranking_close(&r);
    return s;
}

/* ---- warnings ---- */

static status warn_of_range(const slmt_context *c, const intensity_facts *f, const char *name)
{
    if (f->spike_part > 0)
        TRY(context_warn(
            c,
            "%s%.2g %% of the head's voxels lie far above the others, up to %g, where the others "
            "end at %g: they are clipped to that",
            name, 100 * f->spike_part, f->spike, f->high));
    if (f->dip_part > 0)
        TRY(context_warn(
            c, "%s%.2g %% of the head's voxels lie far below the others, down to %g: they are clipped", name,
            100 * f->dip_part, f->dip));
    if (f->values > 0)
        return context_warn(c, "%sthe head has only %d grey value%s: is this a label map, not a scan?", name,
                            f->values, f->values == 1 ? "" : "s");
    if (f->grey_part > 0)
        return context_warn(c, "%s%.0f %% of the head has one and the same grey value, %g", name,
                            100 * f->grey_part, f->grey);
    if (f->alike_part > 0)
        return context_warn(
            c, "%s%.0f %% of the head's neighbouring voxels are equal: is this a label map, not a scan?",
            name, 100 * f->alike_part);
    if (f->narrow > 0)
        return context_warn(
            c,
            "%snine tenths of the head lie within %.2g %% of the range of grey values: hardly anything "
            "can be seen in it",
            name, 100 * f->narrow);
    return OK;
}

status intensity_warn(const slmt_context *c, const intensity_facts *f, const char *what)
{
    char name[256] = "";
    if (what)
        snprintf(name, sizeof name, "%s: ", what);
    if (f->corner > 0)
        TRY(context_warn(
            c,
            "%sthe corner voxel, %g, is brighter than the head, which ends at %g, and sets the range "
            "(--background corner): the head comes out too dark",
            name, f->corner, f->high));
    if (f->bright_part > 0)
        TRY(context_warn(
            c,
            "%sthe background is brighter than the head: %.2g %% of the voxels are %g, and the head "
            "ends at %g; they are set to 0",
            name, 100 * f->bright_part, f->bright, f->high));
    if (f->inverted)
        TRY(context_warn(
            c,
            "%sthe border of the volume, around %g, is brighter than its middle, around %g at most: is "
            "its contrast inverted?",
            name, f->around.surface, f->around.inside));
    if (f->head > 0 && (double)f->head < 0.005 * (double)f->voxels)
        TRY(context_warn(c, "%sonly %llu of %llu voxels are not background", name,
                         (unsigned long long)f->head, (unsigned long long)f->voxels));
    if (f->gaps > 0)
        TRY(context_warn(c, "%s%d empty slice%s between others that show the head: are slices missing?", name,
                         f->gaps, f->gaps == 1 ? " lies" : "s lie"));
    return warn_of_range(c, f, name);
}
