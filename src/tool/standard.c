/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors 0 to 2 at the beginning, standard output at the end. */
#include "standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "tool.h"

/* A pipe whose reader has gone, `slmt ... | head`, has what it wanted. */
static void close_output(void)
{
    int failed = ferror(stdout);
    errno = 0;
    failed |= fflush(stdout) != 0;
    if (!failed || errno == EPIPE || errno == EBADF)
        return;
    complain("standard output cannot be written%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    _exit(EXIT_DATA);
}

int standard_end(int code)
{
    if (code != EXIT_MEMORY)
        return code;
    close_output();
    _exit(code);
}

void standard_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            _exit(EXIT_DATA); /* there is nowhere to say it */
    if (atexit(close_output) != 0)
        exit(EXIT_MEMORY);
}
