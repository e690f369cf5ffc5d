/* SPDX-License-Identifier: Apache-2.0 */
/* voxel_read.c - streams voxels through a small buffer. */
#include "io/voxel_read.h"

enum { CHUNK = 1 << 16 /* voxels converted at a time */ };

status voxel_check_size(const gz_input *in, const voxel_form *form, const voxel_place *place)
{
    uint64_t voxels = place->voxels * place->volumes;
    if (place->offset + voxels * (uint64_t)form->bytes <= in->most)
        return OK;
    return fail(ERR_CORRUPT, "%s is cut short: its header promises %llu voxels of %d bytes from byte %llu on",
                in->path, (unsigned long long)voxels, form->bytes, (unsigned long long)place->offset);
}

static status stream(gz_input *in, const voxel_form *form, const voxel_place *place, unsigned char *raw,
                     nifti_scan *scan)
{
    uint64_t size = (uint64_t)form->bytes;
    TRY(gz_input_seek(in, place->offset + place->index * place->voxels * size));
    for (uint64_t at = 0; at < place->voxels; at += CHUNK) {
        size_t n = place->voxels - at < CHUNK ? (size_t)(place->voxels - at) : CHUNK;
        TRY(gz_input_read(in, raw, n * (size_t)size));
        TRY(voxel_convert(form, in->path, raw, at, n, scan->voxels + at, &scan->zeroed));
    }
    if (place->index + 1 < place->volumes)
        TRY(gz_input_seek(in, place->offset + place->volumes * place->voxels * size));
    return gz_input_check_end(in);
}

status voxel_read(mem *m, gz_input *in, const voxel_form *form, const voxel_place *place, nifti_scan *scan)
{
    void *raw, *voxels;
    TRY(mem_array(m, (size_t)place->voxels, sizeof(float), &voxels));
    scan->voxels = voxels;
    status s = mem_array(m, CHUNK, (size_t)form->bytes, &raw);
    if (s == OK) {
        s = stream(in, form, place, raw, scan);
        mem_give(m, raw);
    }
    if (s != OK) {
        mem_give(m, voxels);
        scan->voxels = NULL;
    }
    return s;
}
