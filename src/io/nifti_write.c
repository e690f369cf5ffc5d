/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_write.c - one volume to a NIfTI-1 file; nifti.h says which part niftiio does. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <nifti1_io.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/descriptor.h"
#include "io/gz_output.h"
#include "io/nifti_layout.h"
#include "io/nifti_space.h"
#include "io/scan_name.h"

static mat44 single_precision(const double a[16])
{
    mat44 m;
    for (int i = 0; i < 16; i++)
        m.m[i / 4][i % 4] = (float)a[i];
    return m;
}

/* The quaternion form cannot hold shear: its code is set only if it equals the affine. */
static void qform_from_affine(const double a[16], nifti_1_header *h)
{
    float qfac, error = 0, d[3];
    nifti_mat44_to_quatern(single_precision(a), &h->quatern_b, &h->quatern_c, &h->quatern_d, &h->qoffset_x,
                           &h->qoffset_y, &h->qoffset_z, &d[0], &d[1], &d[2], &qfac);
    h->pixdim[0] = qfac;
    memcpy(&h->pixdim[1], d, sizeof d);
    mat44 back = nifti_quatern_to_mat44(h->quatern_b, h->quatern_c, h->quatern_d, h->qoffset_x, h->qoffset_y,
                                        h->qoffset_z, d[0], d[1], d[2], qfac);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
            error = fmaxf(error, fabsf(back.m[r][c] - (float)a[4 * r + c]) / d[c]);
    h->qform_code = error < 1e-4f ? NIFTI_XFORM_SCANNER_ANAT : NIFTI_XFORM_UNKNOWN;
}

void nifti_fields_from_affine(const nifti_scan *scan, nifti_1_header *h)
{
    float *rows[3] = {h->srow_x, h->srow_y, h->srow_z};
    memset(h, 0, sizeof *h);
    h->regular = 'r';
    h->dim[0] = 3;
    for (int i = 1; i < 8; i++) {
        h->dim[i] = i <= 3 ? (short)scan->dims[i - 1] : 1;
        h->pixdim[i] = 1;
    }
    h->xyzt_units = NIFTI_UNITS_MM;
    h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    for (int i = 0; i < 12; i++)
        rows[i / 4][i % 4] = (float)scan->affine[i];
    qform_from_affine(scan->affine, h);
}

static size_t voxel_count(const nifti_scan *scan)
{
    return (size_t)(scan->dims[0] * scan->dims[1] * scan->dims[2]);
}

static int type_to_write(const nifti_scan *scan)
{
    if (!scan->is_whole)
        return DT_FLOAT32;
    for (size_t i = 0; i < voxel_count(scan); i++)
        if (fabsf(scan->voxels[i]) > INT16_MAX)
            return DT_INT32;
    return DT_INT16;
}

static nifti_1_header fields_to_write(const nifti_scan *scan)
{
    nifti_1_header h;
    if (scan->header)
        h = scan->header->fields;
    else
        nifti_fields_from_affine(scan, &h);
    h.sizeof_hdr = NIFTI1_BYTES;
    h.datatype = (short)type_to_write(scan);
    h.bitpix = h.datatype == DT_INT16 ? 16 : 32;
    h.scl_slope = 1;
    h.scl_inter = 0;
    h.vox_offset =
        (float)(NIFTI1_BYTES + EXTENDER_BYTES + (scan->header ? scan->header->extension_bytes : 0));
    memcpy(h.magic, "n+1", 4);
    return h;
}

static status check_dims(const nifti_scan *scan, const char *path)
{
    for (int i = 0; i < 3; i++)
        if (scan->dims[i] > INT16_MAX)
            return fail(ERR_ARGUMENT, "%s: axis %d has %lld voxels, NIfTI-1 holds at most %d", path, i + 1,
                        (long long)scan->dims[i], INT16_MAX);
    return OK;
}

status nifti_scan_header(const nifti_scan *scan, nifti_1_header *header)
{
    TRY(check_dims(scan, "NIfTI header"));
    *header = fields_to_write(scan);
    nifti_space_tidy(header);
    return OK;
}

enum { BLOCK = 4096 };

/* Voxels as integers, a block at a time. */
static status put_whole(gz_output *file, int type, const float *x, size_t n)
{
    int16_t small[BLOCK];
    int32_t large[BLOCK];
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        for (size_t i = 0; i < count; i++) {
            large[i] = (int32_t)x[first + i];
            small[i] = (int16_t)large[i];
        }
        TRY(type == DT_INT16 ? gz_output_put(file, small, count * sizeof *small)
                             : gz_output_put(file, large, count * sizeof *large));
    }
    return OK;
}

static status put_voxels(gz_output *file, int type, const nifti_scan *scan)
{
    size_t n = voxel_count(scan);
    return type == DT_FLOAT32 ? gz_output_put(file, scan->voxels, n * sizeof(float))
                              : put_whole(file, type, scan->voxels, n);
}

static status put_scan(gz_output *file, const nifti_scan *scan)
{
    nifti_1_header h = fields_to_write(scan);
    size_t extension_bytes = scan->header ? scan->header->extension_bytes : 0;
    unsigned char extender[EXTENDER_BYTES] = {extension_bytes > 0};
    TRY(gz_output_put(file, &h, sizeof h));
    TRY(gz_output_put(file, extender, sizeof extender));
    if (extension_bytes > 0)
        TRY(gz_output_put(file, scan->header->extensions, extension_bytes));
    return put_voxels(file, h.datatype, scan);
}

static status write_to(const char *temporary, const char *path, const nifti_scan *scan)
{
    gz_output file;
    int fd = descriptor_open(temporary, O_WRONLY | O_TRUNC, 0);
    if (fd < 0)
        return fail(ERR_IO, "%s cannot be opened: %s", temporary, strerror(errno));
    status s = gz_output_begin(&file, fd, name_ends_in(path, ".gz"), path);
    if (s == OK)
        s = gz_output_end(&file, put_scan(&file, scan));
    if (close(fd) != 0 && errno != EINTR && s == OK)
        s = fail(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    return s;
}

status nifti_scan_write(mem *m, const char *path, const nifti_scan *scan)
{
    atomic_file f;
    if (!name_is_nifti(path))
        return fail(ERR_ARGUMENT, "%s: the name must end in .nii or .nii.gz", path);
    TRY(check_dims(scan, path));
    TRY(atomic_file_begin(m, path, &f));
    status s = write_to(f.temporary, path, scan);
    if (s != OK) {
        atomic_file_abandon(&f);
        return s;
    }
    return atomic_file_finish(&f);
}
