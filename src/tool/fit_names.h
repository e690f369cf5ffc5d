/* SPDX-License-Identifier: Apache-2.0 */
/* fit_names.h - lists of names, and names of contrasts. */
#ifndef SLMT_TOOL_FIT_NAMES_H
#define SLMT_TOOL_FIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fit_names {
    char **items;
    size_t count;
} fit_names;

/* Adds a copy. */
void fit_names_add(fit_names *names, const char *name);
bool fit_names_have(const fit_names *names, const char *name);
void fit_names_free(fit_names *names);

/* Returns the contrast that "NAME=PLACE" names, or that a place's file names end in: "scans/x_T1w.nii.gz" is
 * t1w. The caller frees it; NULL: there is no such word. */
char *fit_contrast_name(const char *text);

/* Returns the place of "NAME=PLACE", or the whole text. */
const char *fit_contrast_place(const char *text);

#endif
