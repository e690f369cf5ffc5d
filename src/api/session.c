/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - running a task of a model: one planned graph, for a few samples at a time. */
#include "slmt/session.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/dry_run.h"
#include "core/method.h"
#include "core/model.h"
#include "core/profile.h"
#include "core/structs.h"
#include "core/task.h"
#include "core/volume.h"
#include "data/preprocess.h"
#include "data/resize.h"
#include "lib/fold.h"
#include "lib/plan.h"

struct slmt_session {
    slmt_context *context; /* whose memory it takes: the model's, or a counting one */
    slmt_model *model;
    slmt_session_config config; /* batch: of the task's setting */
    task task;                  /* its batch is that of one run, at most config.batch */
    plan *plan;
    plan *fold;      /* makes what follows from weights and shared inputs alone, or NULL */
    int32_t kept;    /* how many values that is; their memory is bound behind the task's slots */
    uint64_t folded; /* the version of the weights that it was made from; 0: never, or an input changed */
    slmt_profile *profile;    /* or NULL */
    void **bound;             /* by plan slot */
    void *data[METHOD_PORTS]; /* of one run */
    int is_set[METHOD_PORTS]; /* of a shared input: data holds the caller's */
    atomic_int cancel;
};

void slmt_session_config_init(slmt_session_config *config)
{
    if (config)
        *config = (slmt_session_config){.struct_size = sizeof *config, .batch = 1};
}

static status read_config(const slmt_session_config *given, slmt_session_config *c)
{
    slmt_session_config_init(c);
    if (given)
        TRY(struct_read(c, sizeof *c, given, "slmt_session_config"));
    if (c->batch < 1 || c->batch > 65536)
        return fail(ERR_ARGUMENT, "slmt_session_config.batch is %d, expected 1 to 65536", c->batch);
    return OK;
}

/* ---- life ---- */

static int32_t samples_of_run(const slmt_session *s)
{
    int32_t k = number_index(s->task.kind->settings, "batch");
    return k < 0 ? 1 : (int32_t)s->task.setting[k];
}

static int has_shared_input(const task *t)
{
    int any = 0;
    for (int32_t i = 0; i < t->kind->inputs.n; i++)
        any |= t->kind->inputs.rows[i].flags & PORT_SHARED;
    return any != 0;
}

/* Weights and shared inputs change rarely, other inputs with every sample. */
static status fold(const slmt_session *s, graph *g, fold_part part, folded *out)
{
    const task *t = &s->task;
    int32_t n = task_slots(t);
    void *p;
    TRY(mem_zeros(g->mem, (size_t)n, 1, &p));
    unsigned char *steady = p;
    for (int32_t k = 0; k < s->model->params.n; k++)
        steady[k] = 1;
    for (int32_t i = 0; i < t->kind->inputs.n; i++)
        steady[task_slot_port(t, i)] = (t->kind->inputs.rows[i].flags & PORT_SHARED) != 0;
    status st = graph_fold(g, steady, n, n, part, out);
    mem_give(g->mem, steady);
    return st;
}

/* The whole task where out is NULL, else one half of it. */
static status plan_part(slmt_session *s, int arena, fold_part part, folded *out, plan **made_plan)
{
    graph *g;
    task_values made = {0};
    TRY(graph_create(&s->context->mem, model_real(s->model), &g));
    status st = task_build(&s->task, g, &made);
    if (st == OK && out)
        st = fold(s, g, part, out);
    if (st == OK)
        st = context_plan(s->context, g, arena, made_plan);
    task_values_close(&made, g);
    graph_free(g);
    return st;
}

static status make_plan(slmt_session *s, int arena, folded *kept)
{
    kept->n = 0;
    if (!has_shared_input(&s->task))
        return plan_part(s, arena, FOLD_READS, NULL, &s->plan);
    TRY(plan_part(s, arena, FOLD_READS, kept, &s->plan));
    return kept->n == 0 ? OK : plan_part(s, arena, FOLD_MAKES, kept, &s->fold);
}

static void drop_plans(slmt_session *s)
{
    plan_free(s->plan);
    plan_free(s->fold);
    s->plan = s->fold = NULL;
}

static status set_batch(slmt_session *s, int32_t batch)
{
    double setting[METHOD_NUMBERS];
    memcpy(setting, s->task.setting, sizeof setting);
    setting[number_index(s->task.kind->settings, "batch")] = batch;
    return task_init(&s->task, s->model, s->task.kind, setting);
}

/* Cuts a batch into equal runs, with as many samples as the back end is fast with. */
static status cut_batch(slmt_session *s)
{
    int32_t batch = s->config.batch, together;
    size_t fast = s->context->backend->fast_bytes;
    if (batch == 1 || fast == 0)
        return OK;
    TRY(set_batch(s, 1));
    folded kept;
    TRY(make_plan(s, 0, &kept));
    size_t most = fast / (plan_arena_bytes(s->plan) + 1);
    drop_plans(s);
    together = (int32_t)(most < 1 ? 1 : most < (size_t)batch ? most : (size_t)batch);
    while (batch % together != 0)
        together--;
    return set_batch(s, together);
}

static status fill_session(slmt_session *s, dry_run *t)
{
    void *p;
    folded kept;
    s->config.batch = samples_of_run(s);
    TRY(cut_batch(s));
    TRY(make_plan(s, !t->dry, &kept));
    if (t->dry)
        t->bytes += mem_cost(plan_arena_bytes(s->plan)) + (s->fold ? mem_cost(plan_arena_bytes(s->fold)) : 0);
    int32_t slots = task_slots(&s->task);
    TRY(mem_zeros(&s->context->mem, (size_t)(slots + kept.n), sizeof(void *), &p));
    s->bound = p;
    for (; s->kept < kept.n; s->kept++)
        TRY(dry_run_take(t, (size_t)bk_count(&kept.shape[s->kept]) * bk_dtype_size(kept.shape[s->kept].dtype),
                         &s->bound[slots + s->kept]));
    task_bind_weights(&s->task, s->bound);
    for (int32_t i = 0; i < task_ports(&s->task); i++) {
        const bk_shape *shape = &s->task.shape[i];
        TRY(dry_run_take(t, (size_t)bk_count(shape) * bk_dtype_size(shape->dtype), &s->data[i]));
        s->bound[task_slot_port(&s->task, i)] = s->data[i];
    }
    return OK;
}

static status open_session(slmt_context *context, slmt_model *model, const slmt_session_config *config,
                           const task *t, dry_run *y, slmt_session **out)
{
    void *p;
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_session), &p));
    slmt_session *s = p;
    s->context = context_retain(context);
    s->model = slmt_model_retain(model);
    s->config = *config;
    s->task = *t;
    atomic_init(&s->cancel, 0);
    status st = fill_session(s, y);
    if (st != OK) {
        slmt_session_free(s);
        return st;
    }
    *out = s;
    return OK;
}

static status count_session(slmt_model *model, const slmt_session_config *config, const task *t,
                            uint64_t *bytes)
{
    slmt_context *counting;
    slmt_session *s = NULL;
    TRY(dry_run_context(model->context, &counting));
    dry_run y = {.mem = &counting->mem, .dry = 1};
    uint64_t before = slmt_context_live_bytes(counting);
    status st = open_session(counting, model, config, t, &y, &s);
    if (st == OK)
        *bytes = slmt_context_live_bytes(counting) - before + y.bytes;
    slmt_session_free(s);
    slmt_context_free(counting);
    return st;
}

/* SLMT-Net's synthesis, as the typed calls ask for it. */
static status typed_task(slmt_model *model, const slmt_session_config *given, slmt_session_config *c, task *t)
{
    double batch;
    TRY(read_config(given, c));
    TRY(model_require_slmt_net(model, "slmt_session_create"));
    batch = c->batch;
    return task_init(t, model, task_named(model->method, "synthesize"), &batch);
}

slmt_status slmt_session_create(slmt_model *model, const slmt_session_config *config, slmt_session **session)
{
    slmt_session_config c;
    task t;
    REQUIRE(model);
    REQUIRE(session);
    TRY(typed_task(model, config, &c, &t));
    dry_run y = {.mem = &model->context->mem};
    return open_session(model->context, model, &c, &t, &y, session);
}

slmt_status slmt_session_memory(slmt_model *model, const slmt_session_config *config, uint64_t *bytes)
{
    slmt_session_config c;
    task t;
    REQUIRE(model);
    REQUIRE(bytes);
    TRY(typed_task(model, config, &c, &t));
    return count_session(model, &c, &t, bytes);
}

static status named_task(slmt_model *model, const char *name, const slmt_number *settings, size_t count,
                         task *t)
{
    const method_task *kind;
    double setting[METHOD_NUMBERS];
    TRY(task_find(model, name, 0, &kind));
    TRY(task_settings(kind, settings, count, setting));
    return task_init(t, model, kind, setting);
}

slmt_status slmt_session_create_task(slmt_model *model, const char *name, const slmt_number *settings,
                                     size_t count, slmt_session **session)
{
    slmt_session_config c;
    task t;
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(session);
    if (count > 0)
        REQUIRE(settings);
    slmt_session_config_init(&c);
    TRY(named_task(model, name, settings, count, &t));
    dry_run y = {.mem = &model->context->mem};
    return open_session(model->context, model, &c, &t, &y, session);
}

slmt_status slmt_session_task_memory(slmt_model *model, const char *name, const slmt_number *settings,
                                     size_t count, uint64_t *bytes)
{
    slmt_session_config c;
    task t;
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(bytes);
    if (count > 0)
        REQUIRE(settings);
    slmt_session_config_init(&c);
    TRY(named_task(model, name, settings, count, &t));
    return count_session(model, &c, &t, bytes);
}

void slmt_session_free(slmt_session *s)
{
    if (!s)
        return;
    slmt_context *context = s->context;
    drop_plans(s);
    slmt_profile_free(s->profile);
    for (int32_t i = 0; i < s->kept; i++)
        mem_give(&context->mem, s->bound[task_slots(&s->task) + i]);
    mem_give(&context->mem, s->bound);
    for (int i = 0; i < METHOD_PORTS; i++)
        mem_give(&context->mem, s->data[i]);
    slmt_model_free(s->model);
    mem_give(&context->mem, s);
    context_release(context);
}

slmt_status slmt_session_set_profile(slmt_session *session, slmt_profile *profile)
{
    REQUIRE(session);
    if (session->fold)
        TRY(plan_profile(session->fold, profile ? &profile->records : NULL));
    return profile_exchange(session->plan, &session->profile, profile);
}

void slmt_session_cancel(slmt_session *session)
{
    if (session)
        atomic_store(&session->cancel, 1);
}

slmt_status slmt_session_set_progress(slmt_session *session, slmt_progress_fn progress, void *user)
{
    REQUIRE(session);
    session->config.progress = progress;
    session->config.progress_user = user;
    return OK;
}

/* ---- samples ---- */

/* What a call works on: each port's array, inputs and then outputs, and how many samples they hold. */
typedef struct arrays {
    void *at[METHOD_PORTS];
    size_t samples;
} arrays;

/* Elements of the session's array for port i that the samples from `first` on fill, and where the caller's
 * begin. */
static size_t elements(const slmt_session *s, int32_t i, size_t n, size_t first, size_t *from)
{
    size_t all = (size_t)bk_count(&s->task.shape[i]);
    *from = 0;
    if (!task_is_batched(&s->task, i))
        return all;
    size_t one = all / (size_t)s->task.shape[i].dim[0];
    *from = first * one;
    return n * one;
}

/* Copies n elements of input i, float32 or int32; the rest are zeros. */
static void take_input(slmt_session *s, int32_t i, const float *x, size_t n)
{
    size_t all = (size_t)bk_count(&s->task.shape[i]);
    s->is_set[i] = 1;
    if (s->task.shape[i].dtype == BK_I32) {
        if (memcmp(s->data[i], x, n * sizeof(int32_t)) == 0)
            return;
        memcpy(s->data[i], x, n * sizeof(int32_t));
    } else {
        for (size_t e = 0; e < all; e++)
            real_set(s->data[i], model_real(s->model), e, e < n ? x[e] : 0);
    }
    if (task_port(&s->task, i)->flags & PORT_SHARED)
        s->folded = 0;
}

/* Makes what is kept anew, where weights or shared inputs have changed. */
static status refold(slmt_session *s)
{
    uint64_t version = atomic_load(&s->model->version);
    if (!s->fold || s->folded == version)
        return OK;
    TRY(plan_run(s->fold, s->bound, task_slots(&s->task) + s->kept, &s->cancel));
    s->folded = version;
    return OK;
}

/* n samples from `first` on, at most those of a run; the rest of those are zeros. Shared inputs that are not
 * given are as they were. */
static status run_together(slmt_session *s, const arrays *a, size_t first, size_t n)
{
    const method_task *k = s->task.kind;
    size_t from;
    for (int32_t i = 0; i < k->inputs.n; i++) {
        if (!a->at[i])
            continue;
        size_t used = elements(s, i, n, first, &from);
        take_input(s, i, (const float *)a->at[i] + from, used);
    }
    TRY(refold(s));
    TRY(plan_run(s->plan, s->bound, task_slots(&s->task) + s->kept, &s->cancel));
    for (int32_t i = k->inputs.n; i < task_ports(&s->task); i++) {
        size_t used = elements(s, i, n, first, &from);
        float *y = (float *)a->at[i] + from;
        for (size_t e = 0; e < used; e++)
            y[e] = (float)real_get(s->data[i], model_real(s->model), e);
    }
    return OK;
}

static status report(const slmt_session *s, size_t done, size_t total)
{
    const slmt_session_config *c = &s->config;
    if (c->progress && c->progress(c->progress_user, s->task.kind->name, done, total) != 0)
        return fail(ERR_CANCELLED, "cancelled by the progress callback after %zu of %zu slices", done, total);
    return OK;
}

static status run_samples(slmt_session *s, const arrays *a)
{
    size_t step = (size_t)samples_of_run(s);
    for (size_t first = 0; first < a->samples; first += step) {
        size_t n = a->samples - first < step ? a->samples - first : step;
        TRY(run_together(s, a, first, n));
        TRY(report(s, first + n, a->samples));
    }
    return OK;
}

/* ---- tensors ---- */

slmt_status slmt_session_shape(const slmt_session *session, const char *name, int64_t shape[6], int32_t *rank)
{
    REQUIRE(session);
    REQUIRE(name);
    REQUIRE(shape);
    REQUIRE(rank);
    return task_shape_named(&session->task, name, session->config.batch, shape, rank);
}

slmt_status slmt_session_run(slmt_session *session, const slmt_tensor *inputs, size_t n_inputs,
                             const slmt_tensor *outputs, size_t n_outputs)
{
    REQUIRE(session);
    REQUIRE(inputs);
    REQUIRE(outputs);
    const task *t = &session->task;
    const slmt_tensor *by_port[METHOD_PORTS];
    arrays a = {{0}, 0};
    int64_t samples = 0;
    int32_t n = t->kind->inputs.n;
    TRY(task_match(t, &t->kind->inputs, 0, inputs, n_inputs, by_port, &samples));
    TRY(task_match(t, &t->kind->outputs, n, outputs, n_outputs, by_port + n, &samples));
    for (int32_t i = 0; i < task_ports(t); i++) {
        a.at[i] = by_port[i]->data;
        if (i < n)
            TRY(task_check_values(t, &t->kind->inputs.rows[i], by_port[i]));
    }
    a.samples = samples > 0 ? (size_t)samples : 1;
    status s = run_samples(session, &a);
    atomic_store(&session->cancel, 0);
    return s;
}

slmt_status slmt_session_set(slmt_session *session, const slmt_tensor *input)
{
    REQUIRE(session);
    REQUIRE(input);
    const task *t = &session->task;
    const slmt_tensor *by_port[METHOD_PORTS];
    for (int32_t i = 0; i < t->kind->inputs.n; i++) {
        const port_table one = {&t->kind->inputs.rows[i], 1};
        int64_t samples = 0;
        if (!input->name || strcmp(input->name, one.rows->name) != 0 || !(one.rows->flags & PORT_SHARED))
            continue;
        TRY(task_match(t, &one, i, input, 1, by_port, &samples));
        TRY(task_check_values(t, one.rows, input));
        take_input(session, i, input->data, (size_t)bk_count(&t->shape[i]));
        return OK;
    }
    return fail(ERR_NOT_FOUND, "task %s has no input %s that all samples share", t->kind->name,
                input->name ? input->name : "NULL");
}

/* ---- slices ---- */

/* `count` slices of a volume as the session's samples. */
typedef struct stacks {
    slmt_session *session;
    stacking of;
    double low, high;
    size_t count, pixels;
} stacks;

static status open_stacks(slmt_session *s, size_t count, stacks *k)
{
    const task *t = &s->task;
    const slicing *rule = t->kind->slices;
    *k = (stacks){.session = s, .count = count};
    if (rule)
        k->of = rule->stack((numbers){s->model->option, t->setting});
    if (k->of.slices == 0)
        return fail(ERR_UNSUPPORTED, "task %s of method %s takes no slices of a volume%s", t->kind->name,
                    s->model->method->name, rule ? " with these options and settings" : "");
    for (int32_t i = 0; i < t->kind->inputs.n; i++)
        if ((t->kind->inputs.rows[i].flags & PORT_SHARED) && !s->is_set[i])
            return fail(ERR_STATE, "input %s is not set; see slmt_session_set()",
                        t->kind->inputs.rows[i].name);
    const bk_shape *in = &t->shape[0];
    k->low = rule->low;
    k->high = rule->high;
    k->pixels = (size_t)(in->dim[in->rank - 1] * in->dim[in->rank - 2]);
    return OK;
}

/* Samples that are slices as they are. */
static int are_plain(const stacks *k)
{
    return k->of.slices == 1 && k->low == 0 && k->high == 1;
}

static size_t stack_count(const stacks *k)
{
    size_t height = (size_t)k->of.slices;
    return k->of.whole ? (k->count + height - 1) / height : k->count;
}

/* The slice in place j of stack i; below 0 or beyond the last one: a repeated one. The last of the stacks
 * that lie side by side ends with the volume. */
static int64_t slice_of(const stacks *k, size_t i, int32_t j)
{
    int64_t first = (int64_t)i - k->of.slices / 2, last = (int64_t)k->count - k->of.slices;
    if (k->of.whole)
        first = (int64_t)i * k->of.slices;
    if (k->of.whole && last > 0 && first > last)
        first = last;
    return first + j;
}

/* Stacks first to first + n - 1, into samples. */
static void fill_stacks(const stacks *k, const float *source, size_t first, size_t n, float *samples)
{
    float low = (float)k->low, range = (float)(k->high - k->low);
    for (size_t i = 0; i < n; i++)
        for (int32_t j = 0; j < k->of.slices; j++, samples += k->pixels) {
            int64_t slice = slice_of(k, first + i, j), last = (int64_t)k->count - 1;
            const float *from = source + (size_t)(slice < 0 ? 0 : slice > last ? last : slice) * k->pixels;
            for (size_t e = 0; e < k->pixels; e++)
                samples[e] = low + range * from[e];
        }
}

/* What counts of their answers. */
static void take_stacks(const stacks *k, const float *answers, size_t first, size_t n, float *target)
{
    float low = (float)k->low, range = (float)(k->high - k->low);
    for (size_t i = 0; i < n; i++)
        for (int32_t j = 0; j < k->of.slices; j++, answers += k->pixels) {
            int64_t slice = slice_of(k, first + i, j);
            if ((!k->of.whole && j != k->of.slices / 2) || slice >= (int64_t)k->count)
                continue;
            for (size_t e = 0; e < k->pixels; e++)
                target[(size_t)slice * k->pixels + e] = (answers[e] - low) / range;
        }
}

/* Runs all, those of one run at a time; samples has room for these. */
static status run_stacks(const stacks *k, const float *source, float *target, float *samples)
{
    slmt_session *s = k->session;
    arrays a = {{samples}, 0};
    size_t step = (size_t)samples_of_run(s), all = stack_count(k);
    a.at[s->task.kind->inputs.n] = samples;
    for (size_t first = 0; first < all; first += step) {
        size_t n = all - first < step ? all - first : step;
        fill_stacks(k, source, first, n, samples);
        TRY(run_together(s, &a, 0, n));
        take_stacks(k, samples, first, n, target);
        size_t done = (first + n) * (k->of.whole ? (size_t)k->of.slices : 1);
        TRY(report(s, done < k->count ? done : k->count, k->count));
    }
    return OK;
}

/* Slices to slices, which may be the same memory where they are samples as they are. */
static status run_slices(const stacks *k, const float *source, float *target)
{
    mem *m = &k->session->context->mem;
    void *samples;
    if (are_plain(k)) {
        arrays a = {{(void *)(uintptr_t)source, target}, k->count};
        return run_samples(k->session, &a);
    }
    TRY(mem_array(m, (size_t)samples_of_run(k->session) * (size_t)k->of.slices * k->pixels, sizeof(float),
                  &samples));
    status s = run_stacks(k, source, target, samples);
    mem_give(m, samples);
    return s;
}

static status check_slices(const stacks *k, const float *source, const float *target)
{
    const bk_shape *in = &k->session->task.shape[0];
    size_t width = (size_t)in->dim[in->rank - 1];
    if (k->count == 0 || k->count > SIZE_MAX / k->pixels / sizeof(float))
        return fail(ERR_ARGUMENT, "slmt_synthesize: count is %zu", k->count);
    uintptr_t a = (uintptr_t)source, b = (uintptr_t)target, bytes = k->count * k->pixels * sizeof(float);
    if (a < b + bytes && b < a + bytes)
        return fail(ERR_ARGUMENT, "slmt_synthesize: source and target overlap");
    for (size_t i = 0; i < k->count * k->pixels; i++)
        if (!isfinite(source[i]))
            return fail(ERR_NONFINITE, "slmt_synthesize: source[%zu][%zu][%zu] is not finite", i / k->pixels,
                        i % k->pixels / width, i % width);
    return OK;
}

slmt_status slmt_synthesize(slmt_session *session, const float *source, size_t count, float *target)
{
    stacks k;
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(target);
    TRY(open_stacks(session, count, &k));
    TRY(check_slices(&k, source, target));
    status s = run_slices(&k, source, target);
    atomic_store(&session->cancel, 0);
    return s;
}

/* ---- volumes ---- */

static status check_image_size(const slmt_session *s)
{
    const bk_shape *in = &s->task.shape[0];
    int32_t side = s->model->preprocess.image_size;
    if (in->dim[in->rank - 1] == side && in->dim[in->rank - 2] == side)
        return OK;
    return fail(ERR_ARGUMENT,
                "slmt_synthesize_volume: the session's images are %lld x %lld, the preprocessing kept with "
                "the model makes %d x %d",
                (long long)in->dim[in->rank - 2], (long long)in->dim[in->rank - 1], side, side);
}

/* The volume's slices [count][side][side] in [0,1]. */
static status make_slices(const slmt_model *model, mem *m, const slmt_volume *source, float **slices,
                          int *count)
{
    const slmt_preprocess *p = &model->preprocess;
    const nifti_scan *scan = &source->scan;
    float *crops = NULL;
    void *to = NULL;
    TRY(preprocess_volume(m, p, scan->dims, scan->affine, scan->voxels, &crops, count));
    size_t area = (size_t)p->crop_size * (size_t)p->crop_size,
           pixels = (size_t)p->image_size * (size_t)p->image_size;
    status s = mem_array(m, (size_t)*count * pixels, sizeof(float), &to);
    for (size_t i = 0; s == OK && i < (size_t)*count; i++)
        resize_bilinear(crops + i * area, p->crop_size, p->crop_size, (float *)to + i * pixels, p->image_size,
                        p->image_size);
    mem_give(m, crops);
    *slices = to;
    return s;
}

static status restore(const slmt_model *model, const slmt_volume *source, const float *slices,
                      slmt_volume **target)
{
    mem *m = &source->context->mem;
    const nifti_scan *scan = &source->scan;
    void *voxels;
    TRY(mem_array(m, (size_t)(scan->dims[0] * scan->dims[1] * scan->dims[2]), sizeof(float), &voxels));
    status st = preprocess_restore(m, &model->preprocess, scan->dims, scan->affine, slices, voxels);
    if (st == OK)
        st = volume_like(source, voxels, target);
    if (st != OK)
        mem_give(m, voxels);
    return st;
}

/* Slices [count][side][side] become those of the target; theirs may be another array. */
static status replace_slices(const stacks *k, float **slices)
{
    mem *m = &k->session->context->mem;
    void *made;
    if (are_plain(k))
        return run_slices(k, *slices, *slices);
    TRY(mem_array(m, k->count * k->pixels, sizeof(float), &made));
    status s = run_slices(k, *slices, made);
    mem_give(m, *slices);
    *slices = made;
    return s;
}

slmt_status slmt_synthesize_volume(slmt_session *session, const slmt_volume *source, slmt_volume **target)
{
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(target);
    mem *m = &session->context->mem;
    float *slices = NULL;
    stacks k;
    int count;
    TRY(open_stacks(session, 0, &k));
    TRY(check_image_size(session));
    status s = make_slices(session->model, m, source, &slices, &count);
    k.count = (size_t)count;
    if (s == OK)
        s = replace_slices(&k, &slices);
    if (s == OK)
        s = restore(session->model, source, slices, target);
    atomic_store(&session->cancel, 0);
    mem_give(m, slices);
    return s;
}

slmt_status slmt_normalize_volume(const slmt_model *model, const slmt_volume *source,
                                  slmt_volume **normalized)
{
    REQUIRE(model);
    REQUIRE(source);
    REQUIRE(normalized);
    mem *m = &model->context->mem;
    float *slices = NULL;
    int count;
    status s = make_slices(model, m, source, &slices, &count);
    if (s == OK)
        s = restore(model, source, slices, normalized);
    mem_give(m, slices);
    return s;
}
