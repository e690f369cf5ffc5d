/* SPDX-License-Identifier: Apache-2.0 */
/* atomic_file.h - a file that appears whole or not at all: written under a temporary name in the same
 * folder, synced, renamed over its path, and the folder synced.
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
 * It does not write: the caller opens f.temporary with whatever it writes with, and closes it. */
#ifndef SLMT_IO_ATOMIC_FILE_H
#define SLMT_IO_ATOMIC_FILE_H

#include "lib/mem.h"

typedef struct atomic_file {
    mem *mem;
    char *path;
    char *temporary; /* "<path>.tmp.<pid>.<n>", made and empty, of this call alone */
} atomic_file;

/* Makes the empty temporary file, with the access rights of the file it will replace, or of a new file.
 * ERR_IO (the folder cannot be written, path is a folder), ERR_MEMORY, ERR_LIMIT; then there is nothing to
 * end. */
status atomic_file_begin(mem *m, const char *path, atomic_file *f);

/* Puts the temporary file in place and ends f, also on failure: then the temporary file is gone, and path is
 * as it was unless syncing the folder is what failed. */
status atomic_file_finish(atomic_file *f);

/* Deletes the temporary file and ends f. Keeps the error text. */
void atomic_file_abandon(atomic_file *f);

#endif
