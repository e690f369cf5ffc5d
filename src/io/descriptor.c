/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor.c - descriptors above those of standard input, output and error. */
#define _GNU_SOURCE
#include "io/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The same open file under a number above standard error's. */
static int move_up(int fd)
{
    int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), reason = errno;
    close(fd);
    errno = reason;
    return above;
}

int descriptor_open(const char *path, int flags, mode_t rights)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, rights);
    } while (fd < 0 && errno == EINTR);
    return fd >= 0 && fd <= STDERR_FILENO ? move_up(fd) : fd;
}

int descriptor_write(int fd, const void *from, size_t size, off_t at)
{
    const char *p = from;
    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return -1;
        p += n;
        size -= (size_t)n;
        at += n;
    }
    return 0;
}

int descriptor_sync(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result;
}
