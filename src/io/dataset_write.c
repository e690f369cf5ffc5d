/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_write.c - writes a training set's file, a record at a time, and renames it into place at the end.
 */
#include "io/dataset_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/dataset_format.h"
#include "io/dataset_seal.h"
#include "io/sealed_file.h"

typedef struct field_writer {
    char *text;       /* name, axes and classes of its slmt_field */
    int32_t *classes; /* its classes' values, ascending; or, if it collects them, those that have occurred */
    size_t n_classes;
    size_t kept;                   /* number of classes before the current record */
    char *collected;               /* buffer for the text of collected classes; NULL: it collects none */
    int has;                       /* the record has a tensor of it */
    dialect_tensor *tensor;        /* that tensor if it is stored in chunks */
    int64_t dims[STORED_RANK_MAX]; /* of that tensor; the first is the number of rows written */
} field_writer;

struct dataset_file_writer {
    mem *mem;
    sealed_file file;
    slmt_field fields[FIELDS_MAX];
    field_writer state[FIELDS_MAX];
    size_t n_fields;
    axis_ids axes;
    int64_t n_records, n_objects;
    dialect_group *records, *record; /* the one being filled; NULL between records */
    uint64_t record_from;            /* where its bytes begin */
    int64_t record_objects;
    const char *records_group;              /* "records", or "subjects" */
    char record_path[RECORD_NAME_MAX + 16]; /* "records/ID" */
};

size_t dataset_file_writer_fields(const dataset_file_writer *w)
{
    return w->n_fields;
}

const slmt_field *dataset_file_writer_field(const dataset_file_writer *w, size_t index)
{
    return &w->fields[index];
}

const char *dataset_file_writer_label(const dataset_file_writer *w)
{
    return sealed_file_label(&w->file);
}

/* ---- life ---- */

static void release(dataset_file_writer *w)
{
    for (size_t i = 0; i < w->n_fields; i++) {
        mem_give(w->mem, w->state[i].text);
        mem_give(w->mem, w->state[i].classes);
        mem_give(w->mem, w->state[i].collected);
    }
    mem_give(w->mem, w);
}

static status put_groups(dataset_file_writer *w)
{
    dialect_group *fields;
    TRY(dialect_group_at(&w->file.file, "fields", &fields));
    return dialect_group_at(&w->file.file, w->records_group, &w->records);
}

status dataset_file_create(mem *m, const char *path, const char *records_group, dataset_file_writer **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    dataset_file_writer *w = p;
    w->mem = m;
    w->records_group = records_group;
    w->n_objects = 2;
    status s = sealed_file_begin(m, path, DATASET_BLOCK, &w->file);
    if (s != OK) {
        release(w);
        return s;
    }
    s = put_groups(w);
    if (s != OK)
        dataset_file_cancel(w);
    else
        *out = w;
    return s;
}

void dataset_file_cancel(dataset_file_writer *w)
{
    if (!w)
        return;
    sealed_file_cancel(&w->file);
    release(w);
}

/* ---- source ---- */

static status put_source(dataset_file_writer *w, const char *name, stored_type type, int64_t integer,
                         double real, const char *text)
{
    dialect_group *group;
    dialect_file *f = &w->file.file;
    TRY(sealed_file_ready(&w->file));
    TRY(dialect_group_at(f, "source", &group));
    status s = type == STORED_I64   ? dialect_put_int(f, group, name, integer)
               : type == STORED_F64 ? dialect_put_real(f, group, name, real)
                                    : dialect_put_text(f, group, name, text);
    return sealed_file_written(&w->file, s);
}

status dataset_file_source_int(dataset_file_writer *w, const char *name, int64_t value)
{
    return put_source(w, name, STORED_I64, value, 0, NULL);
}

status dataset_file_source_real(dataset_file_writer *w, const char *name, double value)
{
    return put_source(w, name, STORED_F64, 0, value, NULL);
}

status dataset_file_source_text(dataset_file_writer *w, const char *name, const char *value)
{
    return put_source(w, name, STORED_TEXT, 0, 0, value);
}

/* ---- fields ---- */

/* Makes a copy of the field whose strings are one block. */
static status copy_field(mem *m, const slmt_field *from, slmt_field *to, char **text)
{
    const char *parts[] = {from->name, from->axes, from->classes ? from->classes : ""};
    const char **copies[] = {&to->name, &to->axes, &to->classes};
    size_t bytes = 0;
    void *p;
    for (int i = 0; i < 3; i++)
        bytes += strlen(parts[i]) + 1;
    TRY(mem_take(m, bytes, &p));
    *to = *from;
    *text = p;
    char *at = p;
    for (int i = 0; i < 3; i++) {
        *copies[i] = strcpy(at, parts[i]);
        at += strlen(parts[i]) + 1;
    }
    return OK;
}

static status keep_field(dataset_file_writer *w, const slmt_field *field)
{
    void *p;
    slmt_field *f = &w->fields[w->n_fields];
    field_writer *state = &w->state[w->n_fields];
    TRY(copy_field(w->mem, field, f, &state->text));
    for (int i = f->rank; i < STORED_RANK_MAX; i++)
        f->dim[i] = 0;
    status s = mem_array(w->mem, CLASSES_MAX, sizeof *state->classes, &p);
    if (s != OK) {
        mem_give(w->mem, state->text);
        state->text = NULL;
        return s;
    }
    state->classes = p;
    state->n_classes = dataset_class_values(f->classes, state->classes);
    w->n_fields++;
    w->n_objects++;
    dataset_axis_ids(w->fields, w->n_fields, &w->axes);
    return OK;
}

status dataset_file_add_field(dataset_file_writer *w, const slmt_field *field)
{
    TRY(dataset_field_check(field));
    if (w->n_records > 0 || w->record)
        return fail(ERR_STATE, "%s: field %s comes after a record", sealed_file_label(&w->file), field->name);
    if (w->n_fields == FIELDS_MAX)
        return fail(ERR_ARGUMENT, "%s: field %s is one too many, at most %d", sealed_file_label(&w->file),
                    field->name, FIELDS_MAX);
    for (size_t i = 0; i < w->n_fields; i++)
        if (strcmp(w->fields[i].name, field->name) == 0)
            return fail(ERR_ARGUMENT, "%s: there is a field %s already", sealed_file_label(&w->file),
                        field->name);
    return keep_field(w, field);
}

enum { CLASS_TEXT = 24 }; /* bytes of "-2147483648=-2147483648," */

status dataset_file_collect_classes(dataset_file_writer *w, size_t field)
{
    void *p;
    TRY(mem_array(w->mem, CLASSES_MAX, CLASS_TEXT, &p));
    w->state[field].collected = p;
    return OK;
}

/* ---- records ---- */

static status begin_record(dataset_file_writer *w, const slmt_record *r)
{
    dialect_file *f = &w->file.file;
    w->record_from = f->end;
    snprintf(w->record_path, sizeof w->record_path, "%s/%s", w->records_group, r->id);
    TRY(dialect_new_group(f, w->records, r->id, &w->record));
    TRY(dialect_put_int(f, w->record, "index", w->n_records));
    TRY(dialect_put_text(f, w->record, "group", r->group ? r->group : r->id));
    return dialect_put_text(f, w->record, "split", dataset_split_name(r->split));
}

static void drop_record(dataset_file_writer *w)
{
    if (w->record)
        dialect_drop_group(&w->file.file, w->record);
    w->file.file.end = w->record_from;
    w->record = NULL;
}

static status check_record(const dataset_file_writer *w, const slmt_record *r)
{
    static const char rule[] = RECORD_NAME_RULE;
    TRY(sealed_file_ready(&w->file));
    if (w->record)
        return fail(ERR_STATE, "%s: /%s has not ended", sealed_file_label(&w->file), w->record_path);
    if (!r->id || !dataset_record_name_ok(r->id))
        return fail(ERR_ARGUMENT, "%s: a record's id must be %s", sealed_file_label(&w->file), rule);
    if (r->group && !dataset_record_name_ok(r->group))
        return fail(ERR_ARGUMENT, "%s: the group of record %s must be %s", sealed_file_label(&w->file), r->id,
                    rule);
    if (!dataset_split_name(r->split))
        return fail(ERR_ARGUMENT,
                    "%s: the split of record %s is %d, expected SLMT_SPLIT_TRAIN, _TEST or _VALIDATION",
                    sealed_file_label(&w->file), r->id, r->split);
    return OK;
}

status dataset_file_begin(dataset_file_writer *w, const slmt_record *r)
{
    int taken;
    TRY(check_record(w, r));
    TRY(dialect_has(w->records, r->id, &taken));
    if (taken)
        return fail(ERR_ARGUMENT, "%s: there is a record %s already", sealed_file_label(&w->file), r->id);
    w->record_objects = 1;
    for (size_t i = 0; i < w->n_fields; i++) {
        w->state[i].has = 0;
        w->state[i].tensor = NULL;
        w->state[i].kept = w->state[i].n_classes;
    }
    status s = begin_record(w, r);
    if (s != OK)
        drop_record(w);
    return s;
}

/* ---- tensors ---- */

static status check_rows(const dataset_file_writer *w, const slmt_field *f, const field_writer *state,
                         const int64_t *dims)
{
    int64_t rows = state->has ? state->dims[0] : 0, most = f->dim[0] ? f->dim[0] : INT64_MAX;
    if (dims[0] < 0 || dims[0] > most - rows)
        return fail(ERR_ARGUMENT, "%s: /%s/%s has %lld rows, %lld more are appended, expected %lld in all",
                    sealed_file_label(&w->file), w->record_path, f->name, (long long)rows, (long long)dims[0],
                    (long long)most);
    int64_t all[STORED_RANK_MAX];
    memcpy(all, dims, sizeof all);
    all[0] = rows + dims[0] > 0 ? rows + dims[0] : 1;
    if (dataset_row_bytes(f, dims) == 0 || stored_bytes(dataset_stored(f->type), f->rank, all) == 0)
        return fail(ERR_ARGUMENT, "%s: /%s/%s is too large, at most %llu bytes for each row",
                    sealed_file_label(&w->file), w->record_path, f->name,
                    (unsigned long long)DATASET_ROW_MAX);
    return OK;
}

static status check_extents(const dataset_file_writer *w, const slmt_field *f, const field_writer *state,
                            const int64_t *dims)
{
    for (int i = 1; i < f->rank; i++) {
        int64_t wanted = f->dim[i] ? f->dim[i] : state->has ? state->dims[i] : dims[i];
        if (dims[i] < 1 || dims[i] != wanted)
            return fail(ERR_ARGUMENT, "%s: axis %d of /%s/%s has extent %lld, expected %lld",
                        sealed_file_label(&w->file), i, w->record_path, f->name, (long long)dims[i],
                        (long long)(wanted < 1 ? 1 : wanted));
    }
    return check_rows(w, f, state, dims);
}

/* Adds a value to those that have occurred in a field. Returns 1, or 0 if there are too many. */
static int add_class(field_writer *state, int32_t value)
{
    for (size_t i = state->n_classes; i > 0; i--)
        if (state->classes[i - 1] == value)
            return 1;
    if (state->n_classes == CLASSES_MAX)
        return 0;
    state->classes[state->n_classes++] = value;
    return 1;
}

static status collect(dataset_file_writer *w, size_t field, const int32_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((i == 0 || values[i] != values[i - 1]) && !add_class(&w->state[field], values[i]))
            return fail(ERR_ARGUMENT, "%s: field %s has more than %d different labels",
                        sealed_file_label(&w->file), w->fields[field].name, CLASSES_MAX);
    return OK;
}

static status check_values(dataset_file_writer *w, size_t field, const int64_t *dims, const void *values)
{
    const slmt_field *f = &w->fields[field];
    field_writer *state = &w->state[field];
    size_t n = (size_t)stored_elements(f->rank, dims);
    if (state->collected)
        return collect(w, field, values, n);
    size_t wrong = dataset_values_check(f, state->classes, state->n_classes, values, n);
    if (wrong == n)
        return OK;
    if (f->type == SLMT_TENSOR_FLOAT32 || f->type == SLMT_TENSOR_FLOAT16)
        return fail(ERR_NONFINITE, "%s: /%s/%s: value %zu is not finite", sealed_file_label(&w->file),
                    w->record_path, f->name, wrong);
    return fail(ERR_ARGUMENT, "%s: /%s/%s: value %zu is none of the field's classes",
                sealed_file_label(&w->file), w->record_path, f->name, wrong);
}

/* Small tensors of fixed length are stored in one piece. Other tensors have chunks of a slice, or of rows of
 * 64 KiB together. */
static int is_one_piece(const slmt_field *f, const int64_t *dims, uint64_t row)
{
    return f->dim[0] > 0 && dims[0] == f->dim[0] && row * (uint64_t)dims[0] <= 65536;
}

static int64_t choose_chunk(const slmt_field *f, int64_t first_rows, uint64_t row)
{
    size_t length;
    const char *axis = dataset_axis(f->axes, 0, &length);
    int64_t rows = (int64_t)(65536 / row);
    if (rows < 1 || (length == 5 && strncmp(axis, "slice", 5) == 0))
        rows = 1;
    return rows < first_rows ? rows : first_rows;
}

/* A tensor without rows is not stored: the record's attribute "empty" names it. */
static status put_rows(dataset_file_writer *w, size_t field, const int64_t *dims, const void *values)
{
    const slmt_field *f = &w->fields[field];
    field_writer *state = &w->state[field];
    stored_type type = dataset_stored(f->type);
    uint64_t row = dataset_row_bytes(f, dims);
    if (dims[0] == 0)
        return OK;
    if (!state->tensor && is_one_piece(f, dims, row))
        return dialect_put_tensor(&w->file.file, w->record, f->name, type, f->rank, dims, values);
    if (!state->tensor)
        TRY(dialect_new_tensor(&w->file.file, w->record, f->name, type, f->rank, dims,
                               choose_chunk(f, dims[0], row), &state->tensor));
    return dialect_add_rows(&w->file.file, state->tensor, dims[0], values);
}

status dataset_file_append(dataset_file_writer *w, size_t field, const int64_t *dims, const void *values)
{
    const slmt_field *f = &w->fields[field];
    field_writer *state = &w->state[field];
    int64_t given[STORED_RANK_MAX] = {0};
    memcpy(given, dims, (size_t)f->rank * sizeof *dims);
    TRY(sealed_file_ready(&w->file));
    if (!w->record)
        return fail(ERR_STATE, "%s: no record has been begun", sealed_file_label(&w->file));
    TRY(check_extents(w, f, state, given));
    TRY(check_values(w, field, given, values));
    int64_t rows = state->has ? state->dims[0] : 0;
    TRY(sealed_file_written(&w->file, put_rows(w, field, given, values)));
    w->record_objects += rows == 0 && given[0] > 0;
    memcpy(state->dims, given, sizeof given);
    state->dims[0] += rows;
    state->has = 1;
    return OK;
}

status dataset_file_numbers(dataset_file_writer *w, int n, const char *const *names, const double *values)
{
    TRY(sealed_file_ready(&w->file));
    if (!w->record)
        return fail(ERR_STATE, "%s: no record has been begun", sealed_file_label(&w->file));
    for (int i = 0; i < n; i++)
        TRY(sealed_file_written(&w->file, dialect_put_real(&w->file.file, w->record, names[i], values[i])));
    return OK;
}

/* ---- ends of records ---- */

static status check_complete(const dataset_file_writer *w)
{
    const int64_t *dims[FIELDS_MAX] = {NULL};
    char where[RECORD_NAME_MAX + 32];
    int any = 0;
    for (size_t i = 0; i < w->n_fields; i++) {
        const slmt_field *f = &w->fields[i];
        const field_writer *state = &w->state[i];
        any |= state->has;
        dims[i] = state->has ? state->dims : NULL;
        if (state->has && f->dim[0] && state->dims[0] != f->dim[0])
            return fail(ERR_ARGUMENT, "%s: /%s/%s has %lld rows, expected %lld", sealed_file_label(&w->file),
                        w->record_path, f->name, (long long)state->dims[0], (long long)f->dim[0]);
    }
    if (!any)
        return fail(ERR_ARGUMENT, "%s: /%s has no tensor", sealed_file_label(&w->file), w->record_path);
    if (w->n_objects + w->record_objects > STORED_OBJECTS_MAX)
        return fail(ERR_ARGUMENT,
                    "%s: /%s is one record too many: a set holds at most %d records and tensors",
                    sealed_file_label(&w->file), w->record_path, STORED_OBJECTS_MAX);
    snprintf(where, sizeof where, "/%s", w->record_path);
    return dataset_axes_agree(w->fields, w->n_fields, &w->axes, dims, ERR_ARGUMENT, where);
}

static status put_empty(dataset_file_writer *w)
{
    char text[FIELDS_MAX * (FIELD_NAME_MAX + 1) + 1] = "";
    size_t at = 0;
    for (size_t i = 0; i < w->n_fields; i++)
        if (w->state[i].has && w->state[i].dims[0] == 0)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? "," : "", w->fields[i].name);
    return at ? dialect_put_text(&w->file.file, w->record, "empty", text) : OK;
}

status dataset_file_undo(dataset_file_writer *w)
{
    if (!w->record)
        return OK;
    for (size_t i = 0; i < w->n_fields; i++)
        w->state[i].n_classes = w->state[i].kept; /* classes that only this record had are removed with it */
    drop_record(w);
    if (w->file.failure == ERR_MEMORY || w->file.failure == ERR_LIMIT)
        w->file.failure = OK; /* what found no memory was part of this record */
    return w->file.failure;
}

static status end_record(dataset_file_writer *w)
{
    TRY(put_empty(w));
    TRY(dialect_close_group(&w->file.file, w->record));
    w->record = NULL;
    return OK;
}

status dataset_file_end(dataset_file_writer *w)
{
    TRY(sealed_file_ready(&w->file));
    if (!w->record)
        return fail(ERR_STATE, "%s: no record has been begun", sealed_file_label(&w->file));
    status s = check_complete(w);
    if (s == OK)
        s = sealed_file_written(&w->file, end_record(w));
    if (s != OK) {
        dataset_file_undo(w);
        return s;
    }
    w->n_records++;
    w->n_objects += w->record_objects;
    return OK;
}

/* ---- the end of the file ---- */

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static const char *classes_of(const dataset_file_writer *w, size_t i)
{
    const field_writer *state = &w->state[i];
    size_t at = 0;
    if (!state->collected)
        return w->fields[i].classes;
    qsort(state->classes, state->n_classes, sizeof *state->classes, by_value);
    state->collected[0] = 0;
    for (size_t k = 0; k < state->n_classes; k++)
        at += (size_t)snprintf(state->collected + at, CLASS_TEXT, "%s%d=%d", k ? "," : "", state->classes[k],
                               state->classes[k]);
    return state->collected;
}

static status put_classes(dataset_file_writer *w, size_t i, dialect_group *group)
{
    const char *text = classes_of(w, i);
    return *text ? dialect_put_text(&w->file.file, group, "classes", text) : OK;
}

static status put_field(dataset_file_writer *w, size_t i)
{
    const slmt_field *field = &w->fields[i];
    char path[FIELD_NAME_MAX + 16], shape[SHAPE_TEXT];
    dialect_file *f = &w->file.file;
    dialect_group *group;
    snprintf(path, sizeof path, "fields/%s", field->name);
    TRY(dialect_group_at(f, path, &group));
    TRY(dialect_put_int(f, group, "index", (int64_t)i));
    TRY(dialect_put_text(f, group, "kind", dataset_kind_name(field->kind)));
    TRY(dialect_put_text(f, group, "type", stored_type_name(dataset_stored(field->type))));
    TRY(dialect_put_text(f, group, "axes", field->axes));
    TRY(dialect_put_text(f, group, "shape", dataset_shape_text(field, shape)));
    return put_classes(w, i, group);
}

static void put_fields(dataset_file_writer *w)
{
    for (size_t i = 0; i < w->n_fields && w->file.failure == OK; i++)
        sealed_file_written(&w->file, put_field(w, i));
}

static status check_end(const dataset_file_writer *w)
{
    if (w->file.failure != OK)
        return OK; /* finishing the file reports this failure */
    if (w->record)
        return fail(ERR_STATE, "%s: /%s has not ended", sealed_file_label(&w->file), w->record_path);
    return w->n_fields > 0 ? OK : fail(ERR_STATE, "%s: the set has no field", sealed_file_label(&w->file));
}

status dataset_file_finish(dataset_file_writer *w)
{
    status s = check_end(w);
    if (s != OK) {
        dataset_file_cancel(w);
        return s;
    }
    put_fields(w);
    s = sealed_file_finish(&w->file, dataset_seal_write);
    release(w);
    return s;
}
