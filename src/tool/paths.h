/* SPDX-License-Identifier: Apache-2.0 */
/* File names of volumes, and lists of them. */
#ifndef SLMT_TOOL_PATHS_H
#define SLMT_TOOL_PATHS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct path_list {
    char **items;
    size_t count;
} path_list;

/* Takes over `path`. */
void path_list_add(path_list *list, char *path);

/* Adds the .nii and .nii.gz files of a folder, sorted by name; false: errno says why not. */
bool path_list_add_folder(path_list *list, const char *folder);

void path_list_free(path_list *list);

bool is_folder(const char *path);

/* The name ends in .nii or .nii.gz. */
bool is_nifti_name(const char *path);

/* The part of a path after the last '/'. */
const char *file_name(const char *path);

/* File name without .nii, .nii.gz, .hdr or .img; the caller frees it. */
char *volume_id(const char *path);

/* A file can be made at `path`: its folder is there and may be written; false: errno says why not. */
bool can_write(const char *path);

#endif
