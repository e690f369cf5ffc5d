/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - stdio over a descriptor of ours, because its own forgets errors and gives up where a signal
 * comes. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct stream {
    int fd;
    int reason; /* of the first failure; 0: there was none */
} stream;

/* Returns 0 on failure: fopencookie(3). */
static ssize_t put(void *user, const char *text, size_t size)
{
    stream *s = user;
    ssize_t n;
    do
        n = write(s->fd, text, size);
    while (n < 0 && errno == EINTR);
    if (n < 0 && !s->reason)
        s->reason = errno;
    return n < 0 ? 0 : n;
}

static ssize_t take(void *user, char *text, size_t size)
{
    const stream *s = user;
    ssize_t n;
    do
        n = read(s->fd, text, size);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Linux has closed a descriptor also where it says EINTR. */
static int end(void *user)
{
    stream *s = user;
    int closed = close(s->fd) == 0 || errno == EINTR, reason = s->reason ? s->reason : errno;
    closed = closed && !s->reason;
    free(s);
    errno = reason;
    return closed ? 0 : -1;
}

static FILE *open_on(int fd, const char *mode)
{
    static const cookie_io_functions_t calls = {.read = take, .write = put, .close = end};
    stream *s = malloc(sizeof *s);
    FILE *file = s ? fopencookie(s, mode, calls) : NULL;
    if (file) {
        *s = (stream){.fd = fd};
        return file;
    }
    free(s);
    close(fd);
    errno = ENOMEM;
    return NULL;
}

static int open_file(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

FILE *stream_on(int fd)
{
    return open_on(fd, "w");
}

FILE *stream_open(const char *path, bool append)
{
    int fd = open_file(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC));
    return fd < 0 ? NULL : stream_on(fd);
}

FILE *stream_read(const char *path)
{
    int fd = open_file(path, O_RDONLY);
    return fd < 0 ? NULL : open_on(fd, "r");
}
