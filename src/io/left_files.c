/* SPDX-License-Identifier: Apache-2.0 */
/* left_files.c - locks temporary files, and deletes those that have lost their lock with their process. */
#define _GNU_SOURCE
#include "io/left_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int temporary_lock(int fd)
{
    struct stat s;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return 0;
    return fstat(fd, &s) != 0 || s.st_nlink > 0;
}

static int is_temporary(const char *name)
{
    long process;
    unsigned number;
    int end = 0;
    return sscanf(name, TEMPORARY_NAME "%n", &process, &number, &end) == 2 && end > 0 && name[end] == '\0';
}

static void delete_if_left(int folder, const char *name)
{
    struct stat s;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, name, 0);
    close(fd);
}

/* A folder of many files is read once, not for every file that is written to it. */
static int is_new(int folder)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static dev_t device;
    static ino_t inode;
    static pid_t process;
    struct stat s;
    if (fstat(folder, &s) != 0)
        return 0;
    pthread_mutex_lock(&lock);
    int is_new = s.st_dev != device || s.st_ino != inode || getpid() != process;
    device = s.st_dev;
    inode = s.st_ino;
    process = getpid();
    pthread_mutex_unlock(&lock);
    return is_new;
}

void left_files_delete(const char *folder)
{
    DIR *d = opendir(folder);
    if (!d)
        return;
    if (is_new(dirfd(d)))
        for (struct dirent *e; (e = readdir(d)) != NULL;)
            if (is_temporary(e->d_name))
                delete_if_left(dirfd(d), e->d_name);
    closedir(d);
}
