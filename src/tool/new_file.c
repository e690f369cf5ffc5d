/* SPDX-License-Identifier: Apache-2.0 */
/* new_file.c - a temporary name of the library's form, locked while it is written, synced and renamed. */
#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "must.h"
#include "paths.h"
#include "stream.h"

enum { FIRST = 1000000, TRIES = 100 }; /* numbers that the library's own do not come to */

static int open_part(new_file *f, int number)
{
    /* Short: the path's own name may be as long as the file system takes. */
    int folder = (int)(file_name(f->path) - f->path);
    f->part = must_format("%.*sslmt.tmp.%ld.%d", folder, f->path, (long)getpid(), number);
    return open(f->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static void drop(new_file *f)
{
    int reason = errno;
    if (f->fd >= 0)
        unlink(f->part);
    free(f->part);
    free(f->path);
    *f = (new_file){.fd = -1};
    errno = reason;
}

bool new_file_begin(new_file *f, const char *path)
{
    *f = (new_file){.fd = -1};
    char *target = realpath(path, NULL);
    if (!target && errno == ENOMEM)
        return false; /* what else it cannot tell is for open(); mostly nothing is there yet */
    *f = (new_file){.path = target ? target : must_copy(path), .fd = -1};
    for (int i = 0; i < TRIES && f->fd < 0; i++) {
        free(f->part);
        f->fd = open_part(f, FIRST + i);
        if (f->fd < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    if (f->fd >= 0)
        (void)!flock(f->fd, LOCK_EX | LOCK_NB); /* a file system may have no locks */
    f->out = f->fd >= 0 ? stream_on(f->fd) : NULL;
    if (f->out)
        return true;
    drop(f);
    return false;
}

/* A file system may have no such call. */
static bool sync_file(int fd)
{
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
}

/* What the disk refuses can show here for the first time. */
static bool write_out(new_file *f)
{
    return fflush(f->out) == 0 && sync_file(f->fd);
}

bool new_file_finish(new_file *f, bool good)
{
    int reason = errno;
    if (good && !(good = write_out(f)))
        reason = errno;
    if (fclose(f->out) != 0 && good)
        good = false, reason = errno;
    if (good && rename(f->part, f->path) != 0)
        good = false, reason = errno;
    if (good)
        f->fd = -1; /* the part is no more */
    errno = reason;
    drop(f);
    return good;
}

/* Not every file system can make a file without a name. */
static int named_file(const char *path)
{
    int fd = -1;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        new_file f = {.path = (char *)path};
        fd = open_part(&f, FIRST + i);
        int reason = errno;
        if (fd >= 0)
            unlink(f.part);
        free(f.part);
        errno = reason;
        if (fd < 0 && errno != EEXIST && errno != EINTR)
            break;
    }
    return fd;
}

int nameless_file(const char *path)
{
    char *folder = folder_of(path);
    int fd;
    do
        fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    free(folder);
    bool is_known = fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL);
    return is_known ? fd : named_file(path);
}
