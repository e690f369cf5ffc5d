/* SPDX-License-Identifier: Apache-2.0 */
/* Files that appear whole: what file systems cannot do fails no file that is in place, what loses data does,
 * and a name may be as long as the system takes. Works in a folder of its own beside where it is started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/descriptor.h"

#include <cmocka.h> /* after lib/status.h: it makes fail() a macro */

static char folder[] = "test_atomic_XXXXXX";
static mem memory;

/* ---- a system whose fsync() fails ---- */

static int folder_reason, file_reason; /* errno of a sync; 0: it works */

/* Takes the place of the system's in this program. */
int fsync(int fd)
{
    struct stat s;
    errno = fstat(fd, &s) == 0 && S_ISDIR(s.st_mode) ? folder_reason : file_reason;
    return errno == 0 ? 0 : -1;
}

/* ---- files ---- */

static const char *in_folder(const char *name)
{
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int files_in_folder(void)
{
    int n = -2; /* . and .. */
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static status write_text(const char *path, const char *text)
{
    atomic_file f;
    status s = atomic_file_begin(&memory, path, &f);
    if (s != OK)
        return s;
    FILE *file = fopen(f.temporary, "w");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
    return atomic_file_finish(&f);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_holds(const char *path, const char *text)
{
    char got[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(got, 1, sizeof got - 1, file), strlen(text));
    fclose(file);
    assert_string_equal(got, text);
}

static int set_up(void **state)
{
    (void)state;
    mem_init(&memory, NULL, NULL, NULL, 0);
    return mkdtemp(folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int clean(void **state)
{
    (void)state;
    folder_reason = file_reason = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        unlink(in_folder(e->d_name));
    closedir(d);
    return 0;
}

/* ---- syncing ---- */

static void a_folder_that_cannot_be_synced_fails_no_file(void **state)
{
    static const int reasons[] = {EINVAL, EBADF, EOPNOTSUPP, ENOTTY, EACCES, ENOSYS, EROFS, EPERM, ENOTSUP};
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, "number %zu", i);
        folder_reason = reasons[i];
        assert_int_equal(write_text(in_folder("a"), text), OK);
        assert_holds(in_folder("a"), text);
        assert_int_equal(files_in_folder(), 1);
    }
}

static void a_disk_that_lost_data_is_a_failure(void **state)
{
    static const int reasons[] = {EIO, ENOSPC, EDQUOT};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        folder_reason = reasons[i];
        assert_int_equal(write_text(in_folder("a"), "text"), ERR_IO);
        assert_non_null(strstr(status_text(), "is written, but its folder cannot be synced"));
        folder_reason = 0;
        file_reason = reasons[i];
        assert_int_equal(write_text(in_folder("b"), "text"), ERR_IO);
        assert_int_equal(access(in_folder("b"), F_OK), -1);
        file_reason = 0;
        assert_int_equal(files_in_folder(), 1);
    }
}

static void a_file_system_without_sync_is_no_failure(void **state)
{
    static const int reasons[] = {EINVAL, ENOSYS, EOPNOTSUPP, ENOTTY};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        file_reason = folder_reason = reasons[i];
        assert_int_equal(write_text(in_folder("a"), "text"), OK);
        assert_holds(in_folder("a"), "text");
    }
}

/* Root may do everything, so that an ordinary user is taken for it; a system that does not allow that is left
 * alone. */
static void a_folder_that_may_be_written_but_not_read_is_no_failure(void **state)
{
    int code = 0;
    (void)state;
    assert_int_equal(chmod(folder, 0733), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(77);
        if (access(folder, W_OK | X_OK) != 0 || access(folder, R_OK) == 0)
            _exit(77);
        _exit(write_text(in_folder("a"), "text") == OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &code, 0), child);
    chmod(folder, 0700);
    assert_true(WIFEXITED(code));
    if (WEXITSTATUS(code) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(code), 0);
    assert_holds(in_folder("a"), "text");
}

/* ---- names ---- */

static void a_name_as_long_as_the_system_takes_is_written_and_a_longer_one_refused_at_once(void **state)
{
    char name[257];
    atomic_file f;
    (void)state;
    memset(name, 'y', sizeof name);
    name[255] = '\0';
    assert_int_equal(write_text(in_folder(name), "text"), OK);
    assert_holds(in_folder(name), "text");
    name[255] = 'y';
    name[256] = '\0';
    assert_int_equal(atomic_file_begin(&memory, in_folder(name), &f), ERR_IO);
    assert_non_null(strstr(status_text(), strerror(ENAMETOOLONG)));
    assert_int_equal(files_in_folder(), 1);
}

static void every_name_that_the_system_takes_is_written(void **state)
{
    static const char *const names[] = {"with blanks",
                                        "-o",
                                        "M\xc3\xbcller",
                                        "\xe5\x90\x8d\xe5\x89\x8d",
                                        "a+b(2)",
                                        "line\nbreak",
                                        "\xff\xfe",
                                        "tab\tquote\"",
                                        "%s%n",
                                        "[3]",
                                        "a*?"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(write_text(in_folder(names[i]), names[i]), OK);
        assert_holds(in_folder(names[i]), names[i]);
        assert_int_equal(files_in_folder(), i + 1);
    }
}

static void a_path_that_cannot_be_a_file_is_refused_at_the_beginning(void **state)
{
    atomic_file f;
    (void)state;
    assert_int_equal(atomic_file_begin(&memory, "", &f), ERR_IO);
    assert_int_equal(atomic_file_begin(&memory, folder, &f), ERR_IO);
    assert_non_null(strstr(status_text(), "is a folder"));
    assert_int_equal(atomic_file_begin(&memory, in_folder("none/"), &f), ERR_IO);
    assert_int_equal(atomic_file_begin(&memory, in_folder("none/a"), &f), ERR_IO);
    assert_non_null(strstr(status_text(), "its folder does not exist"));
    assert_null(strstr(status_text(), "tmp"));
    assert_int_equal(files_in_folder(), 0);
}

/* ---- what is there already ---- */

static void a_link_stays_and_its_target_is_replaced(void **state)
{
    struct stat s;
    (void)state;
    assert_int_equal(write_text(in_folder("real"), "old"), OK);
    assert_int_equal(symlink("real", in_folder("link")), 0);
    assert_int_equal(symlink("link", in_folder("second")), 0);
    assert_int_equal(write_text(in_folder("second"), "new"), OK);
    assert_holds(in_folder("real"), "new");
    assert_int_equal(lstat(in_folder("second"), &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    assert_int_equal(lstat(in_folder("link"), &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    assert_int_equal(files_in_folder(), 3);
    assert_int_equal(symlink("not there yet", in_folder("third")), 0);
    assert_int_equal(write_text(in_folder("third"), "made"), OK);
    assert_holds(in_folder("not there yet"), "made");
    assert_int_equal(symlink("circle", in_folder("circle")), 0);
    assert_int_equal(write_text(in_folder("circle"), "x"), ERR_IO);
    assert_non_null(strstr(status_text(), strerror(ELOOP)));
}

static void a_pipe_or_a_device_is_not_replaced(void **state)
{
    struct stat s;
    atomic_file f;
    (void)state;
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(symlink("pipe", in_folder("link")), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(atomic_file_begin(&memory, in_folder(i ? "link" : "pipe"), &f), ERR_IO);
        assert_non_null(strstr(status_text(), "a device or a pipe"));
    }
    assert_int_equal(atomic_file_begin(&memory, "/dev/null", &f), ERR_IO);
    assert_int_equal(stat(in_folder("pipe"), &s), 0);
    assert_true(S_ISFIFO(s.st_mode));
    assert_int_equal(files_in_folder(), 2);
}

/* ---- runs that are killed ---- */

/* In a process of its own, begins a file and waits for its end, by a signal or by `end`. */
static pid_t writer(const char *name, int ready, int end)
{
    atomic_file f;
    char byte = 0;
    pid_t child = fork();
    if (child != 0)
        return child;
    if (atomic_file_begin(&memory, in_folder(name), &f) != OK || write(ready, &byte, 1) != 1)
        _exit(1);
    if (read(end, &byte, 1) < 0)
        _exit(1);
    _exit(atomic_file_finish(&f) == OK ? 0 : 1);
}

static void what_a_killed_run_left_is_deleted_and_what_a_running_one_writes_is_not(void **state)
{
    int ready[2], end[2], code;
    char byte;
    (void)state;
    assert_int_equal(pipe(ready) | pipe(end), 0);
    pid_t killed = writer("a", ready[1], end[0]), running = writer("b", ready[1], end[0]);
    assert_int_equal(read(ready[0], &byte, 1) + read(ready[0], &byte, 1), 2);
    assert_int_equal(files_in_folder(), 2);
    kill(killed, SIGKILL);
    waitpid(killed, &code, 0);
    assert_int_equal(files_in_folder(), 2);
    write_file("slmt.tmp.1.x", "a user's own");
    pid_t next = fork(); /* a process looks once */
    if (next == 0)
        _exit(write_text(in_folder("c"), "text") == OK && files_in_folder() == 3 ? 0 : 1);
    waitpid(next, &code, 0);
    assert_int_equal(code, 0);
    assert_holds(in_folder("slmt.tmp.1.x"), "a user's own");
    assert_int_equal(write(end[1], &byte, 1), 1);
    waitpid(running, &code, 0);
    assert_int_equal(code, 0);
    assert_int_equal(access(in_folder("b"), F_OK), 0);
}

/* ---- descriptors ---- */

static void no_file_gets_the_number_of_a_standard_stream(void **state)
{
    int code;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        close(0);
        close(1);
        close(2);
        int fd = descriptor_open(in_folder("a"), O_RDWR | O_CREAT, 0600), again = dup(fd);
        _exit(fd > 2 && again == 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) ? 0 : 1);
    }
    waitpid(child, &code, 0);
    assert_int_equal(code, 0);
    assert_int_equal(descriptor_open(in_folder("none"), O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOENT);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_folder_that_cannot_be_synced_fails_no_file),
        TEST(a_disk_that_lost_data_is_a_failure),
        TEST(a_file_system_without_sync_is_no_failure),
        TEST(a_folder_that_may_be_written_but_not_read_is_no_failure),
        TEST(a_name_as_long_as_the_system_takes_is_written_and_a_longer_one_refused_at_once),
        TEST(every_name_that_the_system_takes_is_written),
        TEST(a_path_that_cannot_be_a_file_is_refused_at_the_beginning),
        TEST(a_link_stays_and_its_target_is_replaced),
        TEST(a_pipe_or_a_device_is_not_replaced),
        TEST(what_a_killed_run_left_is_deleted_and_what_a_running_one_writes_is_not),
        TEST(no_file_gets_the_number_of_a_standard_stream),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
