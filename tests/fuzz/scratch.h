/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - a folder of a fuzz target's own, in memory where there is such a place, which goes with the
 * process. */
#ifndef SLMT_TESTS_FUZZ_SCRATCH_H
#define SLMT_TESTS_FUZZ_SCRATCH_H

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_folder[64];

static inline int scratch_remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    return at->level > 0 ? remove(path) : 0;
}

static inline void scratch_empty(void)
{
    nftw(scratch_folder, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_leave(void)
{
    scratch_empty();
    rmdir(scratch_folder);
}

/* Makes the folder, and makes it the current one. */
static inline void scratch_enter(void)
{
    snprintf(scratch_folder, sizeof scratch_folder, "%s/slmt-fuzz-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(scratch_folder) || chdir(scratch_folder) != 0)
        abort();
    atexit(scratch_leave);
}

static inline void scratch_put(const char *name, const uint8_t *bytes, size_t size)
{
    FILE *f = fopen(name, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f) != 0)
        abort();
}

#endif
