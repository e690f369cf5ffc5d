/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_file.h - a file of dialect_write.h being written: to a temporary file, ended, its user block written
 * last, then renamed over its path. Checkpoints and training sets are written through it.
 *
 * The struct remembers the first write that fails: the file can then only finish (which fails) or be
 * cancelled. */
#ifndef SLMT_IO_SEALED_FILE_H
#define SLMT_IO_SEALED_FILE_H

#include "io/atomic_file.h"
#include "io/dialect_write.h"

typedef struct sealed_file {
    atomic_file target;
    int fd;
    dialect_file file;
    status failure; /* of an earlier write */
} sealed_file;

/* Starts a file with an empty user block. ERR_IO (also where path is a file of another kind, such as a scan),
 * ERR_MEMORY, ERR_LIMIT; then f need not be ended. */
status sealed_file_begin(mem *m, const char *path, uint64_t user_block, sealed_file *f);

/* Returns the path, for messages. */
const char *sealed_file_label(const sealed_file *f);

/* Returns the failure of an earlier write, with a message. */
status sealed_file_ready(const sealed_file *f);

/* Called with the result of a write: its failure becomes the file's. Returns it. */
status sealed_file_written(sealed_file *f, status result);

/* Writes the user block of a complete file. */
typedef status (*sealed_file_block)(int fd, const char *label);

/* Ends the file and writes the block; the file is then complete, under its temporary name. A failure ends f.
 */
status sealed_file_seal(sealed_file *f, sealed_file_block block);

/* Syncs and renames such a file. Ends f, also on failure; then the path is unchanged. */
status sealed_file_publish(sealed_file *f);

/* Both. Ends f, also on failure; then the path is unchanged. */
status sealed_file_finish(sealed_file *f, sealed_file_block block);

/* Deletes the file and ends f. */
void sealed_file_cancel(sealed_file *f);

#endif
