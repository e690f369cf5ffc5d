/* SPDX-License-Identifier: Apache-2.0 */
/* whole_file.c - reading to the end, and writing in one piece. */
#include "whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "must.h"
#include "new_file.h"
#include "stream.h"

char *whole_file(const char *path, size_t most)
{
    FILE *in = stream_read(path);
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
    new_file f;
    if (!new_file_begin(&f, path))
        return false;
    return new_file_finish(&f, fputs(text, f.out) >= 0 && fputc('\n', f.out) != EOF);
}
