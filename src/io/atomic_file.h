/* SPDX-License-Identifier: Apache-2.0 */
/* atomic_file.h - a file that appears whole or not at all: written under a temporary name in the same
 * folder, synced, renamed over its path, and the folder synced where it can be. The temporary name is short,
 * so that a path may end in a name as long as the file system takes.
 *
 *   atomic_file f;
 *   TRY(atomic_file_begin(m, path, &f));
 *   status s = write_all(f.temporary);
 *   if (s != OK) {
 *       atomic_file_abandon(&f);
 *       return s;
 *   }
 *   return atomic_file_finish(&f);
 *
 * These functions do not write the contents: the caller opens f.temporary, writes and closes it. */
#ifndef SLMT_IO_ATOMIC_FILE_H
#define SLMT_IO_ATOMIC_FILE_H

#include "lib/mem.h"

typedef struct atomic_file {
    mem *mem;
    char *path;      /* as the caller named it */
    char *target;    /* what is replaced: path, or what it points to as a link */
    char *temporary; /* "<folder>/slmt.tmp.<pid>.<n>", created empty for this call alone */
    int lock;        /* an open descriptor of it, which holds a lock (left_files.h) */
} atomic_file;

/* Deletes what killed runs have left in the folder, and creates the empty temporary file, with the access
 * rights of the file it will replace, or of a new file. ERR_IO (the folder cannot be written, path is a
 * folder, a device or a pipe), ERR_MEMORY, ERR_LIMIT; then f need not be ended.
 */
status atomic_file_begin(mem *m, const char *path, atomic_file *f);

/* Renames the temporary file over its path and ends f, also on failure: then the temporary file is deleted,
 * and path is unchanged unless only syncing the folder failed. A file system or folder that cannot be synced
 * (network shares, FUSE, a folder that may be written but not read) is no failure; a disk that says that it
 * lost data (EIO) or has no room is one. */
status atomic_file_finish(atomic_file *f);

/* Deletes the temporary file and ends f. The thread's error message stays. */
void atomic_file_abandon(atomic_file *f);

#endif
