/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_read.c - one volume from a file, or from the two files of a pair; what a file is, its first bytes
 * decide, and its name only in pairs. */
#include <nifti1_io.h>
#include <string.h>

#include "io/file_kind.h"
#include "io/mgh_read.h"
#include "io/nifti_layout.h"
#include "io/scan_name.h"
#include "io/voxel_read.h"

enum { SMALLEST_EXTENSION = 16 };

typedef struct request {
    mem *m;
    int64_t volume; /* scan_name.h */
    int rules;
} request;

/* The start of a file: a header, or what there is in its place. */
typedef struct beginning {
    unsigned char bytes[FILE_KIND_BYTES];
    size_t size;
} beginning;

_Static_assert((int)FILE_KIND_BYTES >= (int)NIFTI2_BYTES, "a beginning holds a header");

/* ---- what the file is ---- */

static status refuse_kind(const gz_input *in, const beginning *b)
{
    const char *kind = file_kind(b->bytes, b->size);
    size_t wanted = b->size >= 4 ? nifti_header_bytes(b->bytes) : 0;
    if (wanted > 0)
        return fail(ERR_FORMAT,
                    "%s is not a NIfTI file: it is shorter than a header, %zu bytes instead of %zu", in->path,
                    b->size, wanted);
    if (kind)
        return fail(ERR_FORMAT, "%s is not a scan: %s %s", in->path,
                    in->compressed ? "what is compressed in it is" : "it is", kind);
    return fail(
        ERR_FORMAT,
        "%s is not a scan that is read here: it begins neither as NIfTI (its first number is not %d or "
        "%d) nor as MGH",
        in->path, NIFTI1_BYTES, NIFTI2_BYTES);
}

static status begin(gz_input *in, beginning *b)
{
    return gz_input_read_some(in, b->bytes, sizeof b->bytes, &b->size);
}

static status read_layout(const gz_input *in, const beginning *b, nifti_layout *l)
{
    size_t bytes = b->size >= 4 ? nifti_header_bytes(b->bytes) : 0;
    if (bytes == 0 || b->size < bytes)
        return refuse_kind(in, b);
    return nifti_layout_read(in->path, b->bytes, l);
}

/* ---- extensions ---- */

/* Returns the length of the well-formed extensions at the start of the region and converts their heads to
 * this machine's byte order. */
static size_t well_formed(unsigned char *region, size_t bytes, int swapped)
{
    size_t at = 0;
    while (bytes - at >= SMALLEST_EXTENSION) {
        int32_t size;
        if (swapped)
            nifti_swap_4bytes(2, region + at);
        memcpy(&size, region + at, sizeof size);
        if (size < SMALLEST_EXTENSION || size % 16 != 0 || (size_t)size > bytes - at)
            break;
        at += (size_t)size;
    }
    return at;
}

/* Returns the bytes between the extender and the voxels (of a single file) or the end (of a .hdr). */
static status extension_room(gz_input *in, const nifti_layout *l, size_t *room)
{
    unsigned char extender[EXTENDER_BYTES];
    uint64_t start = l->header_bytes + EXTENDER_BYTES;
    uint64_t end = l->single ? l->offset : in->most;
    *room = 0;
    if (end < start + SMALLEST_EXTENSION)
        return OK;
    TRY(gz_input_seek(in, l->header_bytes));
    TRY(gz_input_read(in, extender, sizeof extender));
    if (extender[0] == 0)
        return OK;
    if (end - start > MAX_OFFSET)
        return fail(ERR_FORMAT, "%s: header extensions longer than %d bytes are not read", in->path,
                    MAX_OFFSET);
    *room = (size_t)(end - start);
    return OK;
}

static status keep_header(mem *m, gz_input *in, const nifti_layout *l, nifti_header **out)
{
    size_t room;
    void *p;
    TRY(extension_room(in, l, &room));
    TRY(mem_take(m, sizeof(nifti_header) + room, &p));
    nifti_header *h = *out = p;
    h->fields = l->fields;
    size_t got;
    h->extension_bytes = 0;
    TRY(gz_input_read_some(in, h->extensions, room, &got));
    h->extension_bytes = got > 0 ? well_formed(h->extensions, got, l->form.swapped) : 0;
    return OK;
}

/* ---- one file, or two ---- */

/* One of several volumes has three axes. */
static void leave_other_volumes(nifti_1_header *h)
{
    h->dim[0] = 3;
    for (int i = 4; i < 8; i++)
        h->dim[i] = 1;
}

static void take_geometry(const nifti_layout *l, nifti_scan *scan)
{
    if (l->volumes > 1)
        leave_other_volumes(&scan->header->fields);
    memcpy(scan->dims, l->form.dims, sizeof scan->dims);
    memcpy(scan->affine, l->affine, sizeof scan->affine);
    scan->notes = l->notes;
}

/* in: the header's file, behind its beginning; voxels: the same, or the .img. */
static status read_nifti(const request *r, gz_input *in, gz_input *voxels, nifti_layout *l, nifti_scan *scan)
{
    voxel_place place = {.offset = l->offset, .voxels = l->voxels, .volumes = l->volumes};
    l->form.nan_to_zero = (r->rules & NIFTI_NAN_TO_ZERO) != 0;
    TRY(scan_name_volume(in->path, r->volume, l->volumes, &place.index));
    TRY(voxel_check_size(voxels, &l->form, &place));
    TRY(keep_header(r->m, in, l, &scan->header));
    take_geometry(l, scan);
    return voxel_read(r->m, voxels, &l->form, &place, scan);
}

static status read_begun(const request *r, gz_input *in, const beginning *b, nifti_scan *scan)
{
    nifti_layout l;
    if (mgh_is(b->bytes, b->size))
        return mgh_read(r->m, in, b->bytes, b->size, r->volume, r->rules, scan);
    TRY(read_layout(in, b, &l));
    if (!l.single)
        return fail(ERR_FORMAT, "%s is the header of a pair of files: name it .hdr, beside its .img",
                    in->path);
    return read_nifti(r, in, in, &l, scan);
}

static status read_single(const request *r, const char *path, nifti_scan *scan)
{
    gz_input in;
    beginning b;
    TRY(gz_input_open(path, &in));
    status s = begin(&in, &b);
    if (s == OK)
        s = read_begun(r, &in, &b, scan);
    gz_input_close(&in);
    return s;
}

static status read_pair_begun(const request *r, gz_input *in, const beginning *b, const char *image,
                              nifti_scan *scan)
{
    nifti_layout l;
    gz_input voxels;
    TRY(read_layout(in, b, &l));
    if (l.single)
        return fail(ERR_FORMAT, "%s: its magic text is that of a single file, not of a .hdr beside a .img",
                    in->path);
    TRY(gz_input_open(image, &voxels));
    status s = read_nifti(r, in, &voxels, &l, scan);
    gz_input_close(&voxels);
    return s;
}

static status read_pair(const request *r, const char *header, const char *image, nifti_scan *scan)
{
    gz_input in;
    beginning b;
    TRY(gz_input_open(header, &in));
    status s = begin(&in, &b);
    if (s == OK)
        s = read_pair_begun(r, &in, &b, image, scan);
    gz_input_close(&in);
    return s;
}

static status read_half(const request *r, const char *path, int is_header, nifti_scan *scan)
{
    const char *missing = is_header ? ".img" : ".hdr";
    gz_input probe;
    char *other;
    TRY(gz_input_open(path, &probe));
    gz_input_close(&probe);
    TRY(scan_name_partner(r->m, path, missing, &other));
    if (!other)
        return fail(ERR_NOT_FOUND, "%s: there is no %s file, or %s.gz, beside it", path, missing, missing);
    status s = is_header ? read_pair(r, path, other, scan) : read_pair(r, other, path, scan);
    mem_give(r->m, other);
    return s;
}

static status read_named(const request *r, const char *path, nifti_scan *scan)
{
    int header = name_ends_in(path, ".hdr") || name_ends_in(path, ".hdr.gz");
    if (header || name_ends_in(path, ".img") || name_ends_in(path, ".img.gz"))
        return read_half(r, path, header, scan);
    return read_single(r, path, scan);
}

status nifti_scan_read(mem *m, const char *path, int rules, nifti_scan *scan)
{
    request r = {.m = m, .rules = rules};
    char *file;
    *scan = (nifti_scan){0};
    TRY(scan_name_split(m, path, &file, &r.volume));
    status s = read_named(&r, file, scan);
    if (s != OK)
        nifti_scan_free(m, scan);
    mem_give(m, file);
    return s;
}

void nifti_scan_free(mem *m, nifti_scan *scan)
{
    mem_give(m, scan->voxels);
    mem_give(m, scan->header);
    *scan = (nifti_scan){0};
}
