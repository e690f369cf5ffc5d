/* SPDX-License-Identifier: Apache-2.0 */
/* Names only; whether a file has such a name is all that is looked up. */
#include "volume_name.h"

#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "paths.h"

char *volume_file(const char *path, char **volume)
{
    size_t index = volume_index_length(path);
    const char *bracket = path + strlen(path) - index;
    *volume = index ? must_format("%.*s", (int)index - 2, bracket + 1) : NULL;
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
