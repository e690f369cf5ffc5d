/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_schema1.c - version 1 of a training set, which held only MR volumes: its contrasts become fields of
 * images, its subjects records. The root's attributes are those of version 2's source, and "contrasts". */
#include "io/dataset_schema.h"

#include <string.h>

static int has_contrast(const dataset_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_fields; i++)
        if (strcmp(f->fields[i].name, name) == 0)
            return 1;
    return 0;
}

static slmt_field contrast_field(const char *name, int64_t side)
{
    return (slmt_field){.struct_size = sizeof(slmt_field),
                        .kind = SLMT_FIELD_IMAGE,
                        .type = SLMT_TENSOR_FLOAT32,
                        .rank = 3,
                        .dim = {0, side, side},
                        .name = name,
                        .axes = "slice,row,column",
                        .classes = ""};
}

static status read_contrasts(dataset_file *f)
{
    const char *joined;
    int32_t side;
    TRY(catalogue_int32(&f->catalogue, "", "crop_size", 1, 4096, &side));
    TRY(catalogue_text(&f->catalogue, "", "contrasts", &joined));
    TRY(mem_text(f->mem, joined, &f->contrast_text));
    for (char *name = f->contrast_text, *next = name; next; name = next) {
        next = strchr(name, ',');
        if (next)
            *next++ = 0;
        if (f->n_fields == FIELDS_MAX || !dataset_field_name_ok(name) || has_contrast(f, name))
            return fail(
                ERR_SCHEMA,
                "%s: attribute contrasts must be 1 to %d different names of 1 to %d letters, digits, '-', "
                "'_', joined by commas",
                f->label, FIELDS_MAX, FIELD_NAME_MAX);
        f->fields[f->n_fields++] = contrast_field(name, side);
    }
    return OK;
}

/* Root and /subjects must contain only what is read; all other groups are subjects. The importer checks the
 * root's attributes. */
static status check_groups(dataset_file *f, size_t *subjects)
{
    for (size_t i = 0; i < f->catalogue.group_count; i++) {
        const catalogue_group *g = &f->catalogue.groups[i];
        const char *name;
        int is_root = g->path[0] == 0, is_parent = strcmp(g->path, "subjects") == 0;
        int is_subject = dataset_child(g->path, "subjects", &name) && dataset_record_name_ok(name);
        if (!is_root && !is_parent && !is_subject)
            return fail(ERR_SCHEMA, "%s: /%s is unexpected", f->label, g->path);
        size_t attributes = is_root ? g->attribute_count : is_parent ? 0 : 2;
        if (g->attribute_count != attributes || (g->tensor_count != 0 && !is_subject))
            return fail(ERR_SCHEMA, "%s: /%s has %zu attributes and %zu tensors, expected %zu and %s",
                        f->label, g->path, g->attribute_count, g->tensor_count, attributes,
                        is_subject ? "one for each contrast it has" : "0");
        *subjects += (size_t)is_subject;
    }
    return OK;
}

static status check_slices(const dataset_file *f, const catalogue_tensor *t, int64_t side)
{
    char shape[STORED_SHAPE_TEXT], chunk[STORED_SHAPE_TEXT];
    if (t->type != STORED_F32)
        return fail(ERR_SCHEMA, "%s: /%s/%s is %s, expected float32", f->label, t->group, t->name,
                    stored_type_name(t->type));
    if (t->rank != 3 || t->dims[1] != side || t->dims[2] != side || t->chunk[0] != 1 || t->chunk[1] != side ||
        t->chunk[2] != side)
        return fail(ERR_SCHEMA,
                    "%s: /%s/%s is %s in chunks %s, crop_size %lld needs [slices,%lld,%lld], a chunk each",
                    f->label, t->group, t->name, stored_shape(t->rank, t->dims, shape),
                    stored_shape(t->rank, t->chunk, chunk), (long long)side, (long long)side,
                    (long long)side);
    return OK;
}

/* Checks that the group's tensors are contrasts of equal length. */
static status read_subject(dataset_file *f, const catalogue_group *g, const char *name)
{
    size_t record, found = 0;
    TRY(dataset_record_of(f, g, name, &record));
    for (size_t i = 0; i < f->n_fields; i++) {
        const catalogue_tensor *t = catalogue_find_tensor(&f->catalogue, g, f->fields[i].name);
        if (!t)
            continue;
        found++;
        TRY(check_slices(f, t, f->fields[i].dim[1]));
        if (t->dims[0] != f->catalogue.tensors[g->first_tensor].dims[0])
            return fail(ERR_SCHEMA, "%s: /%s: its contrasts differ in the number of slices", f->label,
                        g->path);
        f->tensors[record * f->n_fields + i] = (tensor_place){t, 1};
    }
    if (found == 0 || found != g->tensor_count)
        return fail(ERR_SCHEMA, "%s: /%s: expected tensors named as contrasts, at least one", f->label,
                    g->path);
    return OK;
}

status dataset_schema_1(dataset_file *f)
{
    size_t subjects = 0;
    const char *name;
    TRY(read_contrasts(f));
    TRY(check_groups(f, &subjects));
    TRY(dataset_take_records(f, subjects));
    for (size_t i = 0; i < f->catalogue.group_count; i++) {
        const catalogue_group *g = &f->catalogue.groups[i];
        if (dataset_child(g->path, "subjects", &name))
            TRY(read_subject(f, g, name));
    }
    return OK;
}
