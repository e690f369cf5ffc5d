/* SPDX-License-Identifier: Apache-2.0 */
/* one_synthesis.c - N syntheses of one slice by the tiny model on T threads, in a process that does nothing
 * else:
 *
 *   one_synthesis N T [MATRIX]
 *
 * It fails if the process has more than T threads at the end: nothing starts threads of its own. Also what
 * scripts/check-instructions counts the instructions of. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "slmt/slmt.h"

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

int main(int argc, char **argv)
{
    enum { SIDE = 128 };
    static float in[SIDE * SIDE], out[SIDE * SIDE];
    slmt_context_config c;
    slmt_context *context;
    slmt_model_options o;
    slmt_model *model;
    slmt_session *session;
    for (int i = 0; i < SIDE * SIDE; i++)
        in[i] = (float)(i * 37 % 101) / 101;
    slmt_context_config_init(&c);
    c.threads = argc > 2 ? atoi(argv[2]) : 1;
    c.matrix = argc > 3 ? atoi(argv[3]) : SLMT_MATRIX_AUTO;
    need(slmt_context_create(&c, &context));
    need(slmt_model_options_init(&o, SLMT_PRESET_TINY));
    need(slmt_model_create(context, &o, 1, &model));
    need(slmt_session_create(model, NULL, &session));
    for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--)
        need(slmt_synthesize(session, in, 1, out));
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    int found = threads_of_process();
    if (found != c.threads)
        fprintf(stderr, "one_synthesis: the process has %d threads, not %d\n", found, c.threads);
    return found != c.threads;
}
