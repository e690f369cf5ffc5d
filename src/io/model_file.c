/* SPDX-License-Identifier: Apache-2.0 */
/* model_file.c - writing and reading the model part of a checkpoint. */
#include "io/model_file.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "data/preprocess.h"
#include "slmt/version.h"

/* Changes when the same weights would give other numbers. */
enum { NUMERICS_VERSION = 1 };

static const char METHOD[] = "slmt-net";

#define INT32(type, name)                                                                                    \
    {                                                                                                        \
#name, offsetof(type, name), FIELD_INT32                                                             \
    }
#define REAL(type, name)                                                                                     \
    {                                                                                                        \
#name, offsetof(type, name), FIELD_REAL                                                              \
    }

static const field option_fields[] = {
    INT32(slmt_model_options, image_size),
    INT32(slmt_model_options, mae_patch),
    INT32(slmt_model_options, patch),
    INT32(slmt_model_options, embed_dim),
    INT32(slmt_model_options, depth),
    INT32(slmt_model_options, num_heads),
    INT32(slmt_model_options, mlp_ratio),
    INT32(slmt_model_options, decoder_dim),
    INT32(slmt_model_options, decoder_depth),
    INT32(slmt_model_options, decoder_heads),
    {"generator_depths_0", offsetof(slmt_model_options, generator_depths), FIELD_INT32},
    {"generator_depths_1", offsetof(slmt_model_options, generator_depths) + 4, FIELD_INT32},
    {"generator_depths_2", offsetof(slmt_model_options, generator_depths) + 8, FIELD_INT32},
    {"generator_depths_3", offsetof(slmt_model_options, generator_depths) + 12, FIELD_INT32},
    {"generator_heads_0", offsetof(slmt_model_options, generator_heads), FIELD_INT32},
    {"generator_heads_1", offsetof(slmt_model_options, generator_heads) + 4, FIELD_INT32},
    {"generator_heads_2", offsetof(slmt_model_options, generator_heads) + 8, FIELD_INT32},
    {"generator_heads_3", offsetof(slmt_model_options, generator_heads) + 12, FIELD_INT32},
    INT32(slmt_model_options, window),
};

static const field preprocess_fields[] = {
    INT32(slmt_preprocess, crop_size),      INT32(slmt_preprocess, crop_x),
    INT32(slmt_preprocess, crop_y),         INT32(slmt_preprocess, slice_first),
    INT32(slmt_preprocess, slice_count),    INT32(slmt_preprocess, image_size),
    INT32(slmt_preprocess, target_resize),  REAL(slmt_preprocess, low_percentile),
    REAL(slmt_preprocess, high_percentile),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

status fields_put(checkpoint_writer *w, const char *group, const field *fields, size_t n, const void *from)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)from + fields[i].offset;
        if (fields[i].type == FIELD_REAL)
            TRY(checkpoint_put_real(w, group, fields[i].name, *(const double *)at));
        else if (fields[i].type == FIELD_UINT64)
            TRY(checkpoint_put_int(w, group, fields[i].name, (int64_t) * (const uint64_t *)at));
        else
            TRY(checkpoint_put_int(w, group, fields[i].name, *(const int32_t *)at));
    }
    return OK;
}

status fields_get(const checkpoint *c, const char *group, const field *fields, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++) {
        char *at = (char *)to + fields[i].offset;
        int64_t whole;
        if (fields[i].type == FIELD_REAL) {
            TRY(checkpoint_real(c, group, fields[i].name, (double *)at));
        } else if (fields[i].type == FIELD_UINT64) {
            TRY(checkpoint_int(c, group, fields[i].name, &whole));
            *(uint64_t *)at = (uint64_t)whole;
        } else {
            TRY(checkpoint_int32(c, group, fields[i].name, INT32_MIN, INT32_MAX, (int32_t *)at));
        }
    }
    return OK;
}

/* ---- writing ---- */

static status put_weights(checkpoint_writer *w, const slmt_model *m)
{
    checkpoint_type type = model_real(m) == BK_F64 ? CHECKPOINT_F64 : CHECKPOINT_F32;
    for (int32_t k = 0; k < m->net.params.n; k++) {
        const param *p = &m->net.params.list[k];
        if (p->used)
            TRY(checkpoint_put_tensor(w, "weights", p->name, type, p->shape.rank, p->shape.dim,
                                      model_tensor(m, k)));
        else if (m->unread[k])
            TRY(checkpoint_put_tensor(w, "weights", p->name, CHECKPOINT_F32, p->shape.rank, p->shape.dim,
                                      m->unread[k]));
    }
    return OK;
}

status model_put(checkpoint_writer *w, const slmt_model *m)
{
    TRY(checkpoint_put_text(w, "model", "method", METHOD));
    TRY(checkpoint_put_text(w, "model", "library_version", SLMT_VERSION_STRING));
    TRY(checkpoint_put_int(w, "model", "numerics_version", NUMERICS_VERSION));
    TRY(fields_put(w, "model/options", option_fields, COUNT(option_fields), &m->net.options));
    TRY(fields_put(w, "model/preprocess", preprocess_fields, COUNT(preprocess_fields), &m->preprocess));
    for (size_t i = 0; i < m->n_card; i++)
        TRY(checkpoint_put_text(w, "model/card", m->card[i].key, m->card[i].text));
    return put_weights(w, m);
}

status model_save_path(const slmt_model *m, const char *path)
{
    checkpoint_writer *w;
    TRY(checkpoint_create(&m->context->mem, path, &w));
    status s = model_put(w, m);
    if (s != OK) {
        checkpoint_cancel(w);
        return s;
    }
    return checkpoint_finish(w);
}

/* ---- reading ---- */

static status check_kind(const checkpoint *c)
{
    const char *method;
    int64_t numerics;
    TRY(checkpoint_text(c, "model", "method", &method));
    if (strcmp(method, METHOD) != 0)
        return fail(ERR_SCHEMA, "%s: holds method %s, this library knows %s", checkpoint_label(c), method,
                    METHOD);
    TRY(checkpoint_int(c, "model", "numerics_version", &numerics));
    if (numerics > NUMERICS_VERSION)
        return fail(ERR_VERSION, "%s: numerics version %lld is newer than this library's %d",
                    checkpoint_label(c), (long long)numerics, NUMERICS_VERSION);
    return OK;
}

static int same_shape(const checkpoint_tensor *t, const param *p)
{
    if (t->rank != p->shape.rank)
        return 0;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != p->shape.dim[i])
            return 0;
    return 1;
}

/* All used tensors are needed; unread ones may be there; nothing else may. names: room for all. */
static status check_names(const checkpoint *c, const slmt_net *net, const char **names)
{
    size_t n = 0;
    for (int32_t k = 0; k < net->params.n; k++) {
        const param *t = &net->params.list[k];
        if (t->used || checkpoint_tensor_find(c, "weights", t->name))
            names[n++] = t->name;
    }
    return checkpoint_expect_tensors(c, "weights", n, names);
}

static status check_shapes(const checkpoint *c, const slmt_net *net)
{
    for (int32_t k = 0; k < net->params.n; k++) {
        const param *p = &net->params.list[k];
        const checkpoint_tensor *t = checkpoint_tensor_find(c, "weights", p->name);
        if (!t || same_shape(t, p))
            continue;
        bk_shape have = {.rank = t->rank};
        memcpy(have.dim, t->dims, sizeof t->dims);
        char is[128], needs[128];
        return fail(ERR_SCHEMA, "%s: /weights/%s is %s, the options (embed_dim %d) need %s",
                    checkpoint_label(c), p->name, shape_text(&have, is), net->options.embed_dim,
                    shape_text(&p->shape, needs));
    }
    return OK;
}

/* Before any memory is taken for weights: the file must really hold what its options promise. */
static status check_tensors(const checkpoint *c, slmt_context *context, const slmt_model_options *o)
{
    slmt_net net;
    void *names = NULL;
    TRY(net_init(&net, &context->mem, BK_F32, o));
    status s = mem_array(&context->mem, (size_t)net.params.n, sizeof(char *), &names);
    if (s == OK)
        s = check_names(c, &net, names);
    if (s == OK)
        s = check_shapes(c, &net);
    mem_give(&context->mem, names);
    net_clear(&net);
    return s;
}

static status get_weights(const checkpoint *c, slmt_model *m)
{
    char need[64];
    snprintf(need, sizeof need, "the options (embed_dim %d) need", m->net.options.embed_dim);
    checkpoint_type type = model_real(m) == BK_F64 ? CHECKPOINT_F64 : CHECKPOINT_F32;
    for (int32_t k = 0; k < m->net.params.n; k++) {
        const param *p = &m->net.params.list[k];
        if (p->used) {
            TRY(checkpoint_read(c, "weights", p->name, type, p->shape.rank, p->shape.dim, need,
                                model_tensor(m, k)));
        } else if (checkpoint_tensor_find(c, "weights", p->name)) {
            void *values;
            TRY(mem_array(&m->context->mem, p->count, sizeof(float), &values));
            m->unread[k] = values;
            TRY(checkpoint_read(c, "weights", p->name, CHECKPOINT_F32, p->shape.rank, p->shape.dim, need,
                                values));
        }
    }
    return OK;
}

static status get_card(const checkpoint *c, slmt_model *m)
{
    const char *key, *text;
    for (size_t i = 0; (key = checkpoint_attribute_name(c, "model/card", i)) != NULL; i++) {
        TRY(checkpoint_text(c, "model/card", key, &text));
        TRY(slmt_model_set_card(m, key, text));
    }
    return OK;
}

static status get_model(const checkpoint *c, slmt_model *m)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    TRY(fields_get(c, "model/preprocess", preprocess_fields, COUNT(preprocess_fields), &p));
    TRY(slmt_model_set_preprocess(m, &p));
    TRY(get_card(c, m));
    return get_weights(c, m);
}

status model_get(const checkpoint *c, slmt_context *context, slmt_model **out)
{
    slmt_model_options o = {.struct_size = sizeof o};
    slmt_model *m;
    TRY(check_kind(c));
    TRY(fields_get(c, "model/options", option_fields, COUNT(option_fields), &o));
    status s = net_options_check(&o);
    if (s != OK)
        return fail_prefix(ERR_SCHEMA, checkpoint_label(c));
    TRY(check_tensors(c, context, &o));
    TRY(model_make(context, &o, &m));
    s = get_model(c, m);
    if (s != OK) {
        slmt_model_free(m);
        return s == ERR_ARGUMENT ? fail_prefix(ERR_SCHEMA, checkpoint_label(c)) : s;
    }
    *out = m;
    return OK;
}

status model_load_path(slmt_context *context, const char *path, slmt_model **out)
{
    checkpoint *c;
    TRY(checkpoint_open(&context->mem, path, &c));
    status s = model_get(c, context, out);
    checkpoint_close(c);
    return s;
}

status model_load_bytes(slmt_context *context, const void *data, size_t size, slmt_model **out)
{
    checkpoint *c;
    TRY(checkpoint_open_memory(&context->mem, data, size, &c));
    status s = model_get(c, context, out);
    checkpoint_close(c);
    return s;
}
