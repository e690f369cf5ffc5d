/* SPDX-License-Identifier: Apache-2.0 */
/* dataset_file.c - opens a training set's file, checks all of its schema, and reads single slices. */
#include "io/dataset_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/preprocess.h"
#include "io/dataset_format.h"
#include "io/hdf5.h"
#include "io/input_file.h"

typedef struct subject {
    const char *name; /* in the catalogue; NULL: not found yet */
    int32_t split;
} subject;

struct dataset_file {
    mem *mem;
    char *label;
    int fd;
    hdf5_bytes bytes;
    hid_t file;
    catalogue catalogue;
    slmt_preprocess preprocess;
    char *contrast_text; /* the names, each ended by a zero */
    const char *contrasts[CONTRASTS_MAX];
    size_t contrast_count;
    subject *subjects;
    size_t subject_count;
    const catalogue_tensor **slices; /* [subject][contrast]; NULL: none */
};

static const char subjects_prefix[] = "subjects/";

/* ---- look-ups ---- */

const char *dataset_file_label(const dataset_file *f)
{
    return f->label;
}

const slmt_preprocess *dataset_file_preprocess(const dataset_file *f)
{
    return &f->preprocess;
}

size_t dataset_file_contrasts(const dataset_file *f)
{
    return f->contrast_count;
}

const char *dataset_file_contrast(const dataset_file *f, size_t contrast)
{
    return contrast < f->contrast_count ? f->contrasts[contrast] : NULL;
}

size_t dataset_file_subjects(const dataset_file *f)
{
    return f->subject_count;
}

const char *dataset_file_subject(const dataset_file *f, size_t index)
{
    return index < f->subject_count ? f->subjects[index].name : NULL;
}

int32_t dataset_file_split(const dataset_file *f, size_t index)
{
    return index < f->subject_count ? f->subjects[index].split : 0;
}

static const catalogue_tensor *slices_of(const dataset_file *f, size_t index, size_t contrast)
{
    if (index >= f->subject_count || contrast >= f->contrast_count)
        return NULL;
    return f->slices[index * f->contrast_count + contrast];
}

size_t dataset_file_slices(const dataset_file *f, size_t index, size_t contrast)
{
    const catalogue_tensor *t = slices_of(f, index, contrast);
    return t ? (size_t)t->dims[0] : 0;
}

/* ---- schema ---- */

static status read_block(const dataset_file *f)
{
    char block[DATASET_BLOCK + 1] = {0}, expected[DATASET_BLOCK];
    const size_t magic = strlen(DATASET_MAGIC);
    if (pread(f->fd, block, DATASET_BLOCK, 0) < 0)
        return fail(ERR_IO, "%s: cannot read: %s", f->label, strerror(errno));
    if (memcmp(block, DATASET_MAGIC "version ", magic + 8) != 0)
        return fail(ERR_FORMAT, "%s: not a libslmt training set", f->label);
    long version = strtol(block + magic + 8, NULL, 10);
    if (version > DATASET_VERSION)
        return fail(ERR_VERSION, "%s: training set version %ld, this library reads up to %d: use a newer one",
                    f->label, version, DATASET_VERSION);
    dataset_block(expected, DATASET_VERSION);
    if (memcmp(block, expected, DATASET_BLOCK) != 0)
        return fail(ERR_FORMAT, "%s: its first %d bytes are not those of a training set", f->label,
                    DATASET_BLOCK);
    return OK;
}

static status read_preprocess(dataset_file *f)
{
    slmt_preprocess *p = &f->preprocess;
    preprocess_defaults(p);
    for (size_t i = 0; i < DATASET_FIELDS; i++) {
        int32_t value;
        TRY(catalogue_int32(&f->catalogue, "", dataset_fields[i].name, INT32_MIN, INT32_MAX, &value));
        memcpy((char *)p + dataset_fields[i].offset, &value, sizeof value);
    }
    TRY(catalogue_real(&f->catalogue, "", "low_percentile", &p->low_percentile));
    TRY(catalogue_real(&f->catalogue, "", "high_percentile", &p->high_percentile));
    return preprocess_check(p) == OK ? OK : fail_prefix(ERR_SCHEMA, f->label);
}

static int has_contrast(const dataset_file *f, const char *name)
{
    for (size_t i = 0; i < f->contrast_count; i++)
        if (strcmp(f->contrasts[i], name) == 0)
            return 1;
    return 0;
}

static status read_contrasts(dataset_file *f)
{
    const char *joined;
    TRY(catalogue_text(&f->catalogue, "", "contrasts", &joined));
    TRY(mem_text(f->mem, joined, &f->contrast_text));
    for (char *name = f->contrast_text, *next = name; next; name = next) {
        next = strchr(name, ',');
        if (next)
            *next++ = 0;
        if (f->contrast_count == CONTRASTS_MAX || !dataset_contrast_ok(name) || has_contrast(f, name))
            return fail(
                ERR_SCHEMA,
                "%s: attribute contrasts must be 1 to %d different names of 1 to %d letters, digits, '-', "
                "'_', joined by commas",
                f->label, CONTRASTS_MAX, CONTRAST_NAME_MAX);
        f->contrasts[f->contrast_count++] = name;
    }
    return OK;
}

/* Root and /subjects hold nothing but what is read; all other groups are subjects. */
static status check_groups(dataset_file *f)
{
    size_t subjects = 0;
    for (size_t i = 0; i < f->catalogue.group_count; i++) {
        const catalogue_group *g = &f->catalogue.groups[i];
        int is_root = g->path[0] == 0, is_parent = strcmp(g->path, "subjects") == 0;
        int is_subject = strncmp(g->path, subjects_prefix, sizeof subjects_prefix - 1) == 0 &&
                         dataset_subject_ok(g->path + sizeof subjects_prefix - 1);
        if (!is_root && !is_parent && !is_subject)
            return fail(ERR_SCHEMA, "%s: /%s is unexpected", f->label, g->path);
        size_t attributes = is_root ? DATASET_FIELDS + 3 : is_parent ? 0 : 2;
        if (g->attribute_count != attributes || (g->tensor_count != 0 && !is_subject))
            return fail(ERR_SCHEMA, "%s: /%s has %zu attributes and %zu tensors, expected %zu and %s",
                        f->label, g->path, g->attribute_count, g->tensor_count, attributes,
                        is_subject ? "one for each contrast it has" : "0");
        subjects += (size_t)is_subject;
    }
    f->subject_count = subjects;
    return OK;
}

static status check_slices(const dataset_file *f, const catalogue_tensor *t)
{
    int64_t side = f->preprocess.crop_size;
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

/* The group's tensors are contrasts of equal length. */
static status read_slices(dataset_file *f, const catalogue_group *g, const catalogue_tensor **slices)
{
    size_t found = 0;
    for (size_t i = 0; i < f->contrast_count; i++) {
        slices[i] = catalogue_find_tensor(&f->catalogue, g, f->contrasts[i]);
        if (!slices[i])
            continue;
        found++;
        TRY(check_slices(f, slices[i]));
        if (slices[i]->dims[0] != f->catalogue.tensors[g->first_tensor].dims[0])
            return fail(ERR_SCHEMA, "%s: /%s: its contrasts differ in the number of slices", f->label,
                        g->path);
    }
    if (found == 0 || found != g->tensor_count)
        return fail(ERR_SCHEMA, "%s: /%s: expected tensors named as contrasts, at least one", f->label,
                    g->path);
    return OK;
}

static status read_subject(dataset_file *f, const catalogue_group *g)
{
    int32_t index;
    const char *split;
    TRY(catalogue_int32(&f->catalogue, g->path, "index", 0, INT32_MAX, &index));
    TRY(catalogue_text(&f->catalogue, g->path, "split", &split));
    if ((size_t)index >= f->subject_count || f->subjects[index].name)
        return fail(ERR_SCHEMA, "%s: /%s: index %d is past the last or taken", f->label, g->path, index);
    if (!dataset_split_of(split))
        return fail(ERR_SCHEMA, "%s: /%s: split is \"%.16s\", expected train or test", f->label, g->path,
                    split);
    f->subjects[index] = (subject){g->path + sizeof subjects_prefix - 1, dataset_split_of(split)};
    return read_slices(f, g, f->slices + (size_t)index * f->contrast_count);
}

static status read_subjects(dataset_file *f)
{
    void *p;
    TRY(check_groups(f));
    TRY(mem_zeros(f->mem, f->subject_count, sizeof *f->subjects, &p));
    f->subjects = p;
    TRY(mem_zeros(f->mem, f->subject_count, f->contrast_count * sizeof *f->slices, &p));
    f->slices = p;
    for (size_t i = 0; i < f->catalogue.group_count; i++) {
        const catalogue_group *g = &f->catalogue.groups[i];
        if (strncmp(g->path, subjects_prefix, sizeof subjects_prefix - 1) == 0)
            TRY(read_subject(f, g));
    }
    return OK;
}

/* ---- opening ---- */

static status parse(dataset_file *f)
{
    hdf5_guard guard;
    uint64_t size;
    TRY(input_file_open(f->label, &f->fd, &size));
    TRY(read_block(f));
    hdf5_enter(&guard);
    f->file = hdf5_open_file(&f->bytes, f->fd, size);
    status s = f->file < 0 ? fail(ERR_FORMAT, "%s: HDF5 cannot open it: damaged or cut short", f->label)
                           : hdf5_catalogue(f->file, size, &f->catalogue);
    hdf5_leave(&guard);
    TRY(s);
    TRY(read_preprocess(f));
    TRY(read_contrasts(f));
    return read_subjects(f);
}

status dataset_file_open(mem *m, const char *path, dataset_file **out)
{
    void *p;
    TRY(mem_zeros(m, 1, sizeof **out, &p));
    dataset_file *f = p;
    f->mem = m;
    f->fd = -1;
    f->file = -1;
    status s = mem_text(m, path, &f->label);
    catalogue_init(&f->catalogue, m, f->label);
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
    hdf5_guard guard;
    if (!f)
        return;
    if (f->file >= 0) {
        hdf5_enter(&guard);
        hdf5_close(&f->bytes, f->file);
        hdf5_leave(&guard);
    }
    if (f->fd >= 0)
        close(f->fd);
    catalogue_free(&f->catalogue);
    mem_give(f->mem, f->slices);
    mem_give(f->mem, f->subjects);
    mem_give(f->mem, f->contrast_text);
    mem_give(f->mem, f->label);
    mem_give(f->mem, f);
}

/* ---- slices ---- */

status dataset_file_read(const dataset_file *f, size_t index, size_t contrast, size_t slice, float *pixels)
{
    hdf5_guard guard;
    const catalogue_tensor *t = slices_of(f, index, contrast);
    hdf5_enter(&guard);
    int done = hdf5_get_tensor(f->file, t, STORED_F32, (int64_t)slice, pixels);
    hdf5_leave(&guard);
    if (done < 0)
        return fail(ERR_CORRUPT, "%s: /%s/%s: cannot read slice %zu", f->label, t->group, t->name, slice);
    for (int64_t i = 0; i < t->dims[1] * t->dims[2]; i++)
        if (!(pixels[i] >= 0 && pixels[i] <= 1))
            return fail(ERR_CORRUPT, "%s: /%s/%s: slice %zu holds a value outside [0, 1]", f->label, t->group,
                        t->name, slice);
    return OK;
}
