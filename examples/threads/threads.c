/* SPDX-License-Identifier: Apache-2.0 */
/* threads.c - many threads share one model, each with a session of its own.
 *
 * The weights are held once. A session is what a thread needs besides, and what it alone may use at a time.
 * Each thread makes other slices; in the end all of them equal, bit for bit, what one thread makes of them.
 *
 *     example_threads          the network is small and its weights are fresh: no files are needed */
#include <slmt/slmt.h>
#include <slmt/slmt_net.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, SLICES = 1 /* of a thread */, SIDE = 128, PIXELS = SIDE * SIDE };

typedef struct job {
    slmt_model *model;
    const float *source; /* [SLICES][SIDE][SIDE] */
    float *target;
    slmt_status status;
    char text[256];
} job;

/* What a thread does. The text of an error belongs to the thread that met it: it is copied out. */
static void *work(void *user)
{
    job *j = user;
    slmt_session *session = NULL;
    j->status = slmt_session_create(j->model, NULL, NULL, 0, &session);
    if (j->status == SLMT_OK)
        j->status = slmt_synthesize(session, j->source, SLICES, j->target);
    if (j->status != SLMT_OK)
        slmt_error_copy(j->text, sizeof j->text);
    slmt_session_free(session);
    return NULL;
}

static void fail(const char *text)
{
    fprintf(stderr, "threads: %s\n", text);
    exit(1);
}

static void must(slmt_status status)
{
    if (status != SLMT_OK)
        fail(slmt_error_text());
}

/* Runs all jobs, at the same time or one after the other. */
static void run(job *jobs, int together)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (!together)
            work(&jobs[i]);
        else if (pthread_create(&thread[i], NULL, work, &jobs[i]) != 0)
            fail("no more threads");
    }
    for (int i = 0; together && i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++)
        if (jobs[i].status != SLMT_OK)
            fail(jobs[i].text);
}

int main(void)
{
    static float source[THREADS * SLICES * PIXELS], alone[THREADS * SLICES * PIXELS],
        together[THREADS * SLICES * PIXELS];
    job jobs[THREADS] = {0};
    slmt_context_config config;
    slmt_context *context = NULL;
    slmt_net_options options;
    slmt_model *model = NULL;
    uint64_t session_bytes = 0;

    slmt_context_config_init(&config);
    config.threads = 1; /* a call stays on its thread: the program's own threads fill the cores */
    must(slmt_context_create(&config, &context));
    must(slmt_net_options_init(&options, SLMT_NET_PRESET_TINY));
    options.embed_dim = 16; /* smaller still: this is about threads */
    must(slmt_net_create(context, &options, 1, &model));
    must(slmt_session_memory(model, NULL, NULL, 0, &session_bytes));
    printf("the model: %.1f MB, once; a session: %.1f MB, for each of %d threads\n",
           (double)slmt_context_live_bytes(context) / 1e6, (double)session_bytes / 1e6, THREADS);

    for (int i = 0; i < THREADS * SLICES * PIXELS; i++) /* squares, shifted from slice to slice */
        source[i] = (float)((i / 16 + i / PIXELS) % 8) / 8;
    for (int i = 0; i < THREADS; i++) {
        jobs[i].model = model;
        jobs[i].source = source + i * SLICES * PIXELS;
        jobs[i].target = alone + i * SLICES * PIXELS;
    }
    run(jobs, 0);
    for (int i = 0; i < THREADS; i++)
        jobs[i].target = together + i * SLICES * PIXELS;
    run(jobs, 1);

    if (memcmp(alone, together, sizeof alone) != 0)
        fail("the threads' slices differ from one thread's");
    printf("%d slices made by %d threads at once equal one thread's, bit for bit\n", THREADS * SLICES,
           THREADS);
    slmt_model_free(model);
    slmt_context_free(context);
    return 0;
}
