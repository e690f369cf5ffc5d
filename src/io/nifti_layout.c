/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_layout.c - a NIfTI header of either version and byte order, checked. */
#include "io/nifti_layout.h"

#include <math.h>
#include <nifti1_io.h>
#include <nifti2.h>
#include <string.h>

#include "io/nifti_space.h"

/* ---- which header it is ---- */

static int first_number(const unsigned char first[4], int swapped)
{
    int32_t size;
    memcpy(&size, first, sizeof size);
    if (swapped)
        nifti_swap_4bytes(1, &size);
    return size;
}

size_t nifti_header_bytes(const unsigned char first[4])
{
    for (int swapped = 0; swapped < 2; swapped++) {
        int size = first_number(first, swapped);
        if (size == NIFTI1_BYTES || size == NIFTI2_BYTES)
            return (size_t)size;
    }
    return 0;
}

/* ---- NIfTI-2 ---- */

static void swap_nifti_2(nifti_2_header *h)
{
    nifti_swap_2bytes(2, &h->datatype);
    nifti_swap_8bytes(8, h->dim);
    nifti_swap_8bytes(3, &h->intent_p1);
    nifti_swap_8bytes(8, h->pixdim);
    nifti_swap_8bytes(9, &h->vox_offset); /* to slice_end */
    nifti_swap_4bytes(2, &h->qform_code);
    nifti_swap_8bytes(6, &h->quatern_b);
    nifti_swap_8bytes(12, h->srow_x);
    nifti_swap_4bytes(3, &h->slice_code);
}

static short to_short(int64_t x)
{
    return (short)(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x);
}

static void narrow_arrays(const nifti_2_header *h, nifti_1_header *n)
{
    for (int i = 0; i < 8; i++) {
        n->dim[i] = to_short(h->dim[i]);
        n->pixdim[i] = (float)h->pixdim[i];
    }
    for (int i = 0; i < 4; i++) {
        n->srow_x[i] = (float)h->srow_x[i];
        n->srow_y[i] = (float)h->srow_y[i];
        n->srow_z[i] = (float)h->srow_z[i];
    }
    memcpy(n->descrip, h->descrip, sizeof n->descrip);
    memcpy(n->aux_file, h->aux_file, sizeof n->aux_file);
    memcpy(n->intent_name, h->intent_name, sizeof n->intent_name);
}

/* What NIfTI-1 can hold of it: numbers are rounded, what is too large is cut. */
static void narrow(const nifti_2_header *h, nifti_1_header *n)
{
    *n = (nifti_1_header){.sizeof_hdr = NIFTI1_BYTES,
                          .regular = 'r',
                          .dim_info = h->dim_info,
                          .intent_p1 = (float)h->intent_p1,
                          .intent_p2 = (float)h->intent_p2,
                          .intent_p3 = (float)h->intent_p3,
                          .intent_code = to_short(h->intent_code),
                          .datatype = h->datatype,
                          .bitpix = h->bitpix,
                          .slice_start = to_short(h->slice_start),
                          .scl_slope = (float)h->scl_slope,
                          .scl_inter = (float)h->scl_inter,
                          .slice_end = to_short(h->slice_end),
                          .slice_code = (char)h->slice_code,
                          .xyzt_units = (char)h->xyzt_units,
                          .cal_max = (float)h->cal_max,
                          .cal_min = (float)h->cal_min,
                          .slice_duration = (float)h->slice_duration,
                          .toffset = (float)h->toffset,
                          .qform_code = to_short(h->qform_code),
                          .sform_code = to_short(h->sform_code),
                          .quatern_b = (float)h->quatern_b,
                          .quatern_c = (float)h->quatern_c,
                          .quatern_d = (float)h->quatern_d,
                          .qoffset_x = (float)h->qoffset_x,
                          .qoffset_y = (float)h->qoffset_y,
                          .qoffset_z = (float)h->qoffset_z};
    narrow_arrays(h, n);
    memcpy(n->magic, h->magic, 2);
    n->magic[2] = '1';
}

static void space_of_nifti_2(const nifti_2_header *h, nifti_space *space)
{
    memcpy(space->rows, h->srow_x, 4 * sizeof(double));
    memcpy(space->rows + 4, h->srow_y, 4 * sizeof(double));
    memcpy(space->rows + 8, h->srow_z, 4 * sizeof(double));
    for (int i = 0; i < 4; i++)
        space->pixdim[i] = h->pixdim[i];
}

/* ---- fields of either version ---- */

typedef struct sizes {
    int64_t dim[8];
    double offset, slope, inter;
} sizes;

static void sizes_of_nifti_1(const nifti_1_header *h, sizes *s)
{
    for (int i = 0; i < 8; i++)
        s->dim[i] = h->dim[i];
    s->offset = h->vox_offset;
    s->slope = h->scl_slope;
    s->inter = h->scl_inter;
}

static void sizes_of_nifti_2(const nifti_2_header *h, sizes *s)
{
    memcpy(s->dim, h->dim, sizeof s->dim);
    s->offset = (double)h->vox_offset;
    s->slope = h->scl_slope;
    s->inter = h->scl_inter;
}

static status read_dims(const char *path, const sizes *s, nifti_layout *l)
{
    const uint64_t most = (uint64_t)1 << 48; /* products of sizes and bytes stay below 2^64 */
    int64_t rank = s->dim[0];
    if (rank < 1 || rank > 7)
        return fail(ERR_FORMAT, "%s: the header's number of axes is %lld", path, (long long)rank);
    l->voxels = l->volumes = 1;
    for (int i = 1; i <= 7; i++) {
        int64_t n = i <= rank ? s->dim[i] : 1;
        uint64_t *product = i <= 3 ? &l->voxels : &l->volumes;
        if (n < 1)
            return fail(ERR_FORMAT, "%s: the header's axis %d has length %lld", path, i, (long long)n);
        if ((uint64_t)n > most / l->voxels / l->volumes)
            return fail(ERR_FORMAT, "%s: the header's axes give more than 2^48 voxels", path);
        *product *= (uint64_t)n;
        if (i <= 3)
            l->form.dims[i - 1] = n;
    }
    return OK;
}

static status read_type(const char *path, nifti_layout *l)
{
    l->form.datatype = l->fields.datatype;
    l->form.bytes = voxel_bytes(l->form.datatype);
    if (l->form.bytes == 0)
        return fail(ERR_FORMAT, "%s: voxels of type %d (%s) are not integers or floats of up to 64 bits",
                    path, l->form.datatype, nifti_datatype_string(l->form.datatype));
    return OK;
}

static status read_offset(const char *path, double offset, nifti_layout *l)
{
    double lowest = l->single ? (double)l->header_bytes : 0;
    double start = offset == 0 ? lowest : offset;
    if (!(start >= lowest && start <= MAX_OFFSET))
        return fail(ERR_FORMAT, "%s: the header's vox_offset is %g", path, offset);
    l->offset = (uint64_t)start;
    return OK;
}

/* ---- reading ---- */

static void decode_1(const unsigned char *bytes, nifti_layout *l, sizes *s, nifti_space *space)
{
    memcpy(&l->fields, bytes, NIFTI1_BYTES);
    if (l->form.swapped)
        swap_nifti_header(&l->fields, 1);
    sizes_of_nifti_1(&l->fields, s);
    nifti_space_of_fields(&l->fields, space);
}

static void decode_2(const unsigned char *bytes, nifti_layout *l, sizes *s, nifti_space *space)
{
    nifti_2_header h;
    memcpy(&h, bytes, NIFTI2_BYTES);
    if (l->form.swapped)
        swap_nifti_2(&h);
    narrow(&h, &l->fields);
    sizes_of_nifti_2(&h, s);
    nifti_space_of_fields(&l->fields, space);
    space_of_nifti_2(&h, space);
}

/* The magic text: "n+1" of a single file, "ni1" of a pair; "n+2" and "ni2", and four bytes that show whether
 * a transfer as text has spoilt the file. */
static status read_magic(const char *path, const unsigned char *bytes, nifti_layout *l)
{
    const unsigned char *magic = bytes + (l->header_bytes == NIFTI1_BYTES ? 344 : 4);
    char version = l->header_bytes == NIFTI1_BYTES ? '1' : '2';
    if (magic[0] != 'n' || (magic[1] != '+' && magic[1] != 'i') || magic[2] != version || magic[3] != '\0')
        return fail(ERR_FORMAT,
                    "%s: its header has no magic text of NIfTI: perhaps an ANALYZE 7.5 file, whose "
                    "orientation is not known; convert it to NIfTI first",
                    path);
    if (version == '2' && memcmp(magic + 4, "\r\n\032\n", 4) != 0)
        return fail(ERR_CORRUPT, "%s is damaged: a transfer as text has changed its line ends", path);
    l->single = magic[1] == '+';
    return OK;
}

status nifti_layout_read(const char *path, const unsigned char *header, nifti_layout *l)
{
    sizes s;
    nifti_space space;
    *l = (nifti_layout){.header_bytes = nifti_header_bytes(header)};
    if (l->header_bytes == 0)
        return fail(ERR_FORMAT, "%s is not a NIfTI file: its first number is not %d or %d", path,
                    NIFTI1_BYTES, NIFTI2_BYTES);
    l->form.swapped = first_number(header, 0) != (int)l->header_bytes;
    TRY(read_magic(path, header, l));
    if (l->header_bytes == NIFTI1_BYTES)
        decode_1(header, l, &s, &space);
    else
        decode_2(header, l, &s, &space);
    TRY(read_dims(path, &s, l));
    TRY(read_type(path, l));
    TRY(read_offset(path, s.offset, l));
    voxel_scaling(s.slope, s.inter, &l->form);
    return nifti_space_affine(path, &space, l->affine, &l->notes);
}
