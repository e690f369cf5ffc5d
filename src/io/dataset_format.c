/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_format.c - names, and the rules of a training set's fields. */
#include "io/dataset_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static int name_ok(const char *name, size_t longest, const char *allowed)
{
    size_t length = strnlen(name, longest + 1);
    return length >= 1 && length <= longest && strspn(name, allowed) >= length;
}

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

int dataset_field_name_ok(const char *name)
{
    return name_ok(name, FIELD_NAME_MAX, LETTERS_AND_DIGITS "-_");
}

/* "." is HDF5's name for a group itself; ".." would lead out of a folder if a tool names files by subject. */
int dataset_record_name_ok(const char *name)
{
    return stored_user_name_ok(name) && strcmp(name, "..") != 0;
}

static const char *const split_names[] = {
    [SLMT_SPLIT_TRAIN] = "train", [SLMT_SPLIT_TEST] = "test", [SLMT_SPLIT_VALIDATION] = "validation"};

const char *dataset_split_name(int32_t split)
{
    return split >= SLMT_SPLIT_TRAIN && split <= SLMT_SPLIT_VALIDATION ? split_names[split] : NULL;
}

int32_t dataset_split_of(const char *name)
{
    for (int32_t split = SLMT_SPLIT_TRAIN; split <= SLMT_SPLIT_VALIDATION; split++)
        if (strcmp(split_names[split], name) == 0)
            return split;
    return 0;
}

static const char *const kind_names[] = {
    [SLMT_FIELD_IMAGE] = "image",   [SLMT_FIELD_LABELS] = "labels", [SLMT_FIELD_BOXES] = "boxes",
    [SLMT_FIELD_VECTOR] = "vector", [SLMT_FIELD_IDS] = "ids",       [SLMT_FIELD_CLASSES] = "classes",
};

const char *dataset_kind_name(int32_t kind)
{
    return kind >= SLMT_FIELD_IMAGE && kind <= SLMT_FIELD_CLASSES ? kind_names[kind] : NULL;
}

int32_t dataset_kind_of(const char *name)
{
    for (int32_t kind = SLMT_FIELD_IMAGE; kind <= SLMT_FIELD_CLASSES; kind++)
        if (strcmp(kind_names[kind], name) == 0)
            return kind;
    return 0;
}

static int type_ok(int32_t type)
{
    return type >= SLMT_TENSOR_FLOAT32 && type <= SLMT_TENSOR_UINT8;
}

stored_type dataset_stored(int32_t type)
{
    static const stored_type stored[] = {
        [SLMT_TENSOR_FLOAT32] = STORED_F32,
        [SLMT_TENSOR_INT32] = STORED_I32,
        [SLMT_TENSOR_FLOAT16] = STORED_F16,
        [SLMT_TENSOR_UINT8] = STORED_U8,
    };
    return stored[type];
}

int32_t dataset_type_of(const char *name)
{
    for (int32_t type = SLMT_TENSOR_FLOAT32; type <= SLMT_TENSOR_UINT8; type++)
        if (strcmp(stored_type_name(dataset_stored(type)), name) == 0)
            return type;
    return 0;
}

/* ---- shapes and axes ---- */

const char *dataset_shape_text(const slmt_field *f, char text[SHAPE_TEXT])
{
    int at = 0;
    text[0] = 0;
    for (int i = 0; i < f->rank; i++) {
        at += snprintf(text + at, (size_t)(SHAPE_TEXT - at), "%s", i ? "," : "");
        at += f->dim[i] ? snprintf(text + at, (size_t)(SHAPE_TEXT - at), "%lld", (long long)f->dim[i])
                        : snprintf(text + at, (size_t)(SHAPE_TEXT - at), "*");
    }
    return text;
}

/* One extent: '*', or digits that do not begin with 0. */
static const char *parse_extent(const char *text, int64_t *extent)
{
    char *end;
    *extent = 0;
    if (*text == '*')
        return text + 1;
    if (*text < '1' || *text > '9' || strspn(text, "0123456789") > 18)
        return NULL;
    *extent = strtoll(text, &end, 10);
    return end;
}

int32_t dataset_shape_parse(const char *text, int64_t dim[STORED_RANK_MAX])
{
    for (int32_t rank = 0; rank < STORED_RANK_MAX; text++) {
        text = parse_extent(text, &dim[rank]);
        if (!text)
            return 0;
        rank++;
        if (*text == 0)
            return rank;
        if (*text != ',')
            return 0;
    }
    return 0;
}

const char *dataset_axis(const char *axes, int index, size_t *length)
{
    for (; index > 0; index--)
        axes += strcspn(axes, ",") + 1;
    *length = strcspn(axes, ",");
    return axes;
}

uint64_t dataset_row_bytes(const slmt_field *f, const int64_t *dims)
{
    int64_t row[STORED_RANK_MAX] = {1};
    for (int i = 1; i < f->rank; i++)
        row[i] = dims[i];
    uint64_t bytes = stored_bytes(dataset_stored(f->type), f->rank, row);
    return bytes <= DATASET_ROW_MAX ? bytes : 0;
}

static int same_axis(const slmt_field *a, int i, const slmt_field *b, int j)
{
    size_t n, m;
    const char *x = dataset_axis(a->axes, i, &n), *y = dataset_axis(b->axes, j, &m);
    return n == m && strncmp(x, y, n) == 0;
}

/* Returns the number of the axis if an earlier field, or this one, has it too; -1: it is new. */
static int32_t known_axis(const slmt_field *fields, const axis_ids *ids, size_t field, int axis)
{
    for (size_t k = 0; k <= field; k++)
        for (int i = 0; i < (k < field ? fields[k].rank : axis); i++)
            if (same_axis(&fields[k], i, &fields[field], axis))
                return ids->id[k][i];
    return -1;
}

void dataset_axis_ids(const slmt_field *fields, size_t count, axis_ids *ids)
{
    int32_t n = 0;
    for (size_t k = 0; k < count; k++)
        for (int i = 0; i < fields[k].rank; i++) {
            int32_t id = known_axis(fields, ids, k, i);
            ids->id[k][i] = id < 0 ? n++ : id;
        }
}

typedef struct extents {
    int64_t extent[FIELDS_MAX * STORED_RANK_MAX]; /* by number of an axis; -1: not seen yet */
    const slmt_field *field[FIELDS_MAX * STORED_RANK_MAX];
} extents;

static status axis_agrees(extents *seen, int32_t id, const slmt_field *f, int axis, int64_t extent,
                          status code, const char *where)
{
    size_t length;
    const char *name = dataset_axis(f->axes, axis, &length);
    if (seen->extent[id] < 0) {
        seen->extent[id] = extent;
        seen->field[id] = f;
    }
    if (seen->extent[id] == extent)
        return OK;
    return fail(code, "%s: axis %.*s of %s has extent %lld, that of %s %lld", where, (int)length, name,
                seen->field[id]->name, (long long)seen->extent[id], f->name, (long long)extent);
}

status dataset_axes_agree(const slmt_field *fields, size_t count, const axis_ids *ids,
                          const int64_t *const *dims, status code, const char *where)
{
    extents seen;
    memset(seen.extent, -1, sizeof seen.extent);
    for (size_t k = 0; k < count; k++)
        for (int i = 0; dims[k] && i < fields[k].rank; i++)
            if (dims[k][i] >= 0)
                TRY(axis_agrees(&seen, ids->id[k][i], &fields[k], i, dims[k][i], code, where));
    return OK;
}

/* ---- classes ---- */

/* Reads "value=name" of a list; returns NULL if it is not one. */
static const char *parse_class(const char *text, int64_t *value)
{
    char *end;
    const char *digits = text + (*text == '-');
    size_t length = strspn(digits, "0123456789");
    if (length < 1 || length > 10 || (length > 1 && *digits == '0'))
        return NULL;
    *value = strtoll(text, &end, 10);
    if (*end++ != '=')
        return NULL;
    size_t name = strcspn(end, ",=");
    for (size_t i = 0; i < name; i++)
        if (end[i] < ' ' || end[i] > '~')
            return NULL;
    return name <= CLASS_NAME_MAX && end[name] != '=' ? end + name : NULL;
}

/* Calls the function for each class; returns 1 if the list is well formed: values within [low, high],
 * ascending. */
static int walk_classes(const char *text, int64_t low, int64_t high, int32_t *values, size_t *count)
{
    int64_t last = low - 1, value;
    for (*count = 0; *text; text++) {
        text = *count < CLASSES_MAX ? parse_class(text, &value) : NULL;
        if (!text || value <= last || value > high)
            return 0;
        if (values)
            values[*count] = (int32_t)value;
        last = value;
        ++*count;
        if (*text == 0)
            return 1;
        if (text[1] == 0)
            return 0;
    }
    return 1;
}

size_t dataset_class_values(const char *classes, int32_t *values)
{
    size_t count = 0;
    walk_classes(classes ? classes : "", INT32_MIN, INT32_MAX, values, &count);
    return count;
}

/* ---- rules of a field ---- */

static int is_list_of_classes(const slmt_field *f)
{
    size_t count;
    int bytes = f->type == SLMT_TENSOR_UINT8;
    return strnlen(f->classes, STORED_TEXT_MAX + 1) <= STORED_TEXT_MAX &&
           walk_classes(f->classes, bytes ? 0 : INT32_MIN, bytes ? UINT8_MAX : INT32_MAX, NULL, &count);
}

static int has_whole_numbers(int32_t kind)
{
    return kind == SLMT_FIELD_LABELS || kind == SLMT_FIELD_IDS || kind == SLMT_FIELD_CLASSES;
}

/* Returns 1 if there is a name for each axis, and no name twice. */
static int axes_are_ok(const slmt_field *f)
{
    const char *axes = f->axes;
    if (!axes || strnlen(axes, AXES_TEXT_MAX + 1) > AXES_TEXT_MAX)
        return 0;
    for (int i = 0; i < f->rank; i++) {
        size_t length = strspn(axes, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (length < 1 || length > 32 || axes[length] != (i + 1 < f->rank ? ',' : 0))
            return 0;
        axes += length + 1;
    }
    for (int i = 0; i < f->rank; i++)
        for (int j = 0; j < i; j++)
            if (same_axis(f, i, f, j))
                return 0;
    return 1;
}

static int extents_are_ok(const slmt_field *f)
{
    int64_t least[STORED_RANK_MAX];
    if (f->rank < 1 || f->rank > STORED_RANK_MAX)
        return 0;
    for (int i = 0; i < f->rank; i++) {
        if (f->dim[i] < 0)
            return 0;
        least[i] = f->dim[i] ? f->dim[i] : 1;
    }
    return stored_bytes(dataset_stored(f->type), f->rank, least) > 0 && dataset_row_bytes(f, least) > 0;
}

static status check_kind(const slmt_field *f)
{
    int whole = f->type == SLMT_TENSOR_UINT8 || f->type == SLMT_TENSOR_INT32;
    if (!dataset_kind_name(f->kind) || !type_ok(f->type))
        return fail(ERR_ARGUMENT, "field %s: kind %d or type %d is unknown", f->name, f->kind, f->type);
    if (has_whole_numbers(f->kind) && !whole)
        return fail(ERR_ARGUMENT, "field %s: %s are float, expected uint8 or int32", f->name,
                    dataset_kind_name(f->kind));
    if (f->classes && *f->classes && !has_whole_numbers(f->kind))
        return fail(ERR_ARGUMENT, "field %s: an %s field has no classes; labels, ids and classes may",
                    f->name, dataset_kind_name(f->kind));
    return OK;
}

status dataset_field_check(const slmt_field *f)
{
    if (!f->name || !dataset_field_name_ok(f->name))
        return fail(ERR_ARGUMENT, "a field's name must be 1 to %d letters, digits, '-', '_'", FIELD_NAME_MAX);
    TRY(check_kind(f));
    if (!extents_are_ok(f))
        return fail(ERR_ARGUMENT,
                    "field %s: expected 1 to %d axes, extents of at least 0, and at most %llu bytes for each "
                    "index of the first axis",
                    f->name, STORED_RANK_MAX, (unsigned long long)DATASET_ROW_MAX);
    if (!axes_are_ok(f))
        return fail(ERR_ARGUMENT,
                    "field %s: axes must be %d different names of 1 to 32 lower-case letters, digits, '_', "
                    "joined by commas",
                    f->name, f->rank);
    if (f->kind == SLMT_FIELD_BOXES && f->dim[f->rank - 1] != 4)
        return fail(ERR_ARGUMENT, "field %s: the last axis of boxes has extent %lld, expected 4", f->name,
                    (long long)f->dim[f->rank - 1]);
    if (f->classes && !is_list_of_classes(f))
        return fail(
            ERR_ARGUMENT,
            "field %s: classes must be \"value=name,...\", at most %d with rising values of the field's "
            "type and names of at most %d printable characters",
            f->name, CLASSES_MAX, CLASS_NAME_MAX);
    return OK;
}

/* ---- values ---- */

static int is_class(const int32_t *classes, size_t n, int32_t value)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (classes[middle] == value)
            return 1;
        if (classes[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return n == 0;
}

size_t dataset_values_check(const slmt_field *f, const int32_t *classes, size_t n_classes, const void *values,
                            size_t n)
{
    const float *single = values;
    const uint16_t *half = values;
    const int32_t *whole = values;
    const uint8_t *byte = values;
    size_t i = 0;
    if (f->type == SLMT_TENSOR_FLOAT32)
        for (; i < n && isfinite(single[i]); i++)
            ;
    else if (f->type == SLMT_TENSOR_FLOAT16)
        for (; i < n && (half[i] & 0x7c00) != 0x7c00; i++)
            ;
    else if (f->type == SLMT_TENSOR_INT32)
        for (; i < n && is_class(classes, n_classes, whole[i]); i++)
            ;
    else
        for (; i < n && is_class(classes, n_classes, byte[i]); i++)
            ;
    return i;
}
