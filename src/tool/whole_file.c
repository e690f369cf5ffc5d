/* SPDX-License-Identifier: Apache-2.0 */
/* whole_file.c - reading to the end, and writing beside the old file. */
#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "must.h"
#include "paths.h"

char *whole_file(const char *path, size_t most)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    char *text = must_alloc(most + 2, 1);
    size_t size = fread(text, 1, most + 1, in);
    int reason = ferror(in) ? errno : size > most ? EFBIG : 0;
    fclose(in);
    if (reason == 0)
        return text;
    free(text);
    errno = reason;
    return NULL;
}

bool write_whole_file(const char *path, const char *text)
{
    /* Short: the path's own name may be as long as the file system takes. */
    char *part = must_format("%.*sslmt.tmp.%ld", (int)(file_name(path) - path), path, (long)getpid());
    FILE *out = fopen(part, "w");
    bool good = out && fputs(text, out) >= 0 && fputc('\n', out) != EOF;
    int reason = errno;
    if (out && fclose(out) != 0 && good)
        good = false, reason = errno;
    if (good && rename(part, path) != 0)
        good = false, reason = errno;
    if (!good && out)
        unlink(part);
    free(part);
    errno = reason;
    return good;
}
