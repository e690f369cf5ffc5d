/* SPDX-License-Identifier: Apache-2.0 */
/* table_file.c - the lines are kept in memory until the last one is there. */
#include "table_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "console.h"
#include "new_file.h"
#include "stream.h"
#include "tool.h"

/* What lies in /dev or /proc, such as /dev/stdout, is a name of something that is open elsewhere. */
static bool is_stream(const char *path)
{
    struct stat status;
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 ||
           (stat(path, &status) == 0 && !S_ISREG(status.st_mode));
}

int table_file_begin(table_file *t, const char *path)
{
    *t = (table_file){.path = path, .is_stream = is_stream(path)};
    t->out = t->is_stream ? stream_open(path, false) : open_memstream(&t->text, &t->size);
    return t->out ? EXIT_OK : fail_errno(errno, "%s", path);
}

static bool write_lines(const table_file *t)
{
    new_file f;
    if (!new_file_begin(&f, t->path))
        return false;
    return new_file_finish(&f, fwrite(t->text, 1, t->size, f.out) == t->size);
}

int table_file_finish(table_file *t, bool good)
{
    if (!t->out)
        return EXIT_OK;
    bool complete = !ferror(t->out) || t->is_stream; /* a stream tells when it is closed */
    int reason = ENOMEM;
    errno = ENOMEM; /* a text that found no memory does not say so */
    bool closed = fclose(t->out) == 0;
    if (closed && !t->is_stream && !t->text)
        complete = false;
    else if (!closed || (complete && good && !t->is_stream && !write_lines(t)))
        complete = false, reason = errno;
    free(t->text);
    *t = (table_file){.path = t->path};
    return complete || !good ? EXIT_OK : fail_errno(reason, "%s: not all of it could be written", t->path);
}
