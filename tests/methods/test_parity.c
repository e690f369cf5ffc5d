/* SPDX-License-Identifier: Apache-2.0 */
/* test_parity.c - SLMT-Net against recorded results of the reference implementation: forward tensors, losses,
 * every gradient, and training runs, on the cpu backend with each matrix library and its own choice, and on
 * the reference backend in float64.
 *
 *   test_parity [--cuda PLUGIN] [FILE.h5 ...]
 *
 * With --cuda: on the cuda backend alone, whose plug-in is this file. Without files: every file of this form
 * in the folder SLMT_PARITY_DIR; if that is not set, tiny.h5 of
 * ../shared/parity. Exit code 77 (skipped) where there is nothing to read. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "core/model.h"
#include "lib/plan.h"
#include "methods/slmt_net/mt_net.h"
#include "slmt/trainer.h"
#include "tests/methods/parity_file.h"
#include "train/stepper.h"

#include <cmocka.h> /* last: it has a macro fail() */

typedef struct engine {
    const char *name;
    int32_t backend, precision, matrix;
    const char *plugin; /* NULL: built in */
} engine;

static engine cuda = {"cuda", SLMT_BACKEND_CUDA, SLMT_FLOAT32, SLMT_MATRIX_AUTO, NULL};

static const engine engines[] = {
    {"reference float64", SLMT_BACKEND_REFERENCE, SLMT_FLOAT64, SLMT_MATRIX_AUTO, NULL},
    {"cpu auto", SLMT_BACKEND_CPU, SLMT_FLOAT32, SLMT_MATRIX_AUTO, NULL},
    {"cpu oneDNN", SLMT_BACKEND_CPU, SLMT_FLOAT32, SLMT_MATRIX_ONEDNN, NULL},
    {"cpu OpenBLAS", SLMT_BACKEND_CPU, SLMT_FLOAT32, SLMT_MATRIX_OPENBLAS, NULL},
};

enum { N_ENGINES = sizeof engines / sizeof *engines, MAX_FILES = 64, PATH_LENGTH = 1024 };

typedef struct parity_case {
    char path[PATH_LENGTH];
    const engine *engine;
    char name[PATH_LENGTH + 64];
} parity_case;

/* One case at work. */
typedef struct bench {
    hid_t file;
    slmt_context *context;
    slmt_model *model;
    int real64, batch, steps;
    uint64_t salt;
    int failures;
    double worst;
    char worst_name[256];
} bench;

/* ---- comparing ---- */

/* The gradient of a key bias is zero in exact arithmetic, and Adam divides its rounding noise by adam_eps: in
 * float64 the recorded run itself left the exact value, the start value, by several times the usual
 * tolerance. So much room, then, as a noise of machine epsilon times the norm of the tensor's gradient takes
 * in all steps. */
static double key_bias_tolerance(const bench *b, const char *group, const char *name)
{
    char path[512];
    int pre = strncmp(group, "pre", 3) == 0;
    if (!b->real64 || !strstr(group, "_run_final") || !ends_with(name, "attn.qkv.bias"))
        return 0;
    snprintf(path, sizeof path, "%s%s/%s", pre ? "pre_grad" : "fine_grad",
             group + strlen(pre ? "pre_run_final" : "fine_run_final"), name);
    if (H5Lexists(b->file, path, H5P_DEFAULT) <= 0) /* trained by nothing */
        return 0;
    reference_data g = parity_read(b->file, path);
    double norm = g.digest ? g.x[1] : 0;
    for (size_t i = 0; !g.digest && i < g.n; i++)
        norm = hypot(norm, g.x[i]);
    double rate = parity_attr(b->file, pre ? "pretrain_lr" : "finetune_lr", 0);
    free(g.x);
    return b->steps * rate * 2.2e-16 * norm / parity_attr(b->file, "adam_eps", 0);
}

static void check(bench *b, const char *group, const char *name, const void *ours, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s%s%s", group, group[0] ? "/" : "", name);
    reference_data r = parity_read(b->file, path);
    double *x = malloc((n ? n : 1) * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = real_get(ours, b->real64 ? BK_F64 : BK_F32, i);
    double tolerance = fmax(parity_tolerance(&r, b->real64), key_bias_tolerance(b, group, name));
    double ratio = parity_compare(&r, x, n, tolerance);
    if (ratio > 1) {
        b->failures++;
        print_error("  %s: %g of its tolerance %g\n", path, ratio, tolerance);
    }
    if (ratio > b->worst) {
        b->worst = ratio;
        snprintf(b->worst_name, sizeof b->worst_name, "%.250s", path);
    }
    free(x);
    free(r.x);
}

static void check_number(bench *b, const char *path, size_t index, double ours)
{
    reference_data r = parity_read(b->file, path);
    reference_data one = r;
    double tolerance = parity_tolerance(&r, b->real64);
    double ratio = fabs(ours - one.x[index]) / tolerance;
    if (!(ratio <= 1)) {
        b->failures++;
        print_error("  %s[%zu]: %.9g, expected %.9g: %g of its tolerance %g\n", path, index, ours, r.x[index],
                    ratio, tolerance);
    }
    if (ratio > b->worst) {
        b->worst = ratio;
        snprintf(b->worst_name, sizeof b->worst_name, "%.200s[%zu]", path, index);
    }
    free(r.x);
}

/* The same of an array in the device's memory. */
static void check_on_device(bench *b, const char *group, const char *name, const void *array, size_t n)
{
    size_t bytes = n * bk_dtype_size(b->real64 ? BK_F64 : BK_F32);
    void *copy = malloc(bytes);
    assert_non_null(array);
    assert_int_equal(device_read(b->context->dev, copy, array, bytes), OK);
    check(b, group, name, copy, n);
    free(copy);
}

/* Every data set of a group against the tensor of the same name in a flat array of the model's layout. */
static void check_group(bench *b, const char *group, const char *prefix, const void *array, size_t reals,
                        const stepper *gradients)
{
    hid_t g = H5Gopen2(b->file, group, H5P_DEFAULT);
    H5G_info_t info;
    assert_true(g >= 0);
    H5Gget_info(g, &info);
    assert_true(info.nlinks > 0);
    for (hsize_t i = 0; i < info.nlinks; i++) {
        char name[256], full[300];
        H5Lget_name_by_idx(g, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        snprintf(full, sizeof full, "%s%s", prefix, name);
        int32_t k = params_find(&b->model->params, full);
        if (k < 0) {
            print_error("  the model has no tensor %s\n", full);
            b->failures++;
            continue;
        }
        const param *p = &b->model->params.list[k];
        if (!p->used || p->offset >= reals)
            continue;
        size_t real = bk_dtype_size(model_real(b->model));
        if (gradients)
            check_on_device(b, group, name, stepper_gradient(gradients, k), p->count);
        else
            check(b, group, name, (const unsigned char *)array + p->offset * real, p->count);
    }
    H5Gclose(g);
}

/* ---- setting up ---- */

static slmt_context *open_context(const engine *e)
{
    slmt_context_config c;
    slmt_context *context = NULL;
    slmt_context_config_init(&c);
    c.backend = e->backend;
    c.precision = e->precision;
    c.matrix = e->matrix;
    c.backend_path = e->plugin;
    slmt_status s = slmt_context_create(&c, &context);
    if (s == SLMT_ERR_UNSUPPORTED) /* a build without this matrix library */
        print_message("  left out: %s\n", slmt_error_text());
    else
        assert_int_equal(s, SLMT_OK);
    return context;
}

static int attr_int(const bench *b, const char *name)
{
    return (int)parity_attr(b->file, name, 0);
}

static slmt_net_options read_options(const bench *b)
{
    slmt_net_options o;
    assert_int_equal(slmt_net_options_init(&o, SLMT_NET_PRESET_BASE), SLMT_OK);
    o.image_size = attr_int(b, "image_size");
    o.mae_patch = attr_int(b, "mae_patch");
    o.patch = attr_int(b, "patch");
    o.embed_dim = attr_int(b, "embed_dim");
    o.depth = attr_int(b, "depth");
    o.num_heads = attr_int(b, "num_heads");
    o.decoder_dim = attr_int(b, "decoder_dim");
    o.decoder_depth = attr_int(b, "decoder_depth");
    o.decoder_heads = attr_int(b, "decoder_heads");
    o.window = attr_int(b, "window");
    for (int i = 0; i < 4; i++)
        o.generator_heads[i] = (int)parity_attr(b->file, "generator_heads", i);
    return o;
}

static void start_values(bench *b)
{
    const params *all = &b->model->params;
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        if (!p->used || p->init == INIT_POSITION)
            continue;
        const char *tag = p->name[0] == 'E' ? "mae" : "G";
        for (size_t i = 0; i < p->count; i++)
            real_set(
                model_tensor(b->model, k), model_real(b->model), i,
                parity_start(tag, p->name + 2, p->shape.rank, p->count, (size_t)p->shape.dim[0], b->salt, i));
    }
    model_host_wrote(b->model);
}

static void restart(bench *b)
{
    params_fill(&b->model->params, 0, b->model->weights); /* for the position tables */
    start_values(b);
}

static float *read_images(const bench *b, const char *path)
{
    reference_data r = parity_read(b->file, path);
    float *x = malloc(r.n * sizeof *x);
    for (size_t i = 0; i < r.n; i++)
        x[i] = (float)r.x[i];
    free(r.x);
    return x;
}

static void step_noise(const bench *b, int step, double *noise, size_t n)
{
    char text[32];
    snprintf(text, sizeof text, "noise/%d", step);
    for (size_t i = 0; i < n; i++)
        noise[i] = (float)((parity_uniform(text, b->salt, i) + 1) / 2);
}

/* A stage's task with the file's settings. */
static void stage_task(const bench *b, int32_t stage, task *t)
{
    const char *betas = stage == SLMT_NET_STAGE_PRETRAIN ? "pretrain_betas" : "finetune_betas";
    const method_task *kind =
        task_named(method_named("slmt-net"), stage == SLMT_NET_STAGE_PRETRAIN ? "pretrain" : "finetune");
    double setting[METHOD_NUMBERS];
    const slmt_number given[] = {{"batch", b->batch},
                                 {"beta1", parity_attr(b->file, betas, 0)},
                                 {"beta2", parity_attr(b->file, betas, 1)},
                                 {"epsilon", parity_attr(b->file, "adam_eps", 0)},
                                 {"recompute", SLMT_RECOMPUTE_NOTHING}};
    const slmt_number pre[] = {{"mask_ratio", parity_attr(b->file, "mask_ratio", 0)},
                               {"rec_weight", parity_attr(b->file, "rec_weight", 0)}};
    const slmt_number fine[] = {{"l1_weight", parity_attr(b->file, "l1_weight", 0)}};
    numbers_init(kind->settings, setting);
    assert_int_equal(numbers_set(kind->settings, "setting", given, 5, setting), OK);
    if (stage == SLMT_NET_STAGE_PRETRAIN)
        assert_int_equal(numbers_set(kind->settings, "setting", pre, 2, setting), OK);
    else
        assert_int_equal(numbers_set(kind->settings, "setting", fine, 1, setting), OK);
    assert_int_equal(task_init(t, b->model, kind, setting), OK);
}

static void open_stepper(bench *b, int32_t stage, stepper *s)
{
    task task;
    dry_run t = {.mem = &b->context->mem};
    restart(b);
    stage_task(b, stage, &task);
    status st = stepper_open(s, b->context, &task, &t);
    if (st != OK)
        print_error("  %s\n", status_text());
    assert_int_equal(st, OK);
}

/* Reals of the model's array up to the end of the last tensor that is trained. */
static size_t trained(const stepper *s)
{
    const params *all = &s->task.model->params;
    size_t end = 0;
    for (int32_t k = 0; k < all->n; k++)
        if (s->place[k] != SIZE_MAX)
            end = all->list[k].offset + (all->list[k].count + 15) / 16 * 16;
    return end;
}

static int is_pretraining(const stepper *s)
{
    return strcmp(s->task.kind->name, "pretrain") == 0;
}

/* Inputs of pre-training, and what its losses are. */
enum { IMAGES, KEEP, RESTORE, WEIGHT, EDGES };

static int patches(const bench *b)
{
    const slmt_net_options o = slmt_net_options_of(b->model->option);
    return slmt_net_grid(&o) * slmt_net_grid(&o);
}

/* ---- forward tensors ---- */

/* Runs a graph that was built over the model's weights (slots 0 to n - 1 and n to 2 n - 1) and data. */
static void run_graph(bench *b, graph *g, void *const *data, int32_t n_data)
{
    plan *p;
    const params *all = &b->model->params;
    int32_t n = 2 * all->n + n_data;
    void **bound = calloc((size_t)n, sizeof *bound);
    assert_int_equal(plan_create(g, b->context->dev, 1, &p), OK);
    for (int32_t k = 0; k < all->n; k++)
        if (all->list[k].used)
            bound[k] = bound[all->n + k] = model_on_device(b->model, k);
    assert_int_equal(model_push(b->model), OK);
    memcpy(bound + 2 * all->n, data, (size_t)n_data * sizeof *data);
    assert_int_equal(plan_run(p, bound, n, NULL), OK);
    free(bound);
    plan_free(p);
}

static size_t real_bytes(const bench *b, size_t n)
{
    return n * bk_dtype_size(b->real64 ? BK_F64 : BK_F32);
}

/* Room for an output of n reals, in the device's memory. */
static void *reals(const bench *b, size_t n)
{
    void *p;
    assert_int_equal(device_zeros(b->context->dev, &b->context->mem, real_bytes(b, n), &p), OK);
    return p;
}

/* Checks such an output, and gives its memory back. */
static void check_output(bench *b, const char *group, const char *name, void *array, size_t n)
{
    check_on_device(b, group, name, array, n);
    device_give(b->context->dev, &b->context->mem, array, real_bytes(b, n));
}

/* Where graphs read input i of the last step. */
static void *input_of(const stepper *s, int32_t i)
{
    return s->on_device[i] ? s->on_device[i] : s->data[i];
}

static void check_pretrain_forward(bench *b, stepper *s)
{
    enum { REC_PRED = EDGES + 1, EDGE_PRED, SLOTS };
    const slmt_net_options o = slmt_net_options_of(b->model->option);
    const params *all = &b->model->params;
    int32_t slot = 2 * all->n;
    graph *g;
    nn e;
    size_t pixels = (size_t)b->batch * (size_t)o.image_size * (size_t)o.image_size;
    void *rec = reals(b, pixels), *edge = reals(b, pixels);
    void *data[SLOTS] = {input_of(s, IMAGES),
                         input_of(s, KEEP),
                         input_of(s, RESTORE),
                         input_of(s, WEIGHT),
                         input_of(s, EDGES),
                         rec,
                         edge};
    assert_int_equal(graph_create(&b->context->mem, b->real64 ? BK_F64 : BK_F32, &g), OK);
    assert_int_equal(nn_open(&e, g, all, "E.", 0), OK);
    value in[MAE_INPUTS], loss[MAE_LOSSES];
    for (int i = 0; i < MAE_INPUTS; i++)
        in[i] = graph_bound(g, slot + i, s->task.shape[i]);
    edge_mae_graph v = edge_mae_pretrain(&e, &o, &(slmt_net_settings){.rec_weight = 1}, in, loss);
    graph_output(g, v.rec_pred, slot + REC_PRED);
    graph_output(g, v.edge_pred, slot + EDGE_PRED);
    restart(b);
    run_graph(b, g, data, SLOTS);
    check_output(b, "pre", "rec_pred", rec, pixels);
    check_output(b, "pre", "edge_pred", edge, pixels);
    nn_close(&e);
    graph_free(g);
}

static void check_finetune_forward(bench *b, stepper *s)
{
    enum { SOURCE, TARGET, PRED, BLOCK1, TOKENS, SLOTS };
    const slmt_net_options o = slmt_net_options_of(b->model->option);
    const params *all = &b->model->params;
    int32_t slot = 2 * all->n;
    graph *g;
    nn part[3];
    size_t side = (size_t)o.image_size, pixels = (size_t)b->batch * side * side;
    size_t tokens = (size_t)b->batch * (size_t)patches(b) * (size_t)o.embed_dim;
    void *pred = reals(b, pixels), *block1 = reals(b, tokens), *last = reals(b, tokens);
    void *data[SLOTS] = {input_of(s, 0), input_of(s, 1), pred, block1, last};
    assert_int_equal(graph_create(&b->context->mem, b->real64 ? BK_F64 : BK_F32, &g), OK);
    assert_int_equal(nn_open(&part[0], g, all, "E.", 0), OK);
    assert_int_equal(nn_open(&part[1], g, all, "G.", 0), OK);
    assert_int_equal(nn_open(&part[2], g, all, "E.", all->n), OK);
    value loss[MT_LOSSES];
    const value in[MT_INPUTS] = {graph_bound(g, slot + SOURCE, s->task.shape[0]),
                                 graph_bound(g, slot + TARGET, s->task.shape[1])};
    mt_net_graph v = mt_net_finetune(&part[0], &part[1], &part[2], &o, 1, in, loss);
    graph_output(g, v.pred, slot + PRED);
    graph_output(g, v.block1, slot + BLOCK1);
    graph_output(g, v.tokens, slot + TOKENS);
    restart(b);
    run_graph(b, g, data, SLOTS);
    check_output(b, "fine", "pred", pred, pixels);
    check_output(b, "fine", "encoder_block1", block1, tokens);
    check_output(b, "fine", "encoder_tokens", last, tokens);
    for (int i = 0; i < 3; i++)
        nn_close(&part[i]);
    graph_free(g);
}

/* ---- stages ---- */

/* What a stage trains on. */
typedef struct training_data {
    float *a, *b; /* images, or source and target */
    double *noise, rate;
    size_t n_noise;
} training_data;

static training_data open_stage(bench *b, int32_t stage, stepper *s)
{
    int pre = stage == SLMT_NET_STAGE_PRETRAIN;
    open_stepper(b, stage, s);
    training_data d = {.a = read_images(b, pre ? "pre/images" : "fine/source"),
                       .b = pre ? NULL : read_images(b, "fine/target"),
                       .rate = parity_attr(b->file, pre ? "pretrain_lr" : "finetune_lr", 0),
                       .n_noise = (size_t)b->batch * (size_t)patches(b)};
    d.noise = malloc(d.n_noise * sizeof *d.noise);
    return d;
}

static void close_stage(training_data *d, stepper *s)
{
    stepper_close(s);
    free(d->a);
    free(d->b);
    free(d->noise);
}

/* The two losses of a step. */
typedef struct step_losses {
    double part[2];
} step_losses;

static step_losses take_step(const bench *b, stepper *s, const training_data *d, int step, double rate)
{
    const void *given[METHOD_PORTS] = {d->a, is_pretraining(s) ? NULL : d->b};
    if (is_pretraining(s)) {
        step_noise(b, step, d->noise, d->n_noise);
        assert_int_equal(s->n_draws, d->n_noise);
        memcpy(s->draws, d->noise, d->n_noise * sizeof *d->noise);
    }
    stepper_take_inputs(s, s->step, given, 0);
    assert_int_equal(stepper_run(s, rate, NULL, NULL), OK);
    return (step_losses){{s->value[0], s->value[1]}};
}

static void check_final_weights(bench *b, const stepper *s)
{
    const void *weights = b->model->weights;
    assert_int_equal(model_pull(b->model), OK);
    if (is_pretraining(s)) {
        check_group(b, "pre_run_final", "E.", weights, trained(s), NULL);
    } else {
        check_group(b, "fine_run_final/E", "E.", weights, trained(s), NULL);
        check_group(b, "fine_run_final/G", "G.", weights, trained(s), NULL);
    }
}

static void check_masks(bench *b, const stepper *s, const double *noise)
{
    int n = patches(b), kept = (int)s->task.shape[KEEP].dim[1];
    const int32_t *restore = s->data[RESTORE];
    reference_data stored = parity_read(b->file, "pre/noise"), mask = parity_read(b->file, "pre/mask");
    for (int i = 0; i < n * b->batch; i++) {
        assert_true(noise[i] == stored.x[i]);
        assert_int_equal(restore[i] == kept, mask.x[i] == 1);
    }
    free(stored.x);
    free(mask.x);
}

static void check_start_weights(bench *b)
{
    if (!parity_mode_full(b->file))
        return;
    check_group(b, "W/mae", "E.", b->model->weights, b->model->params.total, NULL);
    check_group(b, "W/G", "G.", b->model->weights, b->model->params.total, NULL);
}

static void check_pretraining_step(bench *b, const stepper *s, const training_data *d, int step,
                                   const step_losses *l)
{
    check_number(b, "pre_run/losses", 2 * (size_t)step, l->part[0]);
    check_number(b, "pre_run/losses", 2 * (size_t)step + 1, l->part[1]);
    if (step > 0)
        return;
    check_number(b, "pre/rec_loss", 0, l->part[0]);
    check_number(b, "pre/edge_loss", 0, l->part[1]);
    check_masks(b, s, d->noise);
    size_t side = (size_t)attr_int(b, "image_size");
    check(b, "pre", "edge_target", s->data[EDGES], (size_t)b->batch * side * side);
    check_group(b, "pre_grad", "E.", NULL, trained(s), s);
}

static void check_finetuning_step(bench *b, const stepper *s, int step, const step_losses *l)
{
    check_number(b, "fine_run/losses", 2 * (size_t)step, l->part[0]);
    check_number(b, "fine_run/losses", 2 * (size_t)step + 1, l->part[1]);
    if (step > 0)
        return;
    check_number(b, "fine/l1_loss", 0, l->part[0]);
    check_number(b, "fine/fc_loss", 0, l->part[1]);
    check_group(b, "fine_grad/E", "E.", NULL, trained(s), s);
    check_group(b, "fine_grad/G", "G.", NULL, trained(s), s);
}

/* How many of the final weights of a run in float32 are off: they are printed, and a guided run judges. */
static int check_stage(bench *b, int32_t stage)
{
    stepper s;
    training_data d = open_stage(b, stage, &s);
    if (stage == SLMT_NET_STAGE_PRETRAIN)
        check_start_weights(b);
    for (int step = 0; step < b->steps; step++) {
        step_losses l = take_step(b, &s, &d, step, d.rate);
        if (stage == SLMT_NET_STAGE_PRETRAIN)
            check_pretraining_step(b, &s, &d, step, &l);
        else
            check_finetuning_step(b, &s, step, &l);
    }
    int before = b->failures;
    check_final_weights(b, &s);
    int drifted = b->real64 ? 0 : b->failures - before;
    b->failures -= drifted;
    if (stage == SLMT_NET_STAGE_PRETRAIN) {
        take_step(b, &s, &d, 0, 0); /* the masks of step 0 again */
        check_pretrain_forward(b, &s);
    } else {
        check_finetune_forward(b, &s);
    }
    close_stage(&d, &s);
    return drifted;
}

/* ---- guided runs ----
 *
 * A run in float32 that ends off may have drifted: Adam's first steps are as long as the rate, however small
 * the gradient, so that a weight whose gradient is below float32's noise goes one way or the other, and moves
 * the next step's gradients. In a guided run every step begins with the weights of the float64 backend. There
 * is no drift in it, and by the rule of the recordings its weights are judged instead (README.md beside
 * them); losses and gradients are judged in both. */

/* Weights before steps 1, 2, ... in float64 arithmetic, rounded. */
static float *guide_of(const bench *b, int32_t stage)
{
    bench exact = {.file = b->file, .real64 = 1, .batch = b->batch, .steps = b->steps, .salt = b->salt};
    slmt_net_options o = read_options(b);
    stepper s;
    exact.context = open_context(&engines[0]);
    assert_int_equal(slmt_net_create(exact.context, &o, 0, &exact.model), SLMT_OK);
    training_data d = open_stage(&exact, stage, &s);
    float *guide = malloc((size_t)b->steps * trained(&s) * sizeof *guide), *to = guide;
    assert_non_null(guide);
    for (int step = 0; step + 1 < b->steps; step++) {
        take_step(&exact, &s, &d, step, d.rate);
        for (size_t i = 0; i < trained(&s); i++)
            *to++ = (float)real_get(exact.model->weights, BK_F64, i);
    }
    close_stage(&d, &s);
    slmt_model_free(exact.model);
    slmt_context_free(exact.context);
    return guide;
}

static void check_guided(bench *b, int32_t stage)
{
    stepper s;
    float *guide = guide_of(b, stage);
    training_data d = open_stage(b, stage, &s);
    for (int step = 0; step < b->steps; step++) {
        if (step > 0) {
            assert_int_equal(model_pull(b->model), OK);
            memcpy(b->model->weights, guide + (size_t)(step - 1) * trained(&s), trained(&s) * sizeof *guide);
            model_host_wrote(b->model);
        }
        take_step(b, &s, &d, step, d.rate);
    }
    check_final_weights(b, &s);
    close_stage(&d, &s);
    free(guide);
}

static void matches_the_reference_implementation(void **state)
{
    const parity_case *c = *state;
    bench b = {.file = H5Fopen(c->path, H5F_ACC_RDONLY, H5P_DEFAULT)};
    assert_true(b.file >= 0);
    b.context = open_context(c->engine);
    if (b.context) {
        b.real64 = c->engine->precision == SLMT_FLOAT64;
        b.batch = attr_int(&b, "batch");
        b.steps = attr_int(&b, "steps");
        b.salt = (uint64_t)attr_int(&b, "salt");
        slmt_net_options o = read_options(&b);
        assert_int_equal(slmt_net_create(b.context, &o, 0, &b.model), SLMT_OK);
        for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
            int drifted = check_stage(&b, stage);
            if (drifted == 0)
                continue;
            int before = b.failures;
            check_guided(&b, stage);
            print_message("  stage %d: %d tensors end off, and %d where steps begin with float64's weights\n",
                          stage, drifted, b.failures - before);
        }
        print_message("  %s: worst %.3f of its tolerance (%s)\n", slmt_context_describe(b.context), b.worst,
                      b.worst_name);
        slmt_model_free(b.model);
        slmt_context_free(b.context);
    }
    H5Fclose(b.file);
    assert_int_equal(b.failures, 0);
}

/* ---- finding cases ---- */

static int is_model_file(const char *path)
{
    hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    int yes = f >= 0 && H5Aexists(f, "mae_patch") > 0;
    if (f >= 0)
        H5Fclose(f);
    return yes;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int find_files(const char *folder, char paths[][PATH_LENGTH])
{
    int n = 0;
    DIR *d = opendir(folder);
    if (!d)
        return 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL && n < MAX_FILES;) {
        if (!ends_with(entry->d_name, ".h5"))
            continue;
        snprintf(paths[n], PATH_LENGTH, "%s/%s", folder, entry->d_name);
        n += is_model_file(paths[n]);
    }
    closedir(d);
    qsort(paths, (size_t)n, PATH_LENGTH, by_text);
    return n;
}

int main(int argc, char **argv)
{
    static char paths[MAX_FILES][PATH_LENGTH];
    static parity_case cases[MAX_FILES * N_ENGINES];
    static struct CMUnitTest tests[MAX_FILES * N_ENGINES];
    const char *folder = getenv("SLMT_PARITY_DIR");
    int n = 0, n_tests = 0, n_engines = N_ENGINES, first = 1;
    const engine *list = engines;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (argc > 2 && strcmp(argv[1], "--cuda") == 0) {
        cuda.plugin = argv[2];
        list = &cuda;
        n_engines = 1;
        first = 3;
    }
    for (int i = first; i < argc && n < MAX_FILES; i++)
        snprintf(paths[n++], PATH_LENGTH, "%s", argv[i]);
    if (argc == first && folder)
        n = find_files(folder, paths);
    else if (argc == first && is_model_file(SLMT_SOURCE_DIR "/../shared/parity/tiny.h5"))
        snprintf(paths[n++], PATH_LENGTH, "%s", SLMT_SOURCE_DIR "/../shared/parity/tiny.h5");
    if (n == 0) {
        printf("SKIPPED: no reference results in %s\n",
               folder ? folder : "../shared/parity; set SLMT_PARITY_DIR");
        return 77;
    }
    for (int i = 0; i < n; i++)
        for (int e = 0; e < n_engines; e++) {
            parity_case *c = &cases[n_tests];
            memcpy(c->path, paths[i], PATH_LENGTH);
            c->engine = &list[e];
            const char *slash = strrchr(c->path, '/');
            snprintf(c->name, sizeof c->name, "%.200s on %s", slash ? slash + 1 : c->path, c->engine->name);
            tests[n_tests++] =
                (struct CMUnitTest){c->name, matches_the_reference_implementation, NULL, NULL, c};
        }
    return _cmocka_run_group_tests("parity", tests, (size_t)n_tests, NULL, NULL);
}
