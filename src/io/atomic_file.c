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
    *size = strlen(path) + 48; /* ".tmp.", two numbers, '.', zero */
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

/* Opens the first free temporary name. */
static int open_temporary(const atomic_file *f, size_t size, mode_t rights)
{
    int fd = -1;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        snprintf(f->temporary, size, "%s.tmp.%ld.%u", f->path, (long)getpid(),
                 atomic_fetch_add(&next_number, 1));
        fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, rights);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

status atomic_file_begin(mem *m, const char *path, atomic_file *f)
{
    size_t size;
    struct stat old;
    if (path[0] == '\0')
        return fail(ERR_IO, "the path is empty");
    if (stat(path, &old) == 0 && S_ISDIR(old.st_mode))
        return fail(ERR_IO, "%s is a folder", path);
    TRY(take_names(m, path, f, &size));
    int fd = open_temporary(f, size, rights_of(path));
    if (fd < 0) {
        status s = fail(ERR_IO, "%s cannot be written: making %s: %s", path, f->temporary, strerror(errno));
        end(f);
        return s;
    }
    close(fd);
    return OK;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd), saved = errno;
    if (close(fd) != 0 && result == 0)
        return -1;
    errno = saved;
    return result;
}

/* Stores the folder's name in `temporary`, which is no longer needed and longer than the path. */
static int sync_folder_of(const atomic_file *f)
{
    char *folder = f->temporary;
    const char *slash = strrchr(f->path, '/');
    size_t n = slash ? (size_t)(slash - f->path) : 0;
    if (!slash)
        strcpy(folder, ".");
    else
        snprintf(folder, n + 2, "%.*s", n > 0 ? (int)n : 1, f->path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd), saved = errno;
    close(fd);
    errno = saved;
    return result;
}

status atomic_file_finish(atomic_file *f)
{
    const char *doing = "syncing";
    int done = sync_file(f->temporary) == 0;
    if (done) {
        doing = "renaming";
        done = rename(f->temporary, f->path) == 0;
    }
    if (!done) {
        status s = fail(ERR_IO, "%s: %s %s failed: %s", f->path, doing, f->temporary, strerror(errno));
        atomic_file_abandon(f);
        return s;
    }
    status s = OK;
    /* Some file systems cannot sync a folder and return EINVAL, which is therefore ignored. */
    if (sync_folder_of(f) != 0 && errno != EINVAL)
        s = fail(ERR_IO, "%s is written, but its folder cannot be synced: %s", f->path, strerror(errno));
    end(f);
    return s;
}

void atomic_file_abandon(atomic_file *f)
{
    unlink(f->temporary);
    end(f);
}
