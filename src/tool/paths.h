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

/* Adds the scans of a folder (is_scan_name), sorted by name, and warns of what looks like one and is not
 * taken; false: errno says why not. */
bool path_list_add_folder(path_list *list, const char *folder);

void path_list_free(path_list *list);

/* Adds what is in a folder, sorted, without names that begin with '.'; false: errno says why not. */
bool folder_list(const char *folder, path_list *files, path_list *folders);

bool is_folder(const char *path);
bool is_file(const char *path); /* of any kind but a folder */

/* Returns true if the name ends in .nii or .nii.gz. */
bool is_nifti_name(const char *path);

/* Returns true if the name ends as that of a volume that can be read does: .nii, .nii.gz, .hdr, .mgz, .mgh,
 * in small or capital letters. */
bool is_scan_name(const char *path);

/* Returns true if the file is no scan by its name, but looks like one: "x.nii (1).gz", DICOM, formats that
 * are not read. */
bool looks_like_scan(const char *path);

/* Returns the other file of a scan in two files, .hdr and .img; NULL: there is none. The caller frees it. */
char *half_of_pair(const char *path);

/* Warns of such a file. */
void warn_not_taken(const char *path);

/* Returns the part of a path after the last '/'. */
const char *file_name(const char *path);

/* Length of the "[N]" that names one volume of a file of several; 0: the path is that of a file itself. */
size_t volume_index_length(const char *path);

/* Length of a volume's name without its ending and "[N]". */
size_t volume_id_length(const char *name);

/* File name without .nii, .nii.gz, .hdr or .img; the caller frees it. */
char *volume_id(const char *path);

/* Of a file that is not there, the file or folder beside it whose name nearly is its; NULL: there is none, or
 * the file is there. The caller frees it. */
char *nearby_file(const char *path);

/* "." for a name without a folder; the caller frees it. */
char *folder_of(const char *path);

/* Returns true if a file can be made at `path`: its folder is there and may be written; false: errno says why
 * not. */
bool can_write(const char *path);

#endif
