/* SPDX-License-Identifier: Apache-2.0 */
/* volume_slices.c - preprocesses a volume with the parameters that a model stores, through a grid of the
 * training's voxel size if need be. */
#include "data/volume_slices.h"

#include <math.h>
#include <string.h>

#include "data/preprocess.h"
#include "data/resample.h"
#include "data/resize.h"
#include "data/scan_place.h"
#include "lib/size.h"

static size_t grid_voxels(const grid *g)
{
    return (size_t)(g->dims[0] * g->dims[1] * g->dims[2]);
}

/* ---- to slices ---- */

static status check_grid(const volume_view *v)
{
    int64_t voxels;
    const int64_t *dims = v->used.dims;
    if (size_product(dims, 3, SIZE_MOST, &voxels))
        return OK;
    return fail(
        ERR_ARGUMENT,
        "with voxels of %g x %g x %g mm, as in the training, the volume would have %lld x %lld x %lld of "
        "them, more than %lld",
        v->used.spacing[0], v->used.spacing[1], v->used.spacing[2], (long long)dims[0], (long long)dims[1],
        (long long)dims[2], (long long)SIZE_MOST);
}

static status choose_grid(volume_view *v, int32_t spacing)
{
    const slmt_geometry *training = &v->model->geometry;
    double wanted[3];
    v->own = v->used = grid_of(v->source->scan.dims, v->source->scan.affine);
    if (spacing == SLMT_SPACING_ANY || training->volumes == 0 ||
        geometry_has_spacing(training, v->own.spacing))
        return OK;
    if (spacing == SLMT_SPACING_REFUSE)
        return scan_place_check_spacing(training, v->own.spacing);
    for (int a = 0; a < 3; a++)
        wanted[a] = fmin(fmax(v->own.spacing[a], training->spacing_least[a]), training->spacing_most[a]);
    v->used = grid_with_spacing(&v->own, wanted);
    v->resampled = 1;
    return check_grid(v);
}

/* The volume's grey values from 0 to 1 in canonical order: a block of m. */
static status make_greys(const volume_view *v, mem *m, float **greys, intensity_facts *facts)
{
    const nifti_scan *scan = &v->source->scan;
    orient o = orient_from_affine(scan->dims, scan->affine);
    size_t n = grid_voxels(&v->own);
    intensity scale;
    void *block;
    TRY(intensity_find(m, &v->preprocess, scan->voxels, scan->dims, o.corner, &scale, facts));
    TRY(mem_array(m, n, sizeof(float), &block));
    *greys = block;
    orient_to_canonical(&o, scan->voxels, *greys);
    for (size_t i = 0; i < n; i++)
        (*greys)[i] = intensity_apply(&scale, (*greys)[i]);
    return OK;
}

static status cut_resampled(volume_view *v, mem *m, const float *greys, float **crops)
{
    static const background black = {.count = 1};
    const slmt_preprocess *p = &v->preprocess;
    void *block;
    TRY(mem_array(m, grid_voxels(&v->used), sizeof(float), &block));
    status s = resample_volume(m, &v->own, greys, &v->used, block);
    if (s == OK)
        s = scan_place_measure(m, p, v->used.dims, v->used.affine, block, &black, &v->place);
    if (s == OK)
        s = preprocess_greys(m, p, v->used.dims, v->used.affine, block, crops, &v->count);
    mem_give(m, block);
    return s;
}

static status make_crops(volume_view *v, mem *m, float **crops, intensity_facts *facts)
{
    const slmt_preprocess *p = &v->preprocess;
    const nifti_scan *scan = &v->source->scan;
    float *greys = NULL;
    if (v->resampled) {
        status s = make_greys(v, m, &greys, facts);
        if (s == OK)
            s = cut_resampled(v, m, greys, crops);
        mem_give(m, greys);
        return s;
    }
    TRY(preprocess_volume(m, p, scan->dims, scan->affine, scan->voxels, crops, &v->count, facts));
    status s = scan_place_measure(m, p, scan->dims, scan->affine, scan->voxels, &facts->back, &v->place);
    if (s != OK) {
        mem_give(m, *crops);
        *crops = NULL;
    }
    return s;
}

static status resize_crops(const volume_view *v, mem *m, const float *crops, float **slices)
{
    const slmt_preprocess *p = &v->preprocess;
    size_t area = (size_t)p->crop_size * (size_t)p->crop_size,
           pixels = (size_t)p->image_size * (size_t)p->image_size;
    void *to;
    TRY(mem_array(m, (size_t)v->count * pixels, sizeof(float), &to));
    *slices = to;
    for (size_t i = 0; i < (size_t)v->count; i++)
        resize_bilinear(crops + i * area, p->crop_size, p->crop_size, *slices + i * pixels, p->image_size,
                        p->image_size);
    return OK;
}

/* ---- warnings ---- */

static int count_empty(const volume_view *v, const float *crops)
{
    size_t area = (size_t)v->preprocess.crop_size * (size_t)v->preprocess.crop_size;
    int empty = 0;
    for (int k = 0; k < v->count; k++) {
        size_t i = 0;
        while (i < area && crops[(size_t)k * area + i] == 0)
            i++;
        empty += i == area;
    }
    return empty;
}

static status warn_of_place(const volume_view *v, const float *crops)
{
    const slmt_context *c = v->model->context;
    int empty = count_empty(v, crops), first = v->preprocess.slice_first;
    if (empty == v->count)
        return context_warn(
            c,
            "slices %d to %d of %lld, counted from below, are all empty: the model was given nothing "
            "of the head",
            first, first + v->count - 1, (long long)v->used.dims[2]);
    if (2 * empty > v->count)
        TRY(context_warn(c, "%d of the %d slices that the model was given are empty", empty, v->count));
    return scan_place_warn(c, &v->model->geometry, &v->place);
}

static status make_slices(volume_view *v, mem *m, int32_t spacing, float **slices)
{
    float *crops = NULL;
    intensity_facts facts;
    TRY(choose_grid(v, spacing));
    TRY(make_crops(v, m, &crops, &facts));
    v->back = facts.back;
    status s = intensity_warn(v->model->context, &facts, NULL);
    if (s == OK)
        s = warn_of_place(v, crops);
    if (s == OK)
        s = resize_crops(v, m, crops, slices);
    mem_give(m, crops);
    return s;
}

status volume_slices(const slmt_model *model, mem *m, const slmt_volume *source, int32_t spacing,
                     volume_view *v, float **slices)
{
    *v = (volume_view){.model = model, .source = source, .preprocess = model->preprocess};
    return make_slices(v, m, spacing, slices);
}

status volume_crops(const slmt_model *model, mem *m, const slmt_volume *source, int32_t spacing,
                    volume_view *v, float **slices)
{
    *v = (volume_view){.model = model, .source = source, .preprocess = model->preprocess};
    v->preprocess.image_size = v->preprocess.crop_size;
    return make_slices(v, m, spacing, slices);
}

/* ---- back ---- */

static status restore_resampled(const volume_view *v, mem *m, const float *slices, float *voxels)
{
    const nifti_scan *scan = &v->source->scan;
    orient o = orient_from_affine(scan->dims, scan->affine);
    void *used, *own = NULL;
    TRY(mem_array(m, grid_voxels(&v->used), sizeof(float), &used));
    status s = preprocess_restore(m, &v->preprocess, v->used.dims, v->used.affine, slices, used);
    if (s == OK)
        s = mem_array(m, grid_voxels(&v->own), sizeof(float), &own);
    if (s == OK)
        s = resample_volume(m, &v->used, used, &v->own, own);
    if (s == OK)
        orient_from_canonical(&o, own, voxels);
    mem_give(m, own);
    mem_give(m, used);
    return s;
}

status volume_of_slices(const volume_view *v, const float *slices, slmt_volume **target)
{
    mem *m = &v->source->context->mem;
    const nifti_scan *scan = &v->source->scan;
    void *voxels;
    TRY(mem_array(m, grid_voxels(&v->own), sizeof(float), &voxels));
    status s = v->resampled ? restore_resampled(v, m, slices, voxels)
                            : preprocess_restore(m, &v->preprocess, scan->dims, scan->affine, slices, voxels);
    if (s == OK)
        s = volume_like(v->source, voxels, target);
    if (s != OK)
        mem_give(m, voxels);
    return s;
}

status volume_check_result(const volume_view *v, const slmt_volume *target)
{
    uint64_t head = 0, made = 0;
    for (size_t i = 0; i < grid_voxels(&v->own); i++) {
        if (background_has(&v->back, v->source->scan.voxels[i]))
            continue;
        head++;
        made += target->scan.voxels[i] > 0;
    }
    double expected = v->place.part * (double)head;
    if (expected < 1 || (double)made >= 0.5 * expected)
        return OK;
    return context_warn(v->model->context,
                        "of the head in crop and slices the model made %.0f %% only: the rest is 0",
                        100 * (double)made / expected);
}
