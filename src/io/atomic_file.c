/* SPDX-License-Identifier: Apache-2.0 */
/* atomic_file.c - temporary name, fsync, rename, fsync of the folder (POSIX). */
#define _GNU_SOURCE
#include "io/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/descriptor.h"
#include "io/left_files.h"

enum { TRIES = 100, LINKS = 40 };

/* Distinguishes files of one process; other processes have another pid, and O_EXCL prevents any remaining
 * conflict. */
static _Atomic unsigned next_number;

static void end(atomic_file *f)
{
    if (f->lock >= 0)
        close(f->lock);
    mem_give(f->mem, f->temporary);
    mem_give(f->mem, f->target);
    mem_give(f->mem, f->path);
    *f = (atomic_file){.lock = -1};
}

/* Length of the path up to and with its last slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) + 1 : 0;
}

/* Replaces the target, a link, by what it points to, which need not be there. *is_link: it was one. */
static status follow_once(atomic_file *f, int *is_link)
{
    char to[PATH_MAX];
    void *next;
    ssize_t length = readlink(f->target, to, sizeof to - 1);
    *is_link = length > 0;
    if (length <= 0)
        return OK;
    to[length] = '\0';
    int folder = to[0] == '/' ? 0 : folder_length(f->target);
    size_t size = (size_t)folder + (size_t)length + 1;
    TRY(mem_take(f->mem, size, &next));
    snprintf(next, size, "%.*s%s", folder, f->target, to);
    mem_give(f->mem, f->target);
    f->target = next;
    return OK;
}

static status follow_links(atomic_file *f)
{
    int is_link = 1;
    for (int i = 0; is_link && i < LINKS; i++)
        TRY(follow_once(f, &is_link));
    return is_link ? fail(ERR_IO, "%s cannot be written: %s", f->path, strerror(ELOOP)) : OK;
}

static status fill_names(atomic_file *f, const char *path, size_t *size)
{
    void *p;
    TRY(mem_text(f->mem, path, &f->path));
    TRY(mem_text(f->mem, path, &f->target));
    TRY(follow_links(f));
    *size = strlen(f->target) + TEMPORARY_NAME_MAX;
    TRY(mem_take(f->mem, *size, &p));
    f->temporary = p;
    return OK;
}

static status take_names(mem *m, const char *path, atomic_file *f, size_t *size)
{
    *f = (atomic_file){.mem = m, .lock = -1};
    status s = fill_names(f, path, size);
    if (s != OK)
        end(f);
    return s;
}

static mode_t rights_of(const char *path)
{
    struct stat old;
    return stat(path, &old) == 0 ? old.st_mode & 0777 : 0666;
}

/* Opens and locks the first free temporary name. */
static int open_temporary(const atomic_file *f, size_t size, mode_t rights)
{
    int fd = -1;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        snprintf(f->temporary, size, "%.*s" TEMPORARY_NAME, folder_length(f->target), f->target,
                 (long)getpid(), atomic_fetch_add(&next_number, 1));
        fd = descriptor_open(f->temporary, O_WRONLY | O_CREAT | O_EXCL, rights);
        if (fd < 0 && errno != EEXIST)
            break;
        if (fd >= 0 && !temporary_lock(fd)) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

/* Writes the name of the target's folder to `temporary`, which is longer than the folder. */
static const char *name_folder(const atomic_file *f)
{
    int n = folder_length(f->target);
    memcpy(f->temporary, n > 0 ? f->target : ".", n > 0 ? (size_t)n : 1);
    f->temporary[n > 0 ? n : 1] = '\0';
    return f->temporary;
}

/* Finds what would only fail when the file is renamed, after all the work. */
static status check_path(const char *path)
{
    struct stat old;
    if (path[0] == '\0')
        return fail(ERR_IO, "the path is empty");
    if (path[strlen(path) - 1] == '/' || (stat(path, &old) == 0 && S_ISDIR(old.st_mode)))
        return fail(ERR_IO, "%s is a folder", path);
    if (stat(path, &old) == 0 && !S_ISREG(old.st_mode))
        return fail(ERR_IO, "%s is a device or a pipe, which is not replaced by a file", path);
    if (lstat(path, &old) != 0 && errno == ENAMETOOLONG)
        return fail(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    return OK;
}

status atomic_file_begin(mem *m, const char *path, atomic_file *f)
{
    size_t size;
    TRY(check_path(path));
    TRY(take_names(m, path, f, &size));
    left_files_delete(name_folder(f));
    f->lock = open_temporary(f, size, rights_of(path));
    if (f->lock < 0) {
        status s = fail(ERR_IO, "%s cannot be written: %s", path,
                        errno == ENOENT ? "its folder does not exist" : strerror(errno));
        end(f);
        return s;
    }
    return OK;
}

/* Returns 1 if an fsync() that failed says that data may be lost. All other errors say that this file system
 * has no such call. */
static int data_is_lost(int reason)
{
    return reason == EIO || reason == ENOSPC || reason == EDQUOT;
}

/* A file can be synced wherever it can be written, or the file system has no such call at all. */
static int file_sync_failed(int reason)
{
    return reason != EINVAL && reason != ENOSYS && reason != EOPNOTSUPP && reason != ENOTTY;
}

static int sync_file(int fd)
{
    return descriptor_sync(fd) != 0 && file_sync_failed(errno) ? -1 : 0;
}

/* `temporary` is no longer needed. A folder that cannot be opened for reading cannot be synced. */
static int sync_folder_of(const atomic_file *f)
{
    int fd = descriptor_open(name_folder(f), O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return 0;
    int result = descriptor_sync(fd), saved = errno;
    close(fd);
    errno = saved;
    return result != 0 && data_is_lost(saved) ? -1 : 0;
}

status atomic_file_finish(atomic_file *f)
{
    const char *doing = "synced";
    int done = sync_file(f->lock) == 0;
    if (done) {
        doing = "renamed";
        done = rename(f->temporary, f->target) == 0;
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
