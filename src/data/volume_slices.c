/* SPDX-License-Identifier: Apache-2.0 */
/* volume_slices.c - preprocesses a volume with the parameters that a model stores. */
#include "data/volume_slices.h"

#include "data/preprocess.h"
#include "data/resize.h"

status volume_slices(const slmt_model *model, mem *m, const slmt_volume *source, float **slices, int *count)
{
    const slmt_preprocess *p = &model->preprocess;
    const nifti_scan *scan = &source->scan;
    float *crops = NULL;
    void *to = NULL;
    intensity_facts facts;
    TRY(preprocess_volume(m, p, scan->dims, scan->affine, scan->voxels, &crops, count, &facts));
    size_t area = (size_t)p->crop_size * (size_t)p->crop_size,
           pixels = (size_t)p->image_size * (size_t)p->image_size;
    status s = intensity_warn(model->context, &facts, NULL);
    if (s == OK)
        s = mem_array(m, (size_t)*count * pixels, sizeof(float), &to);
    for (size_t i = 0; s == OK && i < (size_t)*count; i++)
        resize_bilinear(crops + i * area, p->crop_size, p->crop_size, (float *)to + i * pixels, p->image_size,
                        p->image_size);
    mem_give(m, crops);
    *slices = to;
    return s;
}

status volume_of_slices(const slmt_model *model, const slmt_volume *source, const float *slices,
                        slmt_volume **target)
{
    mem *m = &source->context->mem;
    const nifti_scan *scan = &source->scan;
    void *voxels;
    TRY(mem_array(m, (size_t)(scan->dims[0] * scan->dims[1] * scan->dims[2]), sizeof(float), &voxels));
    status st = preprocess_restore(m, &model->preprocess, scan->dims, scan->affine, slices, voxels);
    if (st == OK)
        st = volume_like(source, voxels, target);
    if (st != OK)
        mem_give(m, voxels);
    return st;
}
