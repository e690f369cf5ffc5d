/* SPDX-License-Identifier: Apache-2.0 */
/* own_folder.h - a folder of a test's own. The test defines OWN_FOLDER first, a name for mkdtemp(). */
#ifndef SLMT_TESTS_OWN_FOLDER_H
#define SLMT_TESTS_OWN_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = OWN_FOLDER;

/* Returns a path in the folder, which holds for three more calls of the thread. */
static inline const char *in_folder(const char *name)
{
    static _Thread_local char path[4][512];
    static _Thread_local int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* How many files are in the folder; deletes them if asked to. */
static inline int count_files(int delete)
{
    int count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            count++;
            if (delete)
                remove(in_folder(e->d_name));
        }
    closedir(d);
    return count;
}

/* For the setup and the teardown of a test group. */
static inline int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int leave_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

#endif
