/* SPDX-License-Identifier: Apache-2.0 */
/* no_import.c - what a library without HDF5 (SLMT_IMPORT=OFF) says of files that other programs wrote. */
#include "io/hdf5_import.h"

status hdf5_import(mem *m, const char *path, const char *out, hdf5_import_check check, void *user)
{
    (void)m;
    (void)out;
    (void)check;
    (void)user;
    return fail(ERR_UNSUPPORTED,
                "%s: this build reads no files that other programs wrote (SLMT_IMPORT=ON does)", path);
}
