/* SPDX-License-Identifier: Apache-2.0 */
/* sealed_file.c - begins, finishes and cancels a file that appears whole or not at all. */
#include "io/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/descriptor.h"
#include "io/file_kind.h"

const char *sealed_file_label(const sealed_file *f)
{
    return f->target.path;
}

static status start_file(sealed_file *f, mem *m, uint64_t user_block)
{
    f->fd = descriptor_open(f->target.temporary, O_RDWR, 0);
    if (f->fd < 0)
        return fail(ERR_IO, "%s: cannot open: %s", f->target.temporary, strerror(errno));
    return dialect_begin(m, f->fd, user_block, f->target.path, &f->file);
}

/* Returns 1 for a reason that says nothing about the file, which may be there and be a scan. */
static int may_hide(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOMEM || reason == EIO;
}

static status cannot_look(const char *path, int reason)
{
    if (reason == ENOMEM)
        return fail_memory();
    return fail(ERR_IO, "%s: cannot look at the file that would be replaced: %s", path, strerror(reason));
}

static ssize_t read_head(int fd, void *to, size_t size)
{
    ssize_t n;
    do
        n = read(fd, to, size);
    while (n < 0 && errno == EINTR);
    return n;
}

/* A scan or a text under this path would be lost. An empty file holds nothing, and a file that cannot be read
 * is left to the rename. */
static status check_replaced(const char *path)
{
    unsigned char head[FILE_KIND_BYTES];
    int fd = descriptor_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return may_hide(errno) ? cannot_look(path, errno) : OK;
    ssize_t size = read_head(fd, head, sizeof head);
    int reason = errno;
    close(fd);
    if (size < 0 && may_hide(reason))
        return cannot_look(path, reason);
    if (size <= 0 || file_kind_is_ours(head, (size_t)size))
        return OK;
    char kind[FILE_KIND_TEXT];
    file_kind_instead(head, (size_t)size, kind, sizeof kind);
    return fail(ERR_IO, "%s is there and is not replaced%s", path,
                *kind ? kind : ": it is neither a checkpoint nor a training set");
}

status sealed_file_begin(mem *m, const char *path, uint64_t user_block, sealed_file *f)
{
    *f = (sealed_file){.fd = -1};
    TRY(check_replaced(path));
    TRY(atomic_file_begin(m, path, &f->target));
    status s = start_file(f, m, user_block);
    if (s != OK)
        sealed_file_cancel(f);
    return s;
}

status sealed_file_ready(const sealed_file *f)
{
    int error = f->file.error;
    if (f->failure == OK)
        return OK;
    return fail(f->failure, "%s: an earlier write failed%s%s", f->target.path, error ? ": " : "",
                error ? strerror(error) : "");
}

status sealed_file_written(sealed_file *f, status result)
{
    if (result != OK)
        f->failure = result;
    return result;
}

static status end_and_seal(sealed_file *f, sealed_file_block block)
{
    TRY(sealed_file_ready(f));
    TRY(dialect_end(&f->file));
    TRY(block(f->fd, f->target.path));
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0 && errno != EINTR) /* Linux has closed it also then */
        return fail(ERR_IO, "%s: cannot close: %s", f->target.path, strerror(errno));
    return OK;
}

static void close_descriptor(sealed_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

status sealed_file_seal(sealed_file *f, sealed_file_block block)
{
    status s = end_and_seal(f, block);
    dialect_free(&f->file);
    close_descriptor(f);
    if (s != OK)
        atomic_file_abandon(&f->target);
    return s;
}

status sealed_file_publish(sealed_file *f)
{
    return atomic_file_finish(&f->target);
}

status sealed_file_finish(sealed_file *f, sealed_file_block block)
{
    TRY(sealed_file_seal(f, block));
    return sealed_file_publish(f);
}

void sealed_file_cancel(sealed_file *f)
{
    dialect_free(&f->file);
    close_descriptor(f);
    atomic_file_abandon(&f->target);
}
