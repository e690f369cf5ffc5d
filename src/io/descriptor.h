/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor.h - open() as the library needs it. */
#ifndef SLMT_IO_DESCRIPTOR_H
#define SLMT_IO_DESCRIPTOR_H

#include <sys/types.h>

/* Opens a file that no program started later inherits, again after a signal. The descriptor is none of 0 to
 * 2: a host that has closed one of these still prints to it, and what it prints would land in the file.
 * Returns -1 with errno. */
int descriptor_open(const char *path, int flags, mode_t rights);

/* fsync(), again after a signal. Returns -1 with errno. */
int descriptor_sync(int fd);

/* Writes all of it from a position on, again after a signal. Returns -1 with errno. */
int descriptor_write(int fd, const void *from, size_t size, off_t at);

#endif
