/* SPDX-License-Identifier: Apache-2.0 */
/* volume_resample.c - entry point of slmt/volume.h for volumes of another voxel size. */
#include <math.h>
#include <string.h>

#include "core/structs.h"
#include "core/volume.h"
#include "data/resample.h"
#include "lib/size.h"

static size_t voxels_of(const grid *g)
{
    return (size_t)(g->dims[0] * g->dims[1] * g->dims[2]);
}

static status check(const grid *from, const double *spacing, int32_t resize, const grid *to)
{
    int64_t voxels;
    for (int a = 0; a < 3; a++)
        if (!(spacing[a] > 0) || !isfinite(spacing[a]))
            return fail(ERR_ARGUMENT, "slmt_volume_resample: spacing[%d] is %g, expected above 0", a,
                        spacing[a]);
    if (resize != SLMT_RESIZE_BILINEAR && resize != SLMT_RESIZE_NEAREST)
        return fail(ERR_ARGUMENT,
                    "slmt_volume_resample: resize is %d, expected SLMT_RESIZE_BILINEAR or _NEAREST", resize);
    if (size_product(to->dims, 3, SIZE_MOST, &voxels))
        return OK;
    return fail(ERR_ARGUMENT,
                "slmt_volume_resample: with voxels of %g x %g x %g mm the volume of %lld x %lld x %lld would "
                "have more than %lld",
                spacing[0], spacing[1], spacing[2], (long long)from->dims[0], (long long)from->dims[1],
                (long long)from->dims[2], (long long)SIZE_MOST);
}

/* The volume's voxels in canonical order, on the new grid: a block of m. */
static status make_voxels(mem *m, const nifti_scan *scan, const grid *from, const grid *to, int32_t resize,
                          float **made)
{
    void *own, *out = NULL;
    orient o = orient_from_affine(scan->dims, scan->affine);
    TRY(mem_array(m, voxels_of(from), sizeof(float), &own));
    orient_to_canonical(&o, scan->voxels, own);
    status s = mem_array(m, voxels_of(to), sizeof(float), &out);
    if (s == OK && resize == SLMT_RESIZE_NEAREST)
        resample_labels(from, own, to, out);
    else if (s == OK)
        s = resample_volume(m, from, own, to, out);
    mem_give(m, own);
    if (s != OK)
        mem_give(m, out);
    else
        *made = out;
    return s;
}

slmt_status slmt_volume_resample(const slmt_volume *volume, const double spacing[3], int32_t resize,
                                 slmt_volume **resampled)
{
    REQUIRE(volume);
    REQUIRE(spacing);
    REQUIRE(resampled);
    mem *m = &volume->context->mem;
    grid from = grid_of(volume->scan.dims, volume->scan.affine), to = grid_with_spacing(&from, spacing);
    TRY(check(&from, spacing, resize, &to));
    nifti_scan made = {.voxels = NULL};
    memcpy(made.dims, to.dims, sizeof made.dims);
    memcpy(made.affine, to.affine, sizeof made.affine);
    TRY(make_voxels(m, &volume->scan, &from, &to, resize, &made.voxels));
    status s = volume_new(volume->context, &made, resampled);
    if (s != OK)
        mem_give(m, made.voxels);
    return s;
}
