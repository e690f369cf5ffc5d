/* SPDX-License-Identifier: Apache-2.0 */
/* Names of inputs that may end in [N], one volume of a file of several, and of the results made of them. */
#ifndef SLMT_TOOL_VOLUME_NAME_H
#define SLMT_TOOL_VOLUME_NAME_H

/* Returns the file of an input: the path without [N], unless there is a file of that very name. *volume gets
 * a copy of N, or NULL. The caller frees both. */
char *volume_file(const char *path, char **volume);

/* Where the result of an input goes in a folder: named like the input, with _N for [N], then `suffix` (may be
 * empty), then .nii or .nii.gz as the input has it, else .nii.gz. The caller frees it. */
char *volume_result(const char *folder, const char *input, const char *suffix);

#endif
