/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5.h - HDF5 as src/io uses it, which is to write: the lock, files that are written through the library's
 * own driver, and helpers for attributes and tensors. Files are read by dialect.h, without HDF5. Only .c
 * files of src/io include this header: no other one exposes an HDF5 type. */
#ifndef SLMT_IO_HDF5_H
#define SLMT_IO_HDF5_H

#define H5_USE_110_API
#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include "io/catalogue.h"
#include "lib/mem.h"
#include "lib/status.h"

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

/* The file that HDF5 writes, and reads back from while it does. The struct must not move while HDF5 uses it.
 *
 * A write that fails while HDF5 closes a file leaves HDF5 in a broken state, so the driver never reports one
 * to it: the first error is stored in `error`, later writes are dropped, and the function that finishes the
 * file checks `error`. */
typedef struct hdf5_bytes {
    H5FD_t base;
    hid_t driver; /* HDF5's id of the driver while the file is open */
    int fd;
    uint64_t size;      /* end of the bytes */
    uint64_t allocated; /* end of the allocated addresses */
    int error;          /* errno of the first write that failed; 0 */
    void *reserve;      /* memory that is given back before the file is closed */
} hdf5_bytes;

/* Returns 1 if there is as much memory as HDF5 needs to open a file, and besides to close it. To be asked
 * before it opens one. */
int hdf5_has_memory(void);

void hdf5_take_reserve(hdf5_bytes *b);
void hdf5_give_reserve(hdf5_bytes *b);

/* Creates a file at an open descriptor of an empty file, in the format of HDF5 1.8 and without times, so that
 * equal contents are equal bytes. Negative on failure. */
hid_t hdf5_create(hdf5_bytes *b, int fd, uint64_t user_block);

/* Closes a file of these bytes; returns 1, or 0 if HDF5 failed. */
int hdf5_close(hdf5_bytes *b, hid_t file);

/* Flushes and closes a file being written. ERR_IO with the system's reason, ERR_MEMORY. */
status hdf5_close_written(hdf5_bytes *b, hid_t file, const char *label);

/* Returns ERR_IO for a call that failed on a file being written, with the system's reason if there is one;
 * ERR_MEMORY where HDF5, on this thread since hdf5_enter(), found none. */
status hdf5_write_failed(const hdf5_bytes *b, const char *label, const char *group, const char *name);

/* Opens the group "a/b/c" ("" is the root) below file, creating missing groups. Negative on failure. */
hid_t hdf5_group(hid_t file, const char *path);

/* Returns 1 if the name, without '/', exists, 0 if not; negative on failure. */
int hdf5_has_link(hid_t group, const char *name);

/* Returns a tensor's type in a file (little-endian) or in memory. The caller closes it; negative on failure.
 */
hid_t hdf5_stored_type(stored_type type);
hid_t hdf5_native_type(stored_type type);

/* Scalar attributes; negative on failure. */
int hdf5_put_int(hid_t group, const char *name, int64_t value);
int hdf5_put_real(hid_t group, const char *name, double value);
int hdf5_put_text(hid_t group, const char *name, const char *value);

/* Writes a whole new tensor. If chunk is not NULL, the tensor has these chunks, is shuffled and deflated at
 * level 1, and may grow. Negative on failure. */
int hdf5_put_tensor(hid_t group, const char *name, stored_type type, int rank, const int64_t *dims,
                    const int64_t *chunk, const void *values);

/* Adds dims[0] rows to a chunked tensor of `first` rows. Negative on failure. */
int hdf5_append_rows(hid_t group, const char *name, stored_type type, int rank, const int64_t *dims,
                     int64_t first, const void *values);

#endif
