/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - entry points of slmt/model.h that serve every method; slmt_net.c has those of SLMT-Net. */
#include "core/model.h"

#include "core/model_file.h"
#include "core/open_sets.h"
#include "core/preprocess_rules.h"
#include "core/structs.h"
#include "io/checkpoint_seal.h"

/* ---- life ---- */

slmt_status slmt_model_create(slmt_context *context, const char *method, const slmt_number *options,
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
    TRY(method_options(m, options, count, option));
    return model_fresh(context, m, option, seed, model);
}

slmt_model *slmt_model_retain(slmt_model *model)
{
    return model_retain(model);
}

void slmt_model_free(slmt_model *model)
{
    if (model && HANDLE_IS(model))
        model_release(model);
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
        TRY(seal_check_start(*data, *size, "the callback's bytes"));
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
    TRY(open_sets_check(model->context, path));
    return model_save_path(model, path);
}

/* ---- options and preprocessing ---- */

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

const char *slmt_model_option_text(const slmt_model *model, const char *name)
{
    return model && name ? number_text(model->method->options, model->option, name) : NULL;
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
    preprocess_defaults(&p);
    TRY(struct_read(&p, sizeof p, preprocess, "slmt_preprocess"));
    return model_take_preprocess(model, &p);
}

slmt_status slmt_model_get_geometry(const slmt_model *model, slmt_geometry *geometry)
{
    REQUIRE(model);
    REQUIRE(geometry);
    return struct_write(geometry, &model->geometry, sizeof *geometry, "slmt_geometry");
}

slmt_status slmt_model_set_geometry(slmt_model *model, const slmt_geometry *geometry)
{
    slmt_geometry g = {.struct_size = sizeof g};
    REQUIRE(model);
    if (geometry)
        TRY(struct_read(&g, sizeof g, geometry, "slmt_geometry"));
    return model_take_geometry(model, &g);
}

void slmt_preprocess_init(slmt_preprocess *preprocess)
{
    if (preprocess)
        preprocess_defaults(preprocess);
}

/* ---- tensors ---- */

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

slmt_status slmt_model_get_tensor(const slmt_model *model, const char *name, float *values, size_t count)
{
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(values);
    return model_read_tensor(model, name, values, count);
}

slmt_status slmt_model_set_tensor(slmt_model *model, const char *name, const float *values, size_t count)
{
    REQUIRE(model);
    REQUIRE(name);
    REQUIRE(values);
    return model_write_tensor(model, name, values, count);
}

/* ---- card ---- */

const char *slmt_model_card(const slmt_model *model, const char *key)
{
    return model && key ? card_text(model, key) : "";
}

const char *slmt_model_card_key(const slmt_model *model, size_t index)
{
    return model && index < model->n_card ? model->card[index].key : "";
}

slmt_status slmt_model_set_card(slmt_model *model, const char *key, const char *text)
{
    REQUIRE(model);
    REQUIRE(key);
    return card_set(model, key, text);
}

/* ---- contrasts ---- */

size_t slmt_model_contrast_count(const slmt_model *model)
{
    return model ? model->n_contrasts : 0;
}

const char *slmt_model_contrast(const slmt_model *model, size_t index)
{
    return model && index < model->n_contrasts ? model->contrasts[index] : "";
}

slmt_status slmt_model_set_contrasts(slmt_model *model, const char *const *names, size_t count)
{
    REQUIRE(model);
    if (count > 0)
        REQUIRE(names);
    return contrasts_set(model, names, count);
}
