/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_import.c - walks a file with HDF5 and writes what it finds. */
#include "io/hdf5_import.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/checkpoint_seal.h"
#include "io/dataset_seal.h"
#include "io/hdf5_import_parts.h"
#include "io/input_file.h"

enum { DEPTH_MAX = 16, DEFLATE_MOST = 1100 };

status import_refuse(const importer *m, const char *name, const char *what)
{
    return fail(ERR_SCHEMA, "%s: /%s%s%s %s", m->label, m->path, *m->path && *name ? "/" : "", name, what);
}

status import_unreadable(const importer *m, const char *name)
{
    return fail(ERR_FORMAT, "%s: HDF5 cannot read /%s%s%s", m->label, m->path, *m->path && *name ? "/" : "",
                name);
}

/* No deflated bytes become more than this. */
status import_count(importer *m, const char *name, uint64_t bytes)
{
    uint64_t most = m->file_size * DEFLATE_MOST + (1 << 20);
    if (bytes > most || m->values > most - bytes)
        return import_refuse(m, name, "holds more values than a file of this size can");
    m->values += bytes;
    return OK;
}

/* ---- groups ---- */

static status copy_group(importer *m, hid_t from, dialect_group *to, const char *path, int depth);

static status copy_child(importer *m, hid_t from, dialect_group *parent_to, const char *name, int depth)
{
    char path[STORED_PATH_MAX + 1];
    const char *parent = m->path;
    int length = snprintf(path, sizeof path, "%s%s%s", parent, *parent ? "/" : "", name);
    if (depth >= DEPTH_MAX || length >= (int)sizeof path)
        return import_refuse(m, name, "is nested too deep");
    dialect_group *to;
    TRY(dialect_new_group(&m->out->file, parent_to, name, &to));
    hid_t child = H5Gopen2(from, name, H5P_DEFAULT);
    status s = child < 0 ? import_unreadable(m, name) : copy_group(m, child, to, path, depth + 1);
    H5Gclose(child);
    if (s == OK)
        s = sealed_file_written(m->out, dialect_close_group(&m->out->file, to));
    m->path = parent;
    return s;
}

static status copy_link(importer *m, hid_t from, dialect_group *to, const char *name, int depth)
{
    H5L_info_t link;
    H5O_info_t object;
    if (H5Lget_info(from, name, &link, H5P_DEFAULT) < 0)
        return import_unreadable(m, name);
    if (link.type != H5L_TYPE_HARD)
        return import_refuse(m, name, "is a soft or external link");
    if (H5Oget_info_by_name2(from, name, &object, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS, H5P_DEFAULT) < 0)
        return import_unreadable(m, name);
    if (++m->objects > STORED_OBJECTS_MAX)
        return import_refuse(m, name, "is one object too many");
    if (object.type == H5O_TYPE_GROUP)
        return copy_child(m, from, to, name, depth);
    if (object.type != H5O_TYPE_DATASET)
        return import_refuse(m, name, "is neither a group nor a dataset");
    return object.num_attrs == 0 ? import_tensor(m, from, to, name)
                                 : import_refuse(m, name, "is a dataset with attributes");
}

static status copy_links(importer *m, hid_t from, dialect_group *to, int depth)
{
    H5G_info_t info;
    char name[STORED_NAME_MAX + 2];
    if (H5Gget_info(from, &info) < 0)
        return import_unreadable(m, "");
    for (hsize_t i = 0; i < info.nlinks; i++) {
        ssize_t length =
            H5Lget_name_by_idx(from, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        if (length < 0)
            return import_unreadable(m, "");
        if (length > STORED_NAME_MAX || !stored_user_name_ok(name))
            return import_refuse(m, "", "holds a name that is not 1 to 255 printable characters");
        TRY(copy_link(m, from, to, name, depth));
    }
    return OK;
}

static status copy_group(importer *m, hid_t from, dialect_group *to, const char *path, int depth)
{
    m->path = path;
    TRY(import_attributes(m, from, to));
    return copy_links(m, from, to, depth);
}

/* ---- the file ---- */

static status find_kind(const importer *m, hid_t root, hdf5_import_kind *kind)
{
    *kind = hdf5_has_link(root, "model") > 0 ? HDF5_IMPORT_CHECKPOINT : HDF5_IMPORT_SET;
    if (*kind == HDF5_IMPORT_CHECKPOINT || hdf5_has_link(root, "fields") > 0)
        return OK;
    return import_refuse(m, "",
                         "has neither /model nor /fields: it is no checkpoint, and no training set of "
                         "version 2 or later");
}

static status copy_all(importer *m, hid_t file, hdf5_import_kind *kind)
{
    hid_t root = file < 0 ? -1 : H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0)
        return fail(ERR_FORMAT, "%s: HDF5 cannot open it", m->label);
    status s = find_kind(m, root, kind);
    m->is_set = *kind == HDF5_IMPORT_SET;
    if (s == OK)
        s = copy_group(m, root, m->out->file.root, "", 0);
    H5Gclose(root);
    return s;
}

/* Filters that HDF5 does not have itself are code from other places. */
static status copy(importer *m, hdf5_import_kind *kind)
{
    hdf5_guard guard;
    hdf5_enter(&guard);
    H5PLset_loading_state(0);
    hid_t file = H5Fopen(m->label, H5F_ACC_RDONLY, H5P_DEFAULT);
    status s = copy_all(m, file, kind);
    if (file >= 0)
        H5Fclose(file);
    hdf5_leave(&guard);
    return s;
}

/* Messages of the check name the file under its temporary name. */
static status say_of(const char *path, const char *temporary, status s)
{
    char text[STATUS_TEXT_MAX];
    size_t length = strlen(temporary);
    snprintf(text, sizeof text, "%s", status_text());
    if (strncmp(text, temporary, length) != 0)
        return s;
    return fail(s, "%s%s", path, text + length);
}

static status publish(importer *m, hdf5_import_kind kind, hdf5_import_check check, void *user)
{
    sealed_file *out = m->out;
    TRY(sealed_file_seal(out, m->is_set ? dataset_seal_write : seal_write));
    status s = check(user, kind, out->target.temporary);
    if (s == OK)
        return sealed_file_publish(out);
    s = say_of(m->label, out->target.temporary, s);
    sealed_file_cancel(out);
    return s;
}

status hdf5_import(mem *m, const char *path, const char *out, hdf5_import_check check, void *user)
{
    sealed_file file;
    int fd;
    hdf5_import_kind kind = HDF5_IMPORT_SET;
    importer it = {.mem = m, .label = path, .path = "", .out = &file};
    TRY(input_file_open(path, &fd, &it.file_size));
    close(fd);
    TRY(sealed_file_begin(m, out, DATASET_BLOCK, &file));
    status s = copy(&it, &kind);
    if (s == OK)
        return publish(&it, kind, check, user);
    sealed_file_cancel(&file);
    return s;
}
