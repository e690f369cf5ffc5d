/* SPDX-License-Identifier: Apache-2.0 */
/* scan_name.c - endings in any case, pairs, and the [N] behind a name. */
#include "io/scan_name.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

int name_ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), k = strlen(ending);
    return n > k && strcasecmp(path + n - k, ending) == 0;
}

int name_is_nifti(const char *path)
{
    return name_ends_in(path, ".nii") || name_ends_in(path, ".nii.gz");
}

/* ---- one volume of several ---- */

/* Length of the path before "[N]"; 0: it does not end so. */
static size_t before_index(const char *path)
{
    size_t n = strlen(path), i;
    if (n < 4 || path[n - 1] != ']')
        return 0;
    for (i = n - 1; i > 0 && isdigit((unsigned char)path[i - 1]); i--)
        ;
    return i > 1 && i < n - 1 && path[i - 1] == '[' ? i - 1 : 0;
}

status scan_name_split(mem *m, const char *path, char **file, int64_t *volume)
{
    struct stat found;
    *volume = WHOLE_FILE;
    TRY(mem_text(m, path, file));
    size_t n = before_index(path);
    if (n == 0 || lstat(path, &found) == 0)
        return OK;
    errno = 0;
    long long number = strtoll(path + n + 1, NULL, 10);
    *volume = errno == 0 ? number : INT64_MAX;
    (*file)[n] = '\0';
    return OK;
}

status scan_name_volume(const char *path, int64_t wanted, uint64_t volumes, uint64_t *index)
{
    if (wanted == WHOLE_FILE && volumes > 1)
        return fail(
            ERR_FORMAT,
            "%s has more than three axes and holds %llu volumes: add [0] to [%llu] to its name to take "
            "one of them",
            path, (unsigned long long)volumes, (unsigned long long)volumes - 1);
    if (wanted != WHOLE_FILE && (uint64_t)wanted >= volumes)
        return fail(ERR_FORMAT,
                    "%s[%lld]: there is no such volume: the file holds %llu, and they count from 0", path,
                    (long long)wanted, (unsigned long long)volumes);
    *index = wanted == WHOLE_FILE ? 0 : (uint64_t)wanted;
    return OK;
}

/* ---- pairs ---- */

static int is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

status scan_name_partner(mem *m, const char *path, const char *ending, char **other)
{
    static const char *const compressed[] = {"", ".gz", ".GZ"};
    size_t room = strlen(path) + strlen(ending) + 4;
    size_t stem = strlen(path) - (name_ends_in(path, ".gz") ? 3 : 0) - strlen(ending);
    int upper = isupper((unsigned char)path[stem + 1]) != 0;
    void *p;
    *other = NULL;
    TRY(mem_take(m, room, &p));
    char *name = memcpy(p, path, stem);
    for (int i = 0; i < 6; i++) {
        strcpy(name + stem, ending);
        for (char *c = name + stem; *c && upper != (i >= 3); c++)
            *c = (char)toupper((unsigned char)*c);
        strcat(name, compressed[i % 3]);
        if (is_file(name)) {
            *other = name;
            return OK;
        }
    }
    mem_give(m, name);
    return OK;
}
