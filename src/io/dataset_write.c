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
    hid_t record; /* the group being filled; negative between records */
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
    hdf5_guard guard;
    hdf5_enter(&guard);
    hid_t fields = hdf5_group(w->file.file, "fields"), records = hdf5_group(w->file.file, w->records_group);
    int done = fields >= 0 && records >= 0 ? 0 : -1;
    H5Gclose(fields);
    H5Gclose(records);
    hdf5_leave(&guard);
    return sealed_file_written(&w->file, w->records_group, "", done);
}

status dataset_file_create(mem *m, const char *path, const char *records_group, dataset_file_writer **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    dataset_file_writer *w = p;
    w->mem = m;
    w->record = -1;
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
    sealed_file_cancel(&w->file, w->record);
    release(w);
}

/* ---- source ---- */

static status put_source(dataset_file_writer *w, const char *name, stored_type type, int64_t integer,
                         double real, const char *text)
{
    hdf5_guard guard;
    TRY(sealed_file_ready(&w->file));
    hdf5_enter(&guard);
    hid_t group = hdf5_group(w->file.file, "source");
    int done = group < 0            ? -1
               : type == STORED_I64 ? hdf5_put_int(group, name, integer)
               : type == STORED_F64 ? hdf5_put_real(group, name, real)
                                    : hdf5_put_text(group, name, text);
    H5Gclose(group);
    hdf5_leave(&guard);
    return sealed_file_written(&w->file, "source", name, done);
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
    if (w->n_records > 0 || w->record >= 0)
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

static int record_is_taken(const dataset_file_writer *w, const char *id)
{
    hid_t records = hdf5_group(w->file.file, w->records_group);
    int taken = records < 0 ? -1 : hdf5_has_link(records, id);
    H5Gclose(records);
    return taken;
}

static int begin_record(dataset_file_writer *w, const slmt_record *r)
{
    w->record = hdf5_group(w->file.file, w->record_path);
    if (w->record < 0 || hdf5_put_int(w->record, "index", w->n_records) < 0 ||
        hdf5_put_text(w->record, "group", r->group ? r->group : r->id) < 0)
        return -1;
    return hdf5_put_text(w->record, "split", dataset_split_name(r->split));
}

static status check_record(const dataset_file_writer *w, const slmt_record *r)
{
    static const char rule[] = RECORD_NAME_RULE;
    TRY(sealed_file_ready(&w->file));
    if (w->record >= 0)
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
    hdf5_guard guard;
    TRY(check_record(w, r));
    hdf5_enter(&guard);
    int taken = record_is_taken(w, r->id), result = taken;
    if (taken == 0) {
        snprintf(w->record_path, sizeof w->record_path, "%s/%s", w->records_group, r->id);
        result = begin_record(w, r);
    }
    hdf5_leave(&guard);
    if (taken > 0)
        return fail(ERR_ARGUMENT, "%s: there is a record %s already", sealed_file_label(&w->file), r->id);
    w->record_objects = 1;
    for (size_t i = 0; i < w->n_fields; i++) {
        w->state[i].has = 0;
        w->state[i].kept = w->state[i].n_classes;
    }
    return sealed_file_written(&w->file, w->record_path, "", result);
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

static void choose_chunk(const slmt_field *f, const int64_t *dims, uint64_t row, int64_t *chunk)
{
    size_t length;
    const char *axis = dataset_axis(f->axes, 0, &length);
    int64_t rows = (int64_t)(65536 / row);
    if (rows < 1 || (length == 5 && strncmp(axis, "slice", 5) == 0))
        rows = 1;
    memcpy(chunk, dims, STORED_RANK_MAX * sizeof *chunk);
    chunk[0] = rows < dims[0] ? rows : dims[0];
}

/* A tensor without rows is not stored: the record's attribute "empty" names it. */
static int put_rows(const dataset_file_writer *w, const slmt_field *f, int64_t rows, const int64_t *dims,
                    const void *values)
{
    int64_t chunk[STORED_RANK_MAX];
    uint64_t row = dataset_row_bytes(f, dims);
    if (dims[0] == 0)
        return 0;
    if (rows > 0)
        return hdf5_append_rows(w->record, f->name, dataset_stored(f->type), f->rank, dims, rows, values);
    choose_chunk(f, dims, row, chunk);
    return hdf5_put_tensor(w->record, f->name, dataset_stored(f->type), f->rank, dims,
                           is_one_piece(f, dims, row) ? NULL : chunk, values);
}

status dataset_file_append(dataset_file_writer *w, size_t field, const int64_t *dims, const void *values)
{
    hdf5_guard guard;
    const slmt_field *f = &w->fields[field];
    field_writer *state = &w->state[field];
    int64_t given[STORED_RANK_MAX] = {0};
    memcpy(given, dims, (size_t)f->rank * sizeof *dims);
    TRY(sealed_file_ready(&w->file));
    if (w->record < 0)
        return fail(ERR_STATE, "%s: no record has been begun", sealed_file_label(&w->file));
    TRY(check_extents(w, f, state, given));
    TRY(check_values(w, field, given, values));
    int64_t rows = state->has ? state->dims[0] : 0;
    hdf5_enter(&guard);
    int result = put_rows(w, f, rows, given, values);
    hdf5_leave(&guard);
    TRY(sealed_file_written(&w->file, w->record_path, f->name, result));
    w->record_objects += rows == 0 && given[0] > 0;
    memcpy(state->dims, given, sizeof given);
    state->dims[0] += rows;
    state->has = 1;
    return OK;
}

status dataset_file_numbers(dataset_file_writer *w, int n, const char *const *names, const double *values)
{
    hdf5_guard guard;
    int result = 0;
    TRY(sealed_file_ready(&w->file));
    if (w->record < 0)
        return fail(ERR_STATE, "%s: no record has been begun", sealed_file_label(&w->file));
    hdf5_enter(&guard);
    for (int i = 0; i < n && result >= 0; i++)
        result = hdf5_put_real(w->record, names[i], values[i]);
    hdf5_leave(&guard);
    return sealed_file_written(&w->file, w->record_path, names[0], result);
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

static int put_empty(const dataset_file_writer *w)
{
    char text[FIELDS_MAX * (FIELD_NAME_MAX + 1) + 1] = "";
    size_t at = 0;
    for (size_t i = 0; i < w->n_fields; i++)
        if (w->state[i].has && w->state[i].dims[0] == 0)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? "," : "", w->fields[i].name);
    return at ? hdf5_put_text(w->record, "empty", text) : 0;
}

/* Closes the record's group, or removes it from the file. */
static int leave_record(dataset_file_writer *w, int keep)
{
    hdf5_guard guard;
    hdf5_enter(&guard);
    int result = keep ? put_empty(w) : 0;
    if (H5Gclose(w->record) < 0)
        result = -1;
    w->record = -1;
    if (!keep) {
        hid_t records = hdf5_group(w->file.file, w->records_group);
        result = H5Ldelete(records, w->record_path + strlen(w->records_group) + 1, H5P_DEFAULT);
        H5Gclose(records);
    }
    hdf5_leave(&guard);
    return result;
}

status dataset_file_undo(dataset_file_writer *w)
{
    if (w->record < 0)
        return OK;
    for (size_t i = 0; i < w->n_fields; i++)
        w->state[i].n_classes = w->state[i].kept; /* classes that only this record had are removed with it */
    if (leave_record(w, 0) < 0)
        w->file.failure = ERR_IO;
    return w->file.failure == OK ? OK : ERR_IO;
}

status dataset_file_end(dataset_file_writer *w)
{
    TRY(sealed_file_ready(&w->file));
    if (w->record < 0)
        return fail(ERR_STATE, "%s: no record has been begun", sealed_file_label(&w->file));
    status s = check_complete(w);
    if (s != OK) {
        dataset_file_undo(w);
        return s;
    }
    TRY(sealed_file_written(&w->file, w->record_path, "", leave_record(w, 1)));
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

static int put_classes(const dataset_file_writer *w, size_t i, hid_t group)
{
    const char *text = classes_of(w, i);
    return *text ? hdf5_put_text(group, "classes", text) : 0;
}

static int put_field(const dataset_file_writer *w, size_t i)
{
    const slmt_field *f = &w->fields[i];
    char path[FIELD_NAME_MAX + 16], shape[SHAPE_TEXT];
    snprintf(path, sizeof path, "fields/%s", f->name);
    hid_t group = hdf5_group(w->file.file, path);
    int done = group >= 0 && hdf5_put_int(group, "index", (int64_t)i) >= 0 &&
                       hdf5_put_text(group, "kind", dataset_kind_name(f->kind)) >= 0 &&
                       hdf5_put_text(group, "type", stored_type_name(dataset_stored(f->type))) >= 0 &&
                       hdf5_put_text(group, "axes", f->axes) >= 0 &&
                       hdf5_put_text(group, "shape", dataset_shape_text(f, shape)) >= 0 &&
                       put_classes(w, i, group) >= 0
                   ? 0
                   : -1;
    H5Gclose(group);
    return done;
}

static void put_fields(dataset_file_writer *w)
{
    hdf5_guard guard;
    for (size_t i = 0; i < w->n_fields && w->file.failure == OK; i++) {
        hdf5_enter(&guard);
        int done = put_field(w, i);
        hdf5_leave(&guard);
        sealed_file_written(&w->file, "fields", w->fields[i].name, done);
    }
}

static status check_end(const dataset_file_writer *w)
{
    if (w->file.failure != OK)
        return OK; /* finishing the file reports this failure */
    if (w->record >= 0)
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
    s = sealed_file_finish(&w->file, w->record, dataset_seal_write);
    release(w);
    return s;
}
