/* SPDX-License-Identifier: Apache-2.0 */
/* nifti.h - files of one scalar volume to float32 voxels and back: NIfTI-1, NIfTI-2 and FreeSurfer's MGH in,
 * NIfTI-1 out.
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
    nifti_1_header fields; /* as in the file, in this machine's byte order; NIfTI-2's as NIfTI-1 holds them */
    size_t extension_bytes;
    unsigned char extensions[]; /* as in a file of this machine's byte order: esize, ecode, data, ... */
} nifti_header;

/* How a file is read: flags. */
enum {
    NIFTI_STRICT = 0,
    NIFTI_NAN_TO_ZERO = 1 /* a NaN becomes 0 and is counted; infinities are errors all the same */
};

/* What a reader had to assume: flags, in the order in which nifti_note_text() has texts for them. */
enum {
    NIFTI_NO_ORIENTATION = 1, /* the file says nothing about the patient's sides: left may be right */
    NIFTI_NO_SPACING = 2,     /* a spacing is 0 or no number; 1 was taken */
    NIFTI_FORMS_DIFFER = 4,   /* qform and sform turn or mirror the volume differently; sform was taken */
    NIFTI_OTHER_UNITS = 8,    /* lengths are in metres or micrometres; they were made millimetres */
    NIFTI_SIZES_DIFFER = 16,  /* pixdim has another voxel size than sform, which was taken */
    NIFTI_OBLIQUE = 32,       /* an axis is more than 30 degrees off the nearest one of the patient */
    NIFTI_NO_GEOMETRY = 64,   /* MGH without its geometry: coronal voxels of 1 mm were taken */
    NIFTI_NOTES = 7           /* their number */
};

typedef struct nifti_scan {
    nifti_header *header; /* NULL: made from dims and affine when written */
    int64_t dims[3];
    double affine[16]; /* row-major 4x4, (i,j,k,1) to mm: sform, else qform, else spacing alone */
    float *voxels;     /* i fastest; finite */
    uint64_t zeroed;   /* voxels that were NaN and became 0 */
    int notes;
    int is_whole; /* a label map: whole numbers, written as integers */
} nifti_scan;

/* Fills scan with blocks of m; on failure scan is empty. rules: flags from above. A path that is no file and
 * ends in [N] names the N-th volume, from 0 on, of a file of several. ERR_NOT_FOUND, ERR_IO, ERR_FORMAT,
 * ERR_CORRUPT, ERR_NONFINITE, ERR_MEMORY, ERR_LIMIT. */
status nifti_scan_read(mem *m, const char *path, int rules, nifti_scan *scan);

/* Returns the text of note number i, 0 to NIFTI_NOTES - 1: a sentence about the file without a full stop. */
const char *nifti_note_text(int i);

/* Writes one file, atomically: float32, or for label maps int16 or where that is too small int32; slope 1,
 * intercept 0, compressed if the name ends in .gz.
 * ERR_ARGUMENT (the name, or an axis too long for NIfTI-1), ERR_IO, ERR_MEMORY, ERR_LIMIT. */
status nifti_scan_write(mem *m, const char *path, const nifti_scan *scan);

/* The same from a header of NIfTI-1 or NIfTI-2 in memory, of either byte order, and the voxels that it
 * promises. Where the header says that voxels lie in a file does not count. ERR_ARGUMENT (another number of
 * bytes), ERR_FORMAT, ERR_NONFINITE, ERR_MEMORY, ERR_LIMIT. */
status nifti_scan_from_memory(mem *m, const void *header, size_t header_bytes, const void *voxels,
                              size_t voxel_bytes, int rules, nifti_scan *scan);

/* The header that nifti_scan_write() writes, odd geometry fields set right. ERR_ARGUMENT: an axis too long
 * for NIfTI-1. */
status nifti_scan_header(const nifti_scan *scan, nifti_1_header *header);

/* A header for other voxels on source's grid: geometry and units are source's; all that spoke of its values,
 * their acquisition or the patient is left out, extensions too; descrip is `what`, cut to 79 bytes. */
status nifti_result_header(mem *m, const nifti_scan *source, const char *what, nifti_header **out);

/* Replaces descrip. */
void nifti_header_describe(nifti_header *header, const char *what);

/* Frees header and voxels. */
void nifti_scan_free(mem *m, nifti_scan *scan);

/* Returns 1 if the upper 3x3 part is finite and invertible, and the last row is 0 0 0 1. */
int affine_is_valid(const double affine[16]);

/* The same also as it is stored, in float32. */
int affine_is_storable(const double affine[16]);

#endif
