/* SPDX-License-Identifier: Apache-2.0 */
/* input_file.c - open() and fstat() with error messages; never waits for a pipe. */
#include "io/input_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/descriptor.h"

status input_file_open(const char *path, int *fd, uint64_t *size)
{
    struct stat info;
    int file = descriptor_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0)
        return fail(errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "%s: cannot open: %s", path,
                    strerror(errno));
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(file);
        return fail(ERR_IO, "%s: not a plain file", path);
    }
    *fd = file;
    *size = (uint64_t)info.st_size;
    return OK;
}
