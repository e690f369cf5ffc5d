/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.c - entry points of slmt/dataset.h: check arguments, preprocess, call io/dataset_file. */
#include "slmt/dataset.h"

#include <math.h>
#include <string.h>

#include "core/context.h"
#include "core/structs.h"
#include "core/volume.h"
#include "data/preprocess.h"
#include "data/resize.h"
#include "io/dataset_file.h"

struct slmt_dataset_writer {
    slmt_context *context; /* one owner */
    dataset_file_writer *file;
};

struct slmt_dataset {
    slmt_context *context; /* one owner */
    dataset_file *file;
    float *slice; /* [crop_size][crop_size] */
};

/* ---- writing ---- */

static status check_contrasts(const char *const *contrasts, size_t count)
{
    if (count < 1 || count > CONTRASTS_MAX)
        return fail(ERR_ARGUMENT, "slmt_dataset_writer_create: %zu contrasts, expected 1 to %d", count,
                    CONTRASTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!contrasts[i] || !dataset_contrast_ok(contrasts[i]))
            return fail(
                ERR_ARGUMENT,
                "slmt_dataset_writer_create: contrasts[%zu] must be 1 to %d letters, digits, '-', '_'", i,
                CONTRAST_NAME_MAX);
        for (size_t j = 0; j < i; j++)
            if (strcmp(contrasts[i], contrasts[j]) == 0)
                return fail(ERR_ARGUMENT, "slmt_dataset_writer_create: contrasts[%zu] and [%zu] are both %s",
                            j, i, contrasts[i]);
    }
    return OK;
}

slmt_status slmt_dataset_writer_create(slmt_context *context, const char *path,
                                       const slmt_preprocess *preprocess, const char *const *contrasts,
                                       size_t count, slmt_dataset_writer **writer)
{
    slmt_preprocess p;
    void *block;
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(contrasts);
    REQUIRE(writer);
    preprocess_defaults(&p);
    if (preprocess)
        TRY(struct_read(&p, sizeof p, preprocess, "slmt_preprocess"));
    TRY(preprocess_check(&p));
    TRY(check_contrasts(contrasts, count));
    TRY(mem_take(&context->mem, sizeof(slmt_dataset_writer), &block));
    slmt_dataset_writer *w = block;
    status s = dataset_file_create(&context->mem, path, &p, contrasts, count, &w->file);
    if (s != OK) {
        mem_give(&context->mem, w);
        return s;
    }
    w->context = context_retain(context);
    *writer = w;
    return OK;
}

/* Grids are equal when no element of the affines differs by more than what rounding in headers explains. */
static int same_grid(const nifti_scan *a, const nifti_scan *b)
{
    for (int i = 0; i < 3; i++)
        if (a->dims[i] != b->dims[i])
            return 0;
    for (int i = 0; i < 16; i++)
        if (!(fabs(a->affine[i] - b->affine[i]) <= 1e-3))
            return 0;
    return 1;
}

/* Fails where there is no volume, or grids differ. */
static status check_volumes(const char *subject, const slmt_volume *const *volumes, size_t count)
{
    const slmt_volume *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!volumes[i])
            continue;
        if (first && !same_grid(&first->scan, &volumes[i]->scan))
            return fail(ERR_ARGUMENT, "subject %s: volumes[%zu] lies on another grid than the one before it",
                        subject, i);
        first = volumes[i];
    }
    return first ? OK : fail(ERR_ARGUMENT, "subject %s: all volumes are NULL", subject);
}

static status add_contrast(slmt_dataset_writer *w, size_t contrast, const nifti_scan *scan)
{
    mem *m = &w->context->mem;
    float *slices;
    int count;
    TRY(preprocess_volume(m, dataset_file_writer_preprocess(w->file), scan->dims, scan->affine, scan->voxels,
                          &slices, &count));
    status s = dataset_file_put(w->file, contrast, (size_t)count, slices);
    mem_give(m, slices);
    return s;
}

static status add_contrasts(slmt_dataset_writer *w, const slmt_volume *const *volumes)
{
    for (size_t i = 0; i < dataset_file_writer_contrasts(w->file); i++)
        if (volumes[i])
            TRY(add_contrast(w, i, &volumes[i]->scan));
    return dataset_file_end(w->file);
}

slmt_status slmt_dataset_writer_add(slmt_dataset_writer *writer, const char *subject,
                                    const slmt_volume *const *volumes, int32_t split)
{
    REQUIRE(writer);
    REQUIRE(subject);
    REQUIRE(volumes);
    if (!dataset_subject_ok(subject))
        return fail(ERR_ARGUMENT,
                    "slmt_dataset_writer_add: subject must be 1 to %d letters, digits, '-', '_', '.', and "
                    "not \".\" or "
                    "\"..\"",
                    SUBJECT_NAME_MAX);
    if (split != SLMT_SPLIT_TRAIN && split != SLMT_SPLIT_TEST)
        return fail(ERR_ARGUMENT, "slmt_dataset_writer_add: split is %d, expected SLMT_SPLIT_TRAIN or _TEST",
                    split);
    TRY(check_volumes(subject, volumes, dataset_file_writer_contrasts(writer->file)));
    status s = dataset_file_begin(writer->file, subject, split);
    if (s == OK)
        s = add_contrasts(writer, volumes);
    if (s != OK)
        dataset_file_undo(writer->file);
    return s;
}

static void writer_free(slmt_dataset_writer *writer)
{
    slmt_context *context = writer->context;
    mem_give(&context->mem, writer);
    context_release(context);
}

slmt_status slmt_dataset_writer_finish(slmt_dataset_writer *writer)
{
    REQUIRE(writer);
    status s = dataset_file_finish(writer->file);
    writer_free(writer);
    return s;
}

void slmt_dataset_writer_cancel(slmt_dataset_writer *writer)
{
    if (!writer)
        return;
    dataset_file_cancel(writer->file);
    writer_free(writer);
}

/* ---- reading ---- */

static status open_set(mem *m, const char *path, slmt_dataset *d)
{
    void *block;
    TRY(dataset_file_open(m, path, &d->file));
    size_t side = (size_t)dataset_file_preprocess(d->file)->crop_size;
    status s = mem_array(m, side * side, sizeof *d->slice, &block);
    d->slice = block;
    if (s != OK)
        dataset_file_close(d->file);
    return s;
}

slmt_status slmt_dataset_open(slmt_context *context, const char *path, slmt_dataset **dataset)
{
    void *block;
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(dataset);
    TRY(mem_take(&context->mem, sizeof(slmt_dataset), &block));
    slmt_dataset *d = block;
    status s = open_set(&context->mem, path, d);
    if (s != OK) {
        mem_give(&context->mem, d);
        return s;
    }
    d->context = context_retain(context);
    *dataset = d;
    return OK;
}

void slmt_dataset_free(slmt_dataset *dataset)
{
    if (!dataset)
        return;
    slmt_context *context = dataset->context;
    dataset_file_close(dataset->file);
    mem_give(&context->mem, dataset->slice);
    mem_give(&context->mem, dataset);
    context_release(context);
}

slmt_status slmt_dataset_get_preprocess(const slmt_dataset *dataset, slmt_preprocess *preprocess)
{
    REQUIRE(dataset);
    REQUIRE(preprocess);
    return struct_write(preprocess, dataset_file_preprocess(dataset->file), sizeof *preprocess,
                        "slmt_preprocess");
}

size_t slmt_dataset_contrast_count(const slmt_dataset *dataset)
{
    return dataset ? dataset_file_contrasts(dataset->file) : 0;
}

const char *slmt_dataset_contrast(const slmt_dataset *dataset, size_t index)
{
    return dataset ? dataset_file_contrast(dataset->file, index) : NULL;
}

size_t slmt_dataset_subject_count(const slmt_dataset *dataset)
{
    return dataset ? dataset_file_subjects(dataset->file) : 0;
}

const char *slmt_dataset_subject(const slmt_dataset *dataset, size_t index)
{
    return dataset ? dataset_file_subject(dataset->file, index) : NULL;
}

int32_t slmt_dataset_subject_split(const slmt_dataset *dataset, size_t index)
{
    return dataset ? dataset_file_split(dataset->file, index) : 0;
}

size_t slmt_dataset_slice_count(const slmt_dataset *dataset, size_t subject, size_t contrast)
{
    return dataset ? dataset_file_slices(dataset->file, subject, contrast) : 0;
}

static status check_slice(const dataset_file *f, size_t subject, size_t contrast, size_t slice)
{
    if (subject >= dataset_file_subjects(f) || contrast >= dataset_file_contrasts(f))
        return fail(ERR_ARGUMENT, "%s: subject %zu, contrast %zu; there are %zu subjects, %zu contrasts",
                    dataset_file_label(f), subject, contrast, dataset_file_subjects(f),
                    dataset_file_contrasts(f));
    size_t count = dataset_file_slices(f, subject, contrast);
    if (count == 0)
        return fail(ERR_NOT_FOUND, "%s: subject %s has no %s", dataset_file_label(f),
                    dataset_file_subject(f, subject), dataset_file_contrast(f, contrast));
    if (slice >= count)
        return fail(ERR_ARGUMENT, "%s: slice %zu of subject %s; there are %zu", dataset_file_label(f), slice,
                    dataset_file_subject(f, subject), count);
    return OK;
}

slmt_status slmt_dataset_read(slmt_dataset *dataset, size_t subject, size_t contrast, size_t slice,
                              int32_t resize, float *pixels)
{
    REQUIRE(dataset);
    REQUIRE(pixels);
    if (resize != SLMT_RESIZE_BILINEAR && resize != SLMT_RESIZE_NEAREST)
        return fail(ERR_ARGUMENT,
                    "slmt_dataset_read: resize is %d, expected SLMT_RESIZE_BILINEAR or _NEAREST", resize);
    TRY(check_slice(dataset->file, subject, contrast, slice));
    TRY(dataset_file_read(dataset->file, subject, contrast, slice, dataset->slice));
    const slmt_preprocess *p = dataset_file_preprocess(dataset->file);
    if (resize == SLMT_RESIZE_BILINEAR)
        resize_bilinear(dataset->slice, p->crop_size, p->crop_size, pixels, p->image_size, p->image_size);
    else
        resize_nearest(dataset->slice, p->crop_size, p->crop_size, pixels, p->image_size, p->image_size);
    return OK;
}
