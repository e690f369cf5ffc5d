/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_layout.h - what the bytes of a NIfTI header say: where voxels are, and where the patient. For
 * src/io/nifti_*.c only. */
#ifndef SLMT_IO_NIFTI_LAYOUT_H
#define SLMT_IO_NIFTI_LAYOUT_H

#include "io/nifti.h"
#include "io/voxel_form.h"

enum {
    NIFTI1_BYTES = 348,
    NIFTI2_BYTES = 540,
    EXTENDER_BYTES = 4,  /* bytes after the header: the first is not 0 if extensions follow */
    MAX_OFFSET = 1 << 28 /* multiples of 16 up to here are exact in the header's float vox_offset */
};

_Static_assert(sizeof(nifti_1_header) == NIFTI1_BYTES, "nifti_1_header has padding");

typedef struct nifti_layout {
    nifti_1_header fields; /* in this machine's byte order; of NIfTI-2 what NIfTI-1 can hold */
    size_t header_bytes;   /* NIFTI1_BYTES or NIFTI2_BYTES */
    int single;            /* voxels follow in the same file */
    uint64_t offset;       /* of the first voxel */
    uint64_t voxels;       /* of one volume */
    uint64_t volumes;
    voxel_form form;
    double affine[16];
    int notes;
} nifti_layout;

/* Bytes of the header that begins like this, by its first number; 0: it is not NIfTI's. */
size_t nifti_header_bytes(const unsigned char first[4]);

/* Reads header_bytes bytes. path: for messages. ERR_FORMAT. */
status nifti_layout_read(const char *path, const unsigned char *header, nifti_layout *l);

/* The header that is written for a volume without one: its geometry alone. */
void nifti_fields_from_affine(const nifti_scan *scan, nifti_1_header *h);

#endif
