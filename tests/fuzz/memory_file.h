/* SPDX-License-Identifier: Apache-2.0 */
/* memory_file.h - bytes as a file that lies in memory, for what reads paths. */
#ifndef SLMT_TESTS_FUZZ_MEMORY_FILE_H
#define SLMT_TESTS_FUZZ_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY_FILE_PATH = 64 };

/* The caller closes the descriptor, and with it the file. */
static inline int memory_file(const uint8_t *bytes, size_t size, char path[MEMORY_FILE_PATH])
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, MEMORY_FILE_PATH, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
