/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c - entry points of slmt/volume.h. */
#include "core/open_sets.h"
#include "core/volume.h"

#include <math.h>
#include <string.h>

#include "core/structs.h"
#include "data/image_metrics.h"
#include "data/metrics.h"
#include "data/scan_place.h"
#include "io/nifti.h"

/* ---- making ---- */

static int nan_rule(const slmt_context *context)
{
    return context->nan == SLMT_NAN_ZERO ? NIFTI_NAN_TO_ZERO : NIFTI_STRICT;
}

slmt_status slmt_volume_read(slmt_context *context, const char *path, slmt_volume **volume)
{
    nifti_scan scan;
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(volume);
    TRY(nifti_scan_read(&context->mem, path, nan_rule(context), &scan));
    status s = volume_new_read(context, &scan, path, volume);
    if (s != OK)
        nifti_scan_free(&context->mem, &scan);
    return s;
}

slmt_status slmt_volume_from_nifti(slmt_context *context, const void *header, size_t header_bytes,
                                   const void *voxels, size_t voxel_bytes, slmt_volume **volume)
{
    nifti_scan scan;
    REQUIRE(context);
    REQUIRE(header);
    REQUIRE(voxels);
    REQUIRE(volume);
    TRY(nifti_scan_from_memory(&context->mem, header, header_bytes, voxels, voxel_bytes, nan_rule(context),
                               &scan));
    status s = volume_new_read(context, &scan, NULL, volume);
    if (s != OK)
        nifti_scan_free(&context->mem, &scan);
    return s;
}

static status count_voxels(const int64_t dims[3], size_t *count)
{
    *count = 1;
    for (int i = 0; i < 3; i++) {
        if (dims[i] < 1)
            return fail(ERR_ARGUMENT, "slmt_volume_create: dims[%d] is %lld, must be at least 1", i,
                        (long long)dims[i]);
        if ((uint64_t)dims[i] > SIZE_MAX / sizeof(float) / *count)
            return fail(ERR_ARGUMENT,
                        "slmt_volume_create: %lld x %lld x %lld voxels are more than memory has "
                        "addresses",
                        (long long)dims[0], (long long)dims[1], (long long)dims[2]);
        *count *= (size_t)dims[i];
    }
    return OK;
}

static status check_voxels(const char *function, const int64_t dims[3], const float *voxels, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        if (!isfinite(voxels[n])) {
            int64_t at = (int64_t)n;
            return fail(ERR_NONFINITE, "%s: voxel [%lld,%lld,%lld] is a NaN or an infinity", function,
                        (long long)(at % dims[0]), (long long)(at / dims[0] % dims[1]),
                        (long long)(at / dims[0] / dims[1]));
        }
    }
    return OK;
}

slmt_status slmt_volume_create(slmt_context *context, const int64_t dims[3], const double *affine,
                               const float *voxels, slmt_volume **volume)
{
    static const double identity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    size_t count;
    void *p;
    REQUIRE(context);
    REQUIRE(dims);
    REQUIRE(voxels);
    REQUIRE(volume);
    TRY(count_voxels(dims, &count));
    if (affine && !affine_is_storable(affine))
        return fail(
            ERR_ARGUMENT,
            "slmt_volume_create: affine must be finite and not singular, also in the float32 of a file, "
            "with 0 0 0 1 as its last row");
    TRY(check_voxels("slmt_volume_create", dims, voxels, count));
    TRY(mem_array(&context->mem, count, sizeof(float), &p));
    nifti_scan scan = {.voxels = memcpy(p, voxels, count * sizeof(float))};
    memcpy(scan.dims, dims, sizeof scan.dims);
    memcpy(scan.affine, affine ? affine : identity, sizeof scan.affine);
    status s = volume_new(context, &scan, volume);
    if (s != OK)
        mem_give(&context->mem, p);
    return s;
}

slmt_status slmt_volume_like(const slmt_volume *source, const float *voxels, const char *description,
                             slmt_volume **volume)
{
    void *p;
    REQUIRE(source);
    REQUIRE(voxels);
    REQUIRE(volume);
    mem *m = &source->context->mem;
    const int64_t *dims = source->scan.dims;
    size_t count = (size_t)(dims[0] * dims[1] * dims[2]);
    TRY(check_voxels("slmt_volume_like", dims, voxels, count));
    TRY(mem_array(m, count, sizeof(float), &p));
    memcpy(p, voxels, count * sizeof(float));
    status s = volume_like(source, p, volume);
    if (s == OK)
        volume_describe(*volume, description ? description : "");
    else
        mem_give(m, p);
    return s;
}

void slmt_volume_free(slmt_volume *volume)
{
    if (volume && HANDLE_IS(volume))
        volume_free(volume);
}

/* ---- reading and writing ---- */

void slmt_volume_dims(const slmt_volume *volume, int64_t dims[3])
{
    for (int i = 0; dims && i < 3; i++)
        dims[i] = volume ? volume->scan.dims[i] : 0;
}

void slmt_volume_affine(const slmt_volume *volume, double affine[16])
{
    for (int i = 0; affine && i < 16; i++)
        affine[i] = volume ? volume->scan.affine[i] : 0;
}

uint64_t slmt_volume_zeroed(const slmt_volume *volume)
{
    return volume ? volume->scan.zeroed : 0;
}

const float *slmt_volume_voxels(const slmt_volume *volume)
{
    return volume ? volume->scan.voxels : NULL;
}

slmt_status slmt_volume_geometry(const slmt_volume *volume, const slmt_preprocess *preprocess,
                                 slmt_geometry *geometry)
{
    slmt_preprocess p;
    slmt_geometry found = {.struct_size = sizeof found};
    scan_geometry one;
    background back;
    REQUIRE(volume);
    REQUIRE(geometry);
    preprocess_defaults(&p);
    if (preprocess)
        TRY(struct_read(&p, sizeof p, preprocess, "slmt_preprocess"));
    TRY(preprocess_check(&p));
    mem *m = &volume->context->mem;
    const nifti_scan *s = &volume->scan;
    TRY(background_find(m, s->voxels, s->dims, orient_from_affine(s->dims, s->affine).corner, &back, NULL));
    TRY(scan_place_measure(m, &p, s->dims, s->affine, s->voxels, &back, &one));
    geometry_add(&found, &one);
    return struct_write(geometry, &found, sizeof found, "slmt_geometry");
}

slmt_status slmt_volume_nifti_header(const slmt_volume *volume, void *header)
{
    nifti_1_header h;
    REQUIRE(volume);
    REQUIRE(header);
    TRY(nifti_scan_header(&volume->scan, &h));
    memcpy(header, &h, sizeof h);
    return OK;
}

slmt_status slmt_volume_write(const slmt_volume *volume, const char *path)
{
    REQUIRE(volume);
    REQUIRE(path);
    TRY(open_sets_check(volume->context, path));
    return nifti_scan_write(&volume->context->mem, path, &volume->scan);
}

/* ---- comparing ---- */

static status check_image(const float *image, size_t height, size_t width, const char *name)
{
    for (size_t i = 0; i < height * width; i++)
        if (!isfinite(image[i]))
            return fail(ERR_NONFINITE, "slmt_compare: %s[%zu][%zu] is a NaN or an infinity", name, i / width,
                        i % width);
    return OK;
}

slmt_status slmt_compare_masked(const float *prediction, const float *target, const uint8_t *mask,
                                size_t height, size_t width, slmt_metrics *metrics)
{
    slmt_metrics found = {.struct_size = sizeof found}, probe = found;
    mem m;
    REQUIRE(prediction);
    REQUIRE(target);
    REQUIRE(metrics);
    TRY(struct_read(&probe, sizeof probe, metrics, "slmt_metrics"));
    if (height < METRICS_WINDOW || width < METRICS_WINDOW || width > SIZE_MAX / sizeof(double) / height)
        return fail(ERR_ARGUMENT, "slmt_compare: height %zu and width %zu must be at least %d", height, width,
                    METRICS_WINDOW);
    TRY(check_image(prediction, height, width, "prediction"));
    TRY(check_image(target, height, width, "target"));
    mem_init(&m, NULL, NULL, NULL, 0);
    TRY(metrics_compare(&m, prediction, target, mask, height, width, &found));
    return struct_write(metrics, &found, sizeof found, "slmt_metrics");
}

slmt_status slmt_compare(const float *prediction, const float *target, size_t height, size_t width,
                         slmt_metrics *metrics)
{
    return slmt_compare_masked(prediction, target, NULL, height, width, metrics);
}

slmt_status slmt_metrics_combine(const slmt_metrics *slices, size_t count, int32_t definition,
                                 slmt_metrics *metrics)
{
    slmt_metrics found = {.struct_size = sizeof found}, probe = found;
    REQUIRE(slices);
    REQUIRE(metrics);
    TRY(struct_read(&probe, sizeof probe, metrics, "slmt_metrics"));
    if (count < 1)
        return fail(ERR_ARGUMENT, "slmt_metrics_combine: count is 0");
    if (definition < SLMT_DEFINITION_VOLUME || definition > SLMT_DEFINITION_PAPER)
        return fail(
            ERR_ARGUMENT,
            "slmt_metrics_combine: definition is %d, expected SLMT_DEFINITION_VOLUME, _SLICE or _PAPER",
            definition);
    for (size_t i = 0; i < count; i++)
        if (slices[i].struct_size != sizeof *slices)
            return fail(ERR_ARGUMENT, "slmt_metrics_combine: slices[%zu].struct_size is %u, expected %zu", i,
                        slices[i].struct_size, sizeof *slices);
    metrics_combine(slices, count, definition, &found);
    return struct_write(metrics, &found, sizeof found, "slmt_metrics");
}

slmt_status slmt_metrics_value(const slmt_metrics *metrics, const char *name, double *value)
{
    slmt_metrics known = {.struct_size = sizeof known};
    REQUIRE(metrics);
    REQUIRE(name);
    REQUIRE(value);
    TRY(struct_read(&known, sizeof known, metrics, "slmt_metrics"));
    return image_metric_value(&known, name, value);
}
