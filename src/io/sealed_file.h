/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_file.h - an HDF5 file being written: to a temporary file, closed, its user block written last, then
 * renamed over its path. Checkpoints and training sets are written through it.
 *
 * The first write that fails is kept: the file then does no more than finish (which fails) or cancel.
 * For the .c files of src/io only, as hdf5.h. */
#ifndef SLMT_IO_SEALED_FILE_H
#define SLMT_IO_SEALED_FILE_H

#include "io/atomic_file.h"
#include "io/hdf5.h"

typedef struct sealed_file {
    atomic_file target;
    hdf5_bytes bytes; /* HDF5 holds its address: the struct stays where it is */
    int fd;
    hid_t file;
    status failure; /* of an earlier write */
} sealed_file;

/* Starts a file with an empty user block. ERR_IO, ERR_MEMORY, ERR_LIMIT; then there is nothing to end. */
status sealed_file_begin(mem *m, const char *path, uint64_t user_block, sealed_file *f);

/* The path, for messages. */
const char *sealed_file_label(const sealed_file *f);

/* An earlier write's failure, with a message. */
status sealed_file_ready(const sealed_file *f);

/* After a write of HDF5's to /group/name: its failure, or the driver's, is the file's from now on. */
status sealed_file_written(sealed_file *f, const char *group, const char *name, int result);

/* Writes the user block. The file is whole, and HDF5 has closed it. */
typedef status (*sealed_file_block)(int fd, const char *label);

/* Closes the group that the caller still has open (negative: none) and the file, has the block written, syncs
 * and renames. Ends f, also on failure; then the path is as it was. */
status sealed_file_finish(sealed_file *f, hid_t group, sealed_file_block block);

/* Drops the file and ends f. */
void sealed_file_cancel(sealed_file *f, hid_t group);

#endif
