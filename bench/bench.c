/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c - time and memory of the main jobs, as tables. Not a test: nothing here can fail for being slow.
 * docs/performance.md tells what the columns mean.
 *
 * Every row is measured in a process of its own, so that its peak memory is its own. */
#include <argp.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/backend.h"
#include "bench/busy.h"
#include "lib/profile.h"
#include "slmt/slmt.h"
#include "slmt/slmt_net.h"

/* ---- the command line ---- */

static const char *const presets[] = {"base", "small", "tiny"};
static const char *const matrices[] = {"auto", "onednn", "openblas"};
static const char *const arithmetics[] = {"float32", "bf16"};
enum { MOST_CHOICES = 16 };

typedef struct choice {
    int n;
    int list[MOST_CHOICES];
} choice;

typedef struct settings {
    int preset;
    int repeats;
    choice jobs, threads, matrices, arithmetics, beside;
    int shapes;       /* print the table of op shapes */
    const char *json; /* or NULL */
} settings;

enum { MOST_NUMBERS = 4 };
typedef struct job {
    const char *name, *method, *task;
    int32_t batch;
    int32_t recompute;                 /* SLMT_RECOMPUTE_..., -1: the task's default */
    slmt_number options[MOST_NUMBERS]; /* of the model; those without a name are not there */
    slmt_number settings[MOST_NUMBERS];
} job;

/* The U-Net that labels pixels: of the paper's width with 4 classes over 256x256, and the small one in three
 * dimensions over its default crops. */
#define LABEL_SLICES                                                                                         \
    .options = {{"classes=0,1,2,3", 0}, {"width", 64}},                                                      \
    .settings = {{"rows", 256}, {"columns", 256}, {"slices", 1}}
#define LABEL_VOLUME                                                                                         \
    .options = {{"classes=0,1,2,3", 0}, {"axes", 3}},                                                        \
    .settings = {{"rows", 128}, {"columns", 128}, {"slices", 32}}

static const job jobs[] = {{"synth1", "slmt-net", "synthesize", 1, .recompute = -1},
                           {"synth10", "slmt-net", "synthesize", 10, .recompute = -1},
                           {"pretrain20", "slmt-net", "pretrain", 20, .recompute = -1},
                           {"finetune10", "slmt-net", "finetune", 10, .recompute = -1},
                           {"finetune10r", "slmt-net", "finetune", 10, .recompute = SLMT_RECOMPUTE_LINEAR},
                           {"seq2seq1", "seq2seq", "synthesize", 1, .recompute = -1},
                           {"seq2seq-train1", "seq2seq", "train", 1, .recompute = -1},
                           {"unet1", "unet", "synthesize", 1, .recompute = -1},
                           {"unet-train8", "unet", "train", 8, .recompute = -1},
                           {"label8", "unet-seg", "segment", 8, .recompute = -1, LABEL_SLICES},
                           {"label-train8", "unet-seg", "train", 8, .recompute = -1, LABEL_SLICES},
                           {"label3d", "unet-seg", "segment", 1, .recompute = -1, LABEL_VOLUME},
                           {"label3d-train", "unet-seg", "train", 1, .recompute = -1, LABEL_VOLUME}};
enum { JOBS = sizeof jobs / sizeof *jobs };

static const struct argp_option options[] = {
    {"preset", 'p', "NAME", 0,
     "base (default), small or tiny: SLMT-Net's; Seq2Seq and the U-Net have their default sizes, 192x192 and "
     "256x256",
     0},
    {"jobs", 'j', "LIST", 0,
     "of synth1,synth10,pretrain20,finetune10,finetune10r,seq2seq1,seq2seq-train1,unet1,unet-train8,label8,"
     "label-train8,label3d,label3d-train (all); r: SLMT_RECOMPUTE_LINEAR; label: unet-seg, of the paper's "
     "width "
     "over 256x256, and the small one over 32x128x128",
     0},
    {"threads", 't', "LIST", 0, "thread counts (1,2)", 0},
    {"matrix", 'm', "LIST", 0, "of auto,onednn,openblas (all)", 0},
    {"arithmetic", 'a', "LIST", 0, "of float32,bf16 (float32)", 0},
    {"beside", 'b', "LIST", 0,
     "measure again beside each of these numbers of busy loops, which share the cores evenly; three columns "
     "more: the time over the idle one, over that of an equal share of the cores, and over that of one "
     "thread "
     "beside the same loops",
     0},
    {"repeats", 'r', "N", 0, "runs of a synthesis that are timed, and half as many training steps (8)", 0},
    {"shapes", 's', NULL, 0,
     "a second table: time and rate of every op and shape, each layer's from the fastest of several runs", 0},
    {"json", 'J', "FILE", 0, "write all figures to FILE too", 0},
    {0}};

static void add_choice(choice *c, int value, struct argp_state *state)
{
    if (c->n == MOST_CHOICES)
        argp_error(state, "more than %d in a list", MOST_CHOICES);
    c->list[c->n++] = value;
}

static int index_of(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

/* Numbers of busy loops. */
static void read_beside(char *text, choice *c, struct argp_state *state)
{
    c->n = 0;
    for (char *rest, *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        char *end;
        long value = strtol(word, &end, 10);
        if (*end || value < 1 || value > MOST_BUSY)
            argp_error(state, "--beside: %s is not a number from 1 to %d", word, MOST_BUSY);
        add_choice(c, (int)value, state);
    }
}

/* A list of names, or of numbers where names is NULL. */
static void read_list(char *text, const char *const *names, int n, choice *c, struct argp_state *state)
{
    c->n = 0;
    for (char *rest, *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int value = names ? index_of(word, names, n) : atoi(word);
        if (value < (names ? 0 : 1))
            argp_error(state, "there is no %s", word);
        add_choice(c, value, state);
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    settings *s = state->input;
    const char *job_names[JOBS];
    for (int i = 0; i < JOBS; i++)
        job_names[i] = jobs[i].name;
    switch (key) {
    case 'p':
        s->preset = index_of(text, presets, 3);
        if (s->preset < 0)
            argp_error(state, "there is no preset %s", text);
        return 0;
    case 'j':
        read_list(text, job_names, JOBS, &s->jobs, state);
        return 0;
    case 't':
        read_list(text, NULL, 0, &s->threads, state);
        return 0;
    case 'm':
        read_list(text, matrices, 3, &s->matrices, state);
        return 0;
    case 'b':
        read_beside(text, &s->beside, state);
        return 0;
    case 'a':
        read_list(text, arithmetics, 2, &s->arithmetics, state);
        return 0;
    case 'r':
        s->repeats = atoi(text) > 1 ? atoi(text) : 2;
        return 0;
    case 's':
        s->shapes = 1;
        return 0;
    case 'J':
        s->json = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- one measurement ---- */

enum { PRODUCTS, ATTENTION, NORMS, MOVEMENT, ELEMENTWISE, OPTIMISER, KINDS };
static const char *const kind_names[KINDS] = {"products", "attention", "norms", "movement", "others", "adam"};
enum { MOST_SHAPES = 400 };

/* One op on one shape, over all layers; one run of the job. */
typedef struct shape_row {
    char op[32];
    char shape[PROFILE_TEXT_MAX];
    int backward;
    double calls, seconds, flops;
} shape_row;

/* What a child process sends back. */
typedef struct result {
    char describe[160];
    double median, minimum;
    double gemm_rate;     /* FLOP/s of large products: between the runs, or the fastest alone */
    double efficiency;    /* rate of the matrix work of a run in units of that of the products beside it */
    double flops;         /* of the job's matrix products */
    double share[KINDS];  /* of the time of all calls */
    double planned, peak; /* bytes */
    int n_shapes;
    shape_row shapes[MOST_SHAPES];
} result;

static void need(slmt_status s, const char *what)
{
    if (s == SLMT_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, slmt_error_text());
    exit(1);
}

static void *need_memory(void *p)
{
    if (!p)
        exit(1);
    return p;
}

/* n numbers in [0, 1). */
static float *noise(size_t n)
{
    float *x = need_memory(malloc(n * sizeof *x));
    uint32_t r = 1;
    for (size_t i = 0; i < n; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)(r >> 8) / 16777216.0f;
    }
    return x;
}

static int kind_of(const char *op)
{
    static const char *const movement[] = {"transpose", "slice",   "pad",     "concat",      "broadcast",
                                           "gather",    "scatter", "reflect", "reflect_grad"};
    if (strcmp(op, "linear") == 0 || strcmp(op, "matmul") == 0 || strncmp(op, "conv", 4) == 0)
        return PRODUCTS;
    if (strstr(op, "attention"))
        return ATTENTION;
    if (strstr(op, "_norm") || strcmp(op, "softmax") == 0)
        return NORMS;
    if (strcmp(op, "adam") == 0)
        return OPTIMISER;
    return index_of(op, movement, sizeof movement / sizeof *movement) >= 0 ? MOVEMENT : ELEMENTWISE;
}

static void add_shape(result *r, const slmt_profile_entry *e)
{
    int i = 0;
    while (i < r->n_shapes &&
           (strcmp(r->shapes[i].op, e->op) != 0 || strcmp(r->shapes[i].shape, e->shape) != 0 ||
            r->shapes[i].backward != e->backward))
        i++;
    if (i == MOST_SHAPES)
        return;
    shape_row *row = &r->shapes[i];
    if (i == r->n_shapes) {
        r->n_shapes++;
        snprintf(row->op, sizeof row->op, "%s", e->op);
        snprintf(row->shape, sizeof row->shape, "%s", e->shape);
        row->backward = e->backward;
    }
    row->calls += (double)e->calls;
    row->seconds += e->seconds;
    row->flops += e->flops;
}

/* `least` holds the seconds that count for each entry. */
static void read_profile(const slmt_profile *profile, const double *least, result *r)
{
    double all = 0;
    for (size_t i = 0; i < slmt_profile_entry_count(profile); i++) {
        slmt_profile_entry e = {.struct_size = sizeof e};
        need(slmt_profile_entry_at(profile, i, &e), "profile");
        e.seconds = least[i];
        r->share[kind_of(e.op)] += e.seconds;
        r->flops += e.backward == 2 ? 0 : e.flops; /* what is needed, without recomputation */
        all += e.seconds;
        add_shape(r, &e);
    }
    for (int k = 0; k < KINDS; k++)
        r->share[k] /= all;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static double peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * (double)usage.ru_maxrss;
}

/* ---- the rate of a large product ---- */

static bk_status host_alloc(void *user, size_t bytes, void **out)
{
    (void)user;
    *out = aligned_alloc(64, (bytes + 63) / 64 * 64);
    return *out ? BK_OK : BK_ERR_MEMORY;
}

static void *aligned(size_t bytes)
{
    void *p;
    host_alloc(NULL, bytes, &p);
    return need_memory(p);
}

static void host_free(void *user, void *p)
{
    (void)user;
    free(p);
}

/* The product of two 2048 x 2048 matrices by a matrix library alone. */
typedef struct yardstick {
    void *device;
    bk_call call;
} yardstick;

enum { YARD = 2048 };

static int yardstick_open(yardstick *y, int matrix, int threads)
{
    size_t bytes = sizeof(float) * YARD * YARD;
    bk_host host = {NULL, host_alloc, host_free, NULL, threads};
    bk_shape square = {BK_F32, 2, {YARD, YARD}};
    *y = (yardstick){.call = {.op = BK_MATMUL, .n_in = 2, .n_out = 1}};
    y->call.in[0].shape = y->call.in[1].shape = y->call.out[0].shape = square;
    const char *const options[] = {"", "matrix=onednn", "matrix=openblas"};
    if (bk_cpu()->open(&host, options[matrix], &y->device) != BK_OK)
        return 0;
    if (bk_cpu()->prepare(y->device, &y->call) != BK_OK) {
        bk_cpu()->close(y->device);
        return 0;
    }
    y->call.in[0].data = noise((size_t)YARD * YARD);
    y->call.in[1].data = noise((size_t)YARD * YARD);
    y->call.out[0].data = aligned(bytes);
    if (y->call.scratch_bytes)
        y->call.scratch = aligned(y->call.scratch_bytes);
    bk_cpu()->run(y->device, &y->call); /* touches the memory */
    return 1;
}

static void yardstick_close(yardstick *y)
{
    bk_cpu()->release(y->device, &y->call);
    bk_cpu()->close(y->device);
    free(y->call.in[0].data);
    free(y->call.in[1].data);
    free(y->call.out[0].data);
    free(y->call.scratch);
}

/* FLOP/s over at least `seconds`. */
static double yardstick_rate(yardstick *y, double seconds)
{
    double start = profile_clock(), spent = 0, products = 0;
    while (spent <= seconds) {
        bk_cpu()->run(y->device, &y->call);
        products++;
        spent = profile_clock() - start;
    }
    return products * 2.0 * YARD * YARD * YARD / spent;
}

/* ---- a job ---- */

/* What one child does. */
typedef struct task {
    int preset, matrix, arithmetic, threads, repeats;
    int best_matrix; /* the library of the large product */
    int beside;      /* busy loops */
    int shapes;      /* the table of shapes is wanted */
    const job *job;  /* NULL: only the rate of the large product, by `matrix` */
} task;

/* A session or a trainer, and what it works on. */
enum { MOST_TENSORS = 4 };
typedef struct subject {
    slmt_session *session;
    slmt_trainer *trainer;
    size_t n_in, n_out;
    slmt_tensor in[MOST_TENSORS], out[MOST_TENSORS];
    int64_t shape[2 * MOST_TENSORS][6];
} subject;

static void run_once(const subject *s)
{
    if (s->session)
        need(slmt_session_run(s->session, s->in, s->n_in, s->out, s->n_out), "run");
    else
        need(slmt_trainer_step(s->trainer, s->in, s->n_in, 1e-4), "step");
}

/* Each layer's time is the least of several runs, so that a table of shapes can be compared with another one
 * from a machine that is shared. */
static void profile_runs(const subject *s, slmt_context *context, int runs, result *r)
{
    slmt_profile *profile;
    double *least = NULL;
    for (int run = 0; run < runs; run++) {
        need(slmt_profile_create(context, &profile), "profile");
        need(s->session ? slmt_session_set_profile(s->session, profile)
                        : slmt_trainer_set_profile(s->trainer, profile),
             "profile");
        run_once(s);
        size_t n = slmt_profile_entry_count(profile);
        if (!least)
            least = need_memory(calloc(n + 1, sizeof *least));
        for (size_t i = 0; i < n; i++) {
            slmt_profile_entry e = {.struct_size = sizeof e};
            need(slmt_profile_entry_at(profile, i, &e), "profile");
            least[i] = run == 0 || e.seconds < least[i] ? e.seconds : least[i];
        }
        if (run == runs - 1)
            read_profile(profile, least, r);
        slmt_profile_free(profile);
    }
    free(least);
}

/* The first run touches the memory, the last ones are profiled; those between are timed. A machine that is
 * shared changes its speed by the second: a large product runs beside every one of them, for a tenth of its
 * time, and what counts is their ratio. */
static void measure(const subject *s, slmt_context *context, const task *t, result *r)
{
    int n = s->session ? t->repeats : (t->repeats + 1) / 2;
    double *times = need_memory(calloc(3 * (size_t)n, sizeof *times)), *rates = times + n,
           *ratios = rates + n;
    yardstick yard;
    run_once(s);
    r->peak = peak_bytes();
    if (!yardstick_open(&yard, t->best_matrix, t->threads))
        exit(1);
    for (int i = 0; i < n; i++) {
        double before = yardstick_rate(&yard, i > 0 ? 0.05 * times[i - 1] : 0), start = profile_clock();
        run_once(s);
        times[i] = profile_clock() - start;
        rates[i] = (before + yardstick_rate(&yard, 0.05 * times[i])) / 2;
        ratios[i] = 1 / (times[i] * rates[i]);
    }
    yardstick_close(&yard);
    profile_runs(s, context, t->shapes ? n : 1, r);
    r->median = median(times, n);
    r->minimum = times[0]; /* they are in order now */
    r->gemm_rate = median(rates, n);
    r->efficiency = r->flops * median(ratios, n);
    free(times);
}

static slmt_tensor make_tensor(subject *s, const slmt_port_info *p, int64_t shape[6])
{
    slmt_tensor t = {.name = p->name, .shape = shape, .type = p->type};
    size_t n = 1;
    need(s->session ? slmt_session_shape(s->session, p->name, shape, &t.rank)
                    : slmt_trainer_shape(s->trainer, p->name, shape, &t.rank),
         "shape");
    for (int32_t i = 0; i < t.rank; i++)
        n *= (size_t)shape[i];
    t.data = noise(n);
    for (size_t i = 0; p->type == SLMT_TENSOR_INT32 && i < n; i++)
        ((int32_t *)t.data)[i] = 1;
    return t;
}

static void make_tensors(subject *s, const job *j)
{
    slmt_port_info p = {.struct_size = sizeof p};
    while (slmt_task_input(j->method, j->task, s->n_in, &p) == SLMT_OK) {
        s->in[s->n_in] = make_tensor(s, &p, s->shape[s->n_in]);
        s->n_in++;
    }
    while (s->session && slmt_task_output(j->method, j->task, s->n_out, &p) == SLMT_OK) {
        s->out[s->n_out] = make_tensor(s, &p, s->shape[MOST_TENSORS + s->n_out]);
        s->n_out++;
    }
}

static int trains(const job *j)
{
    slmt_task_info info = {.struct_size = sizeof info};
    for (size_t i = 0; slmt_method_task(j->method, i, &info) == SLMT_OK; i++)
        if (strcmp(info.name, j->task) == 0)
            return info.trains;
    return 0;
}

/* Copies those that have a name; returns how many. */
static size_t copy_numbers(const slmt_number *from, slmt_number *to)
{
    size_t n = 0;
    while (n < MOST_NUMBERS && from[n].name) {
        to[n] = from[n];
        n++;
    }
    return n;
}

static void measure_job(slmt_context *context, slmt_model *model, const task *t, result *r)
{
    const job *j = t->job;
    slmt_number settings[MOST_NUMBERS + 2] = {{"batch", j->batch}, {"recompute", j->recompute}};
    size_t n = j->recompute >= 0 ? 2 : 1;
    n += copy_numbers(j->settings, settings + n);
    subject s = {0};
    uint64_t planned;
    if (trains(j)) {
        need(slmt_trainer_memory(model, j->task, settings, n, &planned), "memory");
        need(slmt_trainer_create(model, j->task, settings, n, 0, &s.trainer), "trainer");
    } else {
        need(slmt_session_memory(model, j->task, settings, n, &planned), "memory");
        need(slmt_session_create(model, j->task, settings, n, &s.session), "session");
    }
    r->planned = (double)planned;
    make_tensors(&s, j);
    measure(&s, context, t, r);
    slmt_session_free(s.session);
    slmt_trainer_free(s.trainer);
    for (int i = 0; i < MOST_TENSORS; i++) {
        free(s.in[i].data);
        free(s.out[i].data);
    }
}

static slmt_model *make_model(slmt_context *context, const task *t)
{
    slmt_net_options o;
    slmt_model *model = NULL;
    if (strcmp(t->job->method, "slmt-net") != 0) {
        slmt_number options[MOST_NUMBERS];
        size_t n = copy_numbers(t->job->options, options);
        need(slmt_model_create(context, t->job->method, options, n, 0, &model), "model");
        return model;
    }
    need(slmt_net_options_init(&o, t->preset), "options");
    need(slmt_net_create(context, &o, 0, &model), "model");
    return model;
}

/* ---- processes ---- */

static void work(const task *t, result *r)
{
    slmt_context_config c;
    slmt_context *context;
    slmt_model *model;
    if (!t->job) {
        yardstick y;
        if (!yardstick_open(&y, t->matrix, t->threads))
            return;
        double until = profile_clock() + 0.3;
        for (int i = 0; i < 2 || profile_clock() < until; i++) {
            double rate = yardstick_rate(&y, 0);
            r->gemm_rate = rate > r->gemm_rate ? rate : r->gemm_rate;
        }
        yardstick_close(&y);
        return;
    }
    slmt_context_config_init(&c);
    c.matrix = t->matrix;
    c.arithmetic = t->arithmetic;
    c.threads = t->threads;
    need(slmt_context_create(&c, &context), "context");
    model = make_model(context, t);
    snprintf(r->describe, sizeof r->describe, "%s", slmt_context_describe(context));
    measure_job(context, model, t, r);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Runs a task in a child process. 1: r is filled. */
static int run_child(const task *t, result *r)
{
    int ends[2], status;
    memset(r, 0, sizeof *r);
    if (pipe(ends) != 0)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        work(t, r);
        FILE *f = fdopen(ends[1], "w");
        int sent = f && fwrite(r, sizeof *r, 1, f) == 1 && fclose(f) == 0;
        _exit(sent ? 0 : 1);
    }
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    int got = child > 0 && f && fread(r, sizeof *r, 1, f) == 1;
    if (f)
        fclose(f);
    if (child > 0)
        waitpid(child, &status, 0);
    return got;
}

/* ---- beside busy loops ---- */

/* How a job did beside other work. */
typedef struct standing {
    double times_idle; /* its time over that on an idle machine */
    double share;      /* the same over what it would be if threads and loops had equal parts of the cores */
    double times_single; /* its time over that of one thread beside the same loops */
} standing;

/* The medians of one thread by library, arithmetic, job and number of loops; 0: not measured. */
static double single_median[3][2][JOBS][MOST_BUSY + 1];

static double *single_of(const task *t)
{
    return &single_median[t->matrix][t->arithmetic][t->job - jobs][t->beside];
}

/* Runs a task in a child process beside the task's busy loops. 1: r is filled. */
static int run_task(const task *t, result *r)
{
    if (!busy_start(t->beside)) {
        fprintf(stderr, "bench: %d busy loops could not be started\n", t->beside);
        return 0;
    }
    int done = run_child(t, r);
    busy_stop();
    if (done && t->job && t->threads == 1)
        *single_of(t) = r->median;
    return done;
}

/* Measures one thread beside the same loops unless that is known. */
static int know_single(const task *t, result *spare)
{
    task one = *t;
    one.threads = 1;
    return *single_of(t) > 0 || run_task(&one, spare);
}

static standing standing_of(const task *t, double median, double idle)
{
    double at_work = t->beside + t->threads, cores = busy_cores();
    double ideal = t->beside && at_work > cores ? at_work / cores : 1;
    return (standing){median / idle, median / idle / ideal, median / *single_of(t)};
}

/* ---- tables ---- */

static void print_heading(double best_rate, int best_matrix, int threads, int beside)
{
    printf("\n%d thread%s, fastest large product %.0f GFLOP/s (%s)\n%-9s %-8s %-14s %8s %8s %6s %6s %5s  ",
           threads, threads > 1 ? "s" : "", 1e-9 * best_rate, matrices[best_matrix], "matrix", "products",
           "job", "median s", "min s", "GFLOP", "sgemm", "E");
    for (int k = 0; k < KINDS; k++)
        printf("%10s", kind_names[k]);
    printf(" %10s %8s", "planned MB", "peak MB");
    if (beside)
        printf(" %7s %6s %6s %9s", "beside", "idle x", "share", "1 thread");
    putchar('\n');
}

static void print_standing(const task *t, const standing *st)
{
    printf(" %7d %6.2f %6.2f %9.2f", t->beside, st->times_idle, st->share, st->times_single);
}

/* st: NULL without busy loops. */
static void print_row(const task *t, const result *r, const standing *st)
{
    printf("%-9s %-8s %-14s %8.3f %8.3f %6.0f %6.1f %5.2f  ", matrices[t->matrix], arithmetics[t->arithmetic],
           t->job->name, r->median, r->minimum, 1e-9 * r->flops, 1e-9 * r->gemm_rate, r->efficiency);
    for (int k = 0; k < KINDS; k++)
        printf("%9.1f%%", 100 * r->share[k]);
    printf(" %10.1f %8.1f", 1e-6 * r->planned, 1e-6 * r->peak);
    if (st)
        print_standing(t, st);
    putchar('\n');
    fflush(stdout);
}

static int slower_first(const void *a, const void *b)
{
    return ascending(&((const shape_row *)b)->seconds, &((const shape_row *)a)->seconds);
}

static void print_shapes(result *r)
{
    qsort(r->shapes, (size_t)r->n_shapes, sizeof *r->shapes, slower_first);
    double sum = 0;
    printf("  %-24s %8s %6s %9s %8s  %s\n", "op", "ms", "calls", "us a call", "GFLOP/s", "inputs");
    for (int i = 0; i < r->n_shapes; i++) {
        const shape_row *s = &r->shapes[i];
        sum += s->seconds;
        printf("  %-24s %8.2f %6.0f %9.1f %8.1f  %s%s\n", s->op, 1e3 * s->seconds, s->calls,
               1e6 * s->seconds / s->calls, 1e-9 * s->flops / s->seconds, s->shape,
               (const char *[]){"", " (backward)", " (again)"}[s->backward]);
    }
    printf("  %-24s %8.2f\n", "all", 1e3 * sum);
}

static void add_standing(cJSON *row, const task *t, const standing *st)
{
    cJSON_AddNumberToObject(row, "beside", t->beside);
    if (!st)
        return;
    cJSON_AddNumberToObject(row, "times_idle", st->times_idle);
    cJSON_AddNumberToObject(row, "times_ideal_share", st->share);
    cJSON_AddNumberToObject(row, "times_one_thread", st->times_single);
}

static void add_json(cJSON *rows, const task *t, const result *r, const standing *st)
{
    cJSON *row = cJSON_CreateObject(), *share = cJSON_CreateObject(), *shapes = cJSON_CreateArray();
    cJSON_AddItemToArray(rows, row);
    cJSON_AddStringToObject(row, "job", t->job->name);
    cJSON_AddStringToObject(row, "matrix", matrices[t->matrix]);
    cJSON_AddStringToObject(row, "arithmetic", arithmetics[t->arithmetic]);
    cJSON_AddStringToObject(row, "describe", r->describe);
    cJSON_AddNumberToObject(row, "threads", t->threads);
    add_standing(row, t, st);
    cJSON_AddNumberToObject(row, "median_s", r->median);
    cJSON_AddNumberToObject(row, "minimum_s", r->minimum);
    cJSON_AddNumberToObject(row, "flop", r->flops);
    cJSON_AddNumberToObject(row, "sgemm_flop_per_s", r->gemm_rate);
    cJSON_AddNumberToObject(row, "E", r->efficiency);
    cJSON_AddNumberToObject(row, "planned_bytes", r->planned);
    cJSON_AddNumberToObject(row, "peak_bytes", r->peak);
    for (int k = 0; k < KINDS; k++)
        cJSON_AddNumberToObject(share, kind_names[k], r->share[k]);
    cJSON_AddItemToObject(row, "share", share);
    cJSON_AddItemToObject(row, "shapes", shapes);
    for (int i = 0; i < r->n_shapes; i++) {
        cJSON *shape = cJSON_CreateObject();
        cJSON_AddItemToArray(shapes, shape);
        cJSON_AddStringToObject(shape, "op", r->shapes[i].op);
        cJSON_AddStringToObject(shape, "inputs", r->shapes[i].shape);
        cJSON_AddNumberToObject(shape, "backward", r->shapes[i].backward);
        cJSON_AddNumberToObject(shape, "calls", r->shapes[i].calls);
        cJSON_AddNumberToObject(shape, "seconds", r->shapes[i].seconds);
        cJSON_AddNumberToObject(shape, "flop", r->shapes[i].flops);
    }
}

/* The library with the fastest large product, whatever rows are asked for: what the machine can do. */
static int best_matrix(int threads, double *rate, result *r)
{
    int best = SLMT_MATRIX_AUTO;
    *rate = 0;
    for (int m = SLMT_MATRIX_AUTO; m <= SLMT_MATRIX_OPENBLAS; m++) {
        task t = {.matrix = m, .threads = threads};
        if (run_task(&t, r) && r->gemm_rate > *rate) {
            *rate = r->gemm_rate;
            best = m;
        }
    }
    return best;
}

/* Where the rows go, and memory for one result and a spare one. */
typedef struct output {
    cJSON *rows;
    int shapes;
    result *r, *spare;
} output;

static void show(const output *o, const task *t, const standing *st)
{
    print_row(t, o->r, st);
    if (o->shapes)
        print_shapes(o->r);
    add_json(o->rows, t, o->r, st);
}

/* Measures a job again beside each number of loops. 0: one failed. */
static int bench_beside(const choice *beside, task t, double idle, const output *o)
{
    int good = 1;
    for (int i = 0; i < beside->n; i++) {
        t.beside = beside->list[i];
        int measured = run_task(&t, o->r) && know_single(&t, o->spare);
        if (measured) {
            standing st = standing_of(&t, o->r->median, idle);
            show(o, &t, &st);
        }
        good &= measured;
    }
    return good;
}

/* Measures a job on a machine without other work, then beside what was asked for. 0: one failed. */
static int bench_task(const settings *s, const task *t, const output *o)
{
    if (!run_task(t, o->r))
        return 0;
    double idle = o->r->median;
    if (s->beside.n == 0 || !know_single(t, o->spare)) {
        show(o, t, NULL);
        return s->beside.n == 0;
    }
    standing st = standing_of(t, idle, idle);
    show(o, t, &st);
    return bench_beside(&s->beside, *t, idle, o);
}

/* One job and library with each arithmetic. 0: one failed. */
static int bench_job(const settings *s, task t, const output *o)
{
    int good = 1;
    for (int a = 0; a < s->arithmetics.n; a++) {
        t.arithmetic = s->arithmetics.list[a];
        good &= bench_task(s, &t, o);
    }
    return good;
}

static int bench(const settings *s, const output *o)
{
    int failed = 0;
    for (int n = 0; n < s->threads.n; n++) {
        double rate;
        int best = best_matrix(s->threads.list[n], &rate, o->r);
        print_heading(rate, best, s->threads.list[n], s->beside.n);
        for (int m = 0; m < s->matrices.n; m++)
            for (int j = 0; j < s->jobs.n; j++) {
                task t = {.preset = s->preset, .matrix = s->matrices.list[m], .repeats = s->repeats};
                t.threads = s->threads.list[n];
                t.best_matrix = best;
                t.shapes = s->shapes;
                t.job = &jobs[s->jobs.list[j]];
                failed |= !bench_job(s, t, o);
            }
    }
    return failed;
}

static int write_json(const char *path, const cJSON *rows)
{
    char *text = cJSON_Print(rows);
    FILE *f = fopen(path, "w");
    int good = f && text && fputs(text, f) >= 0 && fputc('\n', f) != EOF;
    good = f && fclose(f) == 0 && good;
    if (!good)
        fprintf(stderr, "bench: %s could not be written\n", path);
    free(text);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options, parse, NULL, "Time and memory of libslmt's main jobs.",
                                     NULL,    NULL,  NULL};
    settings s = {.preset = SLMT_NET_PRESET_BASE,
                  .repeats = 8,
                  .jobs = {JOBS, {0, 1, 2, 3, 4, 5, 6, 7, 8}},
                  .threads = {2, {1, 2}},
                  .arithmetics = {1, {SLMT_ARITHMETIC_FLOAT32}},
                  .matrices = {3, {SLMT_MATRIX_AUTO, SLMT_MATRIX_ONEDNN, SLMT_MATRIX_OPENBLAS}}};
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    output o = {.rows = cJSON_CreateArray(), .shapes = s.shapes};
    o.r = need_memory(malloc(sizeof *o.r));
    o.spare = need_memory(malloc(sizeof *o.spare));
    int failed = bench(&s, &o);
    if (s.json)
        failed |= write_json(s.json, o.rows);
    free(o.r);
    free(o.spare);
    cJSON_Delete(o.rows);
    return failed;
}
