/* SPDX-License-Identifier: Apache-2.0 */
/* failing.c - a library for LD_PRELOAD that lets calls of the system fail, one after the other: what a
 * program does where memory, a disk or a descriptor runs out.
 *
 * FAILING_CALL names the class of calls that fails: memory, open, read, write, sync, rename, close or map
 * (mmap(), called by other libraries than the C library itself); budget: those that would take more memory
 * than there is; none: all are counted.
 * FAILING_AT is the number of the first call that fails, from 1; of budget: KiB that there are.
 * FAILING_ERRNO is what errno is then.
 * FAILING_EVER, if set: all later calls of the class fail, too.
 * FAILING_FOLDER: calls about files outside this folder are neither counted nor failed.
 * FAILING_COUNTS: a file that gets one number for each class, in the order above; of budget the most KiB
 * taken.
 *
 * Calls count from main() on. Files of stdio are opened through fopencookie(), so that their calls count,
 * too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY, OPEN, READ, WRITE, SYNC, RENAME, CLOSE, BUDGET, MAP, CLASSES, DESCRIPTORS = 4096 };

static const char *const names[CLASSES] = {"memory", "open",  "read",   "write", "sync",
                                           "rename", "close", "budget", "map"};
static _Atomic long counts[CLASSES];
static _Atomic int armed;
static int failing = -1, reason, ever;
static long first;
static char folder[PATH_MAX];
static _Atomic char ours[DESCRIPTORS]; /* descriptors of files in the folder */

/* ---- which calls fail ---- */

static int fails(int class)
{
    if (!atomic_load(&armed))
        return 0;
    long n = atomic_fetch_add(&counts[class], 1) + 1;
    if (class != failing || (ever ? n < first : n != first))
        return 0;
    errno = reason;
    return 1;
}

static int is_ours(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS && atomic_load(&ours[fd]);
}

/* Relative paths are in the folder: the program runs there. */
static int in_folder(const char *path)
{
    return path && (path[0] != '/' || strncmp(path, folder, strlen(folder)) == 0);
}

static int opened(const char *path, int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_store(&ours[fd], (char)in_folder(path));
    return fd;
}

/* ---- memory: glibc's own names lead past this file ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void __libc_free(void *block);

static _Atomic long taken; /* bytes */

static int is_past_budget(size_t size)
{
    if (!atomic_load(&armed) || failing != BUDGET)
        return 0;
    if (size <= (size_t)LONG_MAX && atomic_load(&taken) + (long)size <= first * 1024)
        return 0;
    errno = ENOMEM;
    return 1;
}

static void *took(void *block)
{
    long size = (long)malloc_usable_size(block), now = atomic_fetch_add(&taken, size) + size;
    if (atomic_load(&armed) && now / 1024 > atomic_load(&counts[BUDGET]))
        atomic_store(&counts[BUDGET], now / 1024);
    return block;
}

void free(void *block)
{
    atomic_fetch_sub(&taken, (long)malloc_usable_size(block));
    __libc_free(block);
}

void *malloc(size_t size)
{
    return fails(MEMORY) || is_past_budget(size) ? NULL : took(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(count, size, &all))
        return NULL;
    return fails(MEMORY) || is_past_budget(all) ? NULL : took(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    size_t before = malloc_usable_size(old);
    if (fails(MEMORY) || (size > before && is_past_budget(size - before)))
        return NULL;
    void *new = __libc_realloc(old, size);
    if (new || size == 0)
        atomic_fetch_sub(&taken, (long)before);
    return took(new);
}

/* The C library's own calls malloc() itself, whoever it is for. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = fails(MEMORY) || is_past_budget(size) ? NULL : took(__libc_malloc(size));
    return copy ? memcpy(copy, text, size) : NULL;
}

static void *take_aligned(size_t alignment, size_t size)
{
    return fails(MEMORY) || is_past_budget(size) ? NULL : took(__libc_memalign(alignment, size));
}

void *memalign(size_t alignment, size_t size)
{
    return take_aligned(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return take_aligned(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    void *p = take_aligned(alignment, size);
    if (p)
        *result = p;
    return p ? 0 : ENOMEM;
}

/* ---- files ---- */

/* dlsym() takes memory: all are looked up before main(). */
static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_fcntl)(int, int, ...);
static int (*real_close)(int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_ftruncate)(int, off_t);
static FILE *(*real_fopen)(const char *, const char *);
static FILE *(*real_fdopen)(int, const char *);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);

static mode_t rights_in(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t rights = rights_in(flags, more);
    va_end(more);
    return in_folder(path) && fails(OPEN) ? -1 : opened(path, real_open(path, flags, rights));
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int at, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t rights = rights_in(flags, more);
    va_end(more);
    return in_folder(path) && fails(OPEN) ? -1 : opened(path, real_openat(at, path, flags, rights));
}

int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));

/* A descriptor is closed also where close() fails. */
int close(int fd)
{
    int failed = is_ours(fd) && fails(CLOSE);
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_store(&ours[fd], 0);
    int result = real_close(fd);
    if (!failed)
        return result;
    errno = reason;
    return -1;
}

/* A descriptor that is moved stays what it is. */
int fcntl(int fd, int command, ...)
{
    va_list more;
    va_start(more, command);
    void *argument = va_arg(more, void *);
    va_end(more);
    int result = real_fcntl(fd, command, argument);
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0 && result < DESCRIPTORS)
        atomic_store(&ours[result], (char)is_ours(fd));
    return result;
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

ssize_t read(int fd, void *to, size_t size)
{
    return is_ours(fd) && fails(READ) ? -1 : real_read(fd, to, size);
}

ssize_t pread(int fd, void *to, size_t size, off_t at)
{
    return is_ours(fd) && fails(READ) ? -1 : real_pread(fd, to, size, at);
}

ssize_t pread64(int fd, void *to, size_t size, off_t at) __attribute__((alias("pread")));

ssize_t write(int fd, const void *from, size_t size)
{
    return is_ours(fd) && fails(WRITE) ? -1 : real_write(fd, from, size);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at)
{
    return is_ours(fd) && fails(WRITE) ? -1 : real_pwrite(fd, from, size, at);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off_t at) __attribute__((alias("pwrite")));

int ftruncate(int fd, off_t size)
{
    return is_ours(fd) && fails(WRITE) ? -1 : real_ftruncate(fd, size);
}

int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));

int fsync(int fd)
{
    return is_ours(fd) && fails(SYNC) ? -1 : real_fsync(fd);
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int rename(const char *from, const char *to)
{
    return in_folder(to) && fails(RENAME) ? -1 : real_rename(from, to);
}

void *mmap(void *at, size_t size, int rights, int flags, int fd, off_t from)
{
    return fails(MAP) ? MAP_FAILED : real_mmap(at, size, rights, flags, fd, from);
}

void *mmap64(void *at, size_t size, int rights, int flags, int fd, off_t from) __attribute__((alias("mmap")));

/* ---- stdio ---- */

static ssize_t stream_read(void *cookie, char *to, size_t size)
{
    return read((int)(intptr_t)cookie, to, size);
}

static ssize_t stream_write(void *cookie, const char *from, size_t size)
{
    ssize_t n = write((int)(intptr_t)cookie, from, size);
    return n < 0 ? 0 : n; /* fopencookie(3): a write function does not return less than 0 */
}

static int stream_seek(void *cookie, off64_t *position, int whence)
{
    *position = lseek((int)(intptr_t)cookie, *position, whence);
    return *position < 0 ? -1 : 0;
}

static int stream_close(void *cookie)
{
    return close((int)(intptr_t)cookie);
}

static int flags_of(const char *mode)
{
    int flags = mode[0] == 'r' ? 0 : mode[0] == 'w' ? O_CREAT | O_TRUNC : O_CREAT | O_APPEND;
    return flags |
           (strchr(mode, '+') ? O_RDWR
            : mode[0] == 'r'  ? O_RDONLY
                              : O_WRONLY) |
           (strchr(mode, 'x') ? O_EXCL : 0) | (strchr(mode, 'e') ? O_CLOEXEC : 0);
}

FILE *fdopen(int fd, const char *mode)
{
    cookie_io_functions_t calls = {stream_read, stream_write, stream_seek, stream_close};
    return is_ours(fd) ? fopencookie((void *)(intptr_t)fd, mode, calls) : real_fdopen(fd, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    if (!in_folder(path))
        return real_fopen(path, mode);
    int fd = open(path, flags_of(mode), 0666);
    return fd < 0 ? NULL : fdopen(fd, mode);
}

FILE *fopen64(const char *path, const char *mode) __attribute__((alias("fopen")));

/* ---- from main() to its end ---- */

/* The same function under any type. */
static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

static void find_all(void)
{
    find(&real_open, "open");
    find(&real_openat, "openat");
    find(&real_fcntl, "fcntl");
    find(&real_close, "close");
    find(&real_read, "read");
    find(&real_pread, "pread");
    find(&real_write, "write");
    find(&real_pwrite, "pwrite");
    find(&real_fsync, "fsync");
    find(&real_rename, "rename");
    find(&real_ftruncate, "ftruncate");
    find(&real_fopen, "fopen");
    find(&real_fdopen, "fdopen");
    find(&real_mmap, "mmap");
}

static const char *setting(const char *name)
{
    const char *text = getenv(name);
    return text ? text : "";
}

__attribute__((constructor)) static void read_settings(void)
{
    find_all();
    for (int i = 0; i < CLASSES; i++)
        if (strcmp(setting("FAILING_CALL"), names[i]) == 0)
            failing = i;
    first = atol(setting("FAILING_AT"));
    reason = atoi(setting("FAILING_ERRNO"));
    ever = *setting("FAILING_EVER") != '\0';
    snprintf(folder, sizeof folder, "%s", setting("FAILING_FOLDER"));
}

static void write_counts(const char *path)
{
    char text[256];
    int length = 0, fd;
    for (int i = 0; i < CLASSES; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%ld\n", atomic_load(&counts[i]));
    fd = real_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd >= 0 && real_write(fd, text, (size_t)length) == length)
        real_close(fd);
}

__attribute__((destructor)) static void disarm(void)
{
    atomic_store(&armed, 0);
    if (*setting("FAILING_COUNTS"))
        write_counts(setting("FAILING_COUNTS"));
}

typedef int main_fn(int argc, char **argv, char **environment);
typedef int start_fn(main_fn *program, int argc, char **argv, void (*init)(void), void (*fini)(void),
                     void (*loader_fini)(void), void *stack_end);

static main_fn *program_main;

static int armed_main(int argc, char **argv, char **environment)
{
    atomic_store(&armed, 1);
    return program_main(argc, argv, environment);
}

int __libc_start_main(main_fn *program, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end);

int __libc_start_main(main_fn *program, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*loader_fini)(void), void *stack_end)
{
    start_fn *start;
    find(&start, "__libc_start_main");
    program_main = program;
    return start(armed_main, argc, argv, init, fini, loader_fini, stack_end);
}
