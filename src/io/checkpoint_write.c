/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_write.c - writes a checkpoint: into a temporary file, then its seal, then the rename. */
#include "io/checkpoint.h"

#include <string.h>

#include "io/checkpoint_seal.h"
#include "io/checkpoint_values.h"
#include "io/sealed_file.h"

struct checkpoint_writer {
    mem *mem;
    sealed_file file;
};

status checkpoint_create(mem *m, const char *path, checkpoint_writer **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    checkpoint_writer *w = p;
    w->mem = m;
    status s = sealed_file_begin(m, path, SEAL_SIZE, &w->file);
    if (s != OK) {
        mem_give(m, w);
        return s;
    }
    *out = w;
    return OK;
}

static const char *label_of(const checkpoint_writer *w)
{
    return sealed_file_label(&w->file);
}

static status find_group(checkpoint_writer *w, const char *path, const char *name, dialect_group **group)
{
    if (!stored_path_ok(path) || !stored_name_ok(name))
        return fail(ERR_ARGUMENT, "%s: \"%.64s/%.64s\" is not a name: 1 to %d printable characters",
                    label_of(w), path, name, STORED_NAME_MAX);
    return dialect_group_at(&w->file.file, path, group);
}

static status put_attribute(checkpoint_writer *w, const char *group, const char *name,
                            const catalogue_attribute *value)
{
    TRY(sealed_file_ready(&w->file));
    dialect_group *g;
    dialect_file *f = &w->file.file;
    TRY(find_group(w, group, name, &g));
    if (dialect_has_attribute(g, name))
        return fail(ERR_ARGUMENT, "%s: attribute %s of /%s is written twice", label_of(w), name, group);
    status s = value->type == STORED_I64   ? dialect_put_int(f, g, name, value->integer)
               : value->type == STORED_F64 ? dialect_put_real(f, g, name, value->real)
                                           : dialect_put_text(f, g, name, value->text);
    return sealed_file_written(&w->file, s);
}

status checkpoint_put_int(checkpoint_writer *w, const char *group, const char *name, int64_t value)
{
    return put_attribute(w, group, name, &(catalogue_attribute){.type = STORED_I64, .integer = value});
}

status checkpoint_put_real(checkpoint_writer *w, const char *group, const char *name, double value)
{
    return put_attribute(w, group, name, &(catalogue_attribute){.type = STORED_F64, .real = value});
}

status checkpoint_put_text(checkpoint_writer *w, const char *group, const char *name, const char *value)
{
    if (strnlen(value, STORED_TEXT_MAX + 1) > STORED_TEXT_MAX)
        return fail(ERR_ARGUMENT, "%s: attribute %s of /%s is longer than %d bytes", label_of(w), name, group,
                    STORED_TEXT_MAX);
    /* put_attribute() does not write to the text */
    return put_attribute(w, group, name, &(catalogue_attribute){.type = STORED_TEXT, .text = (char *)value});
}

static status put_tensor(checkpoint_writer *w, const char *group, const char *name, stored_type type,
                         int rank, const int64_t *dims, const void *values)
{
    int is_there;
    dialect_group *g;
    TRY(find_group(w, group, name, &g));
    TRY(dialect_has(g, name, &is_there));
    if (is_there)
        return fail(ERR_ARGUMENT, "%s: /%s/%s is written twice", label_of(w), group, name);
    return sealed_file_written(&w->file,
                               dialect_put_tensor(&w->file.file, g, name, type, rank, dims, values));
}

status checkpoint_put_tensor(checkpoint_writer *w, const char *group, const char *name, checkpoint_type type,
                             int rank, const int64_t *dims, const void *values)
{
    TRY(sealed_file_ready(&w->file));
    if (rank < 0 || rank > STORED_RANK_MAX || stored_bytes((stored_type)type, rank, dims) == 0)
        return fail(ERR_ARGUMENT, "%s: /%s/%s has rank %d or an extent that no tensor has", label_of(w),
                    group, name, rank);
    TRY(checkpoint_check_finite(label_of(w), group, name, type, stored_elements(rank, dims), values));
    return put_tensor(w, group, name, (stored_type)type, rank, dims, values);
}

status checkpoint_finish(checkpoint_writer *w)
{
    status s = sealed_file_finish(&w->file, seal_write);
    mem_give(w->mem, w);
    return s;
}

void checkpoint_cancel(checkpoint_writer *w)
{
    if (!w)
        return;
    sealed_file_cancel(&w->file);
    mem_give(w->mem, w);
}
