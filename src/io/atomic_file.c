/* SPDX-License-Identifier: Apache-2.0 */
/* atomic_file.c - temporary name, fsync, rename, fsync of the folder (POSIX). */
#include "io/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100 };

/* Distinguishes files of one process; other processes have another pid, and O_EXCL prevents any remaining
 * conflict. */
static _Atomic unsigned next_number;

static void end(atomic_file *f)
{
    mem_give(f->mem, f->temporary);
    mem_give(f->mem, f->path);
    *f = (atomic_file){0};
}

static status take_names(mem *m, const char *path, atomic_file *f, size_t *size)
{
    void *p;
    *f = (atomic_file){.mem = m};
    *size = strlen(path) + 48; /* "slmt.tmp.", two numbers, '.', zero */
    TRY(mem_text(m, path, &f->path));
    status s = mem_take(m, *size, &p);
    if (s != OK) {
        end(f);
        return s;
    }
    f->temporary = p;
    return OK;
}

static mode_t rights_of(const char *path)
{
    struct stat old;
    return stat(path, &old) == 0 ? old.st_mode & 0777 : 0666;
}

/* Length of the path up to and with its last slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* Opens the first free temporary name. */
static int open_temporary(const atomic_file *f, size_t size, mode_t rights)
{
    int fd = -1;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        snprintf(f->temporary, size, "%.*sslmt.tmp.%ld.%u", folder_length(f->path), f->path, (long)getpid(),
                 atomic_fetch_add(&next_number, 1));
        fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, rights);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

/* Finds what would only fail when the file is renamed, after all the work. */
static status check_path(const char *path)
{
    struct stat old;
    if (path[0] == '\0')
        return fail(ERR_IO, "the path is empty");
    if (path[strlen(path) - 1] == '/' || (stat(path, &old) == 0 && S_ISDIR(old.st_mode)))
        return fail(ERR_IO, "%s is a folder", path);
    if (lstat(path, &old) != 0 && errno == ENAMETOOLONG)
        return fail(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    return OK;
}

status atomic_file_begin(mem *m, const char *path, atomic_file *f)
{
    size_t size;
    TRY(check_path(path));
    TRY(take_names(m, path, f, &size));
    int fd = open_temporary(f, size, rights_of(path));
    if (fd < 0) {
        status s = fail(ERR_IO, "%s cannot be written: %s", path,
                        errno == ENOENT ? "its folder does not exist" : strerror(errno));
        end(f);
        return s;
    }
    close(fd);
    return OK;
}

/* Whether an fsync() that failed says that data may be lost. All other errors say that this file system has
 * no such call. */
static int data_is_lost(int reason)
{
    return reason == EIO || reason == ENOSPC || reason == EDQUOT;
}

/* A file can be synced wherever it can be written, or the file system has no such call at all. */
static int file_sync_failed(int reason)
{
    return reason != EINVAL && reason != ENOSYS && reason != EOPNOTSUPP && reason != ENOTTY;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd), saved = errno;
    if (result != 0 && !file_sync_failed(saved))
        result = 0;
    if (close(fd) != 0 && result == 0)
        return -1;
    errno = saved;
    return result;
}

/* Stores the folder's name in `temporary`, which is no longer needed and longer than the folder. A folder
 * that cannot be opened for reading cannot be synced. */
static int sync_folder_of(const atomic_file *f)
{
    char *folder = f->temporary;
    int n = folder_length(f->path);
    memcpy(folder, n > 0 ? f->path : ".", n > 0 ? (size_t)n : 1);
    folder[n > 0 ? n : 1] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int result = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return result != 0 && data_is_lost(saved) ? -1 : 0;
}

status atomic_file_finish(atomic_file *f)
{
    const char *doing = "synced";
    int done = sync_file(f->temporary) == 0;
    if (done) {
        doing = "renamed";
        done = rename(f->temporary, f->path) == 0;
    }
    if (!done) {
        status s = fail(ERR_IO, "%s cannot be written: %s could not be %s: %s", f->path, f->temporary, doing,
                        strerror(errno));
        atomic_file_abandon(f);
        return s;
    }
    status s = OK;
    if (sync_folder_of(f) != 0)
        s = fail(ERR_IO, "%s is written, but its folder cannot be synced: %s", f->path, strerror(errno));
    end(f);
    return s;
}

void atomic_file_abandon(atomic_file *f)
{
    unlink(f->temporary);
    end(f);
}
