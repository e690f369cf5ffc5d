/* SPDX-License-Identifier: Apache-2.0 */
/* test_busy.c - busy loops run where they should, and none outlives who started it. */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/busy.h"

enum { MOST = 8 };

/* The processes that this thread started. */
static int children(pid_t list[MOST])
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (n < MOST && fscanf(file, "%d", &list[n]) == 1)
        n++;
    fclose(file);
    return n;
}

/* The only core of a process, once it is on one. */
static int core_of(pid_t process)
{
    cpu_set_t set;
    do {
        assert_int_equal(sched_getaffinity(process, sizeof set, &set), 0);
        sched_yield();
    } while (CPU_COUNT(&set) != 1);
    int core = 0;
    while (!CPU_ISSET(core, &set))
        core++;
    return core;
}

static void loops_are_spread_evenly_and_end_when_they_are_stopped(void **state)
{
    (void)state;
    pid_t list[MOST];
    int on_core[CPU_SETSIZE] = {0}, cores = busy_cores(), n = cores < MOST / 2 ? 2 * cores : MOST;
    assert_int_equal(busy_start(n), 1);
    assert_int_equal(children(list), n);
    for (int i = 0; i < n; i++)
        on_core[core_of(list[i])]++;
    busy_stop();
    for (int core = 0; core < CPU_SETSIZE; core++)
        assert_in_range(on_core[core], 0, 2);
    assert_int_equal(children(list), 0);
}

static void no_loop_is_started_by_0_and_stopping_twice_does_nothing(void **state)
{
    (void)state;
    pid_t list[MOST];
    assert_int_equal(busy_start(0), 1);
    assert_int_equal(children(list), 0);
    busy_stop();
    busy_stop();
    assert_int_equal(children(list), 0);
}

/* The loops are given to this process when the one that started them is killed, so that their end is seen. */
static void loops_end_with_the_process_that_started_them(void **state)
{
    (void)state;
    char ready;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t starter = fork();
    if (starter == 0) {
        if (!busy_start(2) || write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ends[0], &ready, 1), 1);
    kill(starter, SIGKILL);
    for (int i = 0; i < 3; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    }
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_are_spread_evenly_and_end_when_they_are_stopped),
        cmocka_unit_test(no_loop_is_started_by_0_and_stopping_twice_does_nothing),
        cmocka_unit_test(loops_end_with_the_process_that_started_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
