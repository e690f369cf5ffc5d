/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_schema.c - version 2 of a training set: checks all of its schema, and finds fields and records. */
#include "io/dataset_schema.h"

#include <stdio.h>
#include <string.h>

/* ---- groups ---- */

static status check_counts(const dataset_file *f, const catalogue_group *g, size_t least, size_t most,
                           int has_tensors)
{
    if (g->attribute_count < least || g->attribute_count > most || (g->tensor_count > 0 && !has_tensors))
        return fail(ERR_SCHEMA, "%s: /%s has %zu attributes and %zu tensors, expected %zu to %zu and %s",
                    f->label, g->path, g->attribute_count, g->tensor_count, least, most,
                    has_tensors ? "one for each field that it has" : "none");
    return OK;
}

/* The file must not contain anything that is not read. */
static status check_group(const dataset_file *f, const catalogue_group *g, size_t *fields, size_t *records)
{
    const char *name;
    if (g->path[0] == 0 || strcmp(g->path, "fields") == 0 || strcmp(g->path, f->records_group) == 0)
        return check_counts(f, g, 0, 0, 0);
    if (strcmp(g->path, "source") == 0)
        return check_counts(f, g, 1, 64, 0);
    if (dataset_child(g->path, "fields", &name) && dataset_field_name_ok(name)) {
        ++*fields;
        return check_counts(f, g, 5, 6, 0);
    }
    if (dataset_child(g->path, f->records_group, &name) && dataset_record_name_ok(name)) {
        ++*records;
        return check_counts(f, g, 3, 4 + DATASET_NUMBERS, 1);
    }
    return fail(ERR_SCHEMA, "%s: /%s is unexpected", f->label, g->path);
}

static status check_groups(const dataset_file *f, size_t *fields, size_t *records)
{
    for (size_t i = 0; i < f->catalogue.group_count; i++)
        TRY(check_group(f, &f->catalogue.groups[i], fields, records));
    if (!catalogue_find_group(&f->catalogue, "fields") ||
        !catalogue_find_group(&f->catalogue, f->records_group))
        return fail(ERR_SCHEMA, "%s: /fields or /%s is missing", f->label, f->records_group);
    if (*fields < 1 || *fields > FIELDS_MAX)
        return fail(ERR_SCHEMA, "%s: /fields has %zu fields, expected 1 to %d", f->label, *fields,
                    FIELDS_MAX);
    return OK;
}

/* ---- fields ---- */

static status read_classes(dataset_file *f, const catalogue_group *g, size_t index)
{
    void *p;
    f->fields[index].classes = "";
    if (g->attribute_count == 5)
        return OK;
    TRY(catalogue_text(&f->catalogue, g->path, "classes", &f->fields[index].classes));
    TRY(mem_array(f->mem, CLASSES_MAX, sizeof(int32_t), &p));
    f->classes[index].values = p;
    return OK;
}

static status read_field_texts(dataset_file *f, const catalogue_group *g, slmt_field *field)
{
    const char *kind, *type, *shape;
    TRY(catalogue_text(&f->catalogue, g->path, "kind", &kind));
    TRY(catalogue_text(&f->catalogue, g->path, "type", &type));
    TRY(catalogue_text(&f->catalogue, g->path, "axes", &field->axes));
    TRY(catalogue_text(&f->catalogue, g->path, "shape", &shape));
    field->kind = dataset_kind_of(kind);
    field->type = dataset_type_of(type);
    field->rank = dataset_shape_parse(shape, field->dim);
    if (!field->kind || !field->type || !field->rank)
        return fail(ERR_SCHEMA, "%s: /%s: kind \"%.16s\", type \"%.16s\" or shape \"%.64s\" is unknown",
                    f->label, g->path, kind, type, shape);
    return OK;
}

static status read_field(dataset_file *f, const catalogue_group *g, const char *name)
{
    int32_t index;
    TRY(catalogue_int32(&f->catalogue, g->path, "index", 0, INT32_MAX, &index));
    if ((size_t)index >= f->n_fields || f->fields[index].name)
        return fail(ERR_SCHEMA, "%s: /%s: index %d is past the last or taken", f->label, g->path, index);
    slmt_field *field = &f->fields[index];
    *field = (slmt_field){.struct_size = sizeof *field, .name = name};
    TRY(read_field_texts(f, g, field));
    TRY(read_classes(f, g, (size_t)index));
    if (dataset_field_check(field) != OK)
        return fail_prefix(ERR_SCHEMA, f->label);
    class_list *classes = &f->classes[index];
    if (classes->values)
        classes->n = dataset_class_values(field->classes, classes->values);
    return OK;
}

static status read_fields(dataset_file *f, size_t count)
{
    const char *name;
    f->n_fields = count;
    for (size_t i = 0; i < f->catalogue.group_count; i++) {
        const catalogue_group *g = &f->catalogue.groups[i];
        if (dataset_child(g->path, "fields", &name))
            TRY(read_field(f, g, name));
    }
    return OK;
}

/* ---- tensors ---- */

static int chunk_is_ok(const slmt_field *field, const catalogue_tensor *t)
{
    int64_t row[STORED_RANK_MAX];
    memcpy(row, t->dims, sizeof row);
    if (t->chunk[0] == 0) /* in one piece */
        return 1;
    for (int i = 1; i < t->rank; i++)
        if (t->chunk[i] != t->dims[i])
            return 0;
    row[0] = t->chunk[0];
    uint64_t bytes = stored_bytes(t->type, field->rank, row);
    return bytes > 0 && bytes <= DATASET_ROW_MAX;
}

static status check_tensor(const dataset_file *f, const slmt_field *field, const catalogue_tensor *t)
{
    char is[STORED_SHAPE_TEXT], chunk[STORED_SHAPE_TEXT], should[SHAPE_TEXT];
    if (t->type != dataset_stored(field->type))
        return fail(ERR_SCHEMA, "%s: /%s/%s is %s, expected %s", f->label, t->group, t->name,
                    stored_type_name(t->type), stored_type_name(dataset_stored(field->type)));
    int same = t->rank == field->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = field->dim[i] == 0 || field->dim[i] == t->dims[i];
    if (same && dataset_row_bytes(field, t->dims) > 0 && chunk_is_ok(field, t))
        return OK;
    return fail(ERR_SCHEMA,
                "%s: /%s/%s is %s in chunks %s, the field needs [%s], in chunks of whole rows of at "
                "most %llu bytes",
                f->label, t->group, t->name, stored_shape(t->rank, t->dims, is),
                stored_shape(t->rank, t->chunk, chunk), dataset_shape_text(field, should),
                (unsigned long long)DATASET_ROW_MAX);
}

/* ---- records ---- */

static size_t field_named(const dataset_file *f, const char *name, size_t length)
{
    size_t i = 0;
    while (i < f->n_fields &&
           (strlen(f->fields[i].name) != length || strncmp(f->fields[i].name, name, length) != 0))
        i++;
    return i;
}

static status read_tensors(dataset_file *f, const catalogue_group *g, tensor_place *tensors)
{
    for (size_t i = 0; i < g->tensor_count; i++) {
        const catalogue_tensor *t = &f->catalogue.tensors[g->first_tensor + i];
        size_t field = field_named(f, t->name, strlen(t->name));
        if (field == f->n_fields)
            return fail(ERR_SCHEMA, "%s: /%s/%s has the name of no field", f->label, g->path, t->name);
        TRY(check_tensor(f, &f->fields[field], t));
        tensors[field] = (tensor_place){t, 1};
    }
    return OK;
}

/* An attribute names the fields of 0 rows, because a tensor has no extent of 0. */
static status read_empty(dataset_file *f, const catalogue_group *g, tensor_place *tensors)
{
    const char *names;
    if (!catalogue_find_attribute(&f->catalogue, g, "empty"))
        return OK;
    TRY(catalogue_text(&f->catalogue, g->path, "empty", &names));
    for (;;) {
        size_t length = strcspn(names, ","), field = field_named(f, names, length);
        if (field == f->n_fields || tensors[field].has || f->fields[field].dim[0] != 0)
            return fail(ERR_SCHEMA,
                        "%s: /%s: attribute empty names \"%.*s\", which is not a field that may be empty",
                        f->label, g->path, (int)(length < 64 ? length : 64), names);
        tensors[field].has = 1;
        if (names[length] == 0)
            return OK;
        names += length + 1;
    }
}

/* Returns the extents of an empty tensor: 0 rows, and those that the field fixes; -1: unknown. */
static const int64_t *empty_extents(const slmt_field *field, int64_t dims[STORED_RANK_MAX])
{
    dims[0] = 0;
    for (int i = 1; i < field->rank; i++)
        dims[i] = field->dim[i] ? field->dim[i] : -1;
    return dims;
}

static status check_axes(const dataset_file *f, const catalogue_group *g, const axis_ids *axes, size_t record)
{
    const int64_t *dims[FIELDS_MAX];
    int64_t empty[FIELDS_MAX][STORED_RANK_MAX];
    char where[STORED_PATH_MAX + 2];
    int any = 0;
    for (size_t i = 0; i < f->n_fields; i++) {
        const tensor_place *t = &f->tensors[record * f->n_fields + i];
        dims[i] = t->stored ? t->stored->dims : t->has ? empty_extents(&f->fields[i], empty[i]) : NULL;
        any |= t->has;
    }
    snprintf(where, sizeof where, "/%s", g->path);
    if (!any)
        return fail(ERR_SCHEMA, "%s: %s has no tensor", f->label, where);
    if (dataset_axes_agree(f->fields, f->n_fields, axes, dims, ERR_SCHEMA, where) != OK)
        return fail_prefix(ERR_SCHEMA, f->label);
    return OK;
}

/* Beside index, split, group and empty a record of MR volumes may have all numbers, others have none. */
static status check_attributes(const dataset_file *f, const catalogue_group *g)
{
    size_t known = 3 + (catalogue_find_attribute(&f->catalogue, g, "empty") != NULL);
    int is_mr = strcmp(dataset_file_source(f), "mr") == 0;
    if (g->attribute_count == known || (is_mr && g->attribute_count == known + DATASET_NUMBERS))
        return OK;
    const char *empty;
    if (g->attribute_count == 4)
        TRY(catalogue_text(&f->catalogue, g->path, "empty", &empty));
    return fail(ERR_SCHEMA, "%s: /%s has %zu attributes, expected %zu%s", f->label, g->path,
                g->attribute_count, known, is_mr ? ", or those and its geometry" : "");
}

static status read_record(dataset_file *f, const catalogue_group *g, const char *id, const axis_ids *axes)
{
    size_t record;
    const char *group;
    TRY(dataset_record_of(f, g, id, &record));
    TRY(catalogue_text(&f->catalogue, g->path, "group", &group));
    if (!dataset_record_name_ok(group))
        return fail(ERR_SCHEMA, "%s: /%s: attribute group is not a name", f->label, g->path);
    f->records[record].group = group;
    TRY(check_attributes(f, g));
    tensor_place *tensors = f->tensors + record * f->n_fields;
    TRY(read_tensors(f, g, tensors));
    TRY(read_empty(f, g, tensors));
    return check_axes(f, g, axes, record);
}

static status check_source(const dataset_file *f)
{
    const char *importer;
    if (!catalogue_find_group(&f->catalogue, "source"))
        return OK;
    TRY(catalogue_text(&f->catalogue, "source", "importer", &importer));
    if (strcmp(importer, "mr") != 0)
        return fail(ERR_SCHEMA, "%s: /source: importer is \"%.16s\", this library knows mr", f->label,
                    importer);
    return OK;
}

status dataset_schema_2(dataset_file *f)
{
    size_t fields = 0, records = 0;
    axis_ids axes;
    const char *id;
    TRY(check_groups(f, &fields, &records));
    TRY(check_source(f));
    TRY(read_fields(f, fields));
    TRY(dataset_take_records(f, records));
    dataset_axis_ids(f->fields, f->n_fields, &axes);
    for (size_t i = 0; i < f->catalogue.group_count; i++) {
        const catalogue_group *g = &f->catalogue.groups[i];
        if (dataset_child(g->path, f->records_group, &id))
            TRY(read_record(f, g, id, &axes));
    }
    return OK;
}
