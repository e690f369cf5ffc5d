/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_identity.c - a digest that tells one training set from another, wherever its file lies and whatever
 * it is called: of fields, records and shapes, and of one row of each training record. */
#include <stdio.h>
#include <string.h>

#include "core/dataset.h"
#include "io/dataset_format.h"

/* A longer row is not read. */
#define ROW_MOST ((uint64_t)16 << 20)

/* chain = digest(chain, digest(data)) */
static void add(char chain[DIGEST_HEX], const void *data, size_t size)
{
    char both[2 * DIGEST_HEX];
    memcpy(both, chain, DIGEST_HEX);
    digest_memory(data, size, both + DIGEST_HEX);
    digest_memory(both, sizeof both, chain);
}

static void add_field(char chain[DIGEST_HEX], const slmt_field *f)
{
    char shape[SHAPE_TEXT], text[2 * SHAPE_TEXT + FIELD_NAME_MAX + AXES_TEXT_MAX];
    int n = snprintf(text, sizeof text, "field %s %d %d %s %s", f->name, (int)f->kind, (int)f->type,
                     dataset_shape_text(f, shape), f->axes);
    add(chain, text, n > 0 ? (size_t)n : 0);
    add(chain, f->classes, strlen(f->classes));
}

static void add_record(char chain[DIGEST_HEX], const dataset_file *f, size_t record)
{
    const slmt_record *r = dataset_file_record(f, record);
    add(chain, r->id, strlen(r->id));
    add(chain, r->group, strlen(r->group));
    add(chain, dataset_split_name(r->split), strlen(dataset_split_name(r->split)));
    for (size_t i = 0; i < dataset_file_fields(f); i++) {
        const int64_t *dims = dataset_file_shape(f, record, i);
        char text[32];
        for (int32_t axis = 0; dims && axis < dataset_file_field(f, i)->rank; axis++) {
            int n = snprintf(text, sizeof text, "%zu %lld", i, (long long)dims[axis]);
            add(chain, text, (size_t)n);
        }
    }
}

/* The middle row of the record's first tensor. */
static status add_row(char chain[DIGEST_HEX], mem *m, const dataset_file *f, size_t record)
{
    void *row;
    const int64_t *dims = NULL;
    size_t field = 0;
    for (; field < dataset_file_fields(f) && !dims; field++)
        dims = dataset_file_shape(f, record, field);
    uint64_t bytes = dims && dims[0] > 0 ? dataset_row_bytes(dataset_file_field(f, field - 1), dims) : 0;
    if (bytes == 0 || bytes > ROW_MOST)
        return OK;
    TRY(mem_take(m, (size_t)bytes, &row));
    status s = dataset_file_read(f, record, field - 1, dims[0] / 2, 1, row);
    if (s == OK)
        add(chain, row, (size_t)bytes);
    mem_give(m, row);
    return s;
}

status dataset_identity(mem *m, const dataset_file *f, char hex[DIGEST_HEX])
{
    memset(hex, '0', DIGEST_HEX - 1);
    hex[DIGEST_HEX - 1] = 0;
    for (size_t i = 0; i < dataset_file_fields(f); i++)
        add_field(hex, dataset_file_field(f, i));
    for (size_t r = 0; r < dataset_file_records(f); r++) {
        add_record(hex, f, r);
        if (dataset_file_record(f, r)->split == SLMT_SPLIT_TRAIN)
            TRY(add_row(hex, m, f, r));
    }
    return OK;
}
