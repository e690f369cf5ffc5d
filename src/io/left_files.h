/* SPDX-License-Identifier: Apache-2.0 */
/* left_files.h - temporary files, their names, and those that runs which were killed have left. */
#ifndef SLMT_IO_LEFT_FILES_H
#define SLMT_IO_LEFT_FILES_H

#include <stddef.h>

/* "slmt.tmp.<process>.<number>": short, so that a path may end in a name as long as the file system takes. */
#define TEMPORARY_NAME "slmt.tmp.%ld.%u"
enum { TEMPORARY_NAME_MAX = 48 };

/* Locks a temporary file that was just created, for as long as fd is open. Returns 0 if it has been taken for
 * a left one, and deleted, before it was locked. A file system without locks is no failure. */
int temporary_lock(int fd);

/* Deletes the temporary files of a folder that no process has locked: the run that wrote them was killed. A
 * process does it once for a folder, before it writes there. A file that cannot be deleted, or locked, stays.
 */
void left_files_delete(const char *folder);

#endif
