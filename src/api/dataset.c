/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.c - entry points of slmt/dataset.h for sets of any fields; those for MR volumes are in
 * dataset_mr.c. */
#include "core/dataset.h"

#include <string.h>

#include "core/open_sets.h"
#include "core/structs.h"
#include "data/mr_set.h"

/* ---- writing ---- */

status dataset_writer_open(slmt_context *context, const char *path, const char *records_group,
                           slmt_dataset_writer **writer)
{
    void *block;
    TRY(open_sets_check(context, path));
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_dataset_writer), &block));
    slmt_dataset_writer *w = block;
    w->word = HANDLE_WRITER;
    status s = dataset_file_create(&context->mem, path, records_group, &w->file);
    if (s != OK) {
        mem_give(&context->mem, w);
        return s;
    }
    w->context = context_retain(context);
    *writer = w;
    return OK;
}

slmt_status slmt_dataset_writer_create(slmt_context *context, const char *path, slmt_dataset_writer **writer)
{
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(writer);
    return dataset_writer_open(context, path, "records", writer);
}

static status need_records(const slmt_dataset_writer *w, const char *call)
{
    return w->contrasts == 0 ? OK
                             : fail(ERR_STATE, "%s: %s is a set of MR volumes: see slmt_dataset_writer_add()",
                                    call, dataset_file_writer_label(w->file));
}

slmt_status slmt_dataset_writer_add_field(slmt_dataset_writer *writer, const slmt_field *field)
{
    slmt_field f = {.struct_size = sizeof f};
    REQUIRE(writer);
    REQUIRE(field);
    TRY(struct_read(&f, sizeof f, field, "slmt_field"));
    TRY(need_records(writer, __func__));
    return dataset_file_add_field(writer->file, &f);
}

slmt_status slmt_dataset_writer_begin(slmt_dataset_writer *writer, const slmt_record *record)
{
    slmt_record r = {.struct_size = sizeof r};
    REQUIRE(writer);
    REQUIRE(record);
    TRY(struct_read(&r, sizeof r, record, "slmt_record"));
    TRY(need_records(writer, __func__));
    return dataset_file_begin(writer->file, &r);
}

/* Checks the caller's tensor, which must be of a field's type and rank, compact and row-major. */
static status check_tensor(const slmt_tensor *t, const slmt_field *f, const char *call)
{
    int64_t stride = 1;
    if (t->type != f->type || t->rank != f->rank)
        return fail(ERR_ARGUMENT, "%s: field %s has type %d and %d axes, the tensor type %d and %d", call,
                    f->name, f->type, f->rank, t->type, t->rank);
    if (!t->shape)
        return fail(ERR_ARGUMENT, "%s: field %s: the tensor's shape is NULL", call, f->name);
    for (int32_t i = t->rank - 1; i >= 0 && t->strides; i--) {
        if (t->strides[i] != stride && t->shape[i] > 1)
            return fail(ERR_ARGUMENT, "%s: field %s: the tensor is not compact and row-major", call, f->name);
        if (__builtin_mul_overflow(stride, t->shape[i], &stride))
            return fail(ERR_ARGUMENT, "%s: field %s: the tensor is too large", call, f->name);
    }
    if (!t->data && t->shape[0] != 0)
        return fail(ERR_ARGUMENT, "%s: field %s: the tensor's data is NULL", call, f->name);
    return OK;
}

slmt_status slmt_dataset_writer_append(slmt_dataset_writer *writer, int32_t field, const slmt_tensor *tensor)
{
    REQUIRE(writer);
    REQUIRE(tensor);
    TRY(need_records(writer, __func__));
    size_t n = dataset_file_writer_fields(writer->file);
    if (field < 0 || (size_t)field >= n)
        return fail(ERR_ARGUMENT, "slmt_dataset_writer_append: field is %d, there are %zu", field, n);
    TRY(check_tensor(tensor, dataset_file_writer_field(writer->file, (size_t)field), __func__));
    return dataset_file_append(writer->file, (size_t)field, tensor->shape, tensor->data);
}

slmt_status slmt_dataset_writer_end(slmt_dataset_writer *writer)
{
    REQUIRE(writer);
    return dataset_file_end(writer->file);
}

slmt_status slmt_dataset_writer_undo(slmt_dataset_writer *writer)
{
    REQUIRE(writer);
    return dataset_file_undo(writer->file);
}

static void writer_free(slmt_dataset_writer *writer)
{
    slmt_context *context = writer->context;
    handle_end(writer);
    mem_give(&context->mem, writer);
    context_release(context);
}

slmt_status slmt_dataset_writer_finish(slmt_dataset_writer *writer)
{
    REQUIRE(writer);
    status s = dataset_file_finish(writer->file);
    writer_free(writer);
    return s;
}

void slmt_dataset_writer_cancel(slmt_dataset_writer *writer)
{
    if (!writer || !HANDLE_IS(writer))
        return;
    dataset_file_cancel(writer->file);
    writer_free(writer);
}

/* ---- reading ---- */

static status open_mr(mem *m, slmt_dataset *d)
{
    void *block;
    slmt_geometry unused;
    TRY(mr_set_read(d->file, &d->preprocess, &d->contrasts));
    TRY(mr_set_geometry(d->file, SLMT_SPLIT_ALL,
                        &unused)); /* checked here, so that later calls cannot fail */
    size_t side = (size_t)d->preprocess.crop_size;
    TRY(mem_array(m, side * side, sizeof *d->slice, &block));
    d->slice = block;
    return OK;
}

static status open_set(mem *m, const char *path, slmt_dataset *d)
{
    TRY(dataset_file_open(m, path, &d->file));
    status s = mr_set_is(d->file) ? open_mr(m, d) : OK;
    if (s != OK)
        dataset_file_close(d->file);
    return s;
}

slmt_status slmt_dataset_open(slmt_context *context, const char *path, slmt_dataset **dataset)
{
    void *block;
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(dataset);
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_dataset), &block));
    slmt_dataset *d = block;
    d->word = HANDLE_DATASET;
    status s = open_set(&context->mem, path, d);
    if (s != OK) {
        mem_give(&context->mem, d);
        return s;
    }
    d->context = context_retain(context);
    open_sets_add(context, path, &d->open);
    *dataset = d;
    return OK;
}

void slmt_dataset_free(slmt_dataset *dataset)
{
    if (!dataset || !HANDLE_IS(dataset))
        return;
    slmt_context *context = dataset->context;
    open_sets_remove(context, &dataset->open);
    dataset_file_close(dataset->file);
    mem_give(&context->mem, dataset->slice);
    handle_end(dataset);
    mem_give(&context->mem, dataset);
    context_release(context);
}

size_t slmt_dataset_field_count(const slmt_dataset *dataset)
{
    return dataset ? dataset_file_fields(dataset->file) : 0;
}

slmt_status slmt_dataset_field(const slmt_dataset *dataset, size_t index, slmt_field *field)
{
    REQUIRE(dataset);
    REQUIRE(field);
    const slmt_field *f = dataset_file_field(dataset->file, index);
    if (!f)
        return fail(ERR_ARGUMENT, "%s: field %zu; there are %zu", dataset_file_label(dataset->file), index,
                    dataset_file_fields(dataset->file));
    return struct_write(field, f, sizeof *f, "slmt_field");
}

size_t slmt_dataset_record_count(const slmt_dataset *dataset)
{
    return dataset ? dataset_file_records(dataset->file) : 0;
}

slmt_status slmt_dataset_record(const slmt_dataset *dataset, size_t index, slmt_record *record)
{
    REQUIRE(dataset);
    REQUIRE(record);
    const slmt_record *r = dataset_file_record(dataset->file, index);
    if (!r)
        return fail(ERR_ARGUMENT, "%s: record %zu; there are %zu", dataset_file_label(dataset->file), index,
                    dataset_file_records(dataset->file));
    return struct_write(record, r, sizeof *r, "slmt_record");
}

static status find_shape(const slmt_dataset *d, size_t record, size_t field, const int64_t **shape)
{
    const dataset_file *f = d->file;
    if (record >= dataset_file_records(f) || field >= dataset_file_fields(f))
        return fail(ERR_ARGUMENT, "%s: record %zu, field %zu; there are %zu records, %zu fields",
                    dataset_file_label(f), record, field, dataset_file_records(f), dataset_file_fields(f));
    *shape = dataset_file_shape(f, record, field);
    if (*shape)
        return OK;
    return fail(ERR_NOT_FOUND, "%s: record %s has no %s", dataset_file_label(f),
                dataset_file_record(f, record)->id, dataset_file_field(f, field)->name);
}

slmt_status slmt_dataset_shape(const slmt_dataset *dataset, size_t record, size_t field, int64_t shape[6])
{
    const int64_t *found;
    REQUIRE(dataset);
    REQUIRE(shape);
    TRY(find_shape(dataset, record, field, &found));
    memcpy(shape, found, (size_t)dataset_file_field(dataset->file, field)->rank * sizeof *shape);
    return OK;
}

static status check_range(const slmt_dataset *d, size_t record, size_t field, int64_t first, int64_t count,
                          const slmt_tensor *t)
{
    const int64_t *shape;
    const slmt_field *f = dataset_file_field(d->file, field);
    TRY(find_shape(d, record, field, &shape));
    if (first < 0 || count < 0 || first > shape[0] || count > shape[0] - first)
        return fail(ERR_ARGUMENT, "%s: rows %lld to %lld of %s of record %s; there are %lld",
                    dataset_file_label(d->file), (long long)first, (long long)(first + count - 1), f->name,
                    dataset_file_record(d->file, record)->id, (long long)shape[0]);
    TRY(check_tensor(t, f, "slmt_dataset_read"));
    for (int32_t i = 0; i < f->rank; i++)
        if (t->shape[i] != (i ? shape[i] : count) && count > 0)
            return fail(ERR_ARGUMENT,
                        "slmt_dataset_read: axis %d of the tensor for %s has extent %lld, expected %lld", i,
                        f->name, (long long)t->shape[i], (long long)(i ? shape[i] : count));
    return OK;
}

slmt_status slmt_dataset_read(slmt_dataset *dataset, size_t record, size_t field, int64_t first,
                              int64_t count, const slmt_tensor *tensor)
{
    REQUIRE(dataset);
    REQUIRE(tensor);
    TRY(check_range(dataset, record, field, first, count, tensor));
    return dataset_file_read(dataset->file, record, field, first, count, tensor->data);
}

const char *slmt_dataset_source(const slmt_dataset *dataset)
{
    return dataset ? dataset_file_source(dataset->file) : "";
}
