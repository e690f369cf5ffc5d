/* SPDX-License-Identifier: Apache-2.0 */
/* catalogue.c - the table of a file's groups, attributes and tensors, and its look-ups. */
#include "io/catalogue.h"

#include <stdio.h>
#include <string.h>

#include "io/utf8.h"

void catalogue_init(catalogue *c, mem *m, const char *label)
{
    memset(c, 0, sizeof *c);
    c->mem = m;
    c->label = label;
    c->types = STORED_IN_CHECKPOINTS;
}

void catalogue_free(catalogue *c)
{
    for (size_t i = 0; i < c->group_count; i++)
        mem_give(c->mem, c->groups[i].path);
    for (size_t i = 0; i < c->attribute_count; i++) {
        mem_give(c->mem, c->attributes[i].name);
        mem_give(c->mem, c->attributes[i].text);
    }
    for (size_t i = 0; i < c->tensor_count; i++)
        mem_give(c->mem, c->tensors[i].name);
    mem_give(c->mem, c->groups);
    mem_give(c->mem, c->attributes);
    mem_give(c->mem, c->tensors);
    catalogue_init(c, c->mem, c->label);
}

/* Makes room for one more of an array. */
static status room_for_one(mem *m, void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return OK;
    size_t larger = *room ? 2 * *room : 16;
    TRY(mem_resize(m, array, larger, size));
    *room = larger;
    return OK;
}

status catalogue_add_group(catalogue *c, const char *path)
{
    void *array = c->groups;
    status s = room_for_one(c->mem, &array, c->group_count, &c->group_room, sizeof *c->groups);
    c->groups = array;
    TRY(s);
    catalogue_group g = {.first_attribute = c->attribute_count, .first_tensor = c->tensor_count};
    TRY(mem_text(c->mem, path, &g.path));
    c->groups[c->group_count++] = g;
    return OK;
}

status catalogue_add_attribute(catalogue *c, const char *name, catalogue_attribute **out)
{
    void *array = c->attributes;
    status s = room_for_one(c->mem, &array, c->attribute_count, &c->attribute_room, sizeof *c->attributes);
    c->attributes = array;
    TRY(s);
    catalogue_attribute a = {0};
    TRY(mem_text(c->mem, name, &a.name));
    *out = &c->attributes[c->attribute_count++];
    **out = a;
    c->groups[c->group_count - 1].attribute_count++;
    return OK;
}

status catalogue_add_tensor(catalogue *c, const char *name, catalogue_tensor **out)
{
    void *array = c->tensors;
    status s = room_for_one(c->mem, &array, c->tensor_count, &c->tensor_room, sizeof *c->tensors);
    c->tensors = array;
    TRY(s);
    catalogue_group *g = &c->groups[c->group_count - 1];
    catalogue_tensor t = {.group = g->path};
    TRY(mem_text(c->mem, name, &t.name));
    *out = &c->tensors[c->tensor_count++];
    **out = t;
    g->tensor_count++;
    return OK;
}

/* Compares like strcmp(), but in the order of the walk, in which '/' comes before every character of a name.
 */
static int path_order(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : (unsigned char)*a, y = *b == '/' ? 1 : (unsigned char)*b;
    return x - y;
}

/* This is a binary search, because files may hold a million groups, each of which is looked up. */
const catalogue_group *catalogue_find_group(const catalogue *c, const char *path)
{
    size_t low = 0, high = c->group_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = path_order(path, c->groups[middle].path);
        if (order == 0)
            return &c->groups[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const catalogue_attribute *catalogue_find_attribute(const catalogue *c, const catalogue_group *g,
                                                    const char *name)
{
    size_t low = 0, high = g ? g->attribute_count : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const catalogue_attribute *a = &c->attributes[g->first_attribute + middle];
        int order = strcmp(name, a->name);
        if (order == 0)
            return a;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const catalogue_tensor *catalogue_find_tensor(const catalogue *c, const catalogue_group *g, const char *name)
{
    size_t low = 0, high = g ? g->tensor_count : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const catalogue_tensor *t = &c->tensors[g->first_tensor + middle];
        int order = strcmp(name, t->name);
        if (order == 0)
            return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static status need_attribute(const catalogue *c, const char *group, const char *name, stored_type type,
                             const catalogue_attribute **out)
{
    *out = catalogue_find_attribute(c, catalogue_find_group(c, group), name);
    if (!*out)
        return fail(ERR_SCHEMA, "%s: /%s has no attribute %s, expected %s", c->label, group, name,
                    stored_type_name(type));
    if ((*out)->type != type)
        return fail(ERR_SCHEMA, "%s: attribute %s of /%s is %s, expected %s", c->label, name, group,
                    stored_type_name((*out)->type), stored_type_name(type));
    return OK;
}

status catalogue_int(const catalogue *c, const char *group, const char *name, int64_t *value)
{
    const catalogue_attribute *a;
    TRY(need_attribute(c, group, name, STORED_I64, &a));
    *value = a->integer;
    return OK;
}

status catalogue_int32(const catalogue *c, const char *group, const char *name, int32_t low, int32_t high,
                       int32_t *value)
{
    int64_t wide;
    TRY(catalogue_int(c, group, name, &wide));
    if (wide < low || wide > high)
        return fail(ERR_SCHEMA, "%s: attribute %s of /%s is %lld, expected %d to %d", c->label, name, group,
                    (long long)wide, low, high);
    *value = (int32_t)wide;
    return OK;
}

status catalogue_real(const catalogue *c, const char *group, const char *name, double *value)
{
    const catalogue_attribute *a;
    TRY(need_attribute(c, group, name, STORED_F64, &a));
    *value = a->real;
    return OK;
}

status catalogue_text(const catalogue *c, const char *group, const char *name, const char **value)
{
    const catalogue_attribute *a;
    TRY(need_attribute(c, group, name, STORED_TEXT, &a));
    *value = a->text;
    return OK;
}

static int name_ok(const char *name, size_t length)
{
    if (length == 0 || length > STORED_NAME_MAX || (length == 1 && name[0] == '.'))
        return 0;
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
            return 0;
    return 1;
}

int stored_name_ok(const char *name)
{
    return name_ok(name, strnlen(name, STORED_NAME_MAX + 1));
}

int stored_user_name_ok(const char *name)
{
    size_t length = strnlen(name, STORED_NAME_MAX + 1);
    return length >= 1 && length <= STORED_NAME_MAX && strcmp(name, ".") != 0 && !memchr(name, '/', length) &&
           utf8_printable(name, length);
}

int stored_path_ok(const char *path)
{
    if (path[0] == 0)
        return 1;
    if (strnlen(path, STORED_PATH_MAX + 1) > STORED_PATH_MAX)
        return 0;
    for (;;) {
        size_t length = strcspn(path, "/");
        if (!name_ok(path, length))
            return 0;
        if (path[length] == 0)
            return 1;
        path += length + 1;
    }
}

size_t stored_type_size(stored_type type)
{
    static const size_t sizes[] = {
        [STORED_F32] = 4, [STORED_F64] = 8, [STORED_I64] = 8, [STORED_U64] = 8,  [STORED_BF16] = 2,
        [STORED_F16] = 2, [STORED_U8] = 1,  [STORED_I32] = 4, [STORED_TEXT] = 1,
    };
    return sizes[type];
}

const char *stored_type_name(stored_type type)
{
    static const char *const names[] = {
        [STORED_F32] = "float32", [STORED_F64] = "float64",   [STORED_I64] = "int64",
        [STORED_U64] = "uint64",  [STORED_BF16] = "bfloat16", [STORED_F16] = "float16",
        [STORED_U8] = "uint8",    [STORED_I32] = "int32",     [STORED_TEXT] = "text",
    };
    return names[type];
}

uint64_t stored_elements(int rank, const int64_t *dims)
{
    uint64_t n = 1;
    for (int i = 0; i < rank; i++)
        if (dims[i] < 1 || __builtin_mul_overflow(n, (uint64_t)dims[i], &n))
            return 0;
    return n;
}

uint64_t stored_bytes(stored_type type, int rank, const int64_t *dims)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(stored_elements(rank, dims), (uint64_t)stored_type_size(type), &bytes))
        return 0;
    return bytes <= INT64_MAX ? bytes : 0;
}

const char *stored_shape(int rank, const int64_t *dims, char text[STORED_SHAPE_TEXT])
{
    int n = snprintf(text, STORED_SHAPE_TEXT, "[");
    for (int i = 0; i < rank; i++)
        n += snprintf(text + n, STORED_SHAPE_TEXT - (size_t)n, i ? ",%lld" : "%lld", (long long)dims[i]);
    snprintf(text + n, STORED_SHAPE_TEXT - (size_t)n, "]");
    return text;
}
