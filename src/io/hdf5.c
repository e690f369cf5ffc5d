/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5.c - the lock, and helpers that write groups, attributes and tensors. */
#include "io/hdf5.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io/utf8.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- memory ---- */

/* HDF5 crashes where it finds no memory to open a file, and cannot close one where it finds none for that.
 * What it needs for either is less than this. */
enum { RESERVE = 4 << 20 };

static _Thread_local int ran_out; /* since hdf5_enter() */

static herr_t look(unsigned index, const H5E_error2_t *error, void *user)
{
    (void)index;
    (void)user;
    ran_out |= error->maj_num == H5E_RESOURCE;
    return 0;
}

/* In the place of what prints errors. */
static herr_t note(hid_t stack, void *user)
{
    return H5Ewalk2(stack, H5E_WALK_DOWNWARD, look, user);
}

int hdf5_has_memory(void)
{
    void *block = malloc(RESERVE);
    free(block);
    ran_out |= !block;
    return block != NULL;
}

void hdf5_take_reserve(hdf5_bytes *b)
{
    b->reserve = malloc(RESERVE);
    ran_out |= !b->reserve;
}

void hdf5_give_reserve(hdf5_bytes *b)
{
    free(b->reserve);
    b->reserve = NULL;
}

/* ---- the lock ---- */

void hdf5_enter(hdf5_guard *g)
{
    pthread_mutex_lock(&lock);
    memset(g, 0, sizeof *g);
    ran_out = 0;
    g->is_v2 = 1;
    H5Eauto_is_v2(H5E_DEFAULT, &g->is_v2);
    if (g->is_v2) {
        H5Eget_auto2(H5E_DEFAULT, &g->print2, &g->data);
        H5Eset_auto2(H5E_DEFAULT, note, NULL);
    } else {
        H5Eget_auto1(&g->print1, &g->data);
        H5Eset_auto1(NULL, NULL);
    }
}

void hdf5_leave(hdf5_guard *g)
{
    if (g->is_v2)
        H5Eset_auto2(H5E_DEFAULT, g->print2, g->data);
    else
        H5Eset_auto1(g->print1, g->data);
    pthread_mutex_unlock(&lock);
}

status hdf5_write_failed(const hdf5_bytes *b, const char *label, const char *group, const char *name)
{
    const char *reason = b->error ? strerror(b->error) : "HDF5 refused";
    if (ran_out || (!name && !b->error)) /* to begin and to end a file takes nothing but memory and writing */
        return fail_memory();
    if (!name)
        return fail(ERR_IO, "%s: cannot write: %s", label, reason);
    return fail(ERR_IO, "%s: cannot write /%s%s%s: %s", label, group, *group ? "/" : "", name, reason);
}

status hdf5_close_written(hdf5_bytes *b, hid_t file, const char *label)
{
    hdf5_give_reserve(b);
    int flushed = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0;
    int closed = hdf5_close(b, file);
    return flushed && closed && !b->error ? OK : hdf5_write_failed(b, label, "", NULL);
}

int hdf5_has_link(hid_t group, const char *name)
{
    return H5Lexists(group, name, H5P_DEFAULT);
}

/* How a link of this name is made: one that is not ASCII says that it is UTF-8. The default otherwise, so
 * that files of ASCII names keep their bytes. */
static hid_t link_list(const char *name)
{
    while (*name > 0)
        name++;
    hid_t plist = *name ? H5Pcreate(H5P_LINK_CREATE) : H5P_DEFAULT;
    if (*name && plist >= 0)
        H5Pset_char_encoding(plist, H5T_CSET_UTF8);
    return plist;
}

static hid_t new_group(hid_t parent, const char *name)
{
    hid_t plist = H5Pcreate(H5P_GROUP_CREATE);
    hid_t link = link_list(name);
    hid_t group = -1;
    if (plist >= 0 && link >= 0 && H5Pset_obj_track_times(plist, 0) >= 0)
        group = H5Gcreate2(parent, name, link, plist, H5P_DEFAULT);
    if (link > 0)
        H5Pclose(link);
    H5Pclose(plist);
    return group;
}

hid_t hdf5_group(hid_t file, const char *path)
{
    hid_t group = H5Gopen2(file, "/", H5P_DEFAULT);
    while (group >= 0 && *path) {
        char name[STORED_NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        memcpy(name, path, length);
        name[length] = 0;
        path += path[length] ? length + 1 : length;
        int exists = hdf5_has_link(group, name);
        hid_t child = exists < 0 ? -1 : exists ? H5Gopen2(group, name, H5P_DEFAULT) : new_group(group, name);
        H5Gclose(group);
        group = child;
    }
    return group;
}

static int put_attribute(hid_t group, const char *name, hid_t stored, hid_t native, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(group, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    int done = attribute >= 0 && H5Awrite(attribute, native, value) >= 0 ? 0 : -1;
    if (attribute >= 0 && H5Aclose(attribute) < 0)
        done = -1;
    H5Sclose(space);
    return done;
}

int hdf5_put_int(hid_t group, const char *name, int64_t value)
{
    return put_attribute(group, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

int hdf5_put_real(hid_t group, const char *name, double value)
{
    return put_attribute(group, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

/* Copies a text; each byte that is not plain text becomes '?', because no reader takes it. */
static void copy_plain(const char *from, size_t length, char *to)
{
    for (size_t i = 0; i < length;) {
        size_t plain = utf8_plain(from + i, length - i);
        memcpy(to + i, from + i, plain);
        i += plain;
        if (i < length)
            to[i++] = '?';
    }
    to[length] = 0;
}

static int put_plain(hid_t group, const char *name, hid_t type, const char *value, size_t length)
{
    char *plain = malloc(length + 1);
    ran_out |= !plain;
    if (!plain)
        return -1;
    copy_plain(value, length, plain);
    int done = put_attribute(group, name, type, type, plain);
    free(plain);
    return done;
}

int hdf5_put_text(hid_t group, const char *name, const char *value)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    int done = -1;
    size_t length = strlen(value);
    if (type >= 0 && H5Tset_size(type, length ? length : 1) >= 0 &&
        H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0)
        done = put_plain(group, name, type, value, length);
    H5Tclose(type);
    return done;
}

/* A float32 type reduced to 16 bits of sign, exponent and mantissa, which any reader of HDF5 converts to
 * numbers. */
static hid_t half_type(hid_t single, size_t exponent_bits)
{
    hid_t type = H5Tcopy(single);
    size_t mantissa_bits = 15 - exponent_bits;
    if (type >= 0 && H5Tset_fields(type, 15, mantissa_bits, exponent_bits, 0, mantissa_bits) >= 0 &&
        H5Tset_size(type, 2) >= 0 && H5Tset_ebias(type, ((size_t)1 << (exponent_bits - 1)) - 1) >= 0)
        return type;
    H5Tclose(type);
    return -1;
}

hid_t hdf5_stored_type(stored_type type)
{
    switch (type) {
    case STORED_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case STORED_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case STORED_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case STORED_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case STORED_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case STORED_BF16:
        return half_type(H5T_IEEE_F32LE, 8);
    case STORED_F16:
        return half_type(H5T_IEEE_F32LE, 5);
    default:
        return H5Tcopy(H5T_STD_U64LE);
    }
}

hid_t hdf5_native_type(stored_type type)
{
    switch (type) {
    case STORED_F32:
        return H5Tcopy(H5T_NATIVE_FLOAT);
    case STORED_F64:
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    case STORED_I64:
        return H5Tcopy(H5T_NATIVE_INT64);
    case STORED_U8:
        return H5Tcopy(H5T_NATIVE_UINT8);
    case STORED_I32:
        return H5Tcopy(H5T_NATIVE_INT32);
    case STORED_BF16:
        return half_type(H5T_NATIVE_FLOAT, 8);
    case STORED_F16:
        return half_type(H5T_NATIVE_FLOAT, 5);
    default:
        return H5Tcopy(H5T_NATIVE_UINT64);
    }
}

static void to_hsize(int rank, const int64_t *from, hsize_t to[STORED_RANK_MAX])
{
    for (int i = 0; i < rank; i++)
        to[i] = (hsize_t)from[i];
}

static int set_chunks(hid_t plist, int rank, const int64_t *chunk)
{
    hsize_t sizes[STORED_RANK_MAX];
    to_hsize(rank, chunk, sizes);
    return H5Pset_chunk(plist, rank, sizes) >= 0 && H5Pset_shuffle(plist) >= 0 &&
           H5Pset_deflate(plist, 1) >= 0;
}

/* Creates a dataset; a chunked one may grow along the first axis. Negative on failure. */
static hid_t new_dataset(hid_t group, const char *name, stored_type type, int rank, const int64_t *dims,
                         const int64_t *chunk)
{
    hsize_t extent[STORED_RANK_MAX], most[STORED_RANK_MAX];
    to_hsize(rank, dims, extent);
    to_hsize(rank, dims, most);
    most[0] = H5S_UNLIMITED;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = rank ? H5Screate_simple(rank, extent, chunk ? most : NULL) : H5Screate(H5S_SCALAR);
    hid_t stored = hdf5_stored_type(type), dataset = -1;
    if (plist >= 0 && space >= 0 && H5Pset_obj_track_times(plist, 0) >= 0 &&
        H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER) >= 0 && (!chunk || set_chunks(plist, rank, chunk)))
        dataset = H5Dcreate2(group, name, stored, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Tclose(stored);
    H5Sclose(space);
    H5Pclose(plist);
    return dataset;
}

int hdf5_put_tensor(hid_t group, const char *name, stored_type type, int rank, const int64_t *dims,
                    const int64_t *chunk, const void *values)
{
    hid_t dataset = new_dataset(group, name, type, rank, dims, chunk), native = hdf5_native_type(type);
    int done = -1;
    if (dataset >= 0 && H5Dwrite(dataset, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0)
        done = 0;
    if (dataset >= 0 && H5Dclose(dataset) < 0)
        done = -1;
    H5Tclose(native);
    return done;
}

/* Writes rows [first, first + dims[0]) of a dataset. */
static int write_rows(hid_t dataset, hid_t native, int rank, const int64_t *dims, int64_t first,
                      const void *values)
{
    hsize_t start[STORED_RANK_MAX] = {(hsize_t)first}, count[STORED_RANK_MAX];
    to_hsize(rank, dims, count);
    hid_t space = H5Dget_space(dataset), part = H5Screate_simple(rank, count, NULL);
    int done = -1;
    if (space >= 0 && part >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0)
        done = H5Dwrite(dataset, native, part, space, H5P_DEFAULT, values);
    H5Sclose(part);
    H5Sclose(space);
    return done;
}

int hdf5_append_rows(hid_t group, const char *name, stored_type type, int rank, const int64_t *dims,
                     int64_t first, const void *values)
{
    hsize_t extent[STORED_RANK_MAX];
    to_hsize(rank, dims, extent);
    extent[0] += (hsize_t)first;
    hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT), native = hdf5_native_type(type);
    int done = -1;
    if (dataset >= 0 && H5Dset_extent(dataset, extent) >= 0)
        done = write_rows(dataset, native, rank, dims, first, values);
    if (dataset >= 0 && H5Dclose(dataset) < 0)
        done = -1;
    H5Tclose(native);
    return done;
}
