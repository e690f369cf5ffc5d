/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c - volumes as handles: a scan, and the context in whose memory it lies. */
#include "core/volume.h"

#include <stdio.h>

#include "core/finite.h"
#include "core/handles.h"
#include "slmt/version.h"

status volume_new(slmt_context *context, const nifti_scan *scan, slmt_volume **volume)
{
    void *p;
    TRY(mem_take(&context->mem, sizeof(slmt_volume), &p));
    slmt_volume *v = p;
    v->word = HANDLE_VOLUME;
    v->context = context_retain(context);
    v->scan = *scan;
    *volume = v;
    return OK;
}

status volume_new_read(slmt_context *context, const nifti_scan *scan, const char *path, slmt_volume **volume)
{
    const char *colon = path ? ": " : "";
    for (int i = 0; i < NIFTI_NOTES; i++)
        if (scan->notes & 1 << i)
            TRY(context_warn(context, "%s%s%s", path ? path : "", colon, nifti_note_text(i)));
    return volume_new(context, scan, volume);
}

status volume_like(const slmt_volume *source, float *voxels, slmt_volume **volume)
{
    mem *m = &source->context->mem;
    nifti_scan scan = source->scan;
    TRY(nifti_result_header(m, &source->scan, "", &scan.header));
    scan.zeroed = 0;
    scan.notes = scan.is_whole = 0;
    scan.voxels = voxels;
    status s = volume_new(source->context, &scan, volume);
    if (s == OK)
        volume_describe(*volume, "intensities scaled to 0..1");
    else
        mem_give(m, scan.header);
    return s;
}

void volume_describe(slmt_volume *volume, const char *what)
{
    char text[sizeof volume->scan.header->fields.descrip];
    snprintf(text, sizeof text, "libslmt " SLMT_VERSION_STRING "%s%s", *what ? ": " : "", what);
    nifti_header_describe(volume->scan.header, text);
}

void volume_mark_synthetic(slmt_volume *volume)
{
    volume_describe(volume, "synthetic MR, not for diagnosis");
}

void volume_mark_labels(slmt_volume *volume)
{
    volume->scan.is_whole = 1;
    volume->scan.header->fields.intent_code = NIFTI_INTENT_LABEL;
    volume_describe(volume, "labels by a network, not for diagnosis");
}

status volume_check_finite(const slmt_volume *volume)
{
    const int64_t *dims = volume->scan.dims;
    return check_made("the result's voxels", volume->scan.voxels,
                      (const int64_t[]){dims[2], dims[1], dims[0]}, 3);
}

void volume_free(slmt_volume *volume)
{
    if (!volume)
        return;
    slmt_context *context = volume->context;
    nifti_scan_free(&context->mem, &volume->scan);
    handle_end(volume);
    mem_give(&context->mem, volume);
    context_release(context);
}
