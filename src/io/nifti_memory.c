/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_memory.c - a NIfTI header and its voxels that lie in memory, read as if they came from a file. */
#include <string.h>

#include "io/nifti_layout.h"

enum { CHUNK = 1 << 16 /* voxels converted at a time */ };

static const char name[] = "NIfTI header";

static status read_layout(const void *header, size_t header_bytes, size_t voxel_bytes, nifti_layout *l)
{
    size_t wanted = header_bytes >= 4 ? nifti_header_bytes(header) : 0;
    if (wanted == 0 || header_bytes < wanted)
        return fail(ERR_FORMAT, "%s: it has %zu bytes and is none of NIfTI", name, header_bytes);
    TRY(nifti_layout_read(name, header, l));
    if (l->volumes != 1)
        return fail(ERR_FORMAT, "%s: more than three axes, %llu volumes; one is taken at a time", name,
                    (unsigned long long)l->volumes);
    if (voxel_bytes != l->voxels * (uint64_t)l->form.bytes)
        return fail(ERR_ARGUMENT, "%s: it promises %llu voxels of %d bytes, there are %zu bytes", name,
                    (unsigned long long)l->voxels, l->form.bytes, voxel_bytes);
    return OK;
}

/* Conversion overwrites what it reads: the caller's voxels are copied piece by piece. */
static status convert(const nifti_layout *l, const unsigned char *from, unsigned char *raw, nifti_scan *scan)
{
    size_t size = (size_t)l->form.bytes;
    for (uint64_t at = 0; at < l->voxels; at += CHUNK) {
        size_t n = l->voxels - at < CHUNK ? (size_t)(l->voxels - at) : CHUNK;
        memcpy(raw, from + at * size, n * size);
        TRY(voxel_convert(&l->form, name, raw, at, n, scan->voxels + at, &scan->zeroed));
    }
    return OK;
}

static status take_voxels(mem *m, const nifti_layout *l, const void *voxels, nifti_scan *scan)
{
    void *p, *raw;
    TRY(mem_array(m, (size_t)l->voxels, sizeof(float), &p));
    scan->voxels = p;
    TRY(mem_array(m, CHUNK, (size_t)l->form.bytes, &raw));
    status s = convert(l, voxels, raw, scan);
    mem_give(m, raw);
    return s;
}

static status take_header(mem *m, const nifti_layout *l, nifti_scan *scan)
{
    void *p;
    TRY(mem_take(m, sizeof(nifti_header), &p));
    scan->header = p;
    scan->header->fields = l->fields;
    scan->header->extension_bytes = 0;
    memcpy(scan->dims, l->form.dims, sizeof scan->dims);
    memcpy(scan->affine, l->affine, sizeof scan->affine);
    scan->notes = l->notes;
    return OK;
}

status nifti_scan_from_memory(mem *m, const void *header, size_t header_bytes, const void *voxels,
                              size_t voxel_bytes, int rules, nifti_scan *scan)
{
    nifti_layout l;
    *scan = (nifti_scan){0};
    TRY(read_layout(header, header_bytes, voxel_bytes, &l));
    l.form.nan_to_zero = (rules & NIFTI_NAN_TO_ZERO) != 0;
    status s = take_header(m, &l, scan);
    if (s == OK)
        s = take_voxels(m, &l, voxels, scan);
    if (s != OK)
        nifti_scan_free(m, scan);
    return s;
}
