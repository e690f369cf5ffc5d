/* SPDX-License-Identifier: Apache-2.0 */
/* one_synthesis.c - N syntheses of one slice by the tiny model on T threads, in a process that does nothing
 * else:
 *
 *   one_synthesis N T [MATRIX]
 *
 * With MATRIX it fails unless the process has T threads while they run, all but this one sleep after it, and
 * none is left when the context is freed: nothing starts threads of its own, and none spins. Without, it is
 * what scripts/check-instructions counts the instructions of. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slmt/slmt.h"
#include "slmt/slmt_net.h"

static void need(slmt_status s)
{
    if (s == SLMT_OK)
        return;
    fprintf(stderr, "one_synthesis: %s\n", slmt_error_text());
    exit(1);
}

static int threads_of_process(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *e; tasks && (e = readdir(tasks));)
        n += e->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return n;
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* The most threads seen until told to stop, this one not counted. */
static atomic_int stop, most;

static void *watch(void *unused)
{
    while (!atomic_load(&stop)) {
        int n = threads_of_process() - 1;
        if (n > atomic_load(&most))
            atomic_store(&most, n);
        pause_a_little();
    }
    return unused;
}

static void run(slmt_session *session, const float *in, float *out, int times)
{
    for (int n = 0; n < times; n++)
        need(slmt_synthesize(session, in, 1, out));
}

/* The state of a thread, such as 'S' for asleep, stands behind its name in parentheses. */
static int is_asleep(const char *id)
{
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", id);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    return !name_end || name_end[2] == 'S';
}

static int threads_awake(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *e; tasks && (e = readdir(tasks));)
        n += e->d_name[0] != '.' && !is_asleep(e->d_name);
    if (tasks)
        closedir(tasks);
    return n;
}

/* 0 if `threads` were at work, and all but this one sleep afterwards. */
static int run_watched(slmt_session *session, const float *in, float *out, int times, int threads)
{
    pthread_t watcher;
    if (pthread_create(&watcher, NULL, watch, NULL) != 0)
        return 1;
    run(session, in, out, times);
    atomic_store(&stop, 1);
    pthread_join(watcher, NULL);
    for (int wait = 0; wait < 10000 && threads_awake() > 1; wait++)
        pause_a_little();
    int awake = threads_awake();
    fprintf(stderr, "one_synthesis: %d threads at work, %d awake after it\n", atomic_load(&most), awake);
    return atomic_load(&most) != threads || awake != 1;
}

static int threads_left(void)
{
    for (int wait = 0; wait < 10000 && threads_of_process() > 1; wait++)
        pause_a_little(); /* for the system to clear away threads that have ended */
    return threads_of_process();
}

int main(int argc, char **argv)
{
    enum { SIDE = 128 };
    static float in[SIDE * SIDE], out[SIDE * SIDE];
    slmt_context_config c;
    slmt_context *context;
    slmt_net_options o;
    slmt_model *model;
    slmt_session *session;
    for (int i = 0; i < SIDE * SIDE; i++)
        in[i] = (float)(i * 37 % 101) / 101;
    slmt_context_config_init(&c);
    c.threads = argc > 2 ? atoi(argv[2]) : 1;
    c.matrix = argc > 3 ? atoi(argv[3]) : SLMT_MATRIX_AUTO;
    need(slmt_context_create(&c, &context));
    need(slmt_net_options_init(&o, SLMT_NET_PRESET_TINY));
    need(slmt_net_create(context, &o, 1, &model));
    need(slmt_net_session_create(model, NULL, &session));
    int times = argc > 1 ? atoi(argv[1]) : 1, failed = 0;
    if (argc > 3)
        failed = run_watched(session, in, out, times, c.threads);
    else
        run(session, in, out, times);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    if (threads_left() > 1) {
        fprintf(stderr, "one_synthesis: %d threads left\n", threads_left());
        failed = 1;
    }
    return failed;
}
