/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - models: options, weights by name, preprocessing and card. Files are in io/model_file.c. */
#include "core/model.h"

#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/model_file.h"
#include "core/structs.h"
#include "data/preprocess.h"
#include "lib/half.h"
#include "methods/slmt_net/slmt_net.h"

enum { CARD_KEY_MAX = 64, CARD_TEXT_MAX = 65535 };

slmt_status slmt_model_options_init(slmt_model_options *options, int32_t preset)
{
    REQUIRE(options);
    return slmt_net_preset(options, preset);
}

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
    TRY(mem_zeros(&m->context->mem, m->params.bytes, 1, &m->weights));
    TRY(mem_zeros(&m->context->mem, (size_t)m->params.n, sizeof(float *), &p));
    m->unread = p;
    slmt_preprocess_init(&m->preprocess);
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
    atomic_init(&m->owners, 1);
    atomic_init(&m->version, 1);
    m->context = context_retain(context);
    m->method = method;
    memcpy(m->option, option, (size_t)method->options.n * sizeof *option);
    int32_t weights = context->config.weights;
    status s = fill_model(m, weights == SLMT_WEIGHTS_STORED ? stored : weights);
    if (s != OK) {
        slmt_model_free(m);
        return s;
    }
    *out = m;
    return OK;
}

static status make_fresh(slmt_context *context, const method *method, const double *option, uint64_t seed,
                         slmt_model **model)
{
    slmt_model *m;
    TRY(model_make(context, method, option, SLMT_WEIGHTS_FULL, &m));
    params_fill(&m->params, seed, m->weights);
    *model = m;
    return OK;
}

slmt_status slmt_model_create(slmt_context *context, const slmt_model_options *options, uint64_t seed,
                              slmt_model **model)
{
    slmt_model_options o;
    double option[METHOD_NUMBERS];
    REQUIRE(context);
    REQUIRE(model);
    TRY(slmt_net_preset(&o, SLMT_PRESET_BASE));
    if (options)
        TRY(struct_read(&o, sizeof o, options, "slmt_model_options"));
    slmt_net_numbers(&o, option);
    return make_fresh(context, &method_slmt_net, option, seed, model);
}

slmt_status slmt_model_create_method(slmt_context *context, const char *method, const slmt_number *options,
                                     size_t count, uint64_t seed, slmt_model **model)
{
    double option[METHOD_NUMBERS];
    REQUIRE(context);
    REQUIRE(method);
    REQUIRE(model);
    if (count > 0)
        REQUIRE(options);
    const struct method *m = method_named(method);
    if (!m)
        return fail(ERR_NOT_FOUND, "there is no method %s", method);
    numbers_init(m->options, option);
    TRY(numbers_set(m->options, "option", options, count, option));
    return make_fresh(context, m, option, seed, model);
}

int32_t model_image_side(const slmt_model *model)
{
    int32_t k = number_index(model->method->options, "image_size");
    return k < 0 ? 0 : (int32_t)model->option[k];
}

status model_require_slmt_net(const slmt_model *model, const char *call)
{
    if (model->method == &method_slmt_net)
        return OK;
    return fail(ERR_STATE, "%s: is for models of slmt-net, and this one is of %s", call, model->method->name);
}

slmt_model *slmt_model_retain(slmt_model *model)
{
    if (model)
        atomic_fetch_add(&model->owners, 1);
    return model;
}

void slmt_model_free(slmt_model *m)
{
    if (!m || atomic_fetch_sub(&m->owners, 1) != 1)
        return;
    slmt_context *context = m->context;
    mem *memory = &context->mem;
    for (int32_t k = 0; m->unread && k < m->params.n; k++)
        mem_give(memory, m->unread[k]);
    for (size_t i = 0; i < m->n_card; i++) {
        mem_give(memory, m->card[i].key);
        mem_give(memory, m->card[i].text);
    }
    mem_give(memory, m->card);
    mem_give(memory, m->unread);
    mem_give(memory, m->weights);
    if (m->params.mem)
        params_clear(&m->params);
    mem_give(memory, m);
    context_release(context);
}

/* ---- files ---- */

slmt_status slmt_model_load(slmt_context *context, const char *path, slmt_model **model)
{
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(model);
    return model_load_path(context, path, model);
}

slmt_status slmt_model_load_memory(slmt_context *context, const void *data, size_t size, slmt_model **model)
{
    REQUIRE(context);
    REQUIRE(data);
    REQUIRE(model);
    return model_load_bytes(context, data, size, model);
}

static status read_all(mem *m, slmt_read_fn read, void *user, void **data, size_t *size)
{
    size_t capacity = 0;
    for (*size = 0;;) {
        if (*size == capacity) {
            capacity = capacity ? capacity * 2 : (size_t)1 << 20;
            TRY(mem_resize(m, data, capacity, 1));
        }
        int64_t n = read(user, (unsigned char *)*data + *size, capacity - *size);
        if (n < 0 || (uint64_t)n > capacity - *size)
            return fail(ERR_IO, "the read callback returned %lld for at most %zu bytes", (long long)n,
                        capacity - *size);
        if (n == 0)
            return OK;
        *size += (size_t)n;
    }
}

slmt_status slmt_model_load_callback(slmt_context *context, slmt_read_fn read, void *user, slmt_model **model)
{
    REQUIRE(context);
    REQUIRE(read);
    REQUIRE(model);
    void *data = NULL;
    size_t size = 0;
    status s = read_all(&context->mem, read, user, &data, &size);
    if (s == OK)
        s = model_load_bytes(context, data, size, model);
    mem_give(&context->mem, data);
    return s;
}

slmt_status slmt_model_save(const slmt_model *model, const char *path)
{
    REQUIRE(model);
    REQUIRE(path);
    return model_save_path(model, path);
}

/* ---- options and preprocessing ---- */

slmt_status slmt_model_get_options(const slmt_model *model, slmt_model_options *options)
{
    REQUIRE(model);
    REQUIRE(options);
    TRY(model_require_slmt_net(model, __func__));
    const slmt_net net = slmt_net_of(model->option);
    return struct_write(options, &net.options, sizeof *options, "slmt_model_options");
}

const char *slmt_model_method(const slmt_model *model)
{
    return model ? model->method->name : "";
}

slmt_status slmt_model_option(const slmt_model *model, const char *name, double *value)
{
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(value);
    int32_t k = number_index(model->method->options, name);
    if (k < 0)
        return fail(ERR_NOT_FOUND, "method %s has no option %s", model->method->name, name);
    *value = model->option[k];
    return OK;
}

slmt_status slmt_model_get_preprocess(const slmt_model *model, slmt_preprocess *preprocess)
{
    REQUIRE(model);
    REQUIRE(preprocess);
    return struct_write(preprocess, &model->preprocess, sizeof *preprocess, "slmt_preprocess");
}

slmt_status slmt_model_set_preprocess(slmt_model *model, const slmt_preprocess *preprocess)
{
    slmt_preprocess p;
    REQUIRE(model);
    REQUIRE(preprocess);
    slmt_preprocess_init(&p);
    TRY(struct_read(&p, sizeof p, preprocess, "slmt_preprocess"));
    TRY(preprocess_check(&p));
    if (model_image_side(model) && p.image_size != model_image_side(model))
        return fail(ERR_ARGUMENT, "slmt_preprocess.image_size is %d, the model's images are %d", p.image_size,
                    model_image_side(model));
    model->preprocess = p;
    return OK;
}

/* ---- tensors ---- */

void *model_tensor(const slmt_model *m, int32_t k)
{
    return (unsigned char *)m->weights + m->params.list[k].byte;
}

size_t slmt_model_tensor_count(const slmt_model *model)
{
    return model ? (size_t)model->params.n : 0;
}

slmt_status slmt_model_tensor_info(const slmt_model *model, size_t index, slmt_tensor_info *info)
{
    REQUIRE(model);
    REQUIRE(info);
    if (index >= (size_t)model->params.n)
        return fail(ERR_ARGUMENT, "tensor %zu of %d", index, model->params.n);
    const param *p = &model->params.list[index];
    slmt_tensor_info known = {
        .struct_size = sizeof known, .rank = p->shape.rank, .name = p->name, .used = p->used};
    if (bk_is_half(p->shape.dtype))
        known.weights = p->shape.dtype == BK_F16 ? SLMT_WEIGHTS_FLOAT16 : SLMT_WEIGHTS_BFLOAT16;
    for (int32_t i = 0; i < p->shape.rank; i++)
        known.dim[i] = p->shape.dim[i];
    return struct_write(info, &known, sizeof known, "slmt_tensor_info");
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

slmt_status slmt_model_get_tensor(const slmt_model *model, const char *name, float *values, size_t count)
{
    int32_t k;
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(values);
    TRY(find_tensor(model, name, count, &k));
    if (model->params.list[k].used) {
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

slmt_status slmt_model_set_tensor(slmt_model *model, const char *name, const float *values, size_t count)
{
    int32_t k;
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(values);
    TRY(find_tensor(model, name, count, &k));
    TRY(check_finite(name, values, count));
    const param *p = &model->params.list[k];
    if (p->used) {
        TRY(model_check_narrow(p, values));
        atomic_fetch_add(&model->version, 1);
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

/* ---- card ---- */

static int32_t card_find(const slmt_model *model, const char *key)
{
    for (size_t i = 0; i < model->n_card; i++)
        if (strcmp(model->card[i].key, key) == 0)
            return (int32_t)i;
    return -1;
}

const char *slmt_model_card(const slmt_model *model, const char *key)
{
    int32_t i = model && key ? card_find(model, key) : -1;
    return i < 0 ? "" : model->card[i].text;
}

static status check_card(const char *key, const char *text)
{
    size_t n = strlen(key);
    if (n < 1 || n > CARD_KEY_MAX)
        return fail(ERR_ARGUMENT, "a card key has 1 to %d characters, not %zu", CARD_KEY_MAX, n);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)key[i]) && key[i] != '_')
            return fail(ERR_ARGUMENT, "card key '%s': only letters, digits and underscores", key);
    if (text && strlen(text) > CARD_TEXT_MAX)
        return fail(ERR_ARGUMENT, "card field %s has %zu bytes, at most %d fit", key, strlen(text),
                    CARD_TEXT_MAX);
    return OK;
}

static void card_remove(slmt_model *model, int32_t i)
{
    mem_give(&model->context->mem, model->card[i].key);
    mem_give(&model->context->mem, model->card[i].text);
    memmove(&model->card[i], &model->card[i + 1], (model->n_card - (size_t)i - 1) * sizeof *model->card);
    model->n_card--;
}

/* Makes room and both copies first, so that a failure changes nothing. */
static status card_insert(slmt_model *model, const char *key, const char *text)
{
    mem *m = &model->context->mem;
    void *list = model->card;
    char *k = NULL, *t = NULL;
    status s = mem_resize(m, &list, model->n_card + 1, sizeof *model->card);
    model->card = list;
    if (s == OK)
        s = mem_text(m, key, &k);
    if (s == OK)
        s = mem_text(m, text, &t);
    if (s != OK) {
        mem_give(m, k);
        return s;
    }
    int32_t old = card_find(model, key);
    if (old >= 0)
        card_remove(model, old);
    size_t place = 0;
    while (place < model->n_card && strcmp(model->card[place].key, key) < 0)
        place++;
    memmove(&model->card[place + 1], &model->card[place], (model->n_card - place) * sizeof *model->card);
    model->card[place] = (card_field){k, t};
    model->n_card++;
    return OK;
}

slmt_status slmt_model_set_card(slmt_model *model, const char *key, const char *text)
{
    REQUIRE(model);
    REQUIRE(key);
    TRY(check_card(key, text));
    if (text && *text)
        return card_insert(model, key, text);
    int32_t i = card_find(model, key);
    if (i >= 0)
        card_remove(model, i);
    return OK;
}
