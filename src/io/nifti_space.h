/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_space.h - from the geometry fields of a NIfTI header to the affine, by one rule: sform, else qform,
 * else the spacing alone; in millimetres. For src/io/nifti_*.c only. */
#ifndef SLMT_IO_NIFTI_SPACE_H
#define SLMT_IO_NIFTI_SPACE_H

#include "io/nifti.h"

typedef struct nifti_space {
    int sform_code, qform_code, units;
    double rows[12];  /* the sform */
    double pixdim[4]; /* qfac and spacings */
    float quatern[3], origin[3];
} nifti_space;

void nifti_space_of_fields(const nifti_1_header *h, nifti_space *space);

/* *notes gets flags of nifti.h. ERR_FORMAT: the form that counts is singular or not finite. */
status nifti_space_affine(const char *path, const nifti_space *space, double affine[16], int *notes);

/* Makes odd geometry fields say what nifti_space_affine() takes them for, so that other programs read the
 * same: codes and units that no standard has, qfac, spacings, a quaternion that is too long or no number. */
void nifti_space_tidy(nifti_1_header *h);

#endif
