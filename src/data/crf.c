/* SPDX-License-Identifier: Apache-2.0 */
/* crf.c - a dense conditional random field over the probabilities of a network. */
#include "data/crf.h"

#include <math.h>
#include <string.h>

#include "data/lattice.h"

enum { KERNELS = 2, FEATURES = 3 + CRF_CHANNELS };

crf_options crf_defaults(void)
{
    return (crf_options){.steps = 10,
                         .engine = CRF_LATTICE,
                         .reach = 10,
                         .include_self = 1,
                         .weight = {3, 10},
                         .near_sd = 3,
                         .position_sd = 80,
                         .intensity_sd = 13,
                         .spacing = {1, 1, 1}};
}

/* One kernel, ready to be applied. Inside, arrays are [voxels][classes]. */
typedef struct kernel {
    double weight;
    int32_t features;
    double *feature;        /* [voxels][features] */
    double *before, *after; /* [voxels]: factors of what goes in and of what comes out */
    lattice lattice;
} kernel;

typedef struct field {
    mem *m;
    const crf_options *o;
    const crf_image *x;
    size_t voxels, all; /* all: times classes */
    kernel kernels[KERNELS];
    double *unary;             /* -U */
    double *q;                 /* [steps + 1 or 1][all] */
    double *scaled, *filtered; /* [all] */
} field;

/* ---- kernels ---- */

static size_t voxels_of(const crf_image *x)
{
    return (size_t)(x->dim[0] * x->dim[1] * x->dim[2]);
}

static void fill_features(const field *f, kernel *k, int which)
{
    const crf_image *x = f->x;
    const crf_options *o = f->o;
    double sd = which ? o->position_sd : o->near_sd;
    for (size_t i = 0; i < f->voxels; i++) {
        int64_t at[3] = {(int64_t)i / (x->dim[1] * x->dim[2]), (int64_t)i / x->dim[2] % x->dim[1],
                         (int64_t)i % x->dim[2]};
        double *to = k->feature + i * (size_t)k->features;
        for (int a = 2; a >= 3 - x->axes; a--) /* columns first, as published: a lattice knows the order */
            *to++ = (double)at[a] * o->spacing[a] / sd;
        for (int32_t c = 0; which && c < x->channels; c++)
            *to++ = x->intensity[(size_t)c * f->voxels + i] / o->intensity_sd;
    }
}

static double likeness(const kernel *k, size_t i, size_t j)
{
    const double *a = k->feature + i * (size_t)k->features, *b = k->feature + j * (size_t)k->features;
    double sum = 0;
    for (int32_t n = 0; n < k->features; n++)
        sum += (a[n] - b[n]) * (a[n] - b[n]);
    return exp(-sum / 2);
}

/* out += K_ij in_j, and the same for i and j exchanged. */
static void exchange(const kernel *k, size_t i, size_t j, size_t channels, const double *in, double *out)
{
    double w = likeness(k, i, j);
    for (size_t c = 0; c < channels; c++) {
        out[i * channels + c] += w * in[j * channels + c];
        out[j * channels + c] += w * in[i * channels + c];
    }
}

/* The first voxel behind those of one axis that the window reaches. */
static int64_t end_of(const field *f, int axis, int64_t at)
{
    int64_t reach = f->o->engine == CRF_WINDOW ? f->o->reach : f->x->dim[axis];
    return at + reach + 1 < f->x->dim[axis] ? at + reach + 1 : f->x->dim[axis];
}

static int64_t first_of(const field *f, int64_t at)
{
    return f->o->engine == CRF_WINDOW && at > f->o->reach ? at - f->o->reach : 0;
}

/* Pairs of voxel (z, y, x) with those behind it. */
static void exchange_behind(const field *f, const kernel *k, const int64_t at[3], size_t channels,
                            const double *in, double *out)
{
    const int64_t *dim = f->x->dim;
    size_t i = (size_t)((at[0] * dim[1] + at[1]) * dim[2] + at[2]);
    for (int64_t z = at[0]; z < end_of(f, 0, at[0]); z++)
        for (int64_t y = z == at[0] ? at[1] : first_of(f, at[1]); y < end_of(f, 1, at[1]); y++) {
            int same = z == at[0] && y == at[1];
            for (int64_t x = same ? at[2] + 1 : first_of(f, at[2]); x < end_of(f, 2, at[2]); x++)
                exchange(k, i, (size_t)((z * dim[1] + y) * dim[2] + x), channels, in, out);
        }
}

/* out = K in, of numbers [voxels][channels]. */
static void filter(const field *f, kernel *k, size_t channels, const double *in, double *out)
{
    const int64_t *dim = f->x->dim;
    if (f->o->engine == CRF_LATTICE) {
        k->lattice.channels = (int32_t)channels;
        lattice_filter(&k->lattice, in, out);
        return;
    }
    for (size_t i = 0; i < f->voxels * channels; i++)
        out[i] = f->o->include_self ? in[i] : 0;
    for (int64_t z = 0; z < dim[0]; z++)
        for (int64_t y = 0; y < dim[1]; y++)
            for (int64_t x = 0; x < dim[2]; x++)
                exchange_behind(f, k, (const int64_t[]){z, y, x}, channels, in, out);
}

static void normalize(const field *f, kernel *k)
{
    double *ones = f->scaled, *sum = f->filtered;
    for (size_t i = 0; i < f->voxels; i++)
        ones[i] = k->before[i] = k->after[i] = 1;
    if (f->o->normalization == CRF_NONE)
        return;
    filter(f, k, 1, ones, sum);
    for (size_t i = 0; i < f->voxels; i++) {
        double d = sum[i] + 1e-20;
        if (f->o->normalization == CRF_SYMMETRIC)
            k->before[i] = k->after[i] = 1 / sqrt(d);
        else
            *(f->o->normalization == CRF_BEFORE ? &k->before[i] : &k->after[i]) = 1 / d;
    }
}

/* Writes N(K) q, or its transpose, to f->filtered. */
static void apply(field *f, kernel *k, const double *q, int transposed)
{
    size_t n = (size_t)f->x->classes;
    const double *first = transposed ? k->after : k->before, *last = transposed ? k->before : k->after;
    for (size_t i = 0; i < f->all; i++)
        f->scaled[i] = first[i / n] * q[i];
    filter(f, k, n, f->scaled, f->filtered);
    for (size_t i = 0; i < f->all; i++)
        f->filtered[i] *= last[i / n];
}

/* ---- opening ---- */

static status check(const crf_options *o, const crf_image *x)
{
    if (x->axes < 2 || x->axes > 3 || x->dim[0] < 1 || x->dim[1] < 1 || x->dim[2] < 1 || x->classes < 1)
        return fail(ERR_ARGUMENT, "a CRF refines a slice or a volume of at least one class");
    if (x->channels < 0 || x->channels > CRF_CHANNELS)
        return fail(ERR_ARGUMENT, "a CRF takes up to %d channels, not %d", CRF_CHANNELS, x->channels);
    if (!(o->near_sd > 0 && o->position_sd > 0 && o->intensity_sd > 0))
        return fail(ERR_ARGUMENT, "the standard deviations of a CRF must be above 0");
    if (o->steps < 0 || o->reach < 0)
        return fail(ERR_ARGUMENT, "steps and reach of a CRF must not be below 0");
    return OK;
}

static status take(mem *m, size_t count, double **to)
{
    void *p = NULL;
    status s = mem_array(m, count ? count : 1, sizeof(double), &p);
    *to = p;
    return s;
}

static status open_kernel(field *f, int which)
{
    kernel *k = &f->kernels[which];
    k->weight = f->o->weight[which];
    k->features = f->x->axes + (which ? f->x->channels : 0);
    TRY(take(f->m, f->voxels * (size_t)k->features, &k->feature));
    TRY(take(f->m, f->voxels, &k->before));
    TRY(take(f->m, f->voxels, &k->after));
    fill_features(f, k, which);
    if (f->o->engine == CRF_LATTICE)
        TRY(lattice_open(&k->lattice, f->m, k->feature, f->voxels, k->features, f->x->classes));
    normalize(f, k);
    return OK;
}

static void field_close(field *f)
{
    for (int i = 0; i < KERNELS; i++) {
        kernel *k = &f->kernels[i];
        mem_give(f->m, k->feature);
        mem_give(f->m, k->before);
        mem_give(f->m, k->after);
        if (k->lattice.m)
            lattice_close(&k->lattice);
    }
    mem_give(f->m, f->unary);
    mem_give(f->m, f->q);
    mem_give(f->m, f->scaled);
    mem_give(f->m, f->filtered);
}

/* kept: how many Q are kept, one after the other. */
static status field_open(field *f, mem *m, const crf_options *o, const crf_image *x, size_t kept)
{
    *f = (field){.m = m, .o = o, .x = x};
    TRY(check(o, x));
    f->voxels = voxels_of(x);
    f->all = f->voxels * (size_t)x->classes;
    TRY(take(m, f->all, &f->unary));
    TRY(take(m, f->all * kept, &f->q));
    TRY(take(m, f->all, &f->scaled));
    TRY(take(m, f->all, &f->filtered));
    for (int i = 0; i < KERNELS; i++)
        TRY(open_kernel(f, i));
    for (size_t i = 0; i < f->all; i++) {
        double p = x->p[i % (size_t)x->classes * f->voxels + i / (size_t)x->classes];
        f->unary[i] = log(p < 1e-5 ? 1e-5 : p > 1 ? 1 : p);
    }
    return OK;
}

/* ---- steps ---- */

static void softmax(const field *f, const double *logits, double *q)
{
    size_t n = (size_t)f->x->classes;
    for (size_t i = 0; i < f->voxels; i++) {
        const double *x = logits + i * n;
        double top = x[0], sum = 0;
        for (size_t k = 1; k < n; k++)
            top = fmax(top, x[k]);
        for (size_t k = 0; k < n; k++)
            sum += q[i * n + k] = exp(x[k] - top);
        for (size_t k = 0; k < n; k++)
            q[i * n + k] /= sum;
    }
}

/* Q from the Q before it; both may be the same. */
static status advance(field *f, const double *before, double *q)
{
    double *logits;
    TRY(take(f->m, f->all, &logits));
    memcpy(logits, f->unary, f->all * sizeof *logits);
    for (int k = 0; k < KERNELS; k++) {
        if (f->kernels[k].weight == 0)
            continue;
        apply(f, &f->kernels[k], before, 0);
        for (size_t i = 0; i < f->all; i++)
            logits[i] += f->kernels[k].weight * f->filtered[i];
    }
    softmax(f, logits, q);
    mem_give(f->m, logits);
    return OK;
}

static status run(field *f, int keeps_all)
{
    status s = OK;
    softmax(f, f->unary, f->q);
    for (int32_t t = 0; t < f->o->steps && s == OK; t++) {
        const double *before = f->q + (keeps_all ? (size_t)t * f->all : 0);
        s = advance(f, before, f->q + (keeps_all ? (size_t)(t + 1) * f->all : 0));
    }
    return s;
}

/* [voxels][classes] to [classes][voxels]. */
static void classes_first(const field *f, const double *from, double *to)
{
    size_t n = (size_t)f->x->classes;
    for (size_t i = 0; i < f->all; i++)
        to[i % n * f->voxels + i / n] = from[i];
}

status crf_refine(mem *m, const crf_options *o, const crf_image *x, double *q)
{
    field f;
    status s = field_open(&f, m, o, x, 1);
    if (s == OK)
        s = run(&f, 0);
    if (s == OK)
        classes_first(&f, f.q, q);
    field_close(&f);
    return s;
}

/* ---- backwards ---- */

/* The gradient of logits from that of their softmax q, in place. */
static void softmax_back(const field *f, const double *q, double *d)
{
    size_t n = (size_t)f->x->classes;
    for (size_t i = 0; i < f->voxels; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += q[i * n + k] * d[i * n + k];
        for (size_t k = 0; k < n; k++)
            d[i * n + k] = q[i * n + k] * (d[i * n + k] - sum);
    }
}

/* From the gradient d of the logits of a step to that of the Q before it, in `next`. */
static void step_back(field *f, const double *q, const double *d, double *next, double dw[2])
{
    memset(next, 0, f->all * sizeof *next);
    for (int k = 0; k < KERNELS; k++) {
        apply(f, &f->kernels[k], q, 0);
        for (size_t i = 0; i < f->all; i++)
            dw[k] += d[i] * f->filtered[i];
        apply(f, &f->kernels[k], d, 1);
        for (size_t i = 0; i < f->all; i++)
            next[i] += f->kernels[k].weight * f->filtered[i];
    }
}

/* d: the gradient of the last Q; next: room; both [all]. sum: the gradient of -U. */
static void walk_back(field *f, double *d, double *next, double *sum, double dw[2])
{
    memset(sum, 0, f->all * sizeof *sum);
    for (int32_t t = f->o->steps; t >= 0; t--) {
        softmax_back(f, f->q + (size_t)t * f->all, d);
        for (size_t i = 0; i < f->all; i++)
            sum[i] += d[i];
        if (t == 0)
            break;
        step_back(f, f->q + (size_t)(t - 1) * f->all, d, next, dw);
        double *swap = d;
        d = next;
        next = swap;
    }
}

status crf_gradient(mem *m, const crf_options *o, const crf_image *x, const double *dq, double *du,
                    double dw[2])
{
    field f;
    double *room = NULL;
    if (o->engine == CRF_LATTICE)
        return fail(ERR_UNSUPPORTED,
                    "the lattice of a CRF has no gradient: use the exact engine, or a window");
    status s = field_open(&f, m, o, x, (size_t)(o->steps < 0 ? 0 : o->steps) + 1);
    if (s == OK)
        s = take(m, 3 * f.all, &room);
    if (s == OK)
        s = run(&f, 1);
    if (s == OK) {
        double *sum = room + 2 * f.all;
        size_t n = (size_t)x->classes;
        for (size_t i = 0; i < f.all; i++)
            room[i] = dq[i % n * f.voxels + i / n];
        dw[0] = dw[1] = 0;
        walk_back(&f, room, room + f.all, sum, dw);
        for (size_t i = 0; i < f.all; i++)
            sum[i] = -sum[i];
        classes_first(&f, sum, du);
    }
    mem_give(m, room);
    field_close(&f);
    return s;
}
