/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - PSNR, SSIM, NMSE and MAE of two images, and of two stacks of them, in double precision.
 *
 * SSIM is scikit-image's structural_similarity() with its defaults: 7x7 uniform window, sample covariance,
 * mean over the pixels whose window lies inside the image (Wang et al. 2004, with K1 0.01, K2 0.03). */
#include "data/metrics.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- pixel errors ---- */

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static double psnr_of(double mse)
{
    return isnan(mse) ? NAN
           : mse > 0  ? fmin(20 * log10(1 / sqrt(mse)), METRICS_PSNR_MOST)
                      : METRICS_PSNR_MOST;
}

/* PSNR, NMSE and MAE from sums over pixels. */
static void ratios(slmt_metrics *m, double absolute)
{
    m->psnr = psnr_of(ratio(m->squares, (double)m->pixels));
    m->nmse = ratio(m->squares, m->energy);
    m->mae = ratio(absolute, (double)m->pixels);
}

static void pixel_errors(const float *p, const float *t, const uint8_t *mask, size_t n, slmt_metrics *out)
{
    double squares = 0, absolute = 0, energy = 0;
    int64_t pixels = 0, signal = 0;
    for (size_t i = 0; i < n; i++) {
        if (mask && !mask[i])
            continue;
        double d = (double)p[i] - t[i];
        squares += d * d;
        absolute += fabs(d);
        energy += (double)t[i] * t[i];
        pixels++;
        signal |= t[i] > METRICS_SIGNAL;
    }
    out->squares = squares;
    out->energy = energy;
    out->pixels = pixels;
    out->slices = pixels > 0;
    out->with_signal = signal;
    ratios(out, absolute);
}

/* ---- SSIM ---- */

enum { SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, SUMS };

/* Sums of a column over the window's rows, from row `top` on. */
static void column_sums(const float *x, const float *y, size_t width, size_t top, double (*column)[SUMS])
{
    memset(column, 0, width * sizeof *column);
    for (size_t r = top; r < top + METRICS_WINDOW; r++) {
        for (size_t c = 0; c < width; c++) {
            double a = x[r * width + c], b = y[r * width + c];
            column[c][SUM_X] += a;
            column[c][SUM_Y] += b;
            column[c][SUM_XX] += a * a;
            column[c][SUM_YY] += b * b;
            column[c][SUM_XY] += a * b;
        }
    }
}

/* SSIM of one window from the means in it. */
static double ssim_of(const double mean[SUMS], double range)
{
    const double n = METRICS_WINDOW * METRICS_WINDOW, sample = n / (n - 1);
    double c1 = (0.01 * range) * (0.01 * range), c2 = (0.03 * range) * (0.03 * range);
    double ux = mean[SUM_X], uy = mean[SUM_Y];
    double vx = sample * (mean[SUM_XX] - ux * ux), vy = sample * (mean[SUM_YY] - uy * uy);
    double vxy = sample * (mean[SUM_XY] - ux * uy);
    return (2 * ux * uy + c1) * (2 * vxy + c2) / ((ux * ux + uy * uy + c1) * (vx + vy + c2));
}

static status structural_similarity(mem *m, const float *x, const float *y, const uint8_t *mask,
                                    size_t height, size_t width, slmt_metrics *out)
{
    void *p;
    TRY(mem_array(m, width, SUMS * sizeof(double), &p));
    double(*column)[SUMS] = p;
    size_t rows = height - METRICS_WINDOW + 1, columns = width - METRICS_WINDOW + 1;
    double sum1 = 0, sum2 = 0;
    int64_t windows = 0;
    for (size_t r = 0; r < rows; r++) {
        column_sums(x, y, width, r, column);
        for (size_t c = 0; c < columns; c++) {
            double mean[SUMS] = {0};
            if (mask && !mask[(r + METRICS_WINDOW / 2) * width + c + METRICS_WINDOW / 2])
                continue;
            for (size_t k = c; k < c + METRICS_WINDOW; k++)
                for (int s = 0; s < SUMS; s++)
                    mean[s] += column[k][s];
            for (int s = 0; s < SUMS; s++)
                mean[s] /= METRICS_WINDOW * METRICS_WINDOW;
            sum1 += ssim_of(mean, 1);
            sum2 += ssim_of(mean, 2);
            windows++;
        }
    }
    out->windows = windows;
    out->ssim = ratio(sum1, (double)windows);
    out->ssim_range_2 = ratio(sum2, (double)windows);
    mem_give(m, p);
    return OK;
}

/* ---- spectral norm ----
 *
 * The largest singular value of the non-negative matrix A = (p-t)^2 by the Lanczos process on A^T A with full
 * reorthogonalisation. A non-negative matrix has a non-negative leading singular vector (Perron-Frobenius),
 * so the start vector of ones has a component of at least 1/sqrt(n) along it, and close or equal singular
 * values do no harm: the largest Ritz value only grows, and is exact after min(height, width) steps. */

typedef struct lanczos {
    const float *p, *t;
    size_t height, width;
    double scale;         /* 1 / largest entry */
    double *row;          /* [width] */
    double *basis;        /* [steps][width], orthonormal rows */
    double *alpha, *beta; /* [limit] diagonal and off-diagonal of the tridiagonal matrix */
    size_t room;          /* number of steps that basis has room for */
} lanczos;

/* y = A^T A x, one row of A at a time. */
static void apply(const lanczos *l, const double *x, double *y)
{
    memset(y, 0, l->width * sizeof *y);
    for (size_t r = 0; r < l->height; r++) {
        double dot = 0;
        for (size_t c = 0; c < l->width; c++) {
            double d = (double)l->p[r * l->width + c] - l->t[r * l->width + c];
            l->row[c] = d * d * l->scale;
            dot += l->row[c] * x[c];
        }
        for (size_t c = 0; c < l->width; c++)
            y[c] += dot * l->row[c];
    }
}

/* Subtracts from y its projection on the k rows of the basis. */
static void orthogonalise(const lanczos *l, size_t k, double *y)
{
    for (size_t i = 0; i < k; i++) {
        const double *q = l->basis + i * l->width;
        double dot = 0;
        for (size_t c = 0; c < l->width; c++)
            dot += q[c] * y[c];
        for (size_t c = 0; c < l->width; c++)
            y[c] -= dot * q[c];
    }
}

/* True if all eigenvalues of the k x k tridiagonal matrix are below x (its Sturm sequence stays negative). */
static int all_below(const lanczos *l, size_t k, double x)
{
    double d = l->alpha[0] - x;
    for (size_t i = 1; i < k && d < 0; i++)
        d = l->alpha[i] - x - l->beta[i - 1] * l->beta[i - 1] / d;
    return d < 0;
}

/* The largest eigenvalue of the k x k tridiagonal matrix by bisection; it is at least `low`. */
static double largest(const lanczos *l, size_t k, double low)
{
    double high = 0;
    for (size_t i = 0; i < k; i++) {
        double radius = (i > 0 ? l->beta[i - 1] : 0) + (i + 1 < k ? l->beta[i] : 0);
        high = fmax(high, l->alpha[i] + radius);
    }
    high *= 1 + 4 * DBL_EPSILON;
    for (;;) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high)
            return high;
        if (all_below(l, k, middle))
            high = middle;
        else
            low = middle;
    }
}

static double norm(const double *x, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += x[i] * x[i];
    return sqrt(s);
}

static status make_room(mem *m, lanczos *l, size_t steps, size_t limit)
{
    if (steps <= l->room)
        return OK;
    size_t room = 2 * l->room + 16 < limit ? 2 * l->room + 16 : limit;
    if (l->width > SIZE_MAX / sizeof(double) / room)
        return fail_memory();
    void *p = l->basis;
    TRY(mem_resize(m, &p, room, l->width * sizeof(double)));
    l->basis = p;
    l->room = room;
    return OK;
}

/* One step: alpha[k], beta[k] and the next row of the basis, of length 0 if the process has ended. */
static void step(lanczos *l, size_t k)
{
    double *q = l->basis + k * l->width, *next = q + l->width, dot = 0;
    apply(l, q, next);
    for (size_t c = 0; c < l->width; c++)
        dot += q[c] * next[c];
    l->alpha[k] = dot;
    orthogonalise(l, k + 1, next);
    orthogonalise(l, k + 1, next); /* orthogonalising twice is enough (Kahan, Parlett) */
    l->beta[k] = norm(next, l->width);
    for (size_t c = 0; c < l->width && l->beta[k] > 0; c++)
        next[c] /= l->beta[k];
}

static status run(mem *m, lanczos *l, size_t limit, double *value)
{
    enum { STILL = 8 }; /* the process ends after this many steps without growth */
    double theta = 0;
    int still = 0;
    for (size_t k = 0; k < limit && still < STILL; k++) {
        TRY(make_room(m, l, k + 2, limit + 1));
        if (k == 0)
            for (size_t c = 0; c < l->width; c++)
                l->basis[c] = 1 / sqrt((double)l->width);
        step(l, k);
        double before = theta;
        theta = largest(l, k + 1, before);
        still = theta - before <= 1e-14 * theta ? still + 1 : 0;
        if (l->beta[k] <= 1e-14 * theta)
            break;
    }
    *value = sqrt(theta) / l->scale;
    return OK;
}

/* ||(p-t)^2||_2 of the matrix with entries (p-t)^2. */
static status spectral_norm(mem *m, const float *p, const float *t, size_t height, size_t width,
                            double *value)
{
    lanczos l = {.p = p, .t = t, .height = height, .width = width};
    size_t limit = height < width ? height : width;
    double peak = 0;
    void *work;
    for (size_t i = 0; i < height * width; i++)
        peak = fmax(peak, fabs((double)p[i] - t[i]));
    *value = 0;
    if (peak == 0)
        return OK;
    l.scale = 1 / (peak * peak);
    TRY(mem_array(m, width + 2 * limit, sizeof(double), &work));
    l.row = work;
    l.alpha = l.row + width;
    l.beta = l.alpha + limit;
    status s = run(m, &l, limit, value);
    mem_give(m, l.basis);
    mem_give(m, work);
    return s;
}

static status spectral_error(mem *m, const float *p, const float *t, size_t height, size_t width,
                             double *value)
{
    double error, energy;
    void *zeros;
    TRY(mem_zeros(m, height * width, sizeof(float), &zeros));
    status s = spectral_norm(m, p, t, height, width, &error);
    if (s == OK)
        s = spectral_norm(m, zeros, t, height, width, &energy);
    if (s == OK)
        *value = ratio(error, energy);
    mem_give(m, zeros);
    return s;
}

/* ---- a slice ---- */

/* Both images with zeros outside the mask, one behind the other. */
static status masked_images(mem *m, const float *p, const float *t, const uint8_t *mask, size_t n,
                            float **out)
{
    void *block;
    TRY(mem_zeros(m, n, 2 * sizeof(float), &block));
    *out = block;
    for (size_t i = 0; i < n; i++)
        if (mask[i]) {
            (*out)[i] = p[i];
            (*out)[n + i] = t[i];
        }
    return OK;
}

static status masked_spectral_error(mem *m, const float *p, const float *t, const uint8_t *mask,
                                    size_t height, size_t width, double *value)
{
    size_t n = height * width;
    float *images;
    if (!mask)
        return spectral_error(m, p, t, height, width, value);
    TRY(masked_images(m, p, t, mask, n, &images));
    status s = spectral_error(m, images, images + n, height, width, value);
    mem_give(m, images);
    return s;
}

status metrics_compare(mem *m, const float *prediction, const float *target, const uint8_t *mask,
                       size_t height, size_t width, slmt_metrics *out)
{
    out->reserved = 0;
    pixel_errors(prediction, target, mask, height * width, out);
    TRY(structural_similarity(m, prediction, target, mask, height, width, out));
    return masked_spectral_error(m, prediction, target, mask, height, width, &out->nmse_spectral);
}

/* ---- a stack of slices ---- */

typedef struct weighted_mean {
    double sum, weight;
} weighted_mean;

static void add(weighted_mean *mean, double value, double weight)
{
    if (isnan(value) || weight == 0)
        return;
    mean->sum += weight * value;
    mean->weight += weight;
}

static double mean_of(const weighted_mean *mean)
{
    return ratio(mean->sum, mean->weight);
}

static void add_numbers(slmt_metrics *all, const slmt_metrics *slice)
{
    all->squares += slice->squares;
    all->energy += slice->energy;
    all->pixels += slice->pixels;
    all->windows += slice->windows;
    all->slices += slice->slices;
    all->with_signal += slice->with_signal;
}

/* Slices without signal have windows too, most of them equal to their target's: they would lift SSIM. */
static void combine_volume(const slmt_metrics *slices, size_t count, slmt_metrics *out)
{
    weighted_mean ssim = {0, 0}, ssim_range_2 = {0, 0}, mae = {0, 0};
    for (size_t i = 0; i < count; i++) {
        double windows = slices[i].with_signal ? (double)slices[i].windows : 0;
        add(&ssim, slices[i].ssim, windows);
        add(&ssim_range_2, slices[i].ssim_range_2, windows);
        add(&mae, slices[i].mae, (double)slices[i].pixels);
    }
    ratios(out, mae.sum);
    out->ssim = mean_of(&ssim);
    out->ssim_range_2 = mean_of(&ssim_range_2);
    out->nmse = out->with_signal ? out->nmse : NAN;
    out->nmse_spectral = NAN;
}

static double nothing_if_undefined(double ratio_to_target)
{
    return isnan(ratio_to_target) ? 0 : ratio_to_target;
}

static void combine_slices(const slmt_metrics *slices, size_t count, int paper, slmt_metrics *out)
{
    enum { FIGURES = 6 };
    weighted_mean mean[FIGURES] = {{0, 0}};
    double *to[FIGURES] = {&out->psnr, &out->ssim,          &out->ssim_range_2,
                           &out->nmse, &out->nmse_spectral, &out->mae};
    for (size_t i = 0; i < count; i++) {
        const slmt_metrics *s = &slices[i];
        double nmse = paper ? nothing_if_undefined(s->nmse) : s->nmse;
        double spectral = paper ? nothing_if_undefined(s->nmse_spectral) : s->nmse_spectral;
        const double figure[FIGURES] = {s->psnr, s->ssim, s->ssim_range_2, nmse, spectral, s->mae};
        for (int k = 0; k < FIGURES; k++)
            add(&mean[k], figure[k], paper ? s->slices > 0 : s->with_signal > 0);
    }
    for (int k = 0; k < FIGURES; k++)
        *to[k] = mean_of(&mean[k]);
}

void metrics_combine(const slmt_metrics *slices, size_t count, int32_t definition, slmt_metrics *out)
{
    slmt_metrics all = {.struct_size = out->struct_size};
    for (size_t i = 0; i < count; i++)
        add_numbers(&all, &slices[i]);
    if (definition == SLMT_DEFINITION_VOLUME)
        combine_volume(slices, count, &all);
    else
        combine_slices(slices, count, definition == SLMT_DEFINITION_PAPER, &all);
    *out = all;
}
