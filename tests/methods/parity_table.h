/* SPDX-License-Identifier: Apache-2.0 */
/* parity_table.h - what recorded results of networks have besides parity_file.h: lists of names of equal
 * length, start values by formula, and rows [sum, L2 norm, 16 entries at flat index j * size / 16] that tell
 * of a tensor each. */
#ifndef SLMT_TESTS_PARITY_TABLE_H
#define SLMT_TESTS_PARITY_TABLE_H

#include "core/params.h"
#include "tests/methods/parity_file.h"

typedef struct parity_names {
    char *all;
    size_t each, n;
} parity_names;

static inline parity_names parity_names_open(hid_t group, const char *list)
{
    hid_t d = H5Dopen2(group, list, H5P_DEFAULT), type = H5Dget_type(d), space = H5Dget_space(d);
    parity_names r = {.each = H5Tget_size(type), .n = (size_t)H5Sget_simple_extent_npoints(space)};
    r.all = malloc(r.n * r.each + 1);
    H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, r.all);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(d);
    return r;
}

static inline void parity_names_at(const parity_names *r, size_t k, char *text, size_t size)
{
    snprintf(text, size, "%.*s", (int)r->each, r->all + k * r->each);
}

/* The index of the tensor that name k of a list means. */
static inline int32_t parity_tensor(const params *p, const parity_names *r, size_t k,
                                    char name[PARAM_NAME_MAX])
{
    parity_names_at(r, k, name, PARAM_NAME_MAX);
    int32_t index = params_find(p, name);
    if (index < 0) {
        fprintf(stderr, "the network has no tensor %s\n", name);
        abort();
    }
    return index;
}

/* Fills in start values of the tensors that a list names: offset + scale * u of the formula, from the numbers
 * and the attribute `tag` of a group. values: by tensor. */
static inline void parity_fill(const params *p, void *const *values, bk_dtype real, hid_t group,
                               const char *list, const char *numbers, const char *tag)
{
    char name[PARAM_NAME_MAX], text[192], prefix[64];
    hid_t file = H5Iget_file_id(group);
    const uint64_t salt = (uint64_t)parity_attr(file, "salt", 0);
    parity_names r = parity_names_open(group, list);
    reference_data init = parity_read(group, numbers);
    parity_text(group, tag, prefix);
    for (size_t k = 0; k < r.n; k++) {
        int32_t index = parity_tensor(p, &r, k, name);
        snprintf(text, sizeof text, "%s/%s", prefix, name);
        for (size_t i = 0; i < p->list[index].count; i++)
            real_set(values[index], real, i,
                     (float)(init.x[2 * k] + init.x[2 * k + 1] * parity_uniform(text, salt, i)));
    }
    free(init.x);
    free(r.all);
    H5Fclose(file);
}

/* What the rule of parity_file.h allows: err is the error of float32 in the reference, top the largest
 * magnitude. */
static inline double parity_bound(bk_dtype real, double err, double top)
{
    return real == BK_F64 ? 1e-9 * top + 1e-12 : fmax(8 * err, 2e-6 * top);
}

/* The largest magnitude that a row tells of a tensor. */
static inline double parity_row_top(const double *row, size_t size)
{
    return fmax(parity_max_abs(row + 2, 16), row[1] / sqrt((double)size));
}

/* The largest deviation of a tensor from its row. ours: NULL: zeros. at: where in it the 16 entries are;
 * NULL: in the recorded order. */
static inline double parity_row_deviation(const double *row, const void *ours, bk_dtype real, size_t size,
                                          const size_t at[16])
{
    double sum = 0, square = 0, worst = 0, root = sqrt((double)size);
    for (size_t i = 0; ours && i < size; i++) {
        double x = real_get(ours, real, i);
        sum += x;
        square += x * x;
    }
    for (size_t j = 0; j < 16; j++) {
        double x = ours ? real_get(ours, real, at ? at[j] : j * size / 16) : 0;
        worst = fmax(worst, fabs(x - row[2 + j]));
    }
    worst = fmax(worst, fmax(fabs(sum - row[0]), fabs(sqrt(square) - row[1])) / root);
    return isnan(sum) ? INFINITY : worst;
}

/* The extents of a data set; returns the rank. */
static inline int parity_dims(hid_t group, const char *path, hsize_t dim[8])
{
    hid_t d = H5Dopen2(group, path, H5P_DEFAULT), space = H5Dget_space(d);
    int rank = H5Sget_simple_extent_dims(space, dim, NULL);
    H5Sclose(space);
    H5Dclose(d);
    return rank;
}

/* Calls `of` for each group of `parent`. */
static inline void parity_each(hid_t file, const char *parent, void (*of)(hid_t group, const char *name))
{
    H5G_info_t info;
    hid_t at = H5Gopen2(file, parent, H5P_DEFAULT);
    if (at < 0 || H5Gget_info(at, &info) < 0 || info.nlinks == 0) {
        fprintf(stderr, "no group %s, or it is empty\n", parent);
        abort();
    }
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[64];
        H5Lget_name_by_idx(at, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        hid_t group = H5Gopen2(at, name, H5P_DEFAULT);
        of(group, name);
        H5Gclose(group);
    }
    H5Gclose(at);
}

#endif
