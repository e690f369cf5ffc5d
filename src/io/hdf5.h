/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5.h - HDF5 as src/io uses it, which is to import files that other programs wrote: the lock, and types.
 * The library's own files are read by dialect.h and written by dialect_write.h, without HDF5. Only .c files
 * of src/io include this header: no other one exposes an HDF5 type. */
#ifndef SLMT_IO_HDF5_H
#define SLMT_IO_HDF5_H

#define H5_USE_110_API
#include <hdf5.h>

#include "io/catalogue.h"

/* The host's error printing, which is restored after HDF5 calls. */
typedef struct hdf5_guard {
    unsigned is_v2;
    H5E_auto1_t print1;
    H5E_auto2_t print2;
    void *data;
} hdf5_guard;

/* Every HDF5 call lies between these two: one thread of the process at a time, and HDF5 prints nothing. */
void hdf5_enter(hdf5_guard *g);
void hdf5_leave(hdf5_guard *g);

/* Returns 1 if the name, without '/', exists, 0 if not; negative on failure. */
int hdf5_has_link(hid_t group, const char *name);

/* Returns a tensor's type in a file (little-endian) or in memory. The caller closes it; negative on failure.
 */
hid_t hdf5_stored_type(stored_type type);
hid_t hdf5_native_type(stored_type type);

#endif
