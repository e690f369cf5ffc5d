/* SPDX-License-Identifier: Apache-2.0 */
/* open_sets.c - a list by device and inode. */
#include "core/open_sets.h"

#include <sys/stat.h>

static int identify(const char *path, set_file *set)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return 0;
    set->device = file.st_dev;
    set->inode = file.st_ino;
    return 1;
}

void open_sets_add(slmt_context *context, const char *path, set_file *set)
{
    *set = (set_file){0};
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
}

status open_sets_check(slmt_context *context, const char *path)
{
    set_file asked = {0};
    int taken = 0;
    if (!identify(path, &asked))
        return OK;
    pthread_mutex_lock(&context->sets_lock);
    for (const set_file *s = context->sets; s; s = s->next)
        taken = taken || (s->device == asked.device && s->inode == asked.inode);
    pthread_mutex_unlock(&context->sets_lock);
    return taken ? fail(ERR_ARGUMENT, "%s: is a training set that is open; it would be replaced", path) : OK;
}
