/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_write.c - writes a checkpoint: HDF5 into a temporary file, then its seal, then the rename. */
#include "io/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/checkpoint_seal.h"
#include "io/hdf5.h"

struct checkpoint_writer {
    mem *mem;
    atomic_file target;
    hdf5_bytes bytes;
    int fd;
    hid_t file;
    status failure; /* of an earlier write */
    char group_path[STORED_PATH_MAX + 1];
    hid_t group; /* the one written to last, negative before */
};

/* Gives the writer's own parts back; the temporary file is the caller's to end. */
static void release(checkpoint_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    mem_give(w->mem, w);
}

static status start_file(checkpoint_writer *w)
{
    hdf5_guard guard;
    w->fd = open(w->target.temporary, O_RDWR | O_CLOEXEC);
    if (w->fd < 0)
        return fail(ERR_IO, "%s: cannot open: %s", w->target.temporary, strerror(errno));
    hdf5_enter(&guard);
    w->file = hdf5_create(&w->bytes, w->fd, SEAL_SIZE);
    hdf5_leave(&guard);
    return w->file >= 0 ? OK : hdf5_write_failed(&w->bytes, w->target.path, "", NULL);
}

status checkpoint_create(mem *m, const char *path, checkpoint_writer **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    checkpoint_writer *w = p;
    w->mem = m;
    w->fd = -1;
    w->file = w->group = -1;
    status s = atomic_file_begin(m, path, &w->target);
    if (s != OK) {
        release(w);
        return s;
    }
    s = start_file(w);
    if (s != OK) {
        checkpoint_cancel(w);
        return s;
    }
    *out = w;
    return OK;
}

/* Makes `path` the group that is written to. */
static status enter_group(checkpoint_writer *w, const char *path, const char *name)
{
    if (!stored_path_ok(path) || !stored_name_ok(name))
        return fail(ERR_ARGUMENT, "%s: \"%.64s/%.64s\" is not a name: 1 to %d printable characters",
                    w->target.path, path, name, STORED_NAME_MAX);
    if (w->group >= 0 && strcmp(w->group_path, path) == 0)
        return OK;
    H5Gclose(w->group);
    w->group = hdf5_group(w->file, path);
    if (w->group < 0)
        return hdf5_write_failed(&w->bytes, w->target.path, path, "");
    strcpy(w->group_path, path);
    return OK;
}

/* After a write: its failure, or the driver's, is the writer's from now on. */
static status written(checkpoint_writer *w, const char *group, const char *name, int result)
{
    if (result < 0 || w->bytes.error)
        w->failure = hdf5_write_failed(&w->bytes, w->target.path, group, name);
    return w->failure;
}

static status put_attribute(checkpoint_writer *w, const char *group, const char *name,
                            const catalogue_attribute *value)
{
    TRY(enter_group(w, group, name));
    if (H5Aexists(w->group, name) > 0)
        return fail(ERR_ARGUMENT, "%s: attribute %s of /%s is written twice", w->target.path, name, group);
    int result = value->type == STORED_I64   ? hdf5_put_int(w->group, name, value->integer)
                 : value->type == STORED_F64 ? hdf5_put_real(w->group, name, value->real)
                                             : hdf5_put_text(w->group, name, value->text);
    return written(w, group, name, result);
}

static status put_locked(checkpoint_writer *w, const char *group, const char *name,
                         const catalogue_attribute *value)
{
    hdf5_guard guard;
    if (w->failure != OK)
        return fail(w->failure, "%s: an earlier write failed", w->target.path);
    hdf5_enter(&guard);
    status s = put_attribute(w, group, name, value);
    hdf5_leave(&guard);
    return s;
}

status checkpoint_put_int(checkpoint_writer *w, const char *group, const char *name, int64_t value)
{
    return put_locked(w, group, name, &(catalogue_attribute){.type = STORED_I64, .integer = value});
}

status checkpoint_put_real(checkpoint_writer *w, const char *group, const char *name, double value)
{
    return put_locked(w, group, name, &(catalogue_attribute){.type = STORED_F64, .real = value});
}

status checkpoint_put_text(checkpoint_writer *w, const char *group, const char *name, const char *value)
{
    if (strnlen(value, STORED_TEXT_MAX + 1) > STORED_TEXT_MAX)
        return fail(ERR_ARGUMENT, "%s: attribute %s of /%s is longer than %d bytes", w->target.path, name,
                    group, STORED_TEXT_MAX);
    /* put_attribute() does not write to the text */
    return put_locked(w, group, name, &(catalogue_attribute){.type = STORED_TEXT, .text = (char *)value});
}

static status put_tensor(checkpoint_writer *w, const char *group, const char *name, stored_type type,
                         int rank, const int64_t *dims, const void *values)
{
    TRY(enter_group(w, group, name));
    if (hdf5_has_link(w->group, name) > 0)
        return fail(ERR_ARGUMENT, "%s: /%s/%s is written twice", w->target.path, group, name);
    return written(w, group, name, hdf5_put_tensor(w->group, name, type, rank, dims, NULL, values));
}

status checkpoint_put_tensor(checkpoint_writer *w, const char *group, const char *name, checkpoint_type type,
                             int rank, const int64_t *dims, const void *values)
{
    hdf5_guard guard;
    if (w->failure != OK)
        return fail(w->failure, "%s: an earlier write failed", w->target.path);
    if (rank < 0 || rank > STORED_RANK_MAX || stored_bytes((stored_type)type, rank, dims) == 0)
        return fail(ERR_ARGUMENT, "%s: /%s/%s has rank %d or an extent that no tensor has", w->target.path,
                    group, name, rank);
    hdf5_enter(&guard);
    status s = put_tensor(w, group, name, (stored_type)type, rank, dims, values);
    hdf5_leave(&guard);
    return s;
}

static status close_hdf5(checkpoint_writer *w)
{
    hdf5_guard guard;
    if (w->file < 0)
        return OK;
    hdf5_enter(&guard);
    H5Gclose(w->group);
    status s = hdf5_close_written(&w->bytes, w->file, w->target.path);
    hdf5_leave(&guard);
    w->file = -1;
    return s;
}

static status close_and_seal(checkpoint_writer *w)
{
    TRY(close_hdf5(w));
    if (w->failure != OK)
        return fail(w->failure, "%s: an earlier write failed", w->target.path);
    TRY(seal_write(w->fd, w->target.path));
    int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0)
        return fail(ERR_IO, "%s: cannot close: %s", w->target.path, strerror(errno));
    return OK;
}

status checkpoint_finish(checkpoint_writer *w)
{
    status s = close_and_seal(w);
    if (s == OK)
        s = atomic_file_finish(&w->target);
    else
        atomic_file_abandon(&w->target);
    release(w);
    return s;
}

void checkpoint_cancel(checkpoint_writer *w)
{
    hdf5_guard guard;
    if (!w)
        return;
    if (w->file >= 0) {
        w->bytes.error = ECANCELED; /* nothing more needs to reach the disk */
        hdf5_enter(&guard);
        H5Gclose(w->group);
        hdf5_close(&w->bytes, w->file);
        hdf5_leave(&guard);
    }
    atomic_file_abandon(&w->target);
    release(w);
}
