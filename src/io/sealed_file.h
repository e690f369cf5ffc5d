/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_file.h - an HDF5 file being written: to a temporary file, closed, its user block written last, then
 * renamed over its path. Checkpoints and training sets are written through it.
 *
 * The struct remembers the first write that fails: the file can then only finish (which fails) or be
 * cancelled. For the .c files of src/io only, like hdf5.h. */
#ifndef SLMT_IO_SEALED_FILE_H
#define SLMT_IO_SEALED_FILE_H

#include "io/atomic_file.h"
#include "io/hdf5.h"

typedef struct sealed_file {
    atomic_file target;
    hdf5_bytes bytes; /* HDF5 holds its address, so the struct must not move */
    int fd;
    hid_t file;
    status failure; /* of an earlier write */
} sealed_file;

/* Starts a file with an empty user block. ERR_IO (also where path is a file of another kind, such as a scan),
 * ERR_MEMORY, ERR_LIMIT; then f need not be ended. */
status sealed_file_begin(mem *m, const char *path, uint64_t user_block, sealed_file *f);

/* Returns the path, for messages. */
const char *sealed_file_label(const sealed_file *f);

/* Returns the failure of an earlier write, with a message. */
status sealed_file_ready(const sealed_file *f);

/* Called after HDF5 wrote to /group/name: its failure, or the driver's, becomes the file's. */
status sealed_file_written(sealed_file *f, const char *group, const char *name, int result);

/* Writes the user block of a complete file that HDF5 has closed. */
typedef status (*sealed_file_block)(int fd, const char *label);

/* Closes the group that the caller still has open (negative: none) and the file, and writes the block; the
 * file is then complete, under its temporary name. A failure ends f. */
status sealed_file_seal(sealed_file *f, hid_t group, sealed_file_block block);

/* Syncs and renames such a file. Ends f, also on failure; then the path is unchanged. */
status sealed_file_publish(sealed_file *f);

/* Both. Ends f, also on failure; then the path is unchanged. */
status sealed_file_finish(sealed_file *f, hid_t group, sealed_file_block block);

/* Deletes the file and ends f. */
void sealed_file_cancel(sealed_file *f, hid_t group);

#endif
