/* SPDX-License-Identifier: Apache-2.0 */
/* mr_set.c - writes and reads the parts of a training set that are specific to MR volumes. */
#include "data/mr_set.h"

#include <string.h>

#include "data/preprocess.h"
#include "data/resize.h"

/* The whole numbers of slmt_preprocess, as they are named in the file. */
typedef struct whole {
    const char *name;
    size_t offset; /* in slmt_preprocess, of an int32_t */
} whole;

static const whole wholes[] = {
    {"crop_size", offsetof(slmt_preprocess, crop_size)},
    {"crop_x", offsetof(slmt_preprocess, crop_x)},
    {"crop_y", offsetof(slmt_preprocess, crop_y)},
    {"slice_first", offsetof(slmt_preprocess, slice_first)},
    {"slice_count", offsetof(slmt_preprocess, slice_count)},
    {"image_size", offsetof(slmt_preprocess, image_size)},
    {"target_resize", offsetof(slmt_preprocess, target_resize)},
    {"scaling", offsetof(slmt_preprocess, scaling)},
    {"background", offsetof(slmt_preprocess, background)}, /* older files have none: the corner's rule */
};
enum { WHOLES = sizeof wholes / sizeof *wholes, ATTRIBUTES = WHOLES + 3 }; /* and percentiles, importer */

/* ---- writing ---- */

static status put_source(dataset_file_writer *w, const slmt_preprocess *p)
{
    TRY(dataset_file_source_text(w, "importer", "mr"));
    for (size_t i = 0; i < WHOLES; i++) {
        int32_t value;
        memcpy(&value, (const char *)p + wholes[i].offset, sizeof value);
        TRY(dataset_file_source_int(w, wholes[i].name, value));
    }
    TRY(dataset_file_source_real(w, "low_percentile", p->low_percentile));
    return dataset_file_source_real(w, "high_percentile", p->high_percentile);
}

static slmt_field slices_field(const slmt_preprocess *p, const char *name, int is_labels)
{
    return (slmt_field){.struct_size = sizeof(slmt_field),
                        .kind = is_labels ? SLMT_FIELD_LABELS : SLMT_FIELD_IMAGE,
                        .type = is_labels ? SLMT_TENSOR_INT32 : SLMT_TENSOR_FLOAT32,
                        .rank = 3,
                        .dim = {0, p->crop_size, p->crop_size},
                        .name = name,
                        .axes = "slice,row,column"};
}

status mr_set_start(dataset_file_writer *w, const slmt_preprocess *p, const char *const *contrasts,
                    size_t count)
{
    TRY(put_source(w, p));
    for (size_t i = 0; i < count; i++) {
        slmt_field field = slices_field(p, contrasts[i], 0);
        TRY(dataset_file_add_field(w, &field));
    }
    return OK;
}

status mr_set_add_labels(dataset_file_writer *w, const slmt_preprocess *p, const char *name)
{
    slmt_field field = slices_field(p, name, 1);
    TRY(dataset_file_add_field(w, &field));
    return dataset_file_collect_classes(w, dataset_file_writer_fields(w) - 1);
}

status mr_set_append(mem *m, dataset_file_writer *w, const slmt_preprocess *p, size_t field, int is_labels,
                     const int64_t dims[3], const double affine[16], const float *voxels,
                     intensity_facts *facts)
{
    float *pixels = NULL;
    int32_t *labels = NULL;
    int count;
    if (is_labels)
        TRY(preprocess_labels(m, p, dims, affine, voxels, &labels, &count));
    else
        TRY(preprocess_volume(m, p, dims, affine, voxels, &pixels, &count, facts));
    int64_t shape[3] = {count, p->crop_size, p->crop_size};
    status s = dataset_file_append(w, field, shape, is_labels ? (const void *)labels : pixels);
    mem_give(m, labels);
    mem_give(m, pixels);
    return s;
}

status mr_set_place(dataset_file_writer *w, const scan_geometry *one)
{
    scan_geometry copy = *one;
    return dataset_file_numbers(w, GEOMETRY_NUMBERS, geometry_names, geometry_numbers(&copy));
}

/* ---- reading ---- */

int mr_set_is(const dataset_file *f)
{
    return strcmp(dataset_file_source(f), "mr") == 0;
}

static status read_preprocess(const dataset_file *f, slmt_preprocess *p)
{
    const char *at;
    const catalogue *c = dataset_file_source_at(f, &at);
    const catalogue_group *g = catalogue_find_group(c, at);
    size_t older = !catalogue_find_attribute(c, g, "background");
    preprocess_defaults(p);
    p->background = SLMT_BACKGROUND_CORNER;
    for (size_t i = 0; i < WHOLES - older; i++) {
        int32_t value;
        TRY(catalogue_int32(c, at, wholes[i].name, INT32_MIN, INT32_MAX, &value));
        memcpy((char *)p + wholes[i].offset, &value, sizeof value);
    }
    TRY(catalogue_real(c, at, "low_percentile", &p->low_percentile));
    TRY(catalogue_real(c, at, "high_percentile", &p->high_percentile));
    if (preprocess_check(p) != OK)
        return fail_prefix(ERR_SCHEMA, c->label);
    if (g->attribute_count !=
        ATTRIBUTES - older) /* version 1 has "contrasts" where version 2 has "importer" */
        return fail(ERR_SCHEMA, "%s: /%s has %zu attributes, expected %d", c->label, at, g->attribute_count,
                    (int)(ATTRIBUTES - older));
    return OK;
}

static int is_slices(const slmt_field *f, const slmt_preprocess *p, int is_labels)
{
    slmt_field should = slices_field(p, f->name, is_labels);
    return f->kind == should.kind && f->type == should.type && f->rank == 3 &&
           memcmp(f->dim, should.dim, 3 * sizeof *f->dim) == 0 && strcmp(f->axes, should.axes) == 0;
}

status mr_set_read(const dataset_file *f, slmt_preprocess *p, size_t *contrasts)
{
    size_t n = dataset_file_fields(f);
    TRY(read_preprocess(f, p));
    *contrasts = 0;
    while (*contrasts < n && is_slices(dataset_file_field(f, *contrasts), p, 0))
        ++*contrasts;
    for (size_t i = *contrasts; i < n; i++)
        if (*contrasts == 0 || !is_slices(dataset_file_field(f, i), p, 1))
            return fail(ERR_SCHEMA,
                        "%s: /fields/%s: a set of MR volumes has images \"slice,row,column\" of float32 and "
                        "crop_size %d, then labels of int32",
                        dataset_file_label(f), dataset_file_field(f, i)->name, p->crop_size);
    return OK;
}

/* ---- geometry ---- */

_Static_assert((int)GEOMETRY_NUMBERS == (int)DATASET_NUMBERS, "what records may have");

static status read_geometry(const dataset_file *f, size_t record, scan_geometry *one, int *has)
{
    TRY(dataset_file_read_numbers(f, record, GEOMETRY_NUMBERS, geometry_names, geometry_numbers(one), has));
    if (*has && !geometry_ok(one))
        return fail(ERR_SCHEMA,
                    "%s: /%s/%s: its geometry cannot be: a number is not finite, or a size not "
                    "above 0",
                    dataset_file_label(f), dataset_records_path(f), dataset_file_record(f, record)->id);
    return OK;
}

status mr_set_geometry(const dataset_file *f, int32_t split, slmt_geometry *g)
{
    int all = 1;
    *g = (slmt_geometry){.struct_size = sizeof *g};
    for (size_t i = 0; i < dataset_file_records(f); i++) {
        scan_geometry one;
        int has;
        TRY(read_geometry(f, i, &one, &has));
        if (split != SLMT_SPLIT_ALL && dataset_file_record(f, i)->split != split)
            continue;
        all &= has;
        if (has)
            geometry_add(g, &one);
    }
    if (!all)
        *g = (slmt_geometry){.struct_size = sizeof *g};
    return OK;
}

/* ---- slices ---- */

size_t mr_set_slices(const slmt_dataset *d, size_t subject, size_t contrast)
{
    const int64_t *shape = contrast < d->contrasts ? dataset_file_shape(d->file, subject, contrast) : NULL;
    return shape ? (size_t)shape[0] : 0;
}

/* The stored slice, [crop_size][crop_size] in [0, 1]. */
static status read_stored(slmt_dataset *d, size_t subject, size_t contrast, size_t slice)
{
    char place[DATASET_PLACE_MAX];
    size_t side = (size_t)d->preprocess.crop_size;
    TRY(dataset_file_read(d->file, subject, contrast, (int64_t)slice, 1, d->slice));
    for (size_t i = 0; i < side * side; i++)
        if (!(d->slice[i] >= 0 && d->slice[i] <= 1))
            return fail(ERR_CORRUPT, "%s: /%s: slice %zu holds a value outside [0, 1]",
                        dataset_file_label(d->file), dataset_file_place(d->file, subject, contrast, place),
                        slice);
    return OK;
}

status mr_set_read_slice(slmt_dataset *d, size_t subject, size_t contrast, size_t slice, int32_t resize,
                         float *pixels)
{
    const slmt_preprocess *p = &d->preprocess;
    TRY(read_stored(d, subject, contrast, slice));
    if (resize == SLMT_RESIZE_BILINEAR)
        resize_bilinear(d->slice, p->crop_size, p->crop_size, pixels, p->image_size, p->image_size);
    else
        resize_nearest(d->slice, p->crop_size, p->crop_size, pixels, p->image_size, p->image_size);
    return OK;
}
