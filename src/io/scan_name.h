/* SPDX-License-Identifier: Apache-2.0 */
/* scan_name.h - what the name of a scan tells: its ending, the other file of a pair, one volume of several.
 * For src/io only. */
#ifndef SLMT_IO_SCAN_NAME_H
#define SLMT_IO_SCAN_NAME_H

#include "lib/mem.h"

/* Returns 1 if the path ends so, in whatever case, and something stands before it. */
int name_ends_in(const char *path, const char *ending);

/* .nii or .nii.gz */
int name_is_nifti(const char *path);

enum { WHOLE_FILE = -1 };

/* Splits "file[N]", unless that is a file itself: *file is a block of m, *volume N or WHOLE_FILE. */
status scan_name_split(mem *m, const char *path, char **file, int64_t *volume);

/* Finds the .img (ending ".img") of a .hdr or the .hdr of a .img, compressed or not, in the case of the name
 * or another. *other is a block of m, or NULL where there is none. */
status scan_name_partner(mem *m, const char *path, const char *ending, char **other);

/* Which of `volumes` was wanted. ERR_FORMAT: there are several and none was named, or not so many. */
status scan_name_volume(const char *path, int64_t wanted, uint64_t volumes, uint64_t *index);

#endif
