/* SPDX-License-Identifier: Apache-2.0 */
/* parity_table.h - what recorded results of networks have besides parity_file.h: lists of names of equal
 * length, and rows [sum, L2 norm, 16 entries at flat index j * size / 16] that tell of a tensor each.
 */
#ifndef SLMT_TESTS_PARITY_TABLE_H
#define SLMT_TESTS_PARITY_TABLE_H

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
