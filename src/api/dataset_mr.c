/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_mr.c - entry points of slmt/dataset.h for sets of MR volumes: their contrasts, subjects and slices.
 */
#include <stdio.h>
#include <string.h>

#include "core/dataset.h"
#include "core/structs.h"
#include "core/volume.h"
#include "data/grid.h"
#include "data/mr_set.h"
#include "data/scan_place.h"
#include "io/dataset_format.h"

/* ---- writing ---- */

static status check_contrasts(const char *const *contrasts, size_t count)
{
    if (count < 1 || count > FIELDS_MAX)
        return fail(ERR_ARGUMENT, "slmt_dataset_writer_create_mr: %zu contrasts, expected 1 to %d", count,
                    FIELDS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!contrasts[i] || !dataset_field_name_ok(contrasts[i]))
            return fail(
                ERR_ARGUMENT,
                "slmt_dataset_writer_create_mr: contrasts[%zu] must be 1 to %d letters, digits, '-', '_'", i,
                FIELD_NAME_MAX);
        for (size_t j = 0; j < i; j++)
            if (strcmp(contrasts[i], contrasts[j]) == 0)
                return fail(ERR_ARGUMENT,
                            "slmt_dataset_writer_create_mr: contrasts[%zu] and [%zu] are both %s", j, i,
                            contrasts[i]);
    }
    return OK;
}

slmt_status slmt_dataset_writer_create_mr(slmt_context *context, const char *path,
                                          const slmt_preprocess *preprocess, const char *const *contrasts,
                                          size_t count, slmt_dataset_writer **writer)
{
    slmt_preprocess p;
    slmt_dataset_writer *w;
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(contrasts);
    REQUIRE(writer);
    preprocess_defaults(&p);
    if (preprocess)
        TRY(struct_read(&p, sizeof p, preprocess, "slmt_preprocess"));
    TRY(preprocess_check(&p));
    TRY(check_contrasts(contrasts, count));
    TRY(dataset_writer_open(context, path, "subjects", &w));
    status s = mr_set_start(w->file, &p, contrasts, count);
    if (s != OK) {
        slmt_dataset_writer_cancel(w);
        return s;
    }
    w->contrasts = count;
    w->preprocess = p;
    *writer = w;
    return OK;
}

static status need_volumes(const slmt_dataset_writer *w, const char *call)
{
    return w->contrasts > 0 ? OK
                            : fail(ERR_STATE, "%s: %s is not a set of MR volumes", call,
                                   dataset_file_writer_label(w->file));
}

slmt_status slmt_dataset_writer_add_labels(slmt_dataset_writer *writer, const char *name)
{
    REQUIRE(writer);
    REQUIRE(name);
    TRY(need_volumes(writer, __func__));
    return mr_set_add_labels(writer->file, &writer->preprocess, name);
}

slmt_status slmt_dataset_writer_any_spacing(slmt_dataset_writer *writer)
{
    REQUIRE(writer);
    TRY(need_volumes(writer, __func__));
    writer->any_spacing = 1;
    return OK;
}

static const char *field_name(const slmt_dataset_writer *w, size_t field)
{
    return dataset_file_writer_field(w->file, field)->name;
}

/* Voxels must be of the first subject's size. */
static status check_spacing(const slmt_dataset_writer *w, const grid *g)
{
    char is[GEOMETRY_TEXT], was[GEOMETRY_TEXT];
    if (w->any_spacing || w->geometry.volumes == 0 || geometry_has_spacing(&w->geometry, g->spacing))
        return OK;
    return fail(ERR_ARGUMENT,
                "its voxels are %s, those of the subjects before it %s: --resample brings it to theirs, "
                "--any-spacing lets sizes differ",
                geometry_text(g->spacing, g->spacing, is),
                geometry_text(w->geometry.spacing_least, w->geometry.spacing_most, was));
}

/* Fails where there is no volume, grids differ, or voxels are of another size than the set's. */
static status check_volumes(const slmt_dataset_writer *w, const slmt_volume *const *volumes)
{
    grid first = {.dims = {0}};
    const char *other = NULL;
    for (size_t i = 0; i < dataset_file_writer_fields(w->file); i++) {
        if (!volumes[i])
            continue;
        grid g = grid_of(volumes[i]->scan.dims, volumes[i]->scan.affine);
        if (other)
            TRY(grid_same(&g, field_name(w, i), &first, other));
        else
            first = g;
        other = other ? other : field_name(w, i);
    }
    return other ? check_spacing(w, &first) : fail(ERR_ARGUMENT, "all volumes are NULL");
}

/* The geometry of a subject is that of its first image. */
static status note_place(slmt_dataset_writer *w, const nifti_scan *scan, const background *back,
                         scan_geometry *one)
{
    TRY(scan_place_measure(&w->context->mem, &w->preprocess, scan->dims, scan->affine, scan->voxels, back,
                           one));
    return mr_set_place(w->file, one);
}

static status add_volume(slmt_dataset_writer *w, const char *subject, size_t field, const nifti_scan *scan,
                         scan_geometry *place)
{
    const char *name = field_name(w, field);
    int is_labels = field >= w->contrasts;
    char what[RECORD_NAME_MAX + FIELD_NAME_MAX + 8];
    intensity_facts facts;
    snprintf(what, sizeof what, "%s: %s", subject, name);
    status s = mr_set_append(&w->context->mem, w->file, &w->preprocess, field, is_labels, scan->dims,
                             scan->affine, scan->voxels, &facts);
    if (s != OK)
        return fail_prefix(s, name);
    if (is_labels)
        return OK;
    if (place->field[0] == 0)
        TRY(note_place(w, scan, &facts.back, place));
    return intensity_warn(w->context, &facts, what);
}

static status add_volumes(slmt_dataset_writer *w, const char *subject, const slmt_volume *const *volumes)
{
    scan_geometry place = {.part = 0};
    for (size_t i = 0; i < dataset_file_writer_fields(w->file); i++)
        if (volumes[i])
            TRY(add_volume(w, subject, i, &volumes[i]->scan, &place));
    TRY(dataset_file_end(w->file));
    if (place.field[0] > 0)
        geometry_add(&w->geometry, &place);
    return OK;
}

static status add_subject(slmt_dataset_writer *writer, const slmt_record *r,
                          const slmt_volume *const *volumes)
{
    if (!dataset_record_name_ok(r->id))
        return fail(ERR_ARGUMENT, "the name of a subject must be " RECORD_NAME_RULE);
    if (r->group && !dataset_record_name_ok(r->group))
        return fail(ERR_ARGUMENT, "subject %s: the name of its group must be " RECORD_NAME_RULE, r->id);
    if (!dataset_split_name(r->split))
        return fail(ERR_ARGUMENT, "subject %s: split is %d, expected SLMT_SPLIT_TRAIN, _TEST or _VALIDATION",
                    r->id, r->split);
    if (check_volumes(writer, volumes) != OK)
        return fail_prefix(ERR_ARGUMENT, r->id);
    status s = dataset_file_begin(writer->file, r);
    if (s == OK)
        s = add_volumes(writer, r->id, volumes);
    if (s != OK)
        dataset_file_undo(writer->file);
    return s;
}

slmt_status slmt_dataset_writer_add(slmt_dataset_writer *writer, const char *subject,
                                    const slmt_volume *const *volumes, int32_t split)
{
    REQUIRE(writer);
    REQUIRE(subject);
    REQUIRE(volumes);
    TRY(need_volumes(writer, __func__));
    slmt_record record = {.struct_size = sizeof record, .split = split, .id = subject};
    return add_subject(writer, &record, volumes);
}

slmt_status slmt_dataset_writer_add_subject(slmt_dataset_writer *writer, const slmt_record *subject,
                                            const slmt_volume *const *volumes)
{
    slmt_record r = {.struct_size = sizeof r};
    REQUIRE(writer);
    REQUIRE(subject);
    REQUIRE(volumes);
    TRY(need_volumes(writer, __func__));
    TRY(struct_read(&r, sizeof r, subject, "slmt_record"));
    REQUIRE(r.id);
    return add_subject(writer, &r, volumes);
}

/* ---- reading ---- */

slmt_status slmt_dataset_get_preprocess(const slmt_dataset *dataset, slmt_preprocess *preprocess)
{
    REQUIRE(dataset);
    REQUIRE(preprocess);
    if (dataset->contrasts == 0)
        return fail(ERR_STATE, "%s: the set was not made from MR volumes", dataset_file_label(dataset->file));
    return struct_write(preprocess, &dataset->preprocess, sizeof *preprocess, "slmt_preprocess");
}

slmt_status slmt_dataset_geometry(const slmt_dataset *dataset, int32_t split, slmt_geometry *geometry)
{
    slmt_geometry g;
    REQUIRE(dataset);
    REQUIRE(geometry);
    if (dataset->contrasts == 0)
        return fail(ERR_STATE, "%s: the set was not made from MR volumes", dataset_file_label(dataset->file));
    if (split != SLMT_SPLIT_ALL && !dataset_split_name(split))
        return fail(ERR_ARGUMENT, "slmt_dataset_geometry: split is %d, expected SLMT_SPLIT_...", split);
    TRY(mr_set_geometry(dataset->file, split, &g));
    return struct_write(geometry, &g, sizeof g, "slmt_geometry");
}

size_t slmt_dataset_contrast_count(const slmt_dataset *dataset)
{
    return dataset ? dataset->contrasts : 0;
}

const char *slmt_dataset_contrast(const slmt_dataset *dataset, size_t index)
{
    return dataset && index < dataset->contrasts ? dataset_file_field(dataset->file, index)->name : NULL;
}

size_t slmt_dataset_subject_count(const slmt_dataset *dataset)
{
    return slmt_dataset_record_count(dataset);
}

const char *slmt_dataset_subject(const slmt_dataset *dataset, size_t index)
{
    const slmt_record *r = dataset ? dataset_file_record(dataset->file, index) : NULL;
    return r ? r->id : NULL;
}

int32_t slmt_dataset_subject_split(const slmt_dataset *dataset, size_t index)
{
    const slmt_record *r = dataset ? dataset_file_record(dataset->file, index) : NULL;
    return r ? r->split : 0;
}

size_t slmt_dataset_slice_count(const slmt_dataset *dataset, size_t subject, size_t contrast)
{
    return dataset ? mr_set_slices(dataset, subject, contrast) : 0;
}

static status check_slice(const slmt_dataset *d, size_t subject, size_t contrast, size_t slice)
{
    const dataset_file *f = d->file;
    if (subject >= dataset_file_records(f) || contrast >= d->contrasts)
        return fail(ERR_ARGUMENT, "%s: subject %zu, contrast %zu; there are %zu subjects, %zu contrasts",
                    dataset_file_label(f), subject, contrast, dataset_file_records(f), d->contrasts);
    size_t count = mr_set_slices(d, subject, contrast);
    if (count == 0)
        return fail(ERR_NOT_FOUND, "%s: subject %s has no %s", dataset_file_label(f),
                    dataset_file_record(f, subject)->id, dataset_file_field(f, contrast)->name);
    if (slice >= count)
        return fail(ERR_ARGUMENT, "%s: slice %zu of subject %s; there are %zu", dataset_file_label(f), slice,
                    dataset_file_record(f, subject)->id, count);
    return OK;
}

slmt_status slmt_dataset_read_slice(slmt_dataset *dataset, size_t subject, size_t contrast, size_t slice,
                                    int32_t resize, float *pixels)
{
    REQUIRE(dataset);
    REQUIRE(pixels);
    if (resize != SLMT_RESIZE_BILINEAR && resize != SLMT_RESIZE_NEAREST)
        return fail(ERR_ARGUMENT,
                    "slmt_dataset_read_slice: resize is %d, expected SLMT_RESIZE_BILINEAR or _NEAREST",
                    resize);
    TRY(check_slice(dataset, subject, contrast, slice));
    return mr_set_read_slice(dataset, subject, contrast, slice, resize, pixels);
}

slmt_status slmt_dataset_cut_labels(const slmt_dataset *dataset, const slmt_volume *volume, size_t slices,
                                    int32_t *labels)
{
    REQUIRE(dataset);
    REQUIRE(volume);
    REQUIRE(labels);
    const slmt_preprocess *p = &dataset->preprocess;
    mem *m = &dataset->context->mem;
    int32_t *cut;
    int count;
    if (dataset->contrasts == 0)
        return fail(ERR_STATE, "%s: the set was not made from MR volumes", dataset_file_label(dataset->file));
    TRY(preprocess_labels(m, p, volume->scan.dims, volume->scan.affine, volume->scan.voxels, &cut, &count));
    size_t pixels = (size_t)p->crop_size * (size_t)p->crop_size;
    status s = OK;
    if ((size_t)count == slices)
        memcpy(labels, cut, slices * pixels * sizeof *labels);
    else
        s = fail(ERR_ARGUMENT, "slmt_dataset_cut_labels: the label map gives %d slices, expected %zu", count,
                 slices);
    mem_give(m, cut);
    return s;
}
