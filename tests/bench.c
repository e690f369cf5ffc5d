/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c - time and memory of the main jobs, as a table. Not a test: nothing here can fail for being slow.
 *
 *   bench [PRESET [JOB ...]]    preset: base (default), small, tiny; jobs: synth1 synth10 pretrain20
 * finetune10 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "slmt/slmt.h"

typedef struct job {
    const char *name;
    int32_t stage; /* 0: synthesis */
    int32_t batch;
} job;

static const job jobs[] = {{"synth1", 0, 1},
                           {"synth10", 0, 10},
                           {"pretrain20", SLMT_STAGE_PRETRAIN, 20},
                           {"finetune10", SLMT_STAGE_FINETUNE, 10}};

enum { REPEATS = 3 };

static void need(slmt_status s, const char *what)
{
    if (s == SLMT_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, slmt_error_text());
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *image_batch(int32_t batch, int32_t side)
{
    size_t n = (size_t)batch * (size_t)side * (size_t)side;
    float *x = malloc(n * sizeof *x);
    uint32_t r = 1;
    for (size_t i = 0; x && i < n; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)(r >> 8) / 16777216.0f;
    }
    return x;
}

static double time_synthesis(slmt_model *model, const job *j, int32_t side, uint64_t *planned)
{
    slmt_session_config c;
    slmt_session *session;
    float *in = image_batch(j->batch, side), *out = image_batch(j->batch, side);
    double best = 1e30;
    slmt_session_config_init(&c);
    c.batch = j->batch;
    need(slmt_session_memory(model, &c, planned), "memory");
    need(slmt_session_create(model, &c, &session), "session");
    for (int i = 0; i <= REPEATS; i++) {
        double start = seconds();
        need(slmt_synthesize(session, in, (size_t)j->batch, out), "synthesize");
        double t = seconds() - start;
        best = i > 0 && t < best ? t : best; /* the first run touches the memory */
    }
    slmt_session_free(session);
    free(in);
    free(out);
    return best;
}

static double time_training(slmt_model *model, const job *j, int32_t side, uint64_t *planned)
{
    slmt_trainer_config c;
    slmt_trainer *trainer;
    float *a = image_batch(j->batch, side);
    double best = 1e30;
    need(slmt_trainer_config_init(&c, j->stage), "config");
    c.batch = j->batch;
    need(slmt_trainer_memory(model, &c, planned), "memory");
    need(slmt_trainer_create(model, &c, &trainer), "trainer");
    for (int i = 0; i <= 1; i++) {
        double start = seconds();
        if (j->stage == SLMT_STAGE_PRETRAIN)
            need(slmt_pretrain_step(trainer, a, 1e-4, NULL), "step");
        else
            need(slmt_finetune_step(trainer, a, a, 1e-4, NULL), "step");
        double t = seconds() - start;
        best = t < best ? t : best;
    }
    slmt_trainer_free(trainer);
    free(a);
    return best;
}

static int wanted(const job *j, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], j->name) == 0)
            return 1;
    return argc <= 2;
}

int main(int argc, char **argv)
{
    const char *names[] = {"base", "small", "tiny"};
    slmt_model_options options;
    slmt_context *context;
    slmt_model *model;
    int32_t preset = SLMT_PRESET_BASE;
    for (int32_t i = 0; argc > 1 && i < 3; i++)
        if (strcmp(argv[1], names[i]) == 0)
            preset = i;
    need(slmt_context_create(NULL, &context), "context");
    need(slmt_model_options_init(&options, preset), "options");
    need(slmt_model_create(context, &options, 0, &model), "model");
    printf("%s, preset %s\n%-12s %10s %14s %14s\n", slmt_context_describe(context), names[preset], "job",
           "seconds", "planned MB", "peak RSS MB");
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        struct rusage usage;
        uint64_t planned = 0;
        if (!wanted(&jobs[i], argc, argv))
            continue;
        double t = jobs[i].stage == 0 ? time_synthesis(model, &jobs[i], options.image_size, &planned)
                                      : time_training(model, &jobs[i], options.image_size, &planned);
        getrusage(RUSAGE_SELF, &usage);
        printf("%-12s %10.3f %14.1f %14.1f\n", jobs[i].name, t, (double)planned / 1e6,
               (double)usage.ru_maxrss / 1e3);
        fflush(stdout);
    }
    slmt_model_free(model);
    slmt_context_free(context);
    return 0;
}
