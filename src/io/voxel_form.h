/* SPDX-License-Identifier: Apache-2.0 */
/* voxel_form.h - how a file of scans stores its voxels, and their way to finite float32. For src/io only. */
#ifndef SLMT_IO_VOXEL_FORM_H
#define SLMT_IO_VOXEL_FORM_H

#include "lib/mem.h"

typedef struct voxel_form {
    int datatype; /* NIfTI's code, one that voxel_bytes() knows */
    int bytes;    /* of a voxel */
    int swapped;  /* the other byte order than this machine's */
    int scaled;   /* value = slope * stored + inter, else the stored value */
    double slope, inter;
    int64_t dims[3];
    int nan_to_zero; /* a NaN becomes 0; else it is an error */
} voxel_form;

/* Bytes of a voxel of NIfTI's datatype; 0: not an integer or a float of up to 64 bits. */
int voxel_bytes(int datatype);

/* Slope 0, 1 with intercept 0, or no finite numbers: the values are as stored. */
void voxel_scaling(double slope, double inter, voxel_form *form);

/* Converts n voxels from the one with the number `start` on. raw is overwritten. *zeroed grows by the NaN
 * that became 0. ERR_NONFINITE: a NaN, an infinity or a value beyond float32, with its place. */
status voxel_convert(const voxel_form *form, const char *path, unsigned char *raw, uint64_t start, size_t n,
                     float *out, uint64_t *zeroed);

#endif
