/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_import_values.c - copies attributes and tensors from one HDF5 file to another. */
#include <string.h>

#include "io/hdf5_import_parts.h"

enum { PART = 16 << 20, CHUNK = 65536 };

/* ---- attributes ---- */

/* The type in memory of a text: as in the file, ended by a zero. */
static hid_t text_type(hid_t type, size_t size)
{
    hid_t text = H5Tcopy(H5T_C_S1);
    if (text >= 0 && H5Tset_size(text, size) >= 0 && H5Tset_cset(text, H5Tget_cset(type)) >= 0)
        return text;
    H5Tclose(text);
    return -1;
}

static status put_text(importer *m, dialect_group *to, const char *name, const char *text)
{
    if (strnlen(text, STORED_TEXT_MAX + 1) > STORED_TEXT_MAX)
        return import_refuse(m, name, "is a text of more than 65000 bytes");
    return sealed_file_written(m->out, dialect_put_text(&m->out->file, to, name, text));
}

static status copy_fixed_text(importer *m, hid_t attribute, hid_t type, dialect_group *to, const char *name)
{
    void *text;
    size_t size = H5Tget_size(type);
    if (size > STORED_TEXT_MAX)
        return import_refuse(m, name, "is a text of more than 65000 bytes");
    TRY(mem_zeros(m->mem, size + 2, 1, &text));
    hid_t memory = text_type(type, size + 1);
    status s = memory >= 0 && H5Aread(attribute, memory, text) >= 0 ? OK : import_unreadable(m, name);
    if (s == OK)
        s = put_text(m, to, name, text);
    H5Tclose(memory);
    mem_give(m->mem, text);
    return s;
}

static status copy_variable_text(importer *m, hid_t attribute, hid_t type, dialect_group *to,
                                 const char *name)
{
    char *text = NULL;
    hid_t memory = text_type(type, H5T_VARIABLE);
    status s = memory >= 0 && H5Aread(attribute, memory, &text) >= 0 ? OK : import_unreadable(m, name);
    if (s == OK)
        s = put_text(m, to, name, text ? text : "");
    H5free_memory(text);
    H5Tclose(memory);
    return s;
}

static status copy_value(importer *m, hid_t attribute, hid_t type, dialect_group *to, const char *name)
{
    int64_t whole = 0;
    double real = 0;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        if (H5Aread(attribute, H5T_NATIVE_INT64, &whole) < 0)
            return import_unreadable(m, name);
        return sealed_file_written(m->out, dialect_put_int(&m->out->file, to, name, whole));
    case H5T_FLOAT:
        if (H5Aread(attribute, H5T_NATIVE_DOUBLE, &real) < 0)
            return import_unreadable(m, name);
        return sealed_file_written(m->out, dialect_put_real(&m->out->file, to, name, real));
    case H5T_STRING:
        return H5Tis_variable_str(type) > 0 ? copy_variable_text(m, attribute, type, to, name)
                                            : copy_fixed_text(m, attribute, type, to, name);
    default:
        return import_refuse(m, name, "is an attribute that is neither a number nor a text");
    }
}

static status copy_attribute(importer *m, hid_t attribute, dialect_group *to)
{
    char name[STORED_NAME_MAX + 2];
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    ssize_t length = H5Aget_name(attribute, sizeof name, name);
    status s;
    if (length < 0 || type < 0 || space < 0)
        s = import_unreadable(m, "");
    else if (length > STORED_NAME_MAX || !stored_name_ok(name))
        s = import_refuse(m, "", "holds a name that is not 1 to 255 printable characters");
    else if (H5Sget_simple_extent_npoints(space) != 1)
        s = import_refuse(m, name, "is an attribute that is not a single value");
    else
        s = copy_value(m, attribute, type, to, name);
    H5Sclose(space);
    H5Tclose(type);
    return s;
}

status import_attributes(importer *m, hid_t from, dialect_group *to)
{
    H5O_info_t info;
    if (H5Oget_info2(from, &info, H5O_INFO_NUM_ATTRS) < 0)
        return import_unreadable(m, "");
    for (hsize_t i = 0; i < info.num_attrs; i++) {
        hid_t attribute = H5Aopen_by_idx(from, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT);
        status s = attribute < 0 ? import_unreadable(m, "") : copy_attribute(m, attribute, to);
        H5Aclose(attribute);
        TRY(s);
    }
    return OK;
}

/* ---- tensors ---- */

/* Finds the type that the tensor's is one of, in either byte order. */
static status find_type(const importer *m, hid_t type, const char *name, stored_type *found)
{
    for (int known = STORED_F32; known < STORED_TEXT; known++) {
        hid_t plain = hdf5_stored_type((stored_type)known);
        H5T_order_t order = H5Tget_order(type);
        if (order == H5T_ORDER_BE)
            H5Tset_order(plain, order);
        int same = H5Tequal(type, plain) > 0;
        H5Tclose(plain);
        if (!same)
            continue;
        *found = (stored_type)known;
        return OK;
    }
    return import_refuse(m, name, "has a type of numbers that no file of this library has");
}

/* Checks that all chunks are there: others would be read as zeros. */
static status check_chunks(const importer *m, hid_t dataset, hid_t plist, const catalogue_tensor *t)
{
    hsize_t sizes[STORED_RANK_MAX], count = 0, wanted = 1;
    if (H5Pget_chunk(plist, STORED_RANK_MAX, sizes) != t->rank)
        return import_unreadable(m, t->name);
    for (int i = 0; i < t->rank; i++)
        if (sizes[i] == 0 ||
            __builtin_mul_overflow(wanted, ((hsize_t)t->dims[i] - 1) / sizes[i] + 1, &wanted))
            return import_unreadable(m, t->name);
    hid_t space = H5Dget_space(dataset); /* H5S_ALL is not taken by all versions */
    int counted = H5Dget_num_chunks(dataset, space, &count) >= 0;
    H5Sclose(space);
    if (!counted)
        return import_unreadable(m, t->name);
    return count == wanted ? OK : import_refuse(m, t->name, "is not stored in full");
}

static status check_storage(const importer *m, hid_t dataset, hid_t plist, const catalogue_tensor *t)
{
    H5D_layout_t layout = H5Pget_layout(plist);
    if (layout == H5D_CHUNKED)
        return check_chunks(m, dataset, plist, t);
    if (layout == H5D_VIRTUAL || H5Pget_external_count(plist) != 0)
        return import_refuse(m, t->name, "has its values in other files");
    if (H5Dget_storage_size(dataset) != stored_bytes(t->type, t->rank, t->dims))
        return import_refuse(m, t->name, "is not stored in full");
    return OK;
}

/* Asking a virtual dataset for its extent opens other files. */
static status read_extent(importer *m, hid_t dataset, hid_t plist, catalogue_tensor *t)
{
    hsize_t dims[H5S_MAX_RANK];
    if (H5Pget_layout(plist) == H5D_VIRTUAL)
        return import_refuse(m, t->name, "has its values in other files");
    hid_t space = H5Dget_space(dataset);
    t->rank = H5Sget_simple_extent_ndims(space);
    int read =
        t->rank >= 0 && t->rank <= STORED_RANK_MAX && H5Sget_simple_extent_dims(space, dims, NULL) >= 0;
    H5Sclose(space);
    if (!read)
        return import_refuse(m, t->name, "has more than six axes or none that can be read");
    for (int i = 0; i < t->rank; i++)
        t->dims[i] = dims[i] > INT64_MAX ? 0 : (int64_t)dims[i];
    uint64_t bytes = stored_bytes(t->type, t->rank, t->dims);
    if (bytes == 0)
        return import_refuse(m, t->name, "has an extent of 0 or too large");
    TRY(import_count(m, t->name, bytes));
    return check_storage(m, dataset, plist, t);
}

static status read_form(importer *m, hid_t dataset, catalogue_tensor *t)
{
    hid_t plist = H5Dget_create_plist(dataset), type = H5Dget_type(dataset);
    status s = plist < 0 || type < 0 ? import_unreadable(m, t->name) : find_type(m, type, t->name, &t->type);
    if (s == OK)
        s = read_extent(m, dataset, plist, t);
    H5Tclose(type);
    H5Pclose(plist);
    return s;
}

static int read_rows(hid_t dataset, const catalogue_tensor *t, int64_t first, int64_t count, void *values)
{
    hsize_t start[STORED_RANK_MAX] = {(hsize_t)first}, size[STORED_RANK_MAX];
    for (int i = 0; i < t->rank; i++)
        size[i] = (hsize_t)t->dims[i];
    if (t->rank > 0)
        size[0] = (hsize_t)count;
    hid_t native = hdf5_native_type(t->type), space = H5Dget_space(dataset);
    hid_t part = t->rank ? H5Screate_simple(t->rank, size, NULL) : H5Screate(H5S_SCALAR);
    int done = -1;
    if (space >= 0 && part >= 0 &&
        (t->rank == 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0))
        done = H5Dread(dataset, native, part, space, H5P_DEFAULT, values);
    H5Sclose(part);
    H5Sclose(space);
    H5Tclose(native);
    return done;
}

/* At least one: read_extent() refuses what is empty. */
static int64_t rows_of(const catalogue_tensor *t)
{
    return t->rank > 0 && t->dims[0] > 1 ? t->dims[0] : 1;
}

/* Writes rows as a set does: small tensors in one piece, others in chunks of whole rows. A checkpoint's
 * tensors are in one piece. *growing: NULL before the first rows. */
static status write_rows(importer *m, dialect_group *to, const catalogue_tensor *t, int64_t count,
                         const void *values, dialect_tensor **growing)
{
    uint64_t all = stored_bytes(t->type, t->rank, t->dims), row = all / (uint64_t)rows_of(t);
    int64_t chunk = row < CHUNK ? (int64_t)(CHUNK / row) : 1;
    if (!m->is_set || t->rank == 0 || all <= CHUNK)
        return dialect_put_tensor(&m->out->file, to, t->name, t->type, t->rank, t->dims, values);
    if (!*growing)
        TRY(dialect_new_tensor(&m->out->file, to, t->name, t->type, t->rank, t->dims,
                               chunk < count ? chunk : count, growing));
    return dialect_add_rows(&m->out->file, *growing, count, values);
}

static int64_t rows_at_once(const importer *m, const catalogue_tensor *t)
{
    int64_t rows = rows_of(t);
    uint64_t all = stored_bytes(t->type, t->rank, t->dims), row = all / (uint64_t)rows;
    if (!m->is_set || all <= PART)
        return rows;
    return row < PART ? (int64_t)(PART / row) : 1;
}

static status copy_rows(importer *m, hid_t from, dialect_group *to, const catalogue_tensor *t)
{
    void *values;
    dialect_tensor *growing = NULL;
    int64_t rows = rows_of(t), step = rows_at_once(m, t);
    uint64_t row = stored_bytes(t->type, t->rank, t->dims) / (uint64_t)rows;
    TRY(mem_take(m->mem, (size_t)(row * (uint64_t)step), &values));
    status s = OK;
    for (int64_t first = 0; first < rows && s == OK; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        s = read_rows(from, t, first, count, values) < 0
                ? import_unreadable(m, t->name)
                : sealed_file_written(m->out, write_rows(m, to, t, count, values, &growing));
    }
    mem_give(m->mem, values);
    return s;
}

status import_tensor(importer *m, hid_t from, dialect_group *to, const char *name)
{
    catalogue_tensor t = {.name = (char *)name}; /* which is only read */
    hid_t dataset = H5Dopen2(from, name, H5P_DEFAULT);
    if (dataset < 0)
        return import_unreadable(m, name);
    status s = read_form(m, dataset, &t);
    if (s == OK)
        s = copy_rows(m, dataset, to, &t);
    H5Dclose(dataset);
    return s;
}
