/* SPDX-License-Identifier: Apache-2.0 */
/* open_sets.c - a list by device and inode, and a lock on each file for the other contexts and processes.
 * Where the file system has no locks, the list is all there is. */
#define _GNU_SOURCE /* locks of an open file: F_OFD_SETLK */
#include "core/open_sets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/descriptor.h"

static int identify(const char *path, set_file *set)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return 0;
    set->device = file.st_dev;
    set->inode = file.st_ino;
    return 1;
}

/* Opens the file with a lock for reading, which others may hold too. Returns its descriptor, or -1. */
static int open_shared(const char *path)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int file = descriptor_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (file >= 0)
        (void)fcntl(file, F_OFD_SETLK, &lock);
    return file;
}

void open_sets_add(slmt_context *context, const char *path, set_file *set)
{
    *set = (set_file){.lock = open_shared(path)};
    identify(path, set); /* no file has inode 0 */
    pthread_mutex_lock(&context->sets_lock);
    set->next = context->sets;
    context->sets = set;
    pthread_mutex_unlock(&context->sets_lock);
}

void open_sets_remove(slmt_context *context, set_file *set)
{
    pthread_mutex_lock(&context->sets_lock);
    set_file **at = &context->sets;
    while (*at && *at != set)
        at = &(*at)->next;
    if (*at)
        *at = set->next;
    pthread_mutex_unlock(&context->sets_lock);
    if (set->lock >= 0)
        close(set->lock);
    set->lock = -1;
}

static int is_listed(slmt_context *context, const set_file *asked)
{
    int listed = 0;
    pthread_mutex_lock(&context->sets_lock);
    for (const set_file *s = context->sets; s; s = s->next)
        listed = listed || (s->device == asked->device && s->inode == asked->inode);
    pthread_mutex_unlock(&context->sets_lock);
    return listed;
}

/* Returns 1 if another descriptor holds such a lock. */
static int is_shared(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int file = descriptor_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0)
        return 0;
    int shared = fcntl(file, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_RDLCK;
    close(file);
    return shared;
}

status open_sets_check(slmt_context *context, const char *path)
{
    set_file asked = {0};
    if (!identify(path, &asked))
        return OK;
    if (is_listed(context, &asked))
        return fail(ERR_ARGUMENT, "%s: is a training set that is open; it would be replaced", path);
    if (is_shared(path))
        return fail(
            ERR_ARGUMENT,
            "%s: is a training set that is open elsewhere, in this program or another one; it would be "
            "replaced",
            path);
    return OK;
}
