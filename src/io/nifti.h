/* SPDX-License-Identifier: Apache-2.0 */
/* nifti.h - NIfTI-1 files of one scalar volume to float32 voxels and back.
 *
 * niftiio gives the header's layout, byte order, data types and quaternions. Voxels are read and written
 * here, because niftiio silently turns NaN into 0, does not report failed writes, drops geometry fields whose
 * code is 0, and prints. Files are not trusted. */
#ifndef SLMT_IO_NIFTI_H
#define SLMT_IO_NIFTI_H

#include <nifti1.h>

#include "lib/mem.h"

/* The contents of a file beside its voxels, stored so that they can be written again. */
typedef struct nifti_header {
    nifti_1_header fields; /* as in the file, in this machine's byte order */
    size_t extension_bytes;
    unsigned char extensions[]; /* as in a file of this machine's byte order: esize, ecode, data, ... */
} nifti_header;

typedef struct nifti_scan {
    nifti_header *header; /* NULL: made from dims and affine when written */
    int64_t dims[3];
    double affine[16]; /* row-major 4x4, (i,j,k,1) to mm: sform, else qform, else spacing alone */
    float *voxels;     /* i fastest; finite */
} nifti_scan;

/* Fills scan with blocks of m; on failure scan is empty. ERR_NOT_FOUND, ERR_IO, ERR_FORMAT, ERR_CORRUPT,
 * ERR_NONFINITE, ERR_MEMORY, ERR_LIMIT. */
status nifti_scan_read(mem *m, const char *path, nifti_scan *scan);

/* Writes one file, atomically: float32, slope 1, intercept 0, compressed if the name ends in .gz.
 * ERR_ARGUMENT (the name, or an axis too long for NIfTI-1), ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status nifti_scan_write(mem *m, const char *path, const nifti_scan *scan);

/* Copies a header for voxels of another contrast, without the display range cal_min, cal_max. header may be
 * NULL. */
status nifti_header_copy(mem *m, const nifti_header *header, nifti_header **copy);

/* Frees header and voxels. */
void nifti_scan_free(mem *m, nifti_scan *scan);

/* True if the upper 3x3 part is finite and invertible, and the last row is 0 0 0 1. */
int affine_is_valid(const double affine[16]);

#endif
