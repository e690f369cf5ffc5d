/* SPDX-License-Identifier: Apache-2.0 */
/* test_team.c - the threads of the cpu backend (backends/cpu/team.h): every piece is computed once, whoever
 * calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cpu/team.h"
#include "backends/cpu/turns.h"
#include "tests/backend_host.h"

enum { MOST = 5000 };

/* Counts how often each piece is computed, and by which threads. */
typedef struct count_job {
    atomic_int times[MOST];
    atomic_int most_thread, calls;
} count_job;

static void count_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    count_job *c = (count_job *)(uintptr_t)job;
    int seen = atomic_load(&c->most_thread);
    while (thread > seen && !atomic_compare_exchange_weak(&c->most_thread, &seen, thread))
        ;
    atomic_fetch_add(&c->calls, 1);
    for (int64_t i = first; i < end; i++)
        atomic_fetch_add(&c->times[i], 1);
}

static void assert_each_once(const count_job *c, int64_t pieces)
{
    for (int64_t i = 0; i < MOST; i++)
        assert_int_equal(atomic_load(&c->times[i]), i < pieces);
}

static test_host host;

static cpu_team *team_of(int threads)
{
    cpu_team *team = NULL;
    assert_int_equal(cpu_team_open(&host.host, threads, &team), BK_OK);
    assert_int_equal(cpu_team_threads(team), threads);
    return team;
}

static void run_counted(cpu_team *team, int threads, int64_t pieces, int64_t chunk)
{
    count_job *c = calloc(1, sizeof *c);
    assert_non_null(c);
    cpu_team_run(team, threads, pieces, chunk, count_pieces, c);
    assert_each_once(c, pieces);
    assert_true(atomic_load(&c->most_thread) < threads);
    free(c);
}

static void every_piece_is_computed_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        cpu_team *team = team_of(threads);
        for (int turn = 0; turn < 12; turn++)
            for (int64_t pieces = 0; pieces < MOST; pieces = 3 * pieces + 1)
                for (int64_t chunk = 1; chunk < 100; chunk *= 7)
                    run_counted(team, 1 + turn % 6, pieces, chunk);
        cpu_team_close(team);
    }
}

static void a_share_is_computed_once_whatever_its_size(void **state)
{
    (void)state;
    cpu_team *team = team_of(3);
    static const int64_t elements[] = {0, 1, 8191, 8192, 1000000, INT64_MAX / 4};
    for (size_t e = 0; e < sizeof elements / sizeof *elements; e++)
        for (int64_t pieces = 0; pieces < MOST; pieces = 2 * pieces + 1) {
            count_job *c = calloc(1, sizeof *c);
            assert_non_null(c);
            cpu_team_share(team, pieces, elements[e], count_pieces, c);
            assert_each_once(c, pieces);
            free(c);
        }
    cpu_team_close(team);
}

static void without_a_team_the_caller_computes_alone(void **state)
{
    (void)state;
    count_job *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_int_equal(cpu_team_threads(NULL), 1);
    cpu_team_run(NULL, 4, 100, 1, count_pieces, c);
    cpu_team_share(NULL, 0, 0, count_pieces, c);
    assert_each_once(c, 100);
    assert_int_equal(atomic_load(&c->most_thread), 0);
    free(c);
    cpu_team_close(NULL);
}

/* ---- many callers ---- */

static void *call_often(void *team)
{
    cpu_team_begin(team);
    for (int i = 0; i < 200; i++)
        run_counted(team, 2 + i % 3, 1 + i * 7, 1 + i % 3); /* another number of threads each time */
    cpu_team_end(team);
    return NULL;
}

/* More callers than a team serves at a time. */
static void many_threads_may_call_at_once(void **state)
{
    (void)state;
    enum { CALLERS = 20 };
    cpu_team *team = team_of(4);
    pthread_t caller[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&caller[i], NULL, call_often, team), 0);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(caller[i], NULL);
    cpu_team_close(team);
}

/* ---- fork ---- */

#ifndef __SANITIZE_THREAD__
static void a_child_of_fork_has_threads_of_its_own(void **state)
{
    (void)state;
    cpu_team *team = team_of(3);
    int code = 1;
    run_counted(team, 3, 1000, 1);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20; i++)
            run_counted(team, 3, 1000, 1);
        cpu_team_close(team);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    run_counted(team, 3, 1000, 1);
    cpu_team_close(team);
}

static void a_child_may_close_a_team_that_it_never_used(void **state)
{
    (void)state;
    cpu_team *team = team_of(2);
    int code = 1;
    run_counted(team, 2, 100, 1);
    pid_t child = fork();
    if (child == 0) {
        cpu_team_close(team);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    cpu_team_close(team);
}

#endif

/* ---- who does not come is not waited for ---- */

static atomic_int released;

/* Thread 0, the caller, computes every piece that nobody else has taken; the others wait in their first piece
 * until it has. */
static void hold_others(const void *job, int64_t first, int64_t end, int thread)
{
    count_pieces(job, first, end, thread);
    if (thread > 0)
        while (!atomic_load(&released))
            ;
    const count_job *c = job;
    int done = 0;
    for (int i = 0; i < 100; i++)
        done += atomic_load(&c->times[i]);
    if (done == 100)
        atomic_store(&released, 1);
}

static void a_thread_that_is_held_up_keeps_one_piece_only(void **state)
{
    (void)state;
    cpu_team *team = team_of(2);
    count_job *c = calloc(1, sizeof *c);
    assert_non_null(c);
    atomic_store(&released, 0);
    cpu_team_run(team, 2, 100, 1, hold_others, c);
    assert_each_once(c, 100);
    free(c);
    cpu_team_close(team);
}

/* ---- a thread without work ---- */

/* Whether all threads of this process but the caller sleep, as the system says. */
static int others_sleep(void)
{
    char path[300], state;
    int asleep = 1;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *d = readdir(tasks); d; d = readdir(tasks)) {
        if (d->d_name[0] == '.' || atoi(d->d_name) == (int)getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", d->d_name);
        FILE *file = fopen(path, "r");
        asleep &= !file || (fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'S');
        if (file)
            fclose(file);
    }
    closedir(tasks);
    return asleep;
}

static atomic_int begun;

/* The other thread's piece lasts until the caller has begun one, and that until the other thread has done its
 * piece and sleeps, or for 30 seconds. */
static void wait_for_sleep(const void *job, int64_t first, int64_t end, int thread)
{
    atomic_int *slept = (atomic_int *)(uintptr_t)job;
    (void)first;
    (void)end;
    if (thread != 0) {
        while (!atomic_load(&begun))
            usleep(1000);
        atomic_store(&released, 1);
        return;
    }
    atomic_store(&begun, 1);
    for (int turn = 0; turn < 30000 && !atomic_load(slept); turn++) {
        usleep(1000);
        atomic_store(slept, atomic_load(&released) && others_sleep());
    }
}

static void a_thread_without_pieces_sleeps_while_another_finishes(void **state)
{
    (void)state;
    atomic_int slept = 0;
    cpu_team *team = team_of(2);
    atomic_store(&begun, 0);
    atomic_store(&released, 0);
    cpu_team_begin(team);
    cpu_team_run(team, 2, 2, 1, wait_for_sleep, &slept);
    cpu_team_end(team);
    assert_int_equal(atomic_load(&slept), 1);
    cpu_team_close(team);
}

/* A thread whose turns are short already is not changed, for which turns_shorten() returns 0. */
static void shorten_again(const void *job, int64_t first, int64_t end, int thread)
{
    uint64_t *before = (uint64_t *)(uintptr_t)job;
    (void)end;
    (void)thread;
    before[first] = turns_shorten();
}

static void a_run_has_short_turns_and_gives_the_callers_back(void **state)
{
    (void)state;
    enum { PIECES = 64 };
    uint64_t in_run[PIECES], before = turns_shorten();
    if (before == 0) {
        print_message("this system gives a thread no turns of its own\n");
        skip();
    }
    turns_restore(before);
    cpu_team *team = team_of(2);
    memset(in_run, 1, sizeof in_run);
    cpu_team_begin(team);
    cpu_team_run(team, 2, PIECES, 1, shorten_again, in_run);
    cpu_team_end(team);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(in_run[i], 0);
    uint64_t after = turns_shorten();
    assert_int_equal(after, before);
    turns_restore(after);
    cpu_team_close(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_computed_once),
        cmocka_unit_test(a_share_is_computed_once_whatever_its_size),
        cmocka_unit_test(without_a_team_the_caller_computes_alone),
        cmocka_unit_test(many_threads_may_call_at_once),
#ifndef __SANITIZE_THREAD__ /* which follows no threads that a child of fork() starts */
        cmocka_unit_test(a_child_of_fork_has_threads_of_its_own),
        cmocka_unit_test(a_child_may_close_a_team_that_it_never_used),
#endif
        cmocka_unit_test(a_thread_that_is_held_up_keeps_one_piece_only),
        cmocka_unit_test(a_thread_without_pieces_sleeps_while_another_finishes),
        cmocka_unit_test(a_run_has_short_turns_and_gives_the_callers_back),
    };
    test_host_init(&host, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
