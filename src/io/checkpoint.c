/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c - reads a checkpoint: the seal, then the catalogue, then each tensor on request. */
#include "io/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/checkpoint_seal.h"
#include "io/hdf5.h"
#include "io/input_file.h"
#include "lib/half.h"

_Static_assert(CHECKPOINT_F32 == (int)STORED_F32 && CHECKPOINT_F64 == (int)STORED_F64 &&
                   CHECKPOINT_I64 == (int)STORED_I64 && CHECKPOINT_U64 == (int)STORED_U64 &&
                   CHECKPOINT_BF16 == (int)STORED_BF16 && CHECKPOINT_F16 == (int)STORED_F16,
               "checkpoint_type is the first part of stored_type");

struct checkpoint {
    mem *mem;
    char *label;
    int fd; /* -1: memory */
    hdf5_bytes bytes;
    hid_t file;
    catalogue catalogue;
    checkpoint_tensor *tensors; /* the catalogue's, in its order */
};

void checkpoint_close(checkpoint *c)
{
    hdf5_guard guard;
    if (!c)
        return;
    if (c->file >= 0) {
        hdf5_enter(&guard);
        hdf5_close(&c->bytes, c->file);
        hdf5_leave(&guard);
    }
    if (c->fd >= 0)
        close(c->fd);
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

/* Opens the contents of a file whose seal has been checked. data: NULL for a file. */
static status parse(checkpoint *c, const void *data, uint64_t size)
{
    hdf5_guard guard;
    hdf5_enter(&guard);
    c->file = data ? hdf5_open_memory(&c->bytes, data, size) : hdf5_open_file(&c->bytes, c->fd, size);
    status s = c->file < 0 ? fail(ERR_FORMAT, "%s: HDF5 cannot open it", c->label)
                           : hdf5_catalogue(c->file, size, &c->catalogue);
    hdf5_leave(&guard);
    return s == OK ? list_tensors(c) : s;
}

static status take(mem *m, const char *label, checkpoint **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    checkpoint *c = p;
    c->mem = m;
    c->fd = -1;
    c->file = -1;
    status s = mem_text(m, label, &c->label);
    catalogue_init(&c->catalogue, m, c->label);
    if (s != OK)
        mem_give(m, c);
    else
        *out = c;
    return s;
}

static status open_path(checkpoint *c)
{
    uint64_t size;
    TRY(input_file_open(c->label, &c->fd, &size));
    TRY(seal_check_file(c->fd, size, c->label));
    return parse(c, NULL, size);
}

static status open_memory(checkpoint *c, const void *data, size_t size)
{
    TRY(seal_check_memory(data, size, c->label));
    return parse(c, data, size);
}

status checkpoint_open(mem *m, const char *path, checkpoint **out)
{
    checkpoint *c;
    TRY(take(m, path, &c));
    status s = open_path(c);
    if (s == OK)
        *out = c;
    else
        checkpoint_close(c);
    return s;
}

status checkpoint_open_memory(mem *m, const void *data, size_t size, checkpoint **out)
{
    checkpoint *c;
    TRY(take(m, "checkpoint in memory", &c));
    status s = open_memory(c, data, size);
    if (s == OK)
        *out = c;
    else
        checkpoint_close(c);
    return s;
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

static status check_finite(const checkpoint *c, const catalogue_tensor *t, stored_type type,
                           const void *values)
{
    uint64_t count = stored_elements(t->rank, t->dims), i = 0;
    if (type == STORED_F32)
        while (i < count && isfinite(((const float *)values)[i]))
            i++;
    else if (type == STORED_F64)
        while (i < count && isfinite(((const double *)values)[i]))
            i++;
    else if (type == STORED_BF16 || type == STORED_F16)
        while (i < count &&
               half_is_finite(type == STORED_F16 ? BK_F16 : BK_BF16, ((const uint16_t *)values)[i]))
            i++;
    else
        return OK;
    if (i == count)
        return OK;
    return fail(ERR_NONFINITE, "%s: /%s/%s: element %llu is not a finite number", c->label, t->group, t->name,
                (unsigned long long)i);
}

status checkpoint_read(const checkpoint *c, const char *group, const char *name, checkpoint_type type,
                       int rank, const int64_t *dims, const char *need, void *values)
{
    hdf5_guard guard;
    const catalogue_tensor *t = find(c, group, name);
    if (!t)
        return fail(ERR_SCHEMA, "%s: /%s/%s is missing", c->label, group, name);
    TRY(check_shape(c, t, (stored_type)type, rank, dims, need));
    hdf5_enter(&guard);
    int done = hdf5_get_tensor(c->file, t, (stored_type)type, values);
    hdf5_leave(&guard);
    if (done < 0)
        return fail(ERR_CORRUPT, "%s: /%s/%s: cannot read its values", c->label, group, name);
    return check_finite(c, t, (stored_type)type, values);
}
