/* SPDX-License-Identifier: Apache-2.0 */
/* trainer_file.c - writing and reading the training part of a checkpoint. The random state is the seed and
 * the step: every random number is a function of the two. */
#include "train/trainer_file.h"

#include "core/model_file.h"
#include "io/checkpoint.h"

/* One flat array of the stepper, tensor by tensor. */
typedef struct flat {
    const char *group;
    void *array;
    size_t reals; /* tensors that begin below are in it */
    int all;      /* 1: fixed tensors too */
} flat;

enum { N_FLAT = 3 };

static void list_arrays(const slmt_trainer *t, flat list[N_FLAT])
{
    const stepper *s = &t->stepper;
    list[0] = (flat){"training/moment1", s->moment1, s->trained, 0};
    list[1] = (flat){"training/moment2", s->moment2, s->trained, 0};
    list[2] = (flat){"training/frozen", s->frozen, s->frozen_reals, 1}; /* fine-tuning only: else 0 reals */
}

static int belongs(const flat *f, const param *p)
{
    return p->used && p->offset < f->reals && (f->all || param_trained(p));
}

static void *tensor_in(const flat *f, const param *p)
{
    return (unsigned char *)f->array + p->offset * bk_dtype_size(p->shape.dtype);
}

static checkpoint_type type_of(const param *p)
{
    return p->shape.dtype == BK_F64 ? CHECKPOINT_F64 : CHECKPOINT_F32;
}

/* ---- writing ---- */

static status put_flat(checkpoint_writer *w, const params *all, const flat *f)
{
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        if (belongs(f, p))
            TRY(checkpoint_put_tensor(w, f->group, p->name, type_of(p), p->shape.rank, p->shape.dim,
                                      tensor_in(f, p)));
    }
    return OK;
}

static status put_training(checkpoint_writer *w, const slmt_trainer *t)
{
    flat list[N_FLAT];
    list_arrays(t, list);
    const task *task = &t->stepper.task;
    TRY(checkpoint_put_text(w, "training", "task", task->kind->name));
    TRY(checkpoint_put_int(w, "training", "seed", (int64_t)t->seed));
    TRY(numbers_put(w, "training/settings", task->kind->settings, task->setting));
    TRY(checkpoint_put_int(w, "training", "step", (int64_t)t->stepper.step));
    TRY(checkpoint_put_int(w, "training", "steps_in_epoch", (int64_t)t->steps_in_epoch));
    TRY(checkpoint_put_int(w, "training", "total_steps", (int64_t)t->total_steps));
    for (int i = 0; i < N_FLAT; i++)
        TRY(put_flat(w, &t->model->params, &list[i]));
    return OK;
}

status trainer_save_path(const slmt_trainer *t, const char *path)
{
    checkpoint_writer *w;
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

/* The group holds the tensors of this array and no others. */
static status check_names(const checkpoint *c, const params *all, const flat *f)
{
    void *p;
    size_t n = 0;
    TRY(mem_array(all->mem, (size_t)all->n, sizeof(char *), &p));
    const char **names = p;
    for (int32_t k = 0; k < all->n; k++)
        if (belongs(f, &all->list[k]))
            names[n++] = all->list[k].name;
    status s = checkpoint_expect_tensors(c, f->group, n, names);
    mem_give(all->mem, p);
    return s;
}

static status get_flat(const checkpoint *c, const params *all, const flat *f)
{
    TRY(check_names(c, all, f));
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        if (belongs(f, p))
            TRY(checkpoint_read(c, f->group, p->name, type_of(p), p->shape.rank, p->shape.dim, NULL,
                                tensor_in(f, p)));
    }
    return OK;
}

/* A mean of squares. */
static status check_second_moments(const checkpoint *c, const params *all, const flat *f)
{
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        for (size_t i = 0; belongs(f, p) && i < p->count; i++)
            if (real_get(tensor_in(f, p), p->shape.dtype, i) < 0)
                return fail(ERR_SCHEMA, "%s: /%s/%s: element %zu is negative", checkpoint_label(c), f->group,
                            p->name, i);
    }
    return OK;
}

#define COUNT_MAX ((int64_t)1 << 53) /* exact as a real number too */

static status get_count(const checkpoint *c, const char *name, uint64_t *count)
{
    int64_t value;
    TRY(checkpoint_int(c, "training", name, &value));
    if (value < 0 || value > COUNT_MAX)
        return fail(ERR_SCHEMA, "%s: /training %s is %lld", checkpoint_label(c), name, (long long)value);
    *count = (uint64_t)value;
    return OK;
}

static status get_training(const checkpoint *c, slmt_trainer *t)
{
    flat list[N_FLAT];
    list_arrays(t, list);
    TRY(get_count(c, "step", &t->stepper.step));
    TRY(get_count(c, "steps_in_epoch", &t->steps_in_epoch));
    TRY(get_count(c, "total_steps", &t->total_steps));
    for (int i = 0; i < N_FLAT; i++)
        TRY(get_flat(c, &t->model->params, &list[i]));
    return check_second_moments(c, &t->model->params, &list[1]);
}

static status get_task(const checkpoint *c, slmt_model *model, task *t)
{
    const char *name;
    const method_task *kind;
    double setting[METHOD_NUMBERS];
    TRY(checkpoint_text(c, "training", "task", &name));
    status s = task_find(model, name, 1, &kind);
    if (s == OK) {
        TRY(numbers_get(c, "training/settings", kind->settings, setting));
        s = task_init(t, model, kind, setting);
    }
    return s == OK ? OK : fail_prefix(ERR_SCHEMA, checkpoint_label(c));
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
        slmt_trainer_free(t);
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
    slmt_model_free(model);
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
