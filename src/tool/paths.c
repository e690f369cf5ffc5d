/* SPDX-License-Identifier: Apache-2.0 */
/* Names only; no file is opened here. */
#include "paths.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "must.h"

static const char *const endings[] = {".nii.gz", ".nii", ".hdr", ".img"};
enum { NIFTI_ENDINGS = 2, ALL_ENDINGS = 4 };

/* Length of the name's ending among the first `count`, 0 if it has none of them. */
static size_t ending_length(const char *path, size_t count)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < count; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(path + length - ending, endings[i]) == 0)
            return ending;
    }
    return 0;
}

void path_list_add(path_list *list, char *path)
{
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = path;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool path_list_add_folder(path_list *list, const char *folder)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return false;
    size_t first = list->count;
    for (struct dirent *entry; (entry = readdir(stream));)
        if (entry->d_name[0] != '.' && is_nifti_name(entry->d_name))
            path_list_add(list, must_format("%s/%s", folder, entry->d_name));
    closedir(stream);
    if (list->count > first)
        qsort(list->items + first, list->count - first, sizeof *list->items, compare);
    return true;
}

void path_list_free(path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (path_list){0};
}

bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_nifti_name(const char *path)
{
    return ending_length(path, NIFTI_ENDINGS) > 0;
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *volume_id(const char *path)
{
    char *id = must_copy(file_name(path));
    id[strlen(id) - ending_length(id, ALL_ENDINGS)] = '\0';
    return id;
}

bool can_write(const char *path)
{
    char *folder = must_copy(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    bool can = access(slash ? folder : ".", W_OK | X_OK) == 0;
    free(folder);
    return can;
}
