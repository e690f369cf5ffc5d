/* SPDX-License-Identifier: Apache-2.0 */
/* parity_file.h - reading reference results (HDF5) and comparing with them by the rule of their README:
 * float32 within max(8 * torch_fp32_max_abs_err, 2e-6 * max|x|), float64 within 1e-9 * max|x| (2e-7 where
 * stored as float32) plus 1e-12; a digest [sum, L2 norm, 16 entries] likewise, sum and norm times sqrt(size).
 */
#ifndef SLMT_TESTS_PARITY_FILE_H
#define SLMT_TESTS_PARITY_FILE_H

#include <hdf5.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reference_data {
    double *x;
    size_t n;    /* numbers stored */
    size_t size; /* numbers of the tensor: n, or more where this is a digest */
    int digest;
    int float32;     /* stored as float32 */
    double fp32_err; /* torch_fp32_max_abs_err */
} reference_data;

static inline double parity_attr(hid_t at, const char *name, int i)
{
    double values[16] = {0};
    hid_t a = H5Aopen(at, name, H5P_DEFAULT);
    if (a < 0) {
        fprintf(stderr, "no attribute %s\n", name);
        abort();
    }
    hid_t space = H5Aget_space(a);
    if (H5Sget_simple_extent_npoints(space) <= 16)
        H5Aread(a, H5T_NATIVE_DOUBLE, values);
    H5Sclose(space);
    H5Aclose(a);
    return values[i];
}

/* Where recorded results are unless SLMT_PARITY_DIR says otherwise. */
#define PARITY_FOLDER SLMT_SOURCE_DIR "/../shared/parity"

/* Opens NAME of the folder SLMT_PARITY_DIR, or of `folder`; below 0: it is not there. */
static inline hid_t parity_open(const char *folder, const char *name)
{
    char path[1024];
    const char *given = getenv("SLMT_PARITY_DIR");
    snprintf(path, sizeof path, "%s/%s", given ? given : folder, name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("%s is not there: skipped\n", path);
        return -1;
    }
    fclose(f);
    return H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
}

/* Reads a text attribute, of fixed or variable length. */
static inline void parity_text(hid_t at, const char *name, char text[64])
{
    char *p = NULL, fixed[64] = "";
    hid_t a = H5Aopen(at, name, H5P_DEFAULT), type = H5Aget_type(a);
    if (H5Tis_variable_str(type) > 0) {
        H5Aread(a, type, &p);
        snprintf(text, 64, "%s", p);
        H5free_memory(p);
    } else if (H5Tget_size(type) < sizeof fixed) {
        H5Aread(a, type, fixed);
        snprintf(text, 64, "%s", fixed);
    }
    H5Tclose(type);
    H5Aclose(a);
}

static inline int parity_mode_full(hid_t file)
{
    return H5Lexists(file, "W", H5P_DEFAULT) > 0;
}

static inline reference_data parity_read(hid_t at, const char *path)
{
    reference_data r = {0};
    hid_t d = H5Dopen2(at, path, H5P_DEFAULT);
    if (d < 0) {
        fprintf(stderr, "no data set %s\n", path);
        abort();
    }
    hid_t space = H5Dget_space(d), type = H5Dget_type(d);
    r.n = r.size = (size_t)H5Sget_simple_extent_npoints(space);
    r.float32 = H5Tget_size(type) == 4;
    r.x = malloc(r.n * sizeof(double));
    H5Dread(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, r.x);
    if (H5Aexists(d, "torch_fp32_max_abs_err") > 0)
        r.fp32_err = parity_attr(d, "torch_fp32_max_abs_err", 0);
    if (H5Aexists(d, "shape") > 0) {
        hid_t a = H5Aopen(d, "shape", H5P_DEFAULT), s = H5Aget_space(a);
        int rank = (int)H5Sget_simple_extent_npoints(s);
        r.digest = 1;
        r.size = 1;
        H5Sclose(s);
        H5Aclose(a);
        for (int i = 0; i < rank; i++)
            r.size *= (size_t)parity_attr(d, "shape", i);
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(d);
    return r;
}

static inline double parity_max_abs(const double *x, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++)
        m = fabs(x[i]) > m ? fabs(x[i]) : m;
    return m;
}

static inline double parity_tolerance(const reference_data *r, int real64)
{
    const double *entries = r->digest ? r->x + 2 : r->x;
    double top = parity_max_abs(entries, r->digest ? r->n - 2 : r->n);
    if (real64)
        return (r->float32 ? 2e-7 : 1e-9) * top + 1e-12;
    return fmax(8 * r->fp32_err, 2e-6 * top);
}

/* Largest deviation of ours[size] over the tolerance: at most 1 passes. NaN counts as infinite. */
static inline double parity_compare(const reference_data *r, const double *ours, size_t size,
                                    double tolerance)
{
    double worst = 0, sum = 0, square = 0;
    if (size != r->size)
        return INFINITY;
    if (!r->digest) {
        for (size_t i = 0; i < size; i++) {
            double d = fabs(ours[i] - r->x[i]);
            worst = isnan(d) ? INFINITY : fmax(worst, d);
        }
        return worst == 0 ? 0 : worst / tolerance;
    }
    for (size_t i = 0; i < size; i++) {
        sum += ours[i];
        square += ours[i] * ours[i];
    }
    double root = sqrt((double)size);
    worst = fmax(fabs(sum - r->x[0]), fabs(sqrt(square) - r->x[1])) / root;
    for (size_t j = 0; j < 16; j++)
        worst = fmax(worst, fabs(ours[j * size / 16] - r->x[2 + j]));
    return isnan(sum) ? INFINITY : worst == 0 ? 0 : worst / tolerance;
}

/* The start values' formula: u_i in [-1, 1) for text under salt. */
static inline double parity_uniform(const char *text, uint64_t salt, uint64_t i)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (const char *p = text; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001B3u;
    h += salt;
    uint64_t z = h + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) / 8388608.0 - 1;
}

static inline int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Start value i of tensor tag/name with `rank` axes, `numel` numbers, first extent `rows`. */
static inline double parity_start(const char *tag, const char *name, int rank, size_t numel, size_t rows,
                                  uint64_t salt, size_t i)
{
    static const char *const norms[] = {"norm.weight",    "norm1.weight",    "norm2.weight",
                                        "norm_up.weight", "rec_norm.weight", "edge_norm.weight"};
    char text[256];
    snprintf(text, sizeof text, "%s/%s", tag, name);
    double u = parity_uniform(text, salt, i);
    if (rank >= 2 && !strstr(name, "token") && !strstr(name, "bias_table"))
        return (float)(u * sqrt(3.0 / ((double)numel / (double)rows)));
    for (size_t k = 0; k < sizeof norms / sizeof *norms; k++)
        if (ends_with(name, norms[k]))
            return (float)(1 + 0.1 * u);
    return (float)(0.1 * u);
}

#endif
