/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_streams.c - the standard streams under private names, for the HDF5 inside libslmt.so
 * (cmake/private-hdf5.cmake). Not in other builds. */
#include <stdio.h>

FILE *slmt_hdf5_stdout, *slmt_hdf5_stderr;

__attribute__((constructor)) static void open_streams(void)
{
    slmt_hdf5_stdout = stdout;
    slmt_hdf5_stderr = stderr;
}
