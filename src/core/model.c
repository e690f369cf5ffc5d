/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - models: their life, their weights by tensor, their preprocessing. */
#include "core/model.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/geometry.h"
#include "core/handles.h"
#include "core/preprocess_rules.h"
#include "lib/half.h"

/* ---- life ---- */

static status fill_model(slmt_model *m, int32_t weights)
{
    bk_dtype real = m->context->config.precision == SLMT_FLOAT64 ? BK_F64 : BK_F32, matrix = real;
    if (weights == SLMT_WEIGHTS_BFLOAT16 || weights == SLMT_WEIGHTS_FLOAT16)
        matrix = weights == SLMT_WEIGHTS_FLOAT16 ? BK_F16 : BK_BF16;
    params_init(&m->params, &m->context->mem, real, matrix);
    m->method->tensors(&m->params, m->option);
    TRY(m->params.error);
    void *p;
    TRY(model_take_weights(m));
    TRY(mem_zeros(&m->context->mem, (size_t)m->params.n, sizeof(float *), &p));
    m->unread = p;
    preprocess_defaults(&m->preprocess);
    if (model_image_side(m))
        m->preprocess.image_size = model_image_side(m);
    return OK;
}

status model_make(slmt_context *context, const method *method, const double *option, int32_t stored,
                  slmt_model **out)
{
    void *p;
    TRY(method_check(method, option));
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_model), &p));
    slmt_model *m = p;
    m->word = HANDLE_MODEL;
    atomic_init(&m->owners, 1);
    atomic_init(&m->version, 1);
    m->context = context_retain(context);
    m->method = method;
    memcpy(m->option, option, (size_t)numbers_count(method->options) * sizeof *option);
    int32_t weights = context->config.weights;
    status s = fill_model(m, weights == SLMT_WEIGHTS_STORED ? stored : weights);
    if (s != OK) {
        model_release(m);
        return s;
    }
    *out = m;
    return OK;
}

status model_fresh(slmt_context *context, const method *method, const double *option, uint64_t seed,
                   slmt_model **model)
{
    slmt_model *m;
    TRY(model_make(context, method, option, SLMT_WEIGHTS_FULL, &m));
    params_fill(&m->params, seed, m->weights);
    *model = m;
    return OK;
}

slmt_model *model_retain(slmt_model *model)
{
    if (model)
        atomic_fetch_add(&model->owners, 1);
    return model;
}

void model_release(slmt_model *m)
{
    if (!m || atomic_fetch_sub(&m->owners, 1) != 1)
        return;
    slmt_context *context = m->context;
    mem *memory = &context->mem;
    for (int32_t k = 0; m->unread && k < m->params.n; k++)
        mem_give(memory, m->unread[k]);
    card_clear(m);
    contrasts_clear(m);
    mem_give(memory, m->unread);
    model_give_weights(m);
    if (m->params.mem)
        params_clear(&m->params);
    handle_end(m);
    mem_give(memory, m);
    context_release(context);
}

/* ---- preprocessing ---- */

int32_t model_image_side(const slmt_model *model)
{
    int32_t k = number_with_role(model->method->options, SLMT_ROLE_SIDE);
    return k < 0 ? 0 : (int32_t)model->option[k];
}

status model_check_preprocess(const slmt_model *model, const slmt_preprocess *p)
{
    TRY(preprocess_check(p));
    if (model_image_side(model) && p->image_size != model_image_side(model))
        return fail(ERR_ARGUMENT, "image_size of the slices is %d, that of the model's images %d",
                    p->image_size, model_image_side(model));
    return OK;
}

status model_take_preprocess(slmt_model *model, const slmt_preprocess *p)
{
    TRY(model_check_preprocess(model, p));
    model->preprocess = *p;
    return OK;
}

status model_take_geometry(slmt_model *model, const slmt_geometry *g)
{
    slmt_geometry copy = {.struct_size = sizeof copy};
    if (g->volumes > 0) {
        copy = *g;
        copy.struct_size = sizeof copy;
        const double *least = geometry_numbers(geometry_least(&copy)),
                     *most = geometry_numbers(geometry_most(&copy));
        int ok = geometry_ok(geometry_least(&copy)) && geometry_ok(geometry_most(&copy));
        for (int i = 0; i < GEOMETRY_NUMBERS; i++)
            ok &= least[i] <= most[i];
        if (!ok)
            return fail(ERR_ARGUMENT,
                        "slmt_geometry: a number is not finite, a size is not above 0, or a range "
                        "ends before it begins");
    }
    model->geometry = copy;
    return OK;
}

status model_require_slmt_net(const slmt_model *model, const char *call)
{
    if (strcmp(model->method->name, "slmt-net") == 0)
        return OK;
    return fail(ERR_STATE, "%s: is for models of slmt-net, and this one is of %s", call, model->method->name);
}

/* ---- tensors ---- */

void *model_tensor(const slmt_model *m, int32_t k)
{
    return (unsigned char *)m->weights + m->params.list[k].byte;
}

static status find_tensor(const slmt_model *model, const char *name, size_t count, int32_t *k)
{
    *k = params_find(&model->params, name);
    if (*k < 0)
        return fail(ERR_NOT_FOUND, "the model has no tensor %s", name);
    size_t have = model->params.list[*k].count;
    if (have != count)
        return fail(ERR_ARGUMENT, "tensor %s has %zu elements, %zu were given", name, have, count);
    return OK;
}

status model_read_tensor(const slmt_model *model, const char *name, float *values, size_t count)
{
    int32_t k;
    TRY(find_tensor(model, name, count, &k));
    if (model->params.list[k].used) {
        TRY(model_pull(model));
        for (size_t i = 0; i < count; i++)
            values[i] = (float)real_get(model_tensor(model, k), tensor_type(&model->params.list[k]), i);
        return OK;
    }
    if (!model->unread[k])
        return fail(ERR_NOT_FOUND, "tensor %s is not read by the network and this model does not store it",
                    name);
    memcpy(values, model->unread[k], count * sizeof(float));
    return OK;
}

static status check_finite(const char *name, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return fail(ERR_NONFINITE, "%s: element %zu is not finite", name, i);
    return OK;
}

status model_check_narrow(const param *p, const float *values)
{
    if (!bk_is_half(p->shape.dtype))
        return OK;
    size_t i = half_overflow(tensor_type(p), values, p->count);
    if (i == p->count)
        return OK;
    return fail(ERR_ARGUMENT,
                "%s: element %zu is %g, too large for %s; store the weights in full or as another "
                "type",
                p->name, i, (double)values[i], half_name(tensor_type(p)));
}

status model_write_tensor(slmt_model *model, const char *name, const float *values, size_t count)
{
    int32_t k;
    TRY(find_tensor(model, name, count, &k));
    TRY(check_finite(name, values, count));
    const param *p = &model->params.list[k];
    if (p->used) {
        TRY(model_check_narrow(p, values));
        TRY(model_pull(model));
        model_host_wrote(model);
        for (size_t i = 0; i < count; i++)
            real_set(model_tensor(model, k), tensor_type(p), i, values[i]);
        return OK;
    }
    if (!model->unread[k]) {
        void *room;
        TRY(mem_array(&model->context->mem, count, sizeof(float), &room));
        model->unread[k] = room;
    }
    memcpy(model->unread[k], values, count * sizeof(float));
    return OK;
}
