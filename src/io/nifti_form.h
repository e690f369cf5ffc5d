/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_form.h - sizes and names that the reader and the writer of NIfTI files share. For src/io/nifti_*.c
 * only. */
#ifndef SLMT_IO_NIFTI_FORM_H
#define SLMT_IO_NIFTI_FORM_H

#include <string.h>

#include "io/nifti.h"

enum {
    HEADER_BYTES = 348,
    EXTENDER_BYTES = 4 /* bytes after the header: the first is not 0 if extensions follow */
};

_Static_assert(sizeof(nifti_1_header) == HEADER_BYTES, "nifti_1_header has padding");

static inline int ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path), k = strlen(suffix);
    return n > k && strcmp(path + n - k, suffix) == 0;
}

static inline int is_single(const char *path)
{
    return ends_in(path, ".nii") || ends_in(path, ".nii.gz");
}

#endif
