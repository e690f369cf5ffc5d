/* SPDX-License-Identifier: Apache-2.0 */
/* gz_input.c - zlib's gzFile with the errors that it keeps to itself. */
#include "io/gz_input.h"

#include <errno.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/descriptor.h"

enum {
    MAX_RATIO = 1032, /* deflate cannot compress better than 1032:1 */
    MAX_TRAILING = 1 << 20
};

/* A link that leads nowhere is told from a name that is wrong; git-annex and DataLad leave such links. */
static status not_there(const char *path, int reason)
{
    char target[256];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        return fail(reason == ENOENT || reason == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
                    strerror(reason));
    target[n] = '\0';
    if (reason != ENOENT)
        return fail(ERR_IO, "%s is a link to %s: %s", path, target, strerror(reason));
    if (strstr(target, "annex/objects"))
        return fail(ERR_NOT_FOUND,
                    "%s is a link of git-annex or DataLad to a file that was not fetched (git annex get)",
                    path);
    return fail(ERR_NOT_FOUND, "%s is a link to %s, which is not there", path, target);
}

/* zlib gives up where a signal interrupts a read; it can go on. */
static int was_interrupted(gzFile file)
{
    int code, reason = errno;
    gzerror(file, &code);
    if (code != Z_ERRNO || reason != EINTR)
        return 0;
    gzclearerr(file);
    return 1;
}

/* zlib loses what an interrupted call had read: it begins anew. */
static int is_compressed(gzFile file)
{
    int direct;
    do {
        errno = 0;
        direct = gzdirect(file);
    } while (was_interrupted(file) && gzrewind(file) == 0);
    return !direct;
}

/* gzread(), which begins anew likewise. */
static int read_part(gzFile file, void *out, unsigned bytes)
{
    z_off_t from = gztell(file);
    int n = gzread(file, out, bytes);
    while (n < 0 && was_interrupted(file))
        n = gzrewind(file) == 0 && gzseek(file, from, SEEK_SET) == from ? gzread(file, out, bytes) : -1;
    return n;
}

status gz_input_open(const char *path, gz_input *in)
{
    struct stat s;
    *in = (gz_input){.path = path};
    if (stat(path, &s) != 0)
        return not_there(path, errno);
    if (!S_ISREG(s.st_mode))
        return fail(ERR_IO, "%s is %s, not a regular file", path,
                    S_ISDIR(s.st_mode) ? "a folder" : "a device or a pipe");
    int fd = descriptor_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fail(ERR_IO, "%s cannot be opened: %s", path, strerror(errno));
    in->file = gzdopen(fd, "rb");
    if (!in->file) {
        close(fd);
        return fail_memory();
    }
    gzbuffer(in->file, 1 << 17);
    in->compressed = is_compressed(in->file);
    in->most = (uint64_t)s.st_size * (in->compressed ? MAX_RATIO : 1);
    return OK;
}

void gz_input_close(gz_input *in)
{
    if (in->file)
        gzclose_r(in->file);
    in->file = NULL;
}

/* The reason in zlib's text "<fd:3>: Input/output error": errno may be another one by now. */
static const char *reason_in(const char *text)
{
    const char *end = strstr(text, ": ");
    return end ? end + 2 : text;
}

static status failed(const gz_input *in)
{
    int code;
    const char *text = gzerror(in->file, &code);
    if (code == Z_ERRNO)
        return fail(ERR_IO, "%s cannot be read: %s", in->path, reason_in(text));
    if (code == Z_MEM_ERROR)
        return fail_memory();
    if (code == Z_DATA_ERROR)
        return fail(ERR_CORRUPT, "%s is damaged: %s", in->path, reason_in(text));
    return fail(ERR_CORRUPT, "%s is cut short", in->path);
}

status gz_input_read_some(gz_input *in, void *out, size_t bytes, size_t *got)
{
    unsigned char *p = out;
    *got = 0;
    while (*got < bytes) {
        size_t left = bytes - *got;
        int n = read_part(in->file, p + *got, left < (1u << 30) ? (unsigned)left : 1u << 30);
        if (n < 0)
            return failed(in);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return OK;
}

status gz_input_read(gz_input *in, void *out, size_t bytes)
{
    size_t got;
    TRY(gz_input_read_some(in, out, bytes, &got));
    return got == bytes ? OK : failed(in);
}

status gz_input_seek(gz_input *in, uint64_t position)
{
    if (gzseek(in->file, (z_off_t)position, SEEK_SET) != (z_off_t)position)
        return failed(in);
    return OK;
}

status gz_input_check_end(gz_input *in)
{
    char rest[4096];
    int code, got = 1;
    for (int i = 0; i < MAX_TRAILING / (int)sizeof rest && got > 0; i++)
        got = read_part(in->file, rest, sizeof rest);
    gzerror(in->file, &code);
    return got < 0 || (code != Z_OK && code != Z_STREAM_END) ? failed(in) : OK;
}
