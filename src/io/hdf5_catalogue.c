/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_catalogue.c - walks an untrusted HDF5 file and refuses everything except plain objects.
 *
 * Each object's header is checked before anything that depends on it is read: a link's type before it is
 * followed, filters before what they filter, layout before the extent (asking a virtual dataset for its
 * extent opens other files). */
#include "io/hdf5.h"

#include <stdio.h>
#include <string.h>

#include "io/address_set.h"

enum { ATTRIBUTES_MAX = 4 * STORED_OBJECTS_MAX, DEPTH_MAX = 16 };

typedef struct walk {
    catalogue *c;
    status failure; /* of one of this file's callbacks; OK: HDF5's own */
    uint64_t file_size;
    uint64_t stored;       /* bytes of all values so far */
    const char *path;      /* of the group being listed */
    const char *last_name; /* within it */
    address_set seen;      /* of groups and datasets */
} walk;

static status refuse(const walk *w, const char *name, const char *what)
{
    return fail(ERR_SCHEMA, "%s: /%s%s%s %s", w->c->label, w->path, *w->path && *name ? "/" : "", name, what);
}

static status unreadable(const walk *w, const char *name)
{
    return fail(ERR_FORMAT, "%s: HDF5 cannot read /%s%s%s", w->c->label, w->path,
                *w->path && *name ? "/" : "", name);
}

/* Adds to the size that the file claims to hold, which must not exceed the file. */
static status count_stored(walk *w, const char *name, uint64_t bytes)
{
    if (bytes > w->file_size || w->stored > w->file_size - bytes)
        return refuse(w, name, "makes the contents larger than the file");
    w->stored += bytes;
    return OK;
}

static status check_name(const walk *w, const char *name)
{
    int named_by_users = w->c->user_names && strcmp(w->path, w->c->user_names) == 0;
    if (named_by_users ? !stored_user_name_ok(name) : !stored_name_ok(name))
        return fail(ERR_SCHEMA, "%s: /%s holds a name that is not 1 to %d printable characters", w->c->label,
                    w->path, STORED_NAME_MAX);
    return OK;
}

/* Checks that a name comes after the one before, because look-ups rely on the order and equal names would
 * hide each other. */
static status check_order(walk *w, const char *last, const char *name)
{
    return last && strcmp(last, name) >= 0 ? refuse(w, name, "is listed out of order or twice") : OK;
}

/* ---- attributes ---- */

static status read_text(walk *w, hid_t attribute, hid_t type, catalogue_attribute *a)
{
    size_t size = H5Tget_size(type);
    if (H5Tis_variable_str(type) != 0 || size == 0 || size > STORED_TEXT_MAX ||
        H5Tget_strpad(type) == H5T_STR_SPACEPAD)
        return refuse(w, a->name, "is a text that is not of fixed length, zero padded and up to 65535 bytes");
    void *text;
    TRY(count_stored(w, a->name, size));
    TRY(mem_zeros(w->c->mem, size + 1, 1, &text));
    a->text = text;
    a->type = STORED_TEXT;
    return H5Aread(attribute, type, text) >= 0 ? OK : unreadable(w, a->name);
}

static status read_number(walk *w, hid_t attribute, hid_t type, catalogue_attribute *a)
{
    int done;
    if (H5Tequal(type, H5T_STD_I64LE) > 0) {
        a->type = STORED_I64;
        done = H5Aread(attribute, H5T_NATIVE_INT64, &a->integer);
    } else if (H5Tequal(type, H5T_IEEE_F64LE) > 0) {
        a->type = STORED_F64;
        done = H5Aread(attribute, H5T_NATIVE_DOUBLE, &a->real);
    } else {
        return refuse(w, a->name, "is an attribute that is neither int64, float64 nor text");
    }
    return done >= 0 ? count_stored(w, a->name, 8) : unreadable(w, a->name);
}

static status read_attribute(walk *w, hid_t attribute, catalogue_attribute *a)
{
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    status s = OK;
    if (type < 0 || space < 0)
        s = unreadable(w, a->name);
    else if (H5Tcommitted(type) != 0 || H5Sget_simple_extent_type(space) != H5S_SCALAR)
        s = refuse(w, a->name, "is an attribute that is not a single value");
    else if (H5Tget_class(type) == H5T_STRING)
        s = read_text(w, attribute, type, a);
    else
        s = read_number(w, attribute, type, a);
    H5Sclose(space);
    H5Tclose(type);
    return s;
}

static status visit_attribute(walk *w, hid_t group, const char *name)
{
    catalogue_attribute *a;
    TRY(check_name(w, name));
    TRY(check_order(w, w->last_name, name));
    if (w->c->attribute_count >= ATTRIBUTES_MAX)
        return refuse(w, name, "is one attribute too many");
    TRY(catalogue_add_attribute(w->c, name, &a));
    w->last_name = a->name;
    hid_t attribute = H5Aopen(group, name, H5P_DEFAULT);
    if (attribute < 0)
        return unreadable(w, name);
    status s = read_attribute(w, attribute, a);
    H5Aclose(attribute);
    return s;
}

static herr_t on_attribute(hid_t group, const char *name, const H5A_info_t *info, void *user)
{
    (void)info;
    walk *w = user;
    w->failure = visit_attribute(w, group, name);
    return w->failure == OK ? 0 : -1;
}

/* ---- tensors ---- */

static status refuse_type(const walk *w, const char *name)
{
    char text[160] = "is neither";
    size_t at = strlen(text);
    for (int known = STORED_F32; known < STORED_TEXT; known++)
        if (w->c->types >> known & 1)
            at += (size_t)snprintf(text + at, sizeof text - at, " %s,", stored_type_name((stored_type)known));
    snprintf(text + at, sizeof text - at, " little-endian");
    return refuse(w, name, text);
}

static status check_type(const walk *w, hid_t type, catalogue_tensor *t)
{
    if (H5Tcommitted(type) != 0)
        return refuse(w, t->name, "has a named type");
    for (int known = STORED_F32; known < STORED_TEXT; known++) {
        hid_t plain = hdf5_stored_type((stored_type)known);
        int same = H5Tequal(type, plain) > 0;
        H5Tclose(plain);
        if (!same || !(w->c->types >> known & 1))
            continue;
        t->type = (stored_type)known;
        return OK;
    }
    return refuse_type(w, t->name);
}

static status check_extent(const walk *w, hid_t space, catalogue_tensor *t)
{
    H5S_class_t kind = H5Sget_simple_extent_type(space);
    hsize_t dims[H5S_MAX_RANK];
    if (kind != H5S_SCALAR && kind != H5S_SIMPLE)
        return refuse(w, t->name, "has no values");
    t->rank = H5Sget_simple_extent_ndims(space);
    if (t->rank < 0 || t->rank > STORED_RANK_MAX)
        return refuse(w, t->name, "has more than six axes");
    if (H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        return unreadable(w, t->name);
    for (int i = 0; i < t->rank; i++)
        t->dims[i] = dims[i] > INT64_MAX ? 0 : (int64_t)dims[i];
    if (stored_bytes(t->type, t->rank, t->dims) == 0)
        return refuse(w, t->name, "has an extent of 0 or too large");
    return OK;
}

static status check_filters(const walk *w, const char *name, hid_t plist)
{
    int count = H5Pget_nfilters(plist);
    if (count < 0)
        return unreadable(w, name);
    for (int i = 0; i < count; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            return refuse(w, name, "uses a filter other than deflate, shuffle and fletcher32");
    }
    return OK;
}

/* Checks the layout before the extent is read. */
static status check_layout(const walk *w, hid_t plist, const char *name)
{
    H5D_layout_t layout = H5Pget_layout(plist);
    if (layout == H5D_VIRTUAL)
        return refuse(w, name, "is a virtual dataset: its values are in other files");
    if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        return refuse(w, name, "is stored neither in one piece nor in chunks");
    if (H5Pget_external_count(plist) != 0)
        return refuse(w, name, "has its values in other files");
    return check_filters(w, name, plist);
}

static status read_chunks(const walk *w, hid_t plist, catalogue_tensor *t)
{
    hsize_t sizes[H5S_MAX_RANK];
    if (H5Pget_chunk(plist, H5S_MAX_RANK, sizes) != t->rank)
        return unreadable(w, t->name);
    for (int i = 0; i < t->rank; i++) {
        if (sizes[i] == 0 || sizes[i] > (hsize_t)t->dims[i])
            return refuse(w, t->name, "has chunks larger than itself");
        t->chunk[i] = (int64_t)sizes[i];
    }
    return OK;
}

/* A tensor in one piece must be stored in full and inside the file, because missing bytes would have
 * undefined values. */
static status check_storage(walk *w, hid_t dataset, hid_t plist, catalogue_tensor *t)
{
    uint64_t stored = H5Dget_storage_size(dataset), bytes = stored_bytes(t->type, t->rank, t->dims);
    if (H5Pget_layout(plist) == H5D_CHUNKED) {
        TRY(read_chunks(w, plist, t));
        return count_stored(w, t->name, stored);
    }
    haddr_t at = H5Dget_offset(dataset);
    if (stored != bytes || at == HADDR_UNDEF || at > w->file_size || bytes > w->file_size - at)
        return refuse(w, t->name, "is not stored in full");
    return count_stored(w, t->name, bytes);
}

static status check_dataset(walk *w, hid_t dataset, hid_t plist, catalogue_tensor *t)
{
    TRY(check_layout(w, plist, t->name));
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    status s = type < 0 || space < 0 ? unreadable(w, t->name) : check_type(w, type, t);
    if (s == OK)
        s = check_extent(w, space, t);
    if (s == OK)
        s = check_storage(w, dataset, plist, t);
    H5Sclose(space);
    H5Tclose(type);
    return s;
}

static status visit_dataset(walk *w, hid_t group, const char *name)
{
    catalogue_tensor *t;
    TRY(check_order(w, w->last_name, name));
    TRY(catalogue_add_tensor(w->c, name, &t));
    w->last_name = t->name;
    hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
    hid_t plist = dataset < 0 ? -1 : H5Dget_create_plist(dataset);
    status s = plist < 0 ? unreadable(w, name) : check_dataset(w, dataset, plist, t);
    H5Pclose(plist);
    H5Dclose(dataset);
    return s;
}

/* ---- links ---- */

/* Checks that one hard link leads to each object, so that the walk is finite and the sum of sizes correct. */
static status mark_seen(walk *w, const char *name, haddr_t address)
{
    int is_new;
    if (w->seen.count >= STORED_OBJECTS_MAX)
        return refuse(w, name, "is one object too many");
    TRY(address_set_add(&w->seen, address, &is_new));
    return is_new ? OK : refuse(w, name, "is the same object as another name");
}

static status object_info(const walk *w, hid_t group, const char *name, const H5L_info_t *link,
                          H5O_info_t *info)
{
    TRY(check_name(w, name));
    if (link->type != H5L_TYPE_HARD)
        return refuse(w, name, "is a soft or external link");
    if (H5Oget_info_by_name2(group, name, info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS, H5P_DEFAULT) < 0)
        return unreadable(w, name);
    return OK;
}

static status first_pass(walk *w, hid_t group, const char *name, const H5L_info_t *link)
{
    H5O_info_t info;
    TRY(object_info(w, group, name, link, &info));
    if (info.type != H5O_TYPE_GROUP && info.type != H5O_TYPE_DATASET)
        return refuse(w, name, "is neither a group nor a dataset");
    if (info.rc != 1)
        return refuse(w, name, "has more than one name");
    TRY(mark_seen(w, name, info.addr));
    if (info.type == H5O_TYPE_GROUP)
        return OK;
    if (info.num_attrs != 0)
        return refuse(w, name, "is a dataset with attributes");
    return visit_dataset(w, group, name);
}

static herr_t on_first_pass(hid_t group, const char *name, const H5L_info_t *link, void *user)
{
    walk *w = user;
    w->failure = first_pass(w, group, name, link);
    return w->failure == OK ? 0 : -1;
}

static status visit_group(walk *w, hid_t group, const char *path, int depth);

static status second_pass(walk *w, hid_t group, const char *name, const H5L_info_t *link, int depth)
{
    H5O_info_t info;
    char path[STORED_PATH_MAX + 1];
    TRY(object_info(w, group, name, link, &info));
    if (info.type != H5O_TYPE_GROUP)
        return OK;
    if (depth >= DEPTH_MAX)
        return refuse(w, name, "is nested too deep");
    const char *parent = w->path;
    int length = snprintf(path, sizeof path, "%s%s%s", parent, *parent ? "/" : "", name);
    if (length >= (int)sizeof path)
        return refuse(w, name, "is nested too deep");
    hid_t child = H5Gopen2(group, name, H5P_DEFAULT);
    status s = child < 0 ? unreadable(w, name) : visit_group(w, child, path, depth + 1);
    H5Gclose(child);
    w->path = parent;
    return s;
}

typedef struct descent {
    walk *w;
    int depth;
} descent;

static herr_t on_second_pass(hid_t group, const char *name, const H5L_info_t *link, void *user)
{
    descent *d = user;
    d->w->failure = second_pass(d->w, group, name, link, d->depth);
    return d->w->failure == OK ? 0 : -1;
}

/* Returns the status of an HDF5 iteration: the callback's failure, or HDF5's. */
static status outcome(const walk *w, herr_t result)
{
    if (w->failure != OK)
        return w->failure;
    return result < 0 ? unreadable(w, "") : OK;
}

static status group_filters(walk *w, hid_t group)
{
    hid_t plist = H5Gget_create_plist(group);
    if (plist < 0)
        return unreadable(w, "");
    int count = H5Pget_nfilters(plist);
    H5Pclose(plist);
    return count == 0 ? OK : refuse(w, "", "is a group with filters");
}

/* Lists attributes, then datasets, then groups, so that a group's entries are contiguous in the catalogue. */
static status visit_group(walk *w, hid_t group, const char *path, int depth)
{
    descent d = {w, depth};
    w->path = path;
    TRY(catalogue_add_group(w->c, path));
    TRY(group_filters(w, group));
    w->last_name = NULL;
    TRY(outcome(w, H5Aiterate2(group, H5_INDEX_NAME, H5_ITER_INC, NULL, on_attribute, w)));
    w->last_name = NULL;
    TRY(outcome(w, H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, on_first_pass, w)));
    return outcome(w, H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, on_second_pass, &d));
}

status hdf5_catalogue(hid_t file, uint64_t file_size, catalogue *c)
{
    walk w = {.c = c, .file_size = file_size, .path = "", .seen.mem = c->mem};
    hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    status s = root < 0 ? unreadable(&w, "") : visit_group(&w, root, "", 0);
    H5Gclose(root);
    address_set_free(&w.seen);
    return s;
}
