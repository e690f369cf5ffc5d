/* SPDX-License-Identifier: Apache-2.0 */
/* trainer_file.c - writing and reading the training part of a checkpoint. The random state is the seed and
 * the step: every random number is a function of the two. */
#include "train/trainer_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/model_file.h"
#include "io/checkpoint.h"

static int in_set(const stepper *s, int32_t k, const char *state, void **array)
{
    if (s->set_of[k] < 0 || s->place[k] == SIZE_MAX)
        return 0;
    const step_set *set = &s->set[s->set_of[k]];
    for (int32_t j = 0; j < set->optimizer->n_states; j++)
        if (strcmp(set->optimizer->states[j].name, state) == 0) {
            *array = (unsigned char *)set->state[j] + s->place[k] * bk_dtype_size(step_real(s));
            return 1;
        }
    return 0;
}

static int in_copy(const stepper *s, int32_t k, int32_t state, void **array)
{
    const step_state *from = &s->state[state];
    if (!from->byte || from->byte[k] == SIZE_MAX)
        return 0;
    *array = (unsigned char *)from->array + from->byte[k];
    return 1;
}

/* A group of a trainer's file with a tensor for some of the model's: a state of optimisers, or a copy. */
typedef struct group {
    char name[128];    /* "training/NAME" */
    const char *state; /* of optimisers; NULL: a copy */
    int32_t copy, is_nonnegative;
} group;

enum { GROUPS = TASK_STATES + TASK_SETS * OPTIMIZER_STATES };

static void add_group(group *list, int32_t *n, group fresh, const char *name)
{
    snprintf(fresh.name, sizeof fresh.name, "training/%s", name);
    for (int32_t i = 0; i < *n; i++)
        if (strcmp(list[i].name, fresh.name) == 0)
            return;
    list[(*n)++] = fresh;
}

static int32_t list_groups(const stepper *s, group list[GROUPS])
{
    const method_task *kind = s->task.kind;
    int32_t n = 0;
    for (int32_t i = 0; i < task_set_count(kind); i++) {
        const optimizer *o = s->set[i].optimizer;
        for (int32_t j = 0; o && j < o->n_states; j++)
            add_group(list, &n,
                      (group){.state = o->states[j].name, .is_nonnegative = o->states[j].is_nonnegative},
                      o->states[j].name);
    }
    for (int32_t i = 0; i < kind->n_states; i++)
        if (kind->states[i].kind == STATE_COPY)
            add_group(list, &n, (group){.copy = i}, kind->states[i].name);
    return n;
}

static int belongs(const stepper *s, const group *g, int32_t k, void **array)
{
    return g->state ? in_set(s, k, g->state, array) : in_copy(s, k, g->copy, array);
}

static const params *params_of(const stepper *s)
{
    return &s->task.model->params;
}

static checkpoint_type type_of(int32_t dtype)
{
    return dtype == BK_F64 ? CHECKPOINT_F64 : CHECKPOINT_F32;
}

/* ---- arrays as the host sees them ---- */

/* Gives room on the host for an array of a stepper; the array itself where it is the host's. */
static status window_open(const stepper *s, void *array, size_t bytes, void **host)
{
    *host = array;
    return device_is_host(s->context->dev) ? OK : mem_take(&s->context->mem, bytes, host);
}

static void window_close(const stepper *s, const void *array, void *host)
{
    if (host != array)
        mem_give(&s->context->mem, host);
}

static size_t bytes_of(const bk_shape *shape)
{
    return (size_t)bk_count(shape) * bk_dtype_size(shape->dtype);
}

/* Reads an array of the device to the host, or is it. */
static status window_read(const stepper *s, void *array, size_t bytes, void **host)
{
    TRY(window_open(s, array, bytes, host));
    status st = *host == array ? OK : device_read(s->context->dev, *host, array, bytes);
    if (st != OK)
        window_close(s, array, *host);
    return st;
}

/* ---- moments ---- */

/* What floats lose, and what the smallest of them lose: a square of 1e-18 is next to none. */
static const double moment_slack = 10, moment_least = 1e-15;

static status compare_moments(const param *p, double most, const void *first, const void *second,
                              const char *label, status code)
{
    for (size_t i = 0; i < p->count; i++) {
        double m = real_get(first, p->shape.dtype, i), v = real_get(second, p->shape.dtype, i);
        if (v >= 0 && fabs(m) <= moment_slack * most * sqrt(v) + moment_least)
            continue;
        return fail(code,
                    "%s: /training: the moments of %s are %g and %g at element %zu: no gradients make these",
                    label, p->name, m, v, i);
    }
    return OK;
}

static status check_pair(const stepper *s, const param *p, double most, void *first, void *second,
                         const char *label, status code)
{
    void *a, *b;
    size_t bytes = bytes_of(&p->shape);
    TRY(window_read(s, first, bytes, &a));
    status st = window_read(s, second, bytes, &b);
    if (st == OK) {
        st = compare_moments(p, most, a, b, label, code);
        window_close(s, second, b);
    }
    window_close(s, first, a);
    return st;
}

/* Checks that the optimisers' states can be ones: a step from others could be of any size. `code` is returned
 * where they cannot. */
static status check_moments(const stepper *s, const char *label, status code)
{
    void *first, *second;
    for (int32_t k = 0; k < params_of(s)->n; k++) {
        const step_set *set = s->set_of[k] >= 0 ? &s->set[s->set_of[k]] : NULL;
        if (!set || !set->optimizer || !set->optimizer->most)
            continue;
        const optimizer *o = set->optimizer;
        if (in_set(s, k, o->states[0].name, &first) && in_set(s, k, o->states[1].name, &second))
            TRY(check_pair(s, &params_of(s)->list[k], o->most(&set->settings), first, second, label, code));
    }
    return OK;
}

/* ---- writing ---- */

static status put_array(checkpoint_writer *w, const stepper *s, const char *group, const char *name,
                        const bk_shape *shape, void *array)
{
    void *host;
    TRY(window_read(s, array, bytes_of(shape), &host));
    status st = checkpoint_put_tensor(w, group, name, type_of(shape->dtype), shape->rank, shape->dim, host);
    window_close(s, array, host);
    return st;
}

static status put_group(checkpoint_writer *w, const stepper *s, const group *g)
{
    void *array;
    for (int32_t k = 0; k < params_of(s)->n; k++) {
        const param *p = &params_of(s)->list[k];
        if (belongs(s, g, k, &array))
            TRY(put_array(w, s, g->name, p->name, &p->shape, array));
    }
    return OK;
}

/* Writes the tensors that belong to no tensor of the model. */
static status put_tensors(checkpoint_writer *w, const stepper *s)
{
    const method_task *kind = s->task.kind;
    for (int32_t i = 0; i < kind->n_states; i++) {
        if (kind->states[i].kind != STATE_TENSOR)
            continue;
        bk_shape shape = task_state_shape(&s->task, i);
        TRY(put_array(w, s, "training/tensors", kind->states[i].name, &shape, s->state[i].array));
    }
    return OK;
}

/* Writes how often each set was updated; with one set that is the step. */
static status put_updates(checkpoint_writer *w, const stepper *s)
{
    const method_task *kind = s->task.kind;
    for (int32_t i = 0; i < kind->n_sets; i++)
        TRY(checkpoint_put_int(w, "training/updates", kind->sets[i].name, (int64_t)s->set[i].updates));
    return OK;
}

/* Writes what attached models are; they are not in the file. */
static status put_attached(checkpoint_writer *w, const stepper *s)
{
    for (int32_t i = 0; i < s->task.kind->n_states; i++)
        if (s->state[i].digest[0])
            TRY(checkpoint_put_text(w, "training/attached", s->task.kind->states[i].name,
                                    s->state[i].digest));
    return OK;
}

/* Writes what the trainer learned from, if it was a set. */
static status put_set(checkpoint_writer *w, const slmt_trainer *t)
{
    if (!t->set[0])
        return OK;
    TRY(checkpoint_put_text(w, "training", "set", t->set));
    return checkpoint_put_int(w, "training", "set_records", (int64_t)t->set_records);
}

static status put_training(checkpoint_writer *w, const slmt_trainer *t)
{
    group list[GROUPS];
    const stepper *s = &t->stepper;
    int32_t n = list_groups(s, list);
    TRY(checkpoint_put_text(w, "training", "task", s->task.kind->name));
    TRY(checkpoint_put_int(w, "training", "seed", (int64_t)t->seed));
    TRY(numbers_put(w, "training/settings", s->task.kind->settings, s->task.setting));
    TRY(checkpoint_put_int(w, "training", "step", (int64_t)s->step));
    TRY(checkpoint_put_int(w, "training", "steps_in_epoch", (int64_t)t->steps_in_epoch));
    TRY(checkpoint_put_int(w, "training", "total_steps", (int64_t)t->total_steps));
    TRY(put_set(w, t));
    TRY(put_attached(w, s));
    TRY(put_updates(w, s));
    for (int32_t i = 0; i < n; i++)
        TRY(put_group(w, s, &list[i]));
    return put_tensors(w, s);
}

uint64_t trainer_file_bytes(const slmt_trainer *t)
{
    group list[GROUPS];
    void *array;
    const stepper *s = &t->stepper;
    int32_t n = list_groups(s, list);
    uint64_t bytes = 0;
    for (int32_t k = 0; k < params_of(s)->n; k++) {
        const param *p = &params_of(s)->list[k];
        bytes += p->used || t->model->unread[k] ? bytes_of(&p->shape) : 0;
        for (int32_t i = 0; i < n; i++)
            bytes += belongs(s, &list[i], k, &array) ? bytes_of(&p->shape) : 0;
    }
    for (int32_t i = 0; i < s->task.kind->n_states; i++)
        bytes += s->task.kind->states[i].kind == STATE_TENSOR ? s->state[i].bytes : 0;
    return bytes;
}

status trainer_save_path(const slmt_trainer *t, const char *path)
{
    checkpoint_writer *w;
    TRY(check_moments(&t->stepper, path, ERR_NONFINITE));
    TRY(checkpoint_create(&t->context->mem, path, &w));
    status s = model_put(w, t->model);
    if (s == OK)
        s = put_training(w, t);
    if (s != OK) {
        checkpoint_cancel(w);
        return s;
    }
    return checkpoint_finish(w);
}

/* ---- reading ---- */

/* A file of 0.1's first days has no setting "optimizer", and moments also of tensors that the loss does not
 * depend on: zeros. */
static int is_old(const checkpoint *c)
{
    return !checkpoint_has(c, "training/settings", "optimizer");
}

static int has_tensor(const checkpoint *c, const char *group, const char *name)
{
    const checkpoint_tensor *t;
    for (size_t i = 0; (t = checkpoint_tensor_at(c, group, i)); i++)
        if (strcmp(t->name, name) == 0)
            return 1;
    return 0;
}

static int is_expected(const checkpoint *c, const stepper *s, const group *g, int32_t k)
{
    void *array;
    const param *p = &params_of(s)->list[k];
    return belongs(s, g, k, &array) ||
           (g->state && is_old(c) && param_trained(p) && has_tensor(c, g->name, p->name));
}

/* Checks that the group holds the tensors of this array and no others. */
static status check_names(const checkpoint *c, const stepper *s, const group *g)
{
    void *p;
    size_t n = 0;
    const params *all = params_of(s);
    TRY(mem_array(all->mem, (size_t)all->n, sizeof(char *), &p));
    const char **names = p;
    for (int32_t k = 0; k < all->n; k++)
        if (is_expected(c, s, g, k))
            names[n++] = all->list[k].name;
    status st = checkpoint_expect_tensors(c, g->name, n, names);
    mem_give(all->mem, p);
    return st;
}

/* Where a tensor of the file lies, and what must hold for it. */
typedef struct tensor_place {
    const char *group, *name;
    const bk_shape *shape;
    int32_t is_nonnegative;
} tensor_place;

/* Checks a mean of squares, which has no negative element. */
static status check_sign(const checkpoint *c, const tensor_place *from, const void *array)
{
    size_t n = (size_t)bk_count(from->shape);
    for (size_t i = 0; from->is_nonnegative && i < n; i++)
        if (real_get(array, from->shape->dtype, i) < 0)
            return fail(ERR_SCHEMA, "%s: /%s/%s: element %zu is negative", checkpoint_label(c), from->group,
                        from->name, i);
    return OK;
}

static status get_array(const checkpoint *c, const stepper *s, const tensor_place *from, void *array)
{
    void *host;
    const bk_shape *shape = from->shape;
    TRY(window_open(s, array, bytes_of(shape), &host));
    status st = checkpoint_read(c, from->group, from->name, type_of(shape->dtype), shape->rank, shape->dim,
                                NULL, host);
    if (st == OK)
        st = check_sign(c, from, host);
    if (st == OK && host != array)
        st = device_write(s->context->dev, array, host, bytes_of(shape));
    window_close(s, array, host);
    return st;
}

static status get_group(const checkpoint *c, const stepper *s, const group *g)
{
    void *array;
    TRY(check_names(c, s, g));
    for (int32_t k = 0; k < params_of(s)->n; k++) {
        const param *p = &params_of(s)->list[k];
        if (!belongs(s, g, k, &array))
            continue;
        TRY(get_array(c, s, &(tensor_place){g->name, p->name, &p->shape, g->is_nonnegative}, array));
    }
    return OK;
}

/* A group that another optimiser or another task of the method would have is not there. */
static status expect_none(const checkpoint *c, const group *list, int32_t n, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "training/%s", name);
    for (int32_t i = 0; i < n; i++)
        if (strcmp(list[i].name, path) == 0)
            return OK;
    return checkpoint_expect_tensors(c, path, 0, NULL);
}

static status check_others(const checkpoint *c, const stepper *s, const group *list, int32_t n)
{
    const method *m = s->task.model->method;
    for (int32_t i = 0; optimizer_at(i); i++)
        for (int32_t j = 0; j < optimizer_at(i)->n_states; j++)
            TRY(expect_none(c, list, n, optimizer_at(i)->states[j].name));
    for (int32_t i = 0; i < m->n_tasks; i++)
        for (int32_t j = 0; j < m->tasks[i].n_states; j++)
            if (m->tasks[i].states[j].kind == STATE_COPY)
                TRY(expect_none(c, list, n, m->tasks[i].states[j].name));
    return OK;
}

static status get_tensors(const checkpoint *c, const stepper *s)
{
    const method_task *kind = s->task.kind;
    const char *names[TASK_STATES];
    size_t n = 0;
    for (int32_t i = 0; i < kind->n_states; i++)
        if (kind->states[i].kind == STATE_TENSOR)
            names[n++] = kind->states[i].name;
    TRY(checkpoint_expect_tensors(c, "training/tensors", n, names));
    for (int32_t i = 0; i < kind->n_states; i++) {
        if (kind->states[i].kind != STATE_TENSOR)
            continue;
        bk_shape shape = task_state_shape(&s->task, i);
        TRY(get_array(c, s, &(tensor_place){"training/tensors", kind->states[i].name, &shape, 0},
                      s->state[i].array));
    }
    return OK;
}

#define COUNT_MAX ((int64_t)1 << 53) /* exact as a real number too */

static status get_count(const checkpoint *c, const char *group, const char *name, uint64_t *count)
{
    int64_t value;
    TRY(checkpoint_int(c, group, name, &value));
    if (value < 0 || value > COUNT_MAX)
        return fail(ERR_SCHEMA, "%s: /%s %s is %lld", checkpoint_label(c), group, name, (long long)value);
    *count = (uint64_t)value;
    return OK;
}

static status get_updates(const checkpoint *c, stepper *s)
{
    const method_task *kind = s->task.kind;
    int has = checkpoint_has(c, "training/updates", NULL); /* a task of one set had none */
    for (int32_t i = 0; i < task_set_count(kind); i++)
        s->set[i].updates = s->set[i].optimizer ? s->step : 0;
    for (int32_t i = 0; has && i < kind->n_sets; i++)
        TRY(get_count(c, "training/updates", kind->sets[i].name, &s->set[i].updates));
    return OK;
}

static status get_digest(const checkpoint *c, const char *group, const char *name, char to[DIGEST_HEX])
{
    const char *digest;
    TRY(checkpoint_text(c, group, name, &digest));
    if (strlen(digest) != DIGEST_HEX - 1)
        return fail(ERR_SCHEMA, "%s: attribute %s of /%s has %zu characters, expected %d",
                    checkpoint_label(c), name, group, strlen(digest), DIGEST_HEX - 1);
    memcpy(to, digest, DIGEST_HEX);
    return OK;
}

/* Reads what attached models have to be; a trainer saved before any was attached does not say. */
static status get_attached(const checkpoint *c, stepper *s)
{
    for (int32_t i = 0; i < s->task.kind->n_states; i++) {
        const char *name = s->task.kind->states[i].name;
        if (s->task.kind->states[i].kind != STATE_MODEL || !checkpoint_has(c, "training/attached", name))
            continue;
        TRY(get_digest(c, "training/attached", name, s->state[i].digest));
        s->state[i].is_kept = 1;
    }
    return OK;
}

/* Reads what the trainer learned from; older files do not say. */
static status get_set(const checkpoint *c, slmt_trainer *t)
{
    if (!checkpoint_has(c, "training", "set"))
        return OK;
    TRY(get_digest(c, "training", "set", t->set));
    return get_count(c, "training", "set_records", &t->set_records);
}

static status get_training(const checkpoint *c, slmt_trainer *t)
{
    group list[GROUPS];
    stepper *s = &t->stepper;
    int32_t n = list_groups(s, list);
    TRY(get_count(c, "training", "step", &s->step));
    TRY(get_count(c, "training", "steps_in_epoch", &t->steps_in_epoch));
    TRY(get_count(c, "training", "total_steps", &t->total_steps));
    TRY(get_set(c, t));
    TRY(get_attached(c, s));
    TRY(get_updates(c, s));
    for (int32_t i = 0; i < n; i++)
        TRY(get_group(c, s, &list[i]));
    TRY(check_moments(s, checkpoint_label(c), ERR_SCHEMA));
    TRY(check_others(c, s, list, n));
    return get_tensors(c, s);
}

/* Settings that old files do not have yet have their initial values; those were their only ones. */
static status get_settings(const checkpoint *c, number_table t, double *setting)
{
    numbers_init(t, setting);
    for (int32_t i = 0; i < t.n; i++) {
        const number_table one = {t.rows + i, 1};
        int is_new = i >= TRAIN_OPTIMIZER && i < TRAIN_SETTINGS && is_old(c);
        if ((is_new || t.rows[i].is_later) && !checkpoint_has(c, "training/settings", t.rows[i].name))
            continue;
        TRY(numbers_get(c, "training/settings", one, setting + number_place(t, i)));
    }
    return OK;
}

static status get_task(const checkpoint *c, slmt_model *model, task *t)
{
    const char *name;
    const method_task *kind;
    double setting[METHOD_NUMBERS];
    TRY(checkpoint_text(c, "training", "task", &name));
    status s = task_find(model, name, 1, &kind);
    if (s == OK) {
        TRY(get_settings(c, kind->settings, setting));
        s = task_init(t, model, kind, setting);
    }
    if (s == OK || s == ERR_MEMORY || s == ERR_LIMIT) /* memory says nothing about the file */
        return s;
    return fail_prefix(ERR_SCHEMA, checkpoint_label(c));
}

static status get_trainer(const checkpoint *c, slmt_context *context, slmt_model *model, slmt_trainer **out)
{
    task task;
    int64_t seed;
    slmt_trainer *t;
    dry_run y = {.mem = &context->mem};
    TRY(get_task(c, model, &task));
    TRY(checkpoint_int(c, "training", "seed", &seed));
    TRY(trainer_open(context, &task, (uint64_t)seed, &y, &t));
    status s = get_training(c, t);
    if (s != OK) {
        trainer_release(t);
        return s;
    }
    *out = t;
    return OK;
}

static status load(const checkpoint *c, slmt_context *context, slmt_trainer **out)
{
    slmt_model *model;
    if (!checkpoint_has(c, "training", NULL))
        return fail(ERR_STATE, "%s: holds a model and no training state", checkpoint_label(c));
    TRY(model_get(c, context, &model));
    status s = get_trainer(c, context, model, out);
    model_release(model);
    return s;
}

status trainer_load_path(slmt_context *context, const char *path, slmt_trainer **out)
{
    checkpoint *c;
    TRY(checkpoint_open(&context->mem, path, &c));
    status s = load(c, context, out);
    checkpoint_close(c);
    return s;
}

static status peek(const checkpoint *c, slmt_checkpoint_info *info)
{
    const char *method, *task;
    if (!checkpoint_has(c, "training", NULL))
        return OK;
    TRY(checkpoint_text(c, "model", "method", &method));
    TRY(checkpoint_text(c, "training", "task", &task));
    const struct method *m = method_named(method);
    const method_task *kind = m ? task_named(m, task) : NULL;
    if (!kind)
        return fail(ERR_SCHEMA, "%s: this library has no task %s of %s", checkpoint_label(c), task, method);
    info->task = kind->name;
    TRY(get_count(c, "training", "step", &info->step));
    TRY(get_count(c, "training", "steps_in_epoch", &info->steps_in_epoch));
    return get_count(c, "training", "total_steps", &info->total_steps);
}

status trainer_peek_path(slmt_context *context, const char *path, slmt_checkpoint_info *info)
{
    checkpoint *c;
    *info = (slmt_checkpoint_info){.struct_size = sizeof *info, .task = ""};
    TRY(checkpoint_open(&context->mem, path, &c));
    status s = peek(c, info);
    checkpoint_close(c);
    return s;
}
