/* SPDX-License-Identifier: Apache-2.0 */
/* model_file.c - writing and reading the model part of a checkpoint. */
#include "core/model_file.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/geometry.h"
#include "core/preprocess_rules.h"
#include "lib/half.h"
#include "slmt/version.h"

/* One struct field that is kept as an attribute. */
typedef struct field {
    const char *name;
    size_t offset;
    enum { FIELD_INT32, FIELD_REAL } type;
} field;

#define INT32(type, name)                                                                                    \
    {                                                                                                        \
#name, offsetof(type, name), FIELD_INT32                                                             \
    }
#define REAL(type, name)                                                                                     \
    {                                                                                                        \
#name, offsetof(type, name), FIELD_REAL                                                              \
    }

static const field preprocess_fields[] = {
    INT32(slmt_preprocess, crop_size),      INT32(slmt_preprocess, crop_x),
    INT32(slmt_preprocess, crop_y),         INT32(slmt_preprocess, slice_first),
    INT32(slmt_preprocess, slice_count),    INT32(slmt_preprocess, image_size),
    INT32(slmt_preprocess, target_resize),  REAL(slmt_preprocess, low_percentile),
    REAL(slmt_preprocess, high_percentile), INT32(slmt_preprocess, scaling),
    INT32(slmt_preprocess, background),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static status fields_put(checkpoint_writer *w, const char *group, const field *fields, size_t n,
                         const void *from)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)from + fields[i].offset;
        if (fields[i].type == FIELD_REAL)
            TRY(checkpoint_put_real(w, group, fields[i].name, *(const double *)at));
        else
            TRY(checkpoint_put_int(w, group, fields[i].name, *(const int32_t *)at));
    }
    return OK;
}

static status fields_get(const checkpoint *c, const char *group, const field *fields, size_t n, void *to)
{
    for (size_t i = 0; i < n; i++) {
        char *at = (char *)to + fields[i].offset;
        if (fields[i].type == FIELD_REAL) {
            TRY(checkpoint_real(c, group, fields[i].name, (double *)at));
        } else {
            TRY(checkpoint_int32(c, group, fields[i].name, INT32_MIN, INT32_MAX, (int32_t *)at));
        }
    }
    return OK;
}

/* ---- geometry ---- */

enum { GEOMETRY_NAME = 32 };

static const char *geometry_name(int i, const char *end, char name[GEOMETRY_NAME])
{
    snprintf(name, GEOMETRY_NAME, "%s_%s", geometry_names[i], end);
    return name;
}

static status put_geometry(checkpoint_writer *w, const slmt_geometry *from)
{
    slmt_geometry g = *from;
    char name[GEOMETRY_NAME];
    if (g.volumes == 0)
        return OK;
    TRY(checkpoint_put_int(w, "model/geometry", "volumes", g.volumes));
    for (int i = 0; i < GEOMETRY_NUMBERS; i++) {
        TRY(checkpoint_put_real(w, "model/geometry", geometry_name(i, "least", name),
                                geometry_numbers(geometry_least(&g))[i]));
        TRY(checkpoint_put_real(w, "model/geometry", geometry_name(i, "most", name),
                                geometry_numbers(geometry_most(&g))[i]));
    }
    return OK;
}

/* Older files, and models that never saw a volume, have none. */
static status get_geometry(const checkpoint *c, slmt_model *m)
{
    slmt_geometry g = {.struct_size = sizeof g};
    char name[GEOMETRY_NAME];
    if (!checkpoint_has(c, "model/geometry", NULL))
        return OK;
    TRY(checkpoint_int32(c, "model/geometry", "volumes", 1, INT32_MAX, &g.volumes));
    for (int i = 0; i < GEOMETRY_NUMBERS; i++) {
        TRY(checkpoint_real(c, "model/geometry", geometry_name(i, "least", name),
                            &geometry_numbers(geometry_least(&g))[i]));
        TRY(checkpoint_real(c, "model/geometry", geometry_name(i, "most", name),
                            &geometry_numbers(geometry_most(&g))[i]));
    }
    return model_take_geometry(m, &g);
}

/* ---- options and settings ---- */

enum { ELEMENT_NAME = 80 };

/* Writes the name of element i of a list. */
static const char *element(const char *list, int32_t i, char name[ELEMENT_NAME])
{
    snprintf(name, ELEMENT_NAME, "%s_%d", list, (int)i);
    return name;
}

static status put_list(checkpoint_writer *w, const char *group, const number *r, const double *values)
{
    char name[ELEMENT_NAME];
    for (int32_t i = 0; i < r->count; i++)
        TRY(checkpoint_put_int(w, group, element(r->name, i, name), (int64_t)values[i]));
    return OK;
}

static status put_choice(checkpoint_writer *w, const char *group, const number *r, double value)
{
    char text[64];
    size_t length = 0;
    const char *name = choice_name(r->choices, (int32_t)value, &length);
    if (!name || length >= sizeof text)
        return fail(ERR_INTERNAL, "choice %g of %s has no name of less than 64 characters", value, r->name);
    memcpy(text, name, length);
    text[length] = '\0';
    return checkpoint_put_text(w, group, r->name, text);
}

/* Choices are kept by name: an index would mean another choice once the list has grown. */
status numbers_put(checkpoint_writer *w, const char *group, number_table t, const double *values)
{
    for (int32_t i = 0; i < t.n; i++) {
        const number *r = &t.rows[i];
        const double *value = values + number_place(t, i);
        if (r->kind == SLMT_NUMBER_LIST)
            TRY(put_list(w, group, r, value));
        else if (r->kind == SLMT_NUMBER_CHOICE)
            TRY(put_choice(w, group, r, *value));
        else if (r->kind == SLMT_NUMBER_REAL)
            TRY(checkpoint_put_real(w, group, r->name, *value));
        else if (r->kind == SLMT_NUMBER_TEXT)
            TRY(checkpoint_put_text(w, group, r->name, (const char *)value));
        else
            TRY(checkpoint_put_int(w, group, r->name, (int64_t)*value));
    }
    return OK;
}

static status get_whole(const checkpoint *c, const char *group, const char *name, double *value)
{
    int32_t whole = 0;
    TRY(checkpoint_int32(c, group, name, INT32_MIN, INT32_MAX, &whole));
    *value = whole;
    return OK;
}

static status get_list(const checkpoint *c, const char *group, const number *r, double *values)
{
    char name[ELEMENT_NAME];
    int older = r->was && !checkpoint_has(c, group, element(r->name, 0, name));
    for (int32_t i = 0; i < r->count; i++)
        TRY(get_whole(c, group, element(older ? r->was : r->name, i, name), &values[i]));
    return OK;
}

/* Files of older versions have the index of a choice. */
static status get_choice(const checkpoint *c, const char *group, const number *r, double *value)
{
    const char *name;
    if (!checkpoint_has_text(c, group, r->name))
        return get_whole(c, group, r->name, value);
    TRY(checkpoint_text(c, group, r->name, &name));
    int32_t k = choice_index(r->choices, name, strlen(name));
    if (k < 0)
        return fail(ERR_SCHEMA, "%s: attribute %s of /%s is %s, expected one of %s", checkpoint_label(c),
                    r->name, group, name, r->choices);
    *value = k;
    return OK;
}

static status get_text(const checkpoint *c, const char *group, const number *r, double *values)
{
    const char *text;
    TRY(checkpoint_text(c, group, r->name, &text));
    status s = text_set(r, "attribute", text, values);
    return s == ERR_ARGUMENT ? fail_prefix(ERR_SCHEMA, checkpoint_label(c)) : s;
}

status numbers_get(const checkpoint *c, const char *group, number_table t, double *values)
{
    for (int32_t i = 0; i < t.n; i++) {
        const number *r = &t.rows[i];
        double *value = values + number_place(t, i);
        if (r->kind == SLMT_NUMBER_LIST)
            TRY(get_list(c, group, r, value));
        else if (r->kind == SLMT_NUMBER_CHOICE)
            TRY(get_choice(c, group, r, value));
        else if (r->kind == SLMT_NUMBER_REAL)
            TRY(checkpoint_real(c, group, r->name, value));
        else if (r->kind == SLMT_NUMBER_TEXT)
            TRY(get_text(c, group, r, value));
        else
            TRY(get_whole(c, group, r->name, value));
    }
    return OK;
}

/* ---- writing ---- */

static checkpoint_type stored_as(bk_dtype type)
{
    return type == BK_F64    ? CHECKPOINT_F64
           : type == BK_BF16 ? CHECKPOINT_BF16
           : type == BK_F16  ? CHECKPOINT_F16
                             : CHECKPOINT_F32;
}

static status put_weights(checkpoint_writer *w, const slmt_model *m)
{
    TRY(model_pull(m));
    for (int32_t k = 0; k < m->params.n; k++) {
        const param *p = &m->params.list[k];
        if (p->used)
            TRY(checkpoint_put_tensor(w, "weights", p->name, stored_as(tensor_type(p)), p->shape.rank,
                                      p->shape.dim, model_tensor(m, k)));
        else if (m->unread[k])
            TRY(checkpoint_put_tensor(w, "weights", p->name, CHECKPOINT_F32, p->shape.rank, p->shape.dim,
                                      m->unread[k]));
    }
    return OK;
}

/* Attribute "0" is the name of the contrast of index 0, and so on. */
static status put_contrasts(checkpoint_writer *w, const slmt_model *m)
{
    char index[ELEMENT_NAME];
    for (size_t i = 0; i < m->n_contrasts; i++) {
        snprintf(index, sizeof index, "%zu", i);
        TRY(checkpoint_put_text(w, "model/names", index, m->contrasts[i]));
    }
    return OK;
}

status model_put(checkpoint_writer *w, const slmt_model *m)
{
    TRY(checkpoint_put_text(w, "model", "method", m->method->name));
    TRY(checkpoint_put_text(w, "model", "library_version", SLMT_VERSION_STRING));
    TRY(checkpoint_put_int(w, "model", "numerics_version", NUMERICS_VERSION));
    TRY(numbers_put(w, "model/options", m->method->options, m->option));
    TRY(fields_put(w, "model/preprocess", preprocess_fields, COUNT(preprocess_fields), &m->preprocess));
    TRY(put_geometry(w, &m->geometry));
    for (size_t i = 0; i < m->n_card; i++)
        TRY(checkpoint_put_text(w, "model/card", m->card[i].key, m->card[i].text));
    TRY(put_contrasts(w, m));
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

static status get_method(const checkpoint *c, const method **m)
{
    const char *name;
    int64_t numerics;
    TRY(checkpoint_text(c, "model", "method", &name));
    *m = method_named(name);
    if (!*m)
        return fail(ERR_SCHEMA, "%s: holds method %s, which this library does not know", checkpoint_label(c),
                    name);
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

/* Checks that all used tensors are there, and no others but unread ones. names: room for all. */
static status check_names(const checkpoint *c, const params *all, const char **names)
{
    size_t n = 0;
    for (int32_t k = 0; k < all->n; k++) {
        const param *t = &all->list[k];
        if (t->used || checkpoint_tensor_find(c, "weights", t->name))
            names[n++] = t->name;
    }
    return checkpoint_expect_tensors(c, "weights", n, names);
}

static status check_shapes(const checkpoint *c, const params *all)
{
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        const checkpoint_tensor *t = checkpoint_tensor_find(c, "weights", p->name);
        if (!t || same_shape(t, p))
            continue;
        bk_shape have = {.rank = t->rank};
        memcpy(have.dim, t->dims, sizeof t->dims);
        char is[128], needs[128];
        return fail(ERR_SCHEMA, "%s: /weights/%s is %s, the options in /model/options need %s",
                    checkpoint_label(c), p->name, shape_text(&have, is), shape_text(&p->shape, needs));
    }
    return OK;
}

/* SLMT_WEIGHTS_FULL where it is no 16-bit float. */
static int32_t weights_of(checkpoint_type type)
{
    return type == CHECKPOINT_BF16  ? SLMT_WEIGHTS_BFLOAT16
           : type == CHECKPOINT_F16 ? SLMT_WEIGHTS_FLOAT16
                                    : SLMT_WEIGHTS_FULL;
}

/* Checks that only matrices of linear layers have 16 bits, and all of them the same type: *stored. */
static status check_types(const checkpoint *c, const params *all, int32_t *stored)
{
    const char *first = NULL;
    *stored = SLMT_WEIGHTS_FULL;
    for (int32_t k = 0; k < all->n; k++) {
        const param *p = &all->list[k];
        const checkpoint_tensor *t = checkpoint_tensor_find(c, "weights", p->name);
        int32_t kind = t ? weights_of(t->type) : SLMT_WEIGHTS_FULL;
        if (!p->matrix && kind != SLMT_WEIGHTS_FULL)
            return fail(ERR_SCHEMA,
                        "%s: /weights/%s has 16 bits a number; only matrices of linear layers may",
                        checkpoint_label(c), p->name);
        if (p->matrix && first && kind != *stored)
            return fail(ERR_SCHEMA, "%s: /weights/%s is stored in another type than /weights/%s",
                        checkpoint_label(c), p->name, first);
        if (p->matrix && !first) {
            first = p->name;
            *stored = kind;
        }
    }
    return OK;
}

/* Checks, before any memory is taken for weights, that the file holds what its options promise. */
static status check_tensors(const checkpoint *c, slmt_context *context, const method *method,
                            const double *option, int32_t *stored)
{
    params all;
    void *names = NULL;
    params_init(&all, &context->mem, BK_F32, BK_F32);
    method->tensors(&all, option);
    status s = all.error == ERR_ARGUMENT ? fail_prefix(ERR_SCHEMA, checkpoint_label(c)) : all.error;
    if (s == OK)
        s = mem_array(&context->mem, (size_t)all.n, sizeof(char *), &names);
    if (s == OK)
        s = check_names(c, &all, names);
    if (s == OK)
        s = check_shapes(c, &all);
    if (s == OK)
        s = check_types(c, &all, stored);
    mem_give(&context->mem, names);
    params_clear(&all);
    return s;
}

static status read(const checkpoint *c, const param *p, checkpoint_type type, void *values)
{
    return checkpoint_read(c, "weights", p->name, type, p->shape.rank, p->shape.dim, NULL, values);
}

/* Converts a matrix that has 16 bits in the file or in the model, through float32: never more than one tensor
 * of it.
 */
static status convert(const checkpoint *c, const param *p, checkpoint_type stored, mem *m, void *to)
{
    bk_dtype want = tensor_type(p);
    void *wide = to;
    if (want != BK_F32)
        TRY(mem_array(m, p->count, sizeof(float), &wide));
    int half = weights_of(stored) != SLMT_WEIGHTS_FULL;
    status s = read(c, p, half ? stored : CHECKPOINT_F32, wide);
    if (s == OK && half)
        half_widen_all(stored == CHECKPOINT_F16 ? BK_F16 : BK_BF16, wide, p->count, wide);
    if (wide == to)
        return s;
    if (s == OK)
        s = model_check_narrow(p, wide);
    for (size_t i = 0; s == OK && i < p->count; i++)
        real_set(to, want, i, ((const float *)wide)[i]);
    mem_give(m, wide);
    return s;
}

static status get_tensor(const checkpoint *c, slmt_model *m, int32_t k)
{
    const param *p = &m->params.list[k];
    const checkpoint_tensor *t = checkpoint_tensor_find(c, "weights", p->name);
    checkpoint_type want = stored_as(tensor_type(p));
    if (!t || weights_of(t->type) == weights_of(want))
        return read(c, p, want, model_tensor(m, k));
    return convert(c, p, t->type, &m->context->mem, model_tensor(m, k));
}

static status get_weights(const checkpoint *c, slmt_model *m)
{
    for (int32_t k = 0; k < m->params.n; k++) {
        const param *p = &m->params.list[k];
        if (p->used) {
            TRY(get_tensor(c, m, k));
        } else if (checkpoint_tensor_find(c, "weights", p->name)) {
            void *values;
            TRY(mem_array(&m->context->mem, p->count, sizeof(float), &values));
            m->unread[k] = values;
            TRY(read(c, p, CHECKPOINT_F32, values));
        }
    }
    return OK;
}

static status get_card(const checkpoint *c, slmt_model *m)
{
    const char *key, *text;
    for (size_t i = 0; (key = checkpoint_attribute_name(c, "model/card", i)) != NULL; i++) {
        TRY(checkpoint_text(c, "model/card", key, &text));
        TRY(card_set(m, key, text));
    }
    return OK;
}

/* Reads the names of contrasts. ERR_ARGUMENT: they break their rules. */
static status get_contrasts(const checkpoint *c, slmt_model *m)
{
    void *p;
    char index[ELEMENT_NAME];
    size_t n = 0;
    while (checkpoint_attribute_name(c, "model/names", n))
        n++;
    if (n == 0)
        return OK;
    TRY(mem_array(&m->context->mem, n, sizeof(char *), &p));
    const char **names = p;
    status s = OK;
    for (size_t i = 0; i < n && s == OK; i++) {
        snprintf(index, sizeof index, "%zu", i);
        s = checkpoint_text(c, "model/names", index, &names[i]);
    }
    if (s == OK)
        s = contrasts_set(m, names, n);
    mem_give(&m->context->mem, p);
    return s;
}

/* Files of older versions have the names in the card, with commas between them. Names that break today's
 * rules stay there. */
static status move_card_names(slmt_model *m)
{
    enum { MOST = 64 };
    const char *names[MOST];
    char *text, *rest;
    size_t n = 0;
    if (contrasts_most(m) == 0 || m->n_contrasts > 0 || !card_text(m, "sequences")[0])
        return OK;
    TRY(mem_text(&m->context->mem, card_text(m, "sequences"), &text));
    for (char *name = strtok_r(text, ",", &rest); name && n < MOST; name = strtok_r(NULL, ",", &rest))
        names[n++] = name;
    status s = contrasts_set(m, names, n);
    if (s == OK)
        s = card_set(m, "sequences", NULL);
    mem_give(&m->context->mem, text);
    return s == ERR_ARGUMENT ? OK : s;
}

static status get_description(const checkpoint *c, slmt_model *m)
{
    slmt_preprocess p;
    preprocess_defaults(&p);
    p.background = SLMT_BACKGROUND_CORNER; /* older files do not name the rule */
    size_t n = COUNT(preprocess_fields) - !checkpoint_has(c, "model/preprocess", "background");
    TRY(fields_get(c, "model/preprocess", preprocess_fields, n, &p));
    TRY(model_take_preprocess(m, &p));
    TRY(get_geometry(c, m));
    TRY(get_card(c, m));
    TRY(get_contrasts(c, m));
    return move_card_names(m);
}

static int is_place(const char *path)
{
    static const char *const places[] = {
        "",           "model",       "model/options", "model/preprocess", "model/geometry",
        "model/card", "model/names", "weights",       "training"};
    static const char below[] = "training/";
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(places[i], path) == 0)
            return 1;
    return strncmp(path, below, sizeof below - 1) == 0 && !strchr(path + sizeof below - 1, '/');
}

/* What no version of this library writes is refused: it would be lost when the model is saved again. */
static status check_places(const checkpoint *c)
{
    const char *path;
    int has_tensors;
    for (size_t i = 0; (path = checkpoint_group_at(c, i, &has_tensors)) != NULL; i++) {
        if (!is_place(path))
            return fail(ERR_SCHEMA, "%s: /%s is unexpected", checkpoint_label(c), path);
        if (has_tensors && strcmp(path, "weights") != 0 && strncmp(path, "training/", 9) != 0)
            return fail(ERR_SCHEMA, "%s: /%s holds tensors, expected attributes alone", checkpoint_label(c),
                        path);
    }
    if (checkpoint_attribute_name(c, "", 0) || checkpoint_attribute_name(c, "weights", 0))
        return fail(ERR_SCHEMA, "%s: / or /weights has an attribute, expected none", checkpoint_label(c));
    return OK;
}

status model_get(const checkpoint *c, slmt_context *context, slmt_model **out)
{
    const method *method;
    double option[METHOD_NUMBERS];
    slmt_model *m;
    int32_t stored;
    TRY(check_places(c));
    TRY(get_method(c, &method));
    TRY(numbers_get(c, "model/options", method->options, option));
    status s = method_check(method, option);
    if (s != OK)
        return fail_prefix(s == ERR_MEMORY ? s : ERR_SCHEMA, checkpoint_label(c));
    TRY(check_tensors(c, context, method, option, &stored));
    TRY(model_make(context, method, option, stored, &m));
    s = get_description(c, m);
    if (s == ERR_ARGUMENT)
        s = fail_prefix(ERR_SCHEMA, checkpoint_label(c));
    if (s == OK && (s = get_weights(c, m)) == ERR_ARGUMENT)
        s = fail_prefix(s, checkpoint_label(c));
    if (s != OK) {
        model_release(m);
        return s;
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
