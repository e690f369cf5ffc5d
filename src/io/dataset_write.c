/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_write.c - writes a training set's file, a subject at a time, and renames it into place at the end.
 */
#include "io/dataset_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/dataset_format.h"
#include "io/hdf5.h"

struct dataset_file_writer {
    mem *mem;
    atomic_file target;
    hdf5_bytes bytes;
    int fd;
    hid_t file;
    status failure; /* of an earlier write */
    slmt_preprocess preprocess;
    char contrasts[CONTRASTS_MAX][CONTRAST_NAME_MAX + 1];
    size_t contrast_count;
    int64_t subject_count;
    hid_t subject; /* the group being filled; negative between subjects */
    char subject_name[SUBJECT_NAME_MAX + 1];
};

const slmt_preprocess *dataset_file_writer_preprocess(const dataset_file_writer *w)
{
    return &w->preprocess;
}

size_t dataset_file_writer_contrasts(const dataset_file_writer *w)
{
    return w->contrast_count;
}

static void release(dataset_file_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    mem_give(w->mem, w);
}

static int put_contrasts(const dataset_file_writer *w, hid_t root)
{
    char text[CONTRASTS_MAX * (CONTRAST_NAME_MAX + 1) + 1];
    size_t length = 0;
    for (size_t i = 0; i < w->contrast_count; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? "," : "", w->contrasts[i]);
    return hdf5_put_text(root, "contrasts", text);
}

static int put_preprocess(const dataset_file_writer *w, hid_t root)
{
    for (size_t i = 0; i < DATASET_FIELDS; i++) {
        int32_t value;
        memcpy(&value, (const char *)&w->preprocess + dataset_fields[i].offset, sizeof value);
        if (hdf5_put_int(root, dataset_fields[i].name, value) < 0)
            return -1;
    }
    if (hdf5_put_real(root, "low_percentile", w->preprocess.low_percentile) < 0)
        return -1;
    return hdf5_put_real(root, "high_percentile", w->preprocess.high_percentile);
}

static int put_head(dataset_file_writer *w)
{
    w->file = hdf5_create(&w->bytes, w->fd, DATASET_BLOCK);
    if (w->file < 0)
        return -1;
    hid_t root = hdf5_group(w->file, ""), subjects = hdf5_group(w->file, "subjects");
    int done =
        root >= 0 && subjects >= 0 && put_contrasts(w, root) >= 0 && put_preprocess(w, root) >= 0 ? 0 : -1;
    H5Gclose(subjects);
    H5Gclose(root);
    return done;
}

static status start_file(dataset_file_writer *w)
{
    hdf5_guard guard;
    w->fd = open(w->target.temporary, O_RDWR | O_CLOEXEC);
    if (w->fd < 0)
        return fail(ERR_IO, "%s: cannot open: %s", w->target.temporary, strerror(errno));
    hdf5_enter(&guard);
    int done = put_head(w);
    hdf5_leave(&guard);
    return done >= 0 ? OK : hdf5_write_failed(&w->bytes, w->target.path, "", NULL);
}

status dataset_file_create(mem *m, const char *path, const slmt_preprocess *preprocess,
                           const char *const *contrasts, size_t count, dataset_file_writer **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    dataset_file_writer *w = p;
    w->mem = m;
    w->fd = -1;
    w->file = w->subject = -1;
    w->preprocess = *preprocess;
    w->contrast_count = count;
    for (size_t i = 0; i < count; i++)
        strcpy(w->contrasts[i], contrasts[i]);
    status s = atomic_file_begin(m, path, &w->target);
    if (s != OK) {
        release(w);
        return s;
    }
    s = start_file(w);
    if (s != OK)
        dataset_file_cancel(w);
    else
        *out = w;
    return s;
}

/* After a write to the subject: its failure, or the driver's, is the writer's from now on. */
static status written(dataset_file_writer *w, int result)
{
    char group[sizeof w->subject_name + 16];
    snprintf(group, sizeof group, "subjects/%s", w->subject_name);
    if (result < 0 || w->bytes.error)
        w->failure = hdf5_write_failed(&w->bytes, w->target.path, group, "");
    return w->failure;
}

static int subject_is_taken(const dataset_file_writer *w, const char *subject)
{
    hid_t subjects = hdf5_group(w->file, "subjects");
    int taken = subjects < 0 ? -1 : hdf5_has_link(subjects, subject);
    H5Gclose(subjects);
    return taken;
}

static int begin_subject(dataset_file_writer *w, int32_t split)
{
    char path[sizeof w->subject_name + 16];
    snprintf(path, sizeof path, "subjects/%s", w->subject_name);
    w->subject = hdf5_group(w->file, path);
    if (w->subject < 0 || hdf5_put_int(w->subject, "index", w->subject_count) < 0)
        return -1;
    return hdf5_put_text(w->subject, "split", dataset_split_name(split));
}

status dataset_file_begin(dataset_file_writer *w, const char *subject, int32_t split)
{
    hdf5_guard guard;
    if (w->failure != OK)
        return fail(w->failure, "%s: an earlier write failed", w->target.path);
    hdf5_enter(&guard);
    int taken = subject_is_taken(w, subject), result = taken;
    if (taken == 0) {
        strcpy(w->subject_name, subject);
        result = begin_subject(w, split);
    }
    hdf5_leave(&guard);
    if (taken > 0)
        return fail(ERR_ARGUMENT, "%s: there is a subject %s already", w->target.path, subject);
    return written(w, result);
}

status dataset_file_put(dataset_file_writer *w, size_t contrast, size_t slices, const float *pixels)
{
    hdf5_guard guard;
    int64_t side = w->preprocess.crop_size, dims[3] = {(int64_t)slices, side, side},
            chunk[3] = {1, side, side};
    hdf5_enter(&guard);
    int result = hdf5_put_tensor(w->subject, w->contrasts[contrast], STORED_F32, 3, dims, chunk, pixels);
    hdf5_leave(&guard);
    return written(w, result);
}

/* Closes the subject's group, or takes it out of the file. */
static int leave_subject(dataset_file_writer *w, int keep)
{
    hdf5_guard guard;
    hdf5_enter(&guard);
    int result = H5Gclose(w->subject);
    w->subject = -1;
    if (!keep) {
        hid_t subjects = hdf5_group(w->file, "subjects");
        result = H5Ldelete(subjects, w->subject_name, H5P_DEFAULT);
        H5Gclose(subjects);
    }
    hdf5_leave(&guard);
    return result;
}

status dataset_file_end(dataset_file_writer *w)
{
    TRY(written(w, leave_subject(w, 1)));
    w->subject_count++;
    return OK;
}

void dataset_file_undo(dataset_file_writer *w)
{
    if (w->subject >= 0 && leave_subject(w, 0) < 0)
        w->failure = ERR_IO;
}

static status close_hdf5(dataset_file_writer *w)
{
    hdf5_guard guard;
    hdf5_enter(&guard);
    status s = hdf5_close_written(&w->bytes, w->file, w->target.path);
    hdf5_leave(&guard);
    w->file = -1;
    return s;
}

static status put_block(dataset_file_writer *w)
{
    char block[DATASET_BLOCK];
    dataset_block(block, DATASET_VERSION);
    errno = EIO; /* of a short write */
    if (pwrite(w->fd, block, sizeof block, 0) != (ssize_t)sizeof block)
        return fail(ERR_IO, "%s: cannot write: %s", w->target.path, strerror(errno));
    int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0)
        return fail(ERR_IO, "%s: cannot close: %s", w->target.path, strerror(errno));
    return OK;
}

static status complete(dataset_file_writer *w)
{
    TRY(close_hdf5(w));
    if (w->failure != OK)
        return fail(w->failure, "%s: an earlier write failed", w->target.path);
    return put_block(w);
}

status dataset_file_finish(dataset_file_writer *w)
{
    status s = complete(w);
    if (s == OK)
        s = atomic_file_finish(&w->target);
    else
        atomic_file_abandon(&w->target);
    release(w);
    return s;
}

void dataset_file_cancel(dataset_file_writer *w)
{
    hdf5_guard guard;
    if (!w)
        return;
    if (w->file >= 0) {
        w->bytes.error = ECANCELED; /* nothing more needs to reach the disk */
        hdf5_enter(&guard);
        H5Gclose(w->subject);
        hdf5_close(&w->bytes, w->file);
        hdf5_leave(&guard);
    }
    atomic_file_abandon(&w->target);
    release(w);
}
