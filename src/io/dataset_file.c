/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_file.c - opens a training set's file of either version, and reads rows of its tensors. */
#include "io/dataset_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/dataset_schema.h"
#include "io/dataset_seal.h"
#include "io/input_file.h"

enum { SCRATCH_MAX = 32 << 20 };

/* ---- look-ups ---- */

const char *dataset_file_label(const dataset_file *f)
{
    return f->label;
}

size_t dataset_file_fields(const dataset_file *f)
{
    return f->n_fields;
}

size_t dataset_file_records(const dataset_file *f)
{
    return f->n_records;
}

const slmt_field *dataset_file_field(const dataset_file *f, size_t index)
{
    return index < f->n_fields ? &f->fields[index] : NULL;
}

const slmt_record *dataset_file_record(const dataset_file *f, size_t index)
{
    return index < f->n_records ? &f->records[index] : NULL;
}

const char *dataset_records_path(const dataset_file *f)
{
    return f->records_group;
}

const catalogue *dataset_file_source_at(const dataset_file *f, const char **group)
{
    *group = f->version == 1 ? "" : "source";
    return &f->catalogue;
}

const char *dataset_file_source(const dataset_file *f)
{
    const catalogue_group *g = catalogue_find_group(&f->catalogue, "source");
    const catalogue_attribute *a = catalogue_find_attribute(&f->catalogue, g, "importer");
    return f->version == 1 ? "mr" : a ? a->text : "";
}

const char *dataset_file_place(const dataset_file *f, size_t record, size_t field,
                               char text[DATASET_PLACE_MAX])
{
    snprintf(text, DATASET_PLACE_MAX, "%s/%s/%s", dataset_records_path(f), f->records[record].id,
             f->fields[field].name);
    return text;
}

static const tensor_place *tensor_at(const dataset_file *f, size_t record, size_t field)
{
    if (record >= f->n_records || field >= f->n_fields)
        return NULL;
    return &f->tensors[record * f->n_fields + field];
}

const int64_t *dataset_file_shape(const dataset_file *f, size_t record, size_t field)
{
    const tensor_place *t = tensor_at(f, record, field);
    if (!t || !t->has)
        return NULL;
    return t->stored ? t->stored->dims : f->fields[field].dim; /* the first extent of an empty tensor is 0 */
}

/* ---- what both versions share ---- */

int dataset_child(const char *path, const char *parent, const char **name)
{
    size_t length = strlen(parent);
    *name = path + length + 1;
    return strncmp(path, parent, length) == 0 && path[length] == '/';
}

status dataset_take_records(dataset_file *f, size_t n_records)
{
    void *p;
    f->n_records = n_records;
    TRY(mem_zeros(f->mem, n_records, sizeof *f->records, &p));
    f->records = p;
    TRY(mem_zeros(f->mem, n_records, f->n_fields * sizeof *f->tensors, &p));
    f->tensors = p;
    return OK;
}

status dataset_record_of(dataset_file *f, const catalogue_group *g, const char *id, size_t *record)
{
    int32_t index;
    const char *split;
    TRY(catalogue_int32(&f->catalogue, g->path, "index", 0, INT32_MAX, &index));
    TRY(catalogue_text(&f->catalogue, g->path, "split", &split));
    if ((size_t)index >= f->n_records || f->records[index].id)
        return fail(ERR_SCHEMA, "%s: /%s: index %d is past the last or taken", f->label, g->path, index);
    if (!dataset_split_of(split))
        return fail(ERR_SCHEMA, "%s: /%s: split is \"%.16s\", expected train, test or validation", f->label,
                    g->path, split);
    f->records[index] = (slmt_record){
        .struct_size = sizeof *f->records, .split = dataset_split_of(split), .id = id, .group = id};
    *record = (size_t)index;
    return OK;
}

/* ---- opening ---- */

/* Takes what reading any row needs, so that it cannot run out of memory in the middle of a training; but for
 * huge rows, which a small file may claim to have. */
static status take_scratch(dataset_file *f)
{
    uint64_t most = 0;
    for (size_t i = 0; i < f->catalogue.tensor_count; i++) {
        uint64_t size = dialect_scratch_size(&f->catalogue.tensors[i]);
        most = size > most && size <= SCRATCH_MAX ? size : most;
    }
    TRY(mem_take(f->mem, (size_t)most, &f->scratch.bytes));
    f->scratch.size = (size_t)most;
    return OK;
}

static status parse(dataset_file *f)
{
    TRY(input_file_open(f->label, &f->bytes.fd, &f->bytes.size));
    TRY(dataset_seal_check(&f->bytes, &f->version));
    TRY(dialect_catalogue(&f->bytes, DATASET_BLOCK, &f->catalogue));
    f->records_group = catalogue_find_group(&f->catalogue, "subjects") ? "subjects" : "records";
    TRY(f->version == 1 ? dataset_schema_1(f) : dataset_schema_2(f));
    return take_scratch(f);
}

status dataset_file_open(mem *m, const char *path, dataset_file **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    dataset_file *f = p;
    f->mem = m;
    status s = mem_text(m, path, &f->label);
    pthread_mutex_init(&f->reading, NULL);
    f->bytes = (source){.mem = m, .label = f->label, .fd = -1};
    catalogue_init(&f->catalogue, m, f->label);
    f->catalogue.types = STORED_IN_SETS;
    f->catalogue.user_names = 1;
    if (s == OK)
        s = parse(f);
    if (s != OK)
        dataset_file_close(f);
    else
        *out = f;
    return s;
}

void dataset_file_close(dataset_file *f)
{
    if (!f)
        return;
    if (f->bytes.fd >= 0)
        close(f->bytes.fd);
    source_release(&f->bytes);
    pthread_mutex_destroy(&f->reading);
    mem_give(f->mem, f->scratch.bytes);
    catalogue_free(&f->catalogue);
    for (size_t i = 0; i < FIELDS_MAX; i++)
        mem_give(f->mem, f->classes[i].values);
    mem_give(f->mem, f->tensors);
    mem_give(f->mem, f->records);
    mem_give(f->mem, f->contrast_text);
    mem_give(f->mem, f->label);
    mem_give(f->mem, f);
}

/* ---- numbers ---- */

status dataset_file_read_numbers(const dataset_file *f, size_t record, int n, const char *const *names,
                                 double *values, int *has)
{
    char path[STORED_PATH_MAX + 1];
    snprintf(path, sizeof path, "%s/%s", dataset_records_path(f), f->records[record].id);
    const catalogue_group *g = catalogue_find_group(&f->catalogue, path);
    *has = 0;
    for (int i = 0; i < n; i++)
        *has |= catalogue_find_attribute(&f->catalogue, g, names[i]) != NULL;
    for (int i = 0; i < n && *has; i++)
        TRY(catalogue_real(&f->catalogue, path, names[i], &values[i]));
    return OK;
}

/* ---- tensors ---- */

static status check_values(const dataset_file *f, size_t record, size_t field, int64_t first, int64_t count,
                           const void *values)
{
    const class_list *classes = &f->classes[field];
    char place[DATASET_PLACE_MAX];
    int64_t dims[STORED_RANK_MAX];
    memcpy(dims, dataset_file_shape(f, record, field), sizeof dims);
    dims[0] = count;
    size_t n = (size_t)stored_elements(f->fields[field].rank, dims);
    size_t wrong = dataset_values_check(&f->fields[field], classes->values, classes->n, values, n);
    if (wrong == n)
        return OK;
    return fail(ERR_CORRUPT, "%s: /%s: row %lld holds a value that is %s", f->label,
                dataset_file_place(f, record, field, place),
                (long long)(first + (int64_t)(wrong / (n / (size_t)count))),
                classes->n ? "none of the field's classes" : "not finite");
}

/* Adds what was read to the message about damaged bytes. */
static status say_rows(const dataset_file *f, size_t record, size_t field, int64_t first, int64_t count)
{
    char place[DATASET_PLACE_MAX], damage[STATUS_TEXT_MAX];
    snprintf(damage, sizeof damage, "%s", status_text());
    return fail(ERR_CORRUPT, "%s (read for rows %lld to %lld of /%s)", damage, (long long)first,
                (long long)(first + count - 1), dataset_file_place(f, record, field, place));
}

status dataset_file_read(const dataset_file *f, size_t record, size_t field, int64_t first, int64_t count,
                         void *values)
{
    const catalogue_tensor *t = tensor_at(f, record, field)->stored;
    if (count == 0)
        return OK;
    pthread_mutex_t *reading = (pthread_mutex_t *)&f->reading; /* an open set is not changed otherwise */
    pthread_mutex_lock(reading);
    status s = dialect_read_rows(&f->bytes, DATASET_BLOCK, t, first, count, f->scratch, values);
    pthread_mutex_unlock(reading);
    if (s == ERR_CORRUPT)
        return say_rows(f, record, field, first, count);
    TRY(s);
    return check_values(f, record, field, first, count, values);
}
