/* SPDX-License-Identifier: Apache-2.0 */
/* Names only; no file is opened here. */
#include "paths.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "must.h"
#include "nearest.h"

/* ---- endings ---- */

static const char *const written_endings[] = {".nii.gz", ".nii", NULL};
static const char *const read_endings[] = {".nii.gz", ".nii", ".hdr", ".hdr.gz", ".mgz", ".mgh", NULL};
static const char *const volume_endings[] = {".nii.gz", ".nii", ".hdr", ".img", ".hdr.gz",
                                             ".img.gz", ".mgz", ".mgh", NULL};

/* What scans that are not taken have somewhere in their names, and how notes about a scan end. */
static const char *const scan_marks[] = {".nii", ".hdr", ".img", ".mgz", ".mgh", ".nrrd", ".nhdr",
                                         ".mha", ".mhd", ".mnc", ".dcm", ".ima", NULL};
static const char *const note_endings[] = {".json", ".txt", ".csv", ".tsv",    ".bval", ".bvec",
                                           ".md5",  ".png", ".log", ".sha256", NULL};

/* Length of the name's ending, in small or capital letters; 0 if it has none of them. */
static size_t ending_length(const char *path, const char *const *endings)
{
    size_t length = strlen(path);
    for (; *endings; endings++) {
        size_t ending = strlen(*endings);
        if (length > ending && strcasecmp(path + length - ending, *endings) == 0)
            return ending;
    }
    return 0;
}

bool is_nifti_name(const char *path)
{
    size_t ending = ending_length(path, written_endings);
    for (const char *c = path + strlen(path) - ending; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            return false;
    return ending > 0;
}

bool is_scan_name(const char *path)
{
    return ending_length(file_name(path), read_endings) > 0;
}

static const char *const image_endings[] = {".img", ".IMG", ".img.gz", ".IMG.GZ", NULL};
static const char *const header_endings[] = {".hdr", ".HDR", ".hdr.gz", ".HDR.GZ", NULL};

/* The file of this name with one of these endings in place of its own; NULL: there is none. */
static char *file_with_ending(const char *path, size_t ending, const char *const *endings)
{
    for (; ending && *endings; endings++) {
        char *other = must_format("%.*s%s", (int)(strlen(path) - ending), path, *endings);
        if (access(other, F_OK) == 0)
            return other;
        free(other);
    }
    return NULL;
}

char *half_of_pair(const char *path)
{
    char *image = file_with_ending(path, ending_length(path, header_endings), image_endings);
    return image ? image : file_with_ending(path, ending_length(path, image_endings), header_endings);
}

/* The second file of a pair .hdr and .img. */
static bool is_image_of_pair(const char *path)
{
    char *header = file_with_ending(path, ending_length(path, image_endings), header_endings);
    free(header);
    return header != NULL;
}

bool looks_like_scan(const char *path)
{
    const char *name = file_name(path);
    if (is_scan_name(path) || ending_length(name, note_endings) > 0 || is_image_of_pair(path))
        return false;
    for (const char *const *mark = scan_marks; *mark; mark++)
        if (strcasestr(name, *mark))
            return true;
    return false;
}

void warn_not_taken(const char *path)
{
    warn("%s: is not taken, although it looks like a scan: its name ends in none of .nii, .nii.gz, "
         ".hdr, .mgz and .mgh",
         path);
}

size_t volume_index_length(const char *path)
{
    size_t length = strlen(path), digits = 0;
    if (length < 4 || path[length - 1] != ']' || access(path, F_OK) == 0)
        return 0;
    while (digits < length - 2 && isdigit((unsigned char)path[length - 2 - digits]))
        digits++;
    return digits && path[length - 2 - digits] == '[' ? digits + 2 : 0;
}

size_t volume_id_length(const char *name)
{
    size_t length = strlen(name) - volume_index_length(name);
    char *whole = must_format("%.*s", (int)length, name);
    length -= ending_length(whole, volume_endings);
    free(whole);
    return length;
}

char *volume_id(const char *path)
{
    char *id = must_copy(file_name(path));
    id[volume_id_length(id)] = '\0';
    return id;
}

/* ---- lists ---- */

void path_list_add(path_list *list, char *path)
{
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = path;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_from(path_list *list, size_t first)
{
    if (list->count > first)
        qsort(list->items + first, list->count - first, sizeof *list->items, compare);
}

void path_list_free(path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (path_list){0};
}

bool folder_list(const char *folder, path_list *files, path_list *folders)
{
    DIR *stream = opendir(folder);
    if (!stream && errno == ENOMEM)
        out_of_memory();
    if (!stream)
        return false;
    size_t first_file = files->count, first_folder = folders->count;
    bool slash = *folder && folder[strlen(folder) - 1] == '/';
    for (struct dirent *entry; (errno = 0, entry = readdir(stream));) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = must_format("%s%s%s", folder, slash ? "" : "/", entry->d_name);
        path_list_add(is_folder(path) ? folders : files, path);
    }
    int reason = errno;
    closedir(stream);
    sort_from(files, first_file);
    sort_from(folders, first_folder);
    errno = reason;
    return reason == 0;
}

bool path_list_add_folder(path_list *list, const char *folder)
{
    path_list files = {0}, folders = {0};
    if (!folder_list(folder, &files, &folders))
        return false;
    for (size_t i = 0; i < files.count; i++)
        if (is_scan_name(files.items[i]))
            path_list_add(list, must_copy(files.items[i]));
        else if (looks_like_scan(files.items[i]))
            warn_not_taken(files.items[i]);
    path_list_free(&files);
    path_list_free(&folders);
    return true;
}

/* ---- paths ---- */

bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *folder_of(const char *path)
{
    const char *name = file_name(path);
    if (name == path)
        return must_copy(".");
    size_t length = (size_t)(name - path);
    return must_format("%.*s", (int)(length > 1 ? length - 1 : 1), path);
}

char *nearby_file(const char *path)
{
    struct stat status;
    path_list files = {0}, folders = {0};
    char *folder = folder_of(path), *found = NULL;
    nearest n = nearest_to(file_name(path));
    if (lstat(path, &status) != 0 && errno == ENOENT && folder_list(folder, &files, &folders))
        for (size_t i = 0; i < files.count; i++)
            nearest_try(&n, file_name(files.items[i]));
    for (size_t i = 0; i < folders.count; i++)
        nearest_try(&n, file_name(folders.items[i]));
    if (n.found)
        found = file_name(path) == path ? must_copy(n.found) : must_format("%s/%s", folder, n.found);
    path_list_free(&files);
    path_list_free(&folders);
    free(folder);
    return found;
}

bool can_write(const char *path)
{
    char *folder = folder_of(path);
    bool can = access(folder, W_OK | X_OK) == 0;
    free(folder);
    return can;
}
