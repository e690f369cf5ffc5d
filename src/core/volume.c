/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c - volumes as handles: a scan, and the context in whose memory it lies. */
#include "core/volume.h"

status volume_new(slmt_context *context, const nifti_scan *scan, slmt_volume **volume)
{
    void *p;
    TRY(mem_take(&context->mem, sizeof(slmt_volume), &p));
    slmt_volume *v = p;
    v->context = context_retain(context);
    v->scan = *scan;
    *volume = v;
    return OK;
}

status volume_like(const slmt_volume *source, float *voxels, slmt_volume **volume)
{
    mem *m = &source->context->mem;
    nifti_scan scan = source->scan;
    TRY(nifti_header_copy(m, source->scan.header, &scan.header));
    scan.voxels = voxels;
    status s = volume_new(source->context, &scan, volume);
    if (s != OK)
        mem_give(m, scan.header);
    return s;
}

void volume_free(slmt_volume *volume)
{
    if (!volume)
        return;
    slmt_context *context = volume->context;
    nifti_scan_free(&context->mem, &volume->scan);
    mem_give(&context->mem, volume);
    context_release(context);
}
