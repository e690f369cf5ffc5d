/* SPDX-License-Identifier: Apache-2.0 */
/* paced.c - paced-curriculum distillation: its settings, its graph, and what changes with the epoch. */
#include "methods/paced/paced.h"

#include <math.h>
#include <string.h>

#include "core/runner.h"
#include "data/boundary.h"
#include "data/calibration.h"
#include "data/pacing.h"
#include "data/sampler/patches.h"
#include "methods/segmentation/segmentation.h"
#include "nn/distillation.h"
#include "slmt/trainer.h"

enum { IGNORED = -1, TEACHER = 0 };

/* ---- settings ---- */

typedef enum paced_select { HELD_OUT, VALIDATION } paced_select;

typedef struct paced_settings {
    train_settings train;
    int32_t crops, ignored_value, dropout;
    char labels[65];
    int32_t mode, weights, soft, period, select, calibrate_by;
    double temperature, calibration, beta, gamma, threshold;
    double soft_beta, soft_gamma, soft_threshold, soft_step;
    double boundary_sigma;
    int32_t boundary_side;
} paced_settings;

#define FOUND -1 /* a threshold that is to be found */

/* clang-format off */
#define PACED_ROWS                                                                                           \
    TRAIN_NUMBERS(24, 150, 3e-3, 0.999, 0.9, SLMT_RECOMPUTE_NOTHING),                                        \
    OPTIMIZER_NUMBERS(OPTIMIZER_ADAM, 0),                                                                    \
    SCHEDULE_NUMBERS(SCHEDULE_CONSTANT, RATE_BY_STEP, 0, 0),                                                 \
    NUMBER_ROLE(paced_settings, crops, CROPS, 8, 1, 1000000, "crops of a subject in an epoch"),              \
    NUMBER_TEXT(paced_settings, labels, "", "[A-Za-z0-9_-]*",                                                \
                "which of the set's label maps is learnt; not needed if it has one"),                        \
    NUMBER_WHOLE(paced_settings, ignored_value, 255, -16777216, 16777216,                                    \
                 "value in label maps of pixels that do not count"),                                         \
    NUMBER_CHOICE(paced_settings, dropout, 1, 1, "off|on", "whether the network's dropout is done"),         \
    NUMBER_CHOICE(paced_settings, mode, 2, 4, "kd|tpl|tpl_uncert|cpl|cpl_tpl",                               \
                  "which pixels count: all; those whose score is above the threshold; those that are also "  \
                  "far enough from a boundary; all, but with less weight below a threshold of their own; "   \
                  "the second and the fourth together"),                                                     \
    NUMBER_CHOICE(paced_settings, weights, 0, 1, "aligned|batch_mean",                                       \
                  "whether a pixel has its own weight, or the mean of the batch at its place as in the "     \
                  "published code"),                                                                         \
    NUMBER_CHOICE(paced_settings, soft, 2, 2, "cross_entropy|teacher|both",                                  \
                  "which term has less weight (cpl, cpl_tpl)"),                                              \
    NUMBER_REAL(paced_settings, temperature, 4.5, 0.01, 100,                                                 \
                "by which the logits are divided where the teacher is followed"),                            \
    NUMBER_REAL(paced_settings, calibration, 0, 0, 100,                                                      \
                "by which the teacher's logits are divided for the score of a pixel; 0: found before the "   \
                "first step, by the smallest calibration error"),                                            \
    NUMBER_CHOICE(paced_settings, calibrate_by, 0, 1, "pixels|batches",                                      \
                  "whether the calibration error is that of all pixels together, or the mean over batches"), \
    NUMBER_CHOICE(paced_settings, select, HELD_OUT, 1, "held_out|validation",                                \
                  "where it is measured: on the training subjects that data_rate leaves out, or on the "     \
                  "validation subjects"),                                                                    \
    NUMBER_REAL(paced_settings, threshold, FOUND, FOUND, 2,                                                  \
                "the threshold to start from; -1: found before the first step, by beta"),                    \
    NUMBER_REAL(paced_settings, beta, 0.7, 0, 1, "the share of pixels that count at first, at least"),       \
    NUMBER_REAL(paced_settings, gamma, 0.8, 0.01, 100,                                                       \
                "the share of the epochs after which every pixel counts"),                                   \
    NUMBER_WHOLE(paced_settings, period, 5, 1, 1000000, "the threshold falls after every so many epochs"),   \
    NUMBER_REAL(paced_settings, soft_threshold, FOUND, FOUND, 2,                                             \
                "the second threshold to start from; -1: 1 (cpl), or found by soft_beta (cpl_tpl)"),         \
    NUMBER_REAL(paced_settings, soft_step, 0.1, 0, 1, "by which the second threshold falls (cpl)"),          \
    NUMBER_REAL(paced_settings, soft_beta, 0.5, 0, 1, "as beta, of the second threshold (cpl_tpl)"),         \
    NUMBER_REAL(paced_settings, soft_gamma, 0.5, 0.01, 100, "as gamma, of the second threshold (cpl_tpl)"),  \
    NUMBER_REAL(paced_settings, boundary_sigma, 1, 0.01, 100,                                                \
                "standard deviation in pixels of the Gaussian that tells how near a boundary is"),           \
    NUMBER_WHOLE(paced_settings, boundary_side, 3, 3, BOUNDARY_SIDE,                                         \
                 "pixels of its side, an odd number")
/* clang-format on */

const number paced_rows_2d[PACED_ROWS_2d] = {PACED_ROWS, SEGMENT_EXTENTS};
const number paced_rows_3d[PACED_ROWS_3d] = {PACED_ROWS, SEGMENT_EXTENTS, SEGMENT_DEPTH};
_Static_assert(sizeof((const number[]){PACED_ROWS, SEGMENT_EXTENTS}) / sizeof(number) == PACED_ROWS_2d,
               "as many rows as the header says");

static const number settings_rows[] = {PACED_ROWS};
NUMBERS_OF(paced_settings, settings)

/* ---- ports ---- */

enum { IMAGE, LABELS, BOUNDARY, PACE };

/* The hidden input that tells the step of its epoch. */
enum { PACE_LIMIT, PACE_SOFT_LIMIT, PACE_SCALE, PACE_NUMBERS };
#define PORT_PACE                                                                                            \
    {                                                                                                        \
        .name = "pace", .axes = "3", .type = SLMT_TENSOR_FLOAT32, .flags = PORT_HIDDEN | PORT_SHARED,        \
        .help = "both thresholds, and the factor of the teacher's logits"                                    \
    }
#define BOUNDARY_HELP "of each pixel, the share of its own class around it"

const port paced_inputs_2d[4] = {
    PORT_ROLE("image", "batch,channels,height,width", SOURCE, SEGMENT_IMAGE_HELP),
    SEGMENT_PORT_LABELS("batch,height,width", SEGMENT_TRUTH_HELP),
    PORT_MADE("boundary", "batch,height,width", FLOAT32, BOUNDARY_HELP),
    PORT_PACE,
};
const port paced_inputs_3d[4] = {
    PORT_ROLE("image", "batch,channels,depth,height,width", SOURCE, SEGMENT_IMAGE_HELP),
    SEGMENT_PORT_LABELS("batch,depth,height,width", SEGMENT_TRUTH_HELP),
    PORT_MADE("boundary", "batch,depth,height,width", FLOAT32, BOUNDARY_HELP),
    PORT_PACE,
};
const port paced_outputs[5] = {
    PORT_LOSS("cross_entropy", "mean cross-entropy of all pixels"),
    PORT_LOSS("distillation", "mean distance to the teacher of all pixels"),
    PORT_LOSS("threshold", "of the score, in this epoch"),
    PORT_LOSS("admitted", "mean weight of the pixels"),
    PORT_LOSS("loss", "both terms of the pixels that count, divided by the number of all"),
};
const trainer_state paced_states[1] = {{"teacher", STATE_MODEL, NULL, NULL}};
const feeding paced_feeding = PATCH_FEEDING(&segment_patches);

/* ---- the graph ---- */

static value pace_number(task_graph *t, int i)
{
    return op_slice(t->g, t->in[PACE], 0, i, 1);
}

static value logits_of_student(task_graph *t, const segment_network *f, const paced_settings *s)
{
    nn n = nn_of(t, "");
    n.statistics = NORM_UPDATE;
    n.dropout = s->dropout ? t : NULL;
    return segment_logits(t, f, &n, NULL);
}

static value logits_of_teacher(task_graph *t, const segment_network *f)
{
    nn n = nn_of_state(t, "", TEACHER);
    n.statistics = NORM_RUNNING;
    return op_detach(t->g, segment_logits(t, f, &n, NULL));
}

void paced_build(task_graph *t, const segment_network *f)
{
    enum { CROSS_ENTROPY, DISTILLATION, THRESHOLD, ADMITTED, LOSS };
    graph *g = t->g;
    const paced_settings s = settings_of(t->at.setting);
    const paced_options o = {.mode = s.mode,
                             .soft = s.soft,
                             .batch_mean = s.weights,
                             .temperature = s.temperature,
                             .ignored = IGNORED};
    paced_values v = {.student = logits_of_student(t, f, &s),
                      .teacher = logits_of_teacher(t, f),
                      .label = segment_beside(t, f, t->in[LABELS]),
                      .boundary = segment_beside(t, f, t->in[BOUNDARY]),
                      .limit = pace_number(t, PACE_LIMIT),
                      .soft_limit = pace_number(t, PACE_SOFT_LIMIT)};
    graph_layer(g, "loss");
    v.score = class_probability(g, v.teacher, v.label, IGNORED, pace_number(t, PACE_SCALE));
    paced_loss made = loss_paced(g, &v, &o);
    t->out[CROSS_ENTROPY] = made.cross_entropy;
    t->out[DISTILLATION] = made.teacher;
    t->out[THRESHOLD] = op_sum_all(g, v.limit);
    t->out[ADMITTED] = made.admitted;
    t->out[LOSS] = made.loss;
}

/* ---- what changes with the epoch ---- */

/* A threshold that is not found yet, in a step by hand, is as if the mode had none. */
static pacing pacing_of(const paced_settings *s)
{
    double start = s->threshold < 0 ? 0 : s->threshold;
    return (pacing){start, pacing_fall(start, s->gamma, s->train.epochs, s->period), s->period};
}

static pacing soft_pacing_of(const paced_settings *s)
{
    int alone = s->mode == PACE_SOFT;
    double start = s->soft_threshold >= 0 ? s->soft_threshold : alone ? 1 : 0;
    double fall = alone ? s->soft_step : pacing_fall(start, s->soft_gamma, s->train.epochs, s->period);
    return (pacing){start, fall, s->period};
}

static double scale_of(const paced_settings *s)
{
    return s->calibration > 0 ? 1 / s->calibration : 1;
}

static int64_t extent(const task_step *s, int32_t role)
{
    static const number_table volume = {paced_rows_3d, PACED_ROWS_3d};
    return (int64_t)s->at.setting[number_with_role(volume, role)];
}

static void write_boundaries(const task_step *s, const paced_settings *p, const segment_network *f)
{
    int volume = f->axes != NULL; /* networks of slices alone have no axis of them */
    const int64_t size[3] = {volume ? extent(s, SLMT_ROLE_DEPTH) : 1, extent(s, SLMT_ROLE_HEIGHT),
                             extent(s, SLMT_ROLE_WIDTH)};
    size_t one = (size_t)(size[0] * size[1] * size[2]), all = one * (size_t)p->train.batch;
    const int32_t *labels = s->given[LABELS];
    boundary_kernel k;
    boundary_kernel_of(&k, volume ? f->axes(s->at.option) : 2, p->boundary_side, p->boundary_sigma);
    for (size_t i = 0; i < all; i++)
        real_set(s->in[BOUNDARY], s->real, i, boundary_score(&k, labels + i / one * one, size, i % one));
}

void paced_prepare(const task_step *s, const segment_network *f)
{
    const paced_settings p = settings_of(s->at.setting);
    const pacing hard = pacing_of(&p), soft = soft_pacing_of(&p);
    int64_t epoch = (int64_t)floor(s->epoch);
    real_set(s->in[PACE], s->real, PACE_LIMIT, pacing_threshold(&hard, epoch));
    real_set(s->in[PACE], s->real, PACE_SOFT_LIMIT, pacing_threshold(&soft, epoch));
    real_set(s->in[PACE], s->real, PACE_SCALE, scale_of(&p));
    if (p.mode == PACE_SCORE_BOUNDARY)
        write_boundaries(s, &p, f);
}

/* ---- before the first step ---- */

/* A pass of the teacher over samples of a part of the set. */
typedef struct pass {
    const settling *s;
    double setting[METHOD_NUMBERS]; /* one sample at a time, as it is stored */
    feed feed;
    runner runner;
    float *probabilities; /* of a sample, class by class */
    int64_t pixels;
    int32_t classes;
    temperature_search search;
    double scale; /* of the scores */
    pacing_scores scores;
} pass;

static int32_t place_of(number_table t, const char *name)
{
    return number_index(t, name);
}

static status open_pass(pass *p, const settling *s, int32_t part)
{
    const method_task *kind = s->task->kind;
    void *room;
    memset(p, 0, sizeof *p);
    p->s = s;
    memcpy(p->setting, s->setting, sizeof p->setting);
    p->setting[TRAIN_BATCH] = 1;
    p->setting[TRAIN_AUGMENT] = 0;
    p->feed = *s->feed;
    p->feed.own = NULL;
    p->feed.part = part;
    p->feed.at.setting = p->setting;
    TRY(kind->feeding->open(&p->feed));
    p->pixels = bk_count(&s->task->shape[LABELS]) / s->task->shape[LABELS].dim[0];
    const segment_options o = segment_options_of(s->task->model->option);
    p->classes = (int32_t)segment_classes(&o);
    TRY(mem_array(&s->context->mem, (size_t)(p->pixels * p->classes), sizeof(float), &room));
    p->probabilities = room;
    return OK;
}

static void close_pass(pass *p)
{
    if (p->runner.context)
        runner_close(&p->runner);
    p->s->task->kind->feeding->close(&p->feed);
    mem_give(&p->s->context->mem, p->probabilities);
}

/* The teacher's task that labels, for one sample of the size that is trained on. */
static status open_teacher(pass *p)
{
    static const int32_t extents[] = {SLMT_ROLE_DEPTH, SLMT_ROLE_HEIGHT, SLMT_ROLE_WIDTH};
    double setting[METHOD_NUMBERS];
    const method_task *kind = task_named(p->s->task->model->method, "segment");
    task labelling;
    dry_run y = {.mem = &p->s->context->mem};
    numbers_init(kind->settings, setting);
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        int32_t to = number_with_role(kind->settings, extents[i]),
                from = number_with_role(p->s->task->kind->settings, extents[i]);
        if (to >= 0)
            setting[to] = p->setting[from];
    }
    TRY(task_init(&labelling, p->s->attached[TEACHER], kind, setting));
    status s = runner_open(&p->runner, p->s->context, &labelling, &y);
    if (s != OK)
        p->runner.context = NULL;
    return s;
}

static status run_teacher(pass *p, uint64_t step)
{
    enum { SEGMENT_IMAGE, SEGMENT_LABELS, SEGMENT_PROBABILITIES };
    arrays a = {.samples = 1};
    TRY(p->s->task->kind->feeding->fill(&p->feed, step, p->s->samples));
    a.at[SEGMENT_IMAGE] = p->s->samples[IMAGE];
    a.at[SEGMENT_PROBABILITIES] = p->probabilities;
    return runner_run(&p->runner, &a, 0, 1);
}

/* The logits of a pixel, up to a constant. */
static void logits_at(const pass *p, int64_t i, double logits[SEGMENT_CLASSES])
{
    for (int32_t k = 0; k < p->classes; k++) {
        double x = p->probabilities[k * p->pixels + i];
        logits[k] = log(x > 1e-300 ? x : 1e-300);
    }
}

static double score_of(const double *logits, int32_t classes, int32_t label, double scale)
{
    double sum = 0;
    for (int32_t k = 0; k < classes; k++)
        sum += exp((logits[k] - logits[label]) * scale);
    return 1 / sum;
}

static void search_sample(pass *p, const int32_t *labels)
{
    double logits[SEGMENT_CLASSES];
    for (int64_t i = 0; i < p->pixels; i++) {
        if (labels[i] < 0)
            continue;
        logits_at(p, i, logits);
        temperature_search_add(&p->search, logits, p->classes, labels[i]);
    }
}

static void score_sample(pass *p, const int32_t *labels)
{
    double logits[SEGMENT_CLASSES];
    for (int64_t i = 0; i < p->pixels; i++) {
        if (labels[i] < 0)
            continue;
        logits_at(p, i, logits);
        pacing_add(&p->scores, score_of(logits, p->classes, labels[i], p->scale));
    }
}

/* batch: how many samples the calibration error is the mean over batches of; 0: it is over all. */
static status run_pass(pass *p, void (*look)(pass *p, const int32_t *labels), int32_t batch)
{
    for (uint64_t step = 0; step < p->feed.steps_in_epoch; step++) {
        if (atomic_load(p->s->cancel))
            return fail(ERR_CANCELLED, "cancelled before the first step");
        TRY(run_teacher(p, step));
        look(p, p->s->samples[LABELS]);
        if (batch && (step + 1) % (uint64_t)batch == 0)
            temperature_search_cut(&p->search);
    }
    if (batch)
        temperature_search_cut(&p->search);
    return OK;
}

static status search_in(pass *p, const paced_settings *s, double *temperature)
{
    int32_t batch = s->calibrate_by ? s->train.batch : 0, best;
    TRY(open_teacher(p));
    temperature_search_first(&p->search);
    TRY(run_pass(p, search_sample, batch));
    best = temperature_search_best(&p->search);
    double before = temperature_search_error(&p->search, 0); /* at 1 */
    temperature_search_near(&p->search, p->search.temperature[best]);
    TRY(run_pass(p, search_sample, batch));
    best = temperature_search_best(&p->search);
    *temperature = p->search.temperature[best];
    context_log(p->s->context, SLMT_LOG_INFO,
                "the teacher's calibration error is %.4f, and %.4f at a temperature of %.2f", before,
                temperature_search_error(&p->search, best), *temperature);
    return OK;
}

static status find_temperature(const settling *s, pass *p, const paced_settings *settings)
{
    double found = 1;
    status st = open_pass(p, s, settings->select == HELD_OUT ? FEED_HELD_OUT : FEED_VALIDATION);
    if (st == OK)
        st = search_in(p, settings, &found);
    close_pass(p);
    if (st == OK)
        s->setting[place_of(s->task->kind->settings, "calibration")] = found;
    return st;
}

static int finds_threshold(const paced_settings *s)
{
    return s->threshold < 0 && s->mode != PACE_ALL && s->mode != PACE_SOFT;
}

static int finds_soft_threshold(const paced_settings *s)
{
    return s->soft_threshold < 0 && s->mode == PACE_SOFT_SCORE;
}

static void take_threshold(const settling *s, const pass *p, const char *name, double beta)
{
    double found = pacing_start(&p->scores, beta);
    s->setting[place_of(s->task->kind->settings, name)] = found;
    context_log(s->context, SLMT_LOG_INFO,
                "%s is %.3f at first, which admits %.1f %% of the pixels by their score", name, found,
                100 * pacing_admitted(&p->scores, found));
}

static status find_thresholds(const settling *s, pass *p, const paced_settings *settings)
{
    status st = open_pass(p, s, FEED_TRAINING);
    p->scale = scale_of(settings);
    if (st == OK)
        st = open_teacher(p);
    if (st == OK)
        st = run_pass(p, score_sample, 0);
    if (st == OK && finds_threshold(settings))
        take_threshold(s, p, "threshold", settings->beta);
    if (st == OK && finds_soft_threshold(settings))
        take_threshold(s, p, "soft_threshold", settings->soft_beta);
    close_pass(p);
    return st;
}

/* A teacher of the same tensors could still mean other classes, or read other images. */
static status check_teacher(const settling *s)
{
    const slmt_model *teacher = s->attached[TEACHER], *own = s->task->model;
    const segment_options a = segment_options_of(teacher->option), b = segment_options_of(own->option);
    int32_t theirs[SEGMENT_CLASSES], ours[SEGMENT_CLASSES];
    char text[512];
    segment_values(&a, theirs);
    int32_t n = segment_values(&b, ours);
    if (memcmp(theirs, ours, (size_t)n * sizeof *ours) != 0)
        return fail(ERR_ARGUMENT, "the teacher's classes are %s, the model's %s", a.classes, b.classes);
    if (a.normalize != b.normalize)
        return fail(ERR_ARGUMENT, "option normalize is %s in the teacher and %s in the model",
                    a.normalize ? "on" : "off", b.normalize ? "on" : "off");
    for (size_t i = 0; i < own->n_contrasts && i < teacher->n_contrasts; i++)
        if (strcmp(own->contrasts[i], teacher->contrasts[i]) != 0)
            return fail(ERR_ARGUMENT, "channel %zu of the model is %s, and the teacher's contrasts are %s", i,
                        own->contrasts[i], contrasts_text(teacher, text, sizeof text));
    return OK;
}

static status check_settings(const paced_settings *s)
{
    if (s->boundary_side % 2 == 0)
        return fail(ERR_ARGUMENT, "setting boundary_side is %d, expected an odd number", s->boundary_side);
    return OK;
}

status paced_settle(const settling *s)
{
    void *room;
    paced_settings settings = settings_of(s->setting);
    TRY(check_settings(&settings));
    TRY(check_teacher(s));
    TRY(mem_array(&s->context->mem, 1, sizeof(pass), &room));
    status st = OK;
    if (settings.calibration == 0 && settings.mode != PACE_ALL)
        st = find_temperature(s, room, &settings);
    settings = settings_of(s->setting);
    if (st == OK && (finds_threshold(&settings) || finds_soft_threshold(&settings)))
        st = find_thresholds(s, room, &settings);
    mem_give(&s->context->mem, room);
    return st;
}
