/* SPDX-License-Identifier: Apache-2.0 */
/* Names only; whether a file has such a name is all that is looked up. */
#include "volume_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "must.h"
#include "paths.h"

/* Where "[N]" begins at the end of a path; NULL: it does not end so. */
static const char *index_of(const char *path)
{
    size_t n = strlen(path);
    if (n < 4 || path[n - 1] != ']')
        return NULL;
    const char *digit = path + n - 1;
    while (digit > path && isdigit((unsigned char)digit[-1]))
        digit--;
    return digit > path + 1 && digit < path + n - 1 && digit[-1] == '[' ? digit - 1 : NULL;
}

char *volume_file(const char *path, char **volume)
{
    struct stat found;
    const char *bracket = index_of(path);
    *volume = NULL;
    if (!bracket || lstat(path, &found) == 0)
        return must_copy(path);
    *volume = must_format("%.*s", (int)strcspn(bracket + 1, "]"), bracket + 1);
    return must_format("%.*s", (int)(bracket - path), path);
}

char *volume_result(const char *folder, const char *input, const char *suffix)
{
    char *number;
    char *file = volume_file(input, &number);
    char *id = volume_id(file);
    const char *ending = is_nifti_name(file) ? file_name(file) + strlen(id) : ".nii.gz";
    char *path =
        must_format("%s/%s%s%s%s%s", folder, id, number ? "_" : "", number ? number : "", suffix, ending);
    free(id);
    free(number);
    free(file);
    return path;
}
