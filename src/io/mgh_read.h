/* SPDX-License-Identifier: Apache-2.0 */
/* mgh_read.h - one volume from FreeSurfer's MGH format, plain (.mgh) or compressed (.mgz). For src/io only.
 *
 * Source: FreeSurfer wiki, FsTutorial/MghFormat; FreeSurfer 7, utils/mri_mgh. All numbers are big-endian. */
#ifndef SLMT_IO_MGH_READ_H
#define SLMT_IO_MGH_READ_H

#include "io/gz_input.h"
#include "io/nifti.h"

/* Returns 1 if the first bytes of a file are those of an MGH header. */
int mgh_is(const unsigned char *head, size_t size);

/* Reads volume `wanted` (scan_name.h) of an open file whose first bytes are given. On failure scan may hold
 * blocks of m. */
status mgh_read(mem *m, gz_input *in, const unsigned char *head, size_t size, int64_t wanted, int rules,
                nifti_scan *scan);

#endif
