/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c - reads a checkpoint: the seal, then the catalogue, then each tensor on request. */
#include "io/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/checkpoint_seal.h"
#include "io/checkpoint_values.h"
#include "io/dialect.h"
#include "io/input_file.h"

_Static_assert(CHECKPOINT_F32 == (int)STORED_F32 && CHECKPOINT_F64 == (int)STORED_F64 &&
                   CHECKPOINT_I64 == (int)STORED_I64 && CHECKPOINT_U64 == (int)STORED_U64 &&
                   CHECKPOINT_BF16 == (int)STORED_BF16 && CHECKPOINT_F16 == (int)STORED_F16,
               "checkpoint_type is the first part of stored_type");

struct checkpoint {
    mem *mem;
    char *label;
    source bytes;
    catalogue catalogue;
    checkpoint_tensor *tensors; /* the catalogue's, in its order */
};

void checkpoint_close(checkpoint *c)
{
    if (!c)
        return;
    if (c->bytes.fd >= 0)
        close(c->bytes.fd);
    source_release(&c->bytes);
    catalogue_free(&c->catalogue);
    mem_give(c->mem, c->tensors);
    mem_give(c->mem, c->label);
    mem_give(c->mem, c);
}

static status list_tensors(checkpoint *c)
{
    void *p;
    size_t count = c->catalogue.tensor_count;
    TRY(mem_zeros(c->mem, count, sizeof *c->tensors, &p));
    c->tensors = p;
    for (size_t i = 0; i < count; i++) {
        const catalogue_tensor *from = &c->catalogue.tensors[i];
        checkpoint_tensor *to = &c->tensors[i];
        *to = (checkpoint_tensor){from->group, from->name, (checkpoint_type)from->type, from->rank, {0}};
        memcpy(to->dims, from->dims, sizeof to->dims);
    }
    return OK;
}

/* Checks the seal, then reads everything except tensors. */
static status parse(checkpoint *c)
{
    TRY(seal_check(&c->bytes));
    TRY(dialect_catalogue(&c->bytes, SEAL_SIZE, &c->catalogue));
    return list_tensors(c);
}

static status take(mem *m, const char *label, checkpoint **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    checkpoint *c = p;
    c->mem = m;
    status s = mem_text(m, label, &c->label);
    c->bytes = (source){.mem = m, .label = c->label, .fd = -1};
    catalogue_init(&c->catalogue, m, c->label);
    if (s != OK)
        mem_give(m, c);
    else
        *out = c;
    return s;
}

/* Ends an attempt to open. */
static status opened(checkpoint *c, status s, checkpoint **out)
{
    if (s == OK)
        *out = c;
    else
        checkpoint_close(c);
    return s;
}

status checkpoint_open(mem *m, const char *path, checkpoint **out)
{
    checkpoint *c;
    TRY(take(m, path, &c));
    status s = input_file_open(c->label, &c->bytes.fd, &c->bytes.size);
    return opened(c, s == OK ? parse(c) : s, out);
}

status checkpoint_open_memory(mem *m, const void *data, size_t size, checkpoint **out)
{
    checkpoint *c;
    TRY(take(m, "checkpoint in memory", &c));
    c->bytes.data = data;
    c->bytes.size = size;
    return opened(c, parse(c), out);
}

const char *checkpoint_label(const checkpoint *c)
{
    return c->label;
}

status checkpoint_int(const checkpoint *c, const char *group, const char *name, int64_t *value)
{
    return catalogue_int(&c->catalogue, group, name, value);
}

status checkpoint_int32(const checkpoint *c, const char *group, const char *name, int32_t low, int32_t high,
                        int32_t *value)
{
    return catalogue_int32(&c->catalogue, group, name, low, high, value);
}

status checkpoint_real(const checkpoint *c, const char *group, const char *name, double *value)
{
    return catalogue_real(&c->catalogue, group, name, value);
}

status checkpoint_text(const checkpoint *c, const char *group, const char *name, const char **value)
{
    return catalogue_text(&c->catalogue, group, name, value);
}

int checkpoint_has(const checkpoint *c, const char *group, const char *name)
{
    const catalogue_group *g = catalogue_find_group(&c->catalogue, group);
    return g && (!name || catalogue_find_attribute(&c->catalogue, g, name));
}

int checkpoint_has_text(const checkpoint *c, const char *group, const char *name)
{
    const catalogue_group *g = catalogue_find_group(&c->catalogue, group);
    const catalogue_attribute *a = g ? catalogue_find_attribute(&c->catalogue, g, name) : NULL;
    return a && a->type == STORED_TEXT;
}

const char *checkpoint_group_at(const checkpoint *c, size_t index, int *has_tensors)
{
    if (index >= c->catalogue.group_count)
        return NULL;
    const catalogue_group *g = &c->catalogue.groups[index];
    *has_tensors = g->tensor_count > 0;
    return g->path;
}

const char *checkpoint_attribute_name(const checkpoint *c, const char *group, size_t index)
{
    const catalogue_group *g = catalogue_find_group(&c->catalogue, group);
    return g && index < g->attribute_count ? c->catalogue.attributes[g->first_attribute + index].name : NULL;
}

const checkpoint_tensor *checkpoint_tensor_at(const checkpoint *c, const char *group, size_t index)
{
    const catalogue_group *g = catalogue_find_group(&c->catalogue, group);
    return g && index < g->tensor_count ? &c->tensors[g->first_tensor + index] : NULL;
}

static const catalogue_tensor *find(const checkpoint *c, const char *group, const char *name)
{
    return catalogue_find_tensor(&c->catalogue, catalogue_find_group(&c->catalogue, group), name);
}

const checkpoint_tensor *checkpoint_tensor_find(const checkpoint *c, const char *group, const char *name)
{
    const catalogue_tensor *t = find(c, group, name);
    return t ? &c->tensors[t - c->catalogue.tensors] : NULL;
}

/* ---- names ---- */

/* Writes a list of names, which ends in "and n more" if there are many. */
typedef struct name_list {
    char text[700];
    size_t length, count;
} name_list;

static void list_name(name_list *l, const char *name)
{
    size_t need = strlen(name) + 2;
    l->count++;
    if (l->count > 8 || l->length + need >= sizeof l->text)
        return;
    l->length += (size_t)snprintf(l->text + l->length, sizeof l->text - l->length, "%s%s",
                                  l->length ? ", " : " ", name);
}

static int is_among(const char *name, size_t count, const char *const *names)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return 0;
}

status checkpoint_expect_tensors(const checkpoint *c, const char *group, size_t count,
                                 const char *const *names)
{
    name_list missing = {0}, unexpected = {0};
    const catalogue_group *g = catalogue_find_group(&c->catalogue, group);
    for (size_t i = 0; i < count; i++)
        if (!catalogue_find_tensor(&c->catalogue, g, names[i]))
            list_name(&missing, names[i]);
    const checkpoint_tensor *t;
    for (size_t i = 0; (t = checkpoint_tensor_at(c, group, i)); i++)
        if (!is_among(t->name, count, names))
            list_name(&unexpected, t->name);
    if (missing.count + unexpected.count == 0)
        return OK;
    return fail(ERR_SCHEMA, "%s: /%s: %zu tensors missing%s%s%s; %zu unexpected%s%s%s", c->label, group,
                missing.count, missing.count ? ":" : "", missing.text, missing.count > 8 ? ", ..." : "",
                unexpected.count, unexpected.count ? ":" : "", unexpected.text,
                unexpected.count > 8 ? ", ..." : "");
}

/* ---- values ---- */

static int is_float(stored_type type)
{
    return type == STORED_F32 || type == STORED_F64;
}

static status check_shape(const checkpoint *c, const catalogue_tensor *t, stored_type type, int rank,
                          const int64_t *dims, const char *need)
{
    char is[STORED_SHAPE_TEXT], should[STORED_SHAPE_TEXT];
    if (t->type != type && !(is_float(t->type) && is_float(type)))
        return fail(ERR_SCHEMA, "%s: /%s/%s is %s, expected %s", c->label, t->group, t->name,
                    stored_type_name(t->type), stored_type_name(type));
    if (t->rank != rank || (rank > 0 && memcmp(t->dims, dims, (size_t)rank * sizeof *dims) != 0))
        return fail(ERR_SCHEMA, "%s: /%s/%s is %s, %s %s", c->label, t->group, t->name,
                    stored_shape(t->rank, t->dims, is), need ? need : "expected",
                    stored_shape(rank, dims, should));
    return OK;
}

static void convert(const catalogue_tensor *t, stored_type type, const void *from, void *to)
{
    uint64_t count = stored_elements(t->rank, t->dims);
    if (type == STORED_F32)
        for (uint64_t i = 0; i < count; i++)
            ((float *)to)[i] = (float)((const double *)from)[i];
    else
        for (uint64_t i = 0; i < count; i++)
            ((double *)to)[i] = (double)((const float *)from)[i];
}

/* Reads values of the other width of floats first to memory of their own. */
static status read_values(const checkpoint *c, const catalogue_tensor *t, stored_type type, void *values)
{
    void *p;
    if (t->type == type)
        return dialect_read(&c->bytes, SEAL_SIZE, t, values);
    TRY(mem_take(c->mem, (size_t)stored_bytes(t->type, t->rank, t->dims), &p));
    status s = dialect_read(&c->bytes, SEAL_SIZE, t, p);
    if (s == OK)
        convert(t, type, p, values);
    mem_give(c->mem, p);
    return s;
}

status checkpoint_read(const checkpoint *c, const char *group, const char *name, checkpoint_type type,
                       int rank, const int64_t *dims, const char *need, void *values)
{
    const catalogue_tensor *t = find(c, group, name);
    if (!t)
        return fail(ERR_SCHEMA, "%s: /%s/%s is missing", c->label, group, name);
    TRY(check_shape(c, t, (stored_type)type, rank, dims, need));
    TRY(read_values(c, t, (stored_type)type, values));
    return checkpoint_check_finite(c->label, t->group, t->name, type, stored_elements(t->rank, t->dims),
                                   values);
}
