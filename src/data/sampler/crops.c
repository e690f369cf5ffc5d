/* SPDX-License-Identifier: Apache-2.0 */
/* crops.c - finds the fields of a task's inputs, draws records, slices and corners, and reads the crops. */
#include "data/sampler/crops.h"

#include <math.h>
#include <string.h>

#include "core/dataset.h"
#include "data/sampler/draw.h"
#include "data/sampler/epoch.h"
#include "lib/half.h"

/* The source of an input. */
typedef struct crop_field {
    size_t field;
    const slmt_field *info;
    int sliced;    /* 1: the first axis counts slices */
    int64_t bands; /* 1: there is no such axis */
} crop_field;

typedef struct crops {
    crop_shape shape;
    crop_field fields[METHOD_PORTS];
    int32_t n_fields;
    uint32_t *records; /* records of the training part that have all fields */
    uint32_t n;
    uint32_t *order; /* of an epoch's samples */
    uint64_t epoch;  /* UINT64_MAX: no epoch yet */
    void *room;      /* buffer for the stored rows of a crop, or for a stored slice */
} crops;

/* ---- fields ---- */

static const char *kind_word(int32_t kind)
{
    return kind == SLMT_FIELD_LABELS ? "labels" : "image";
}

/* Checks that crops can be taken of a field with these axes. */
static status read_axes(const feed *f, crop_field *c, const crop_shape *shape)
{
    int is_band = strcmp(c->info->axes, "row,column,band") == 0;
    c->sliced = strcmp(c->info->axes, "slice,row,column") == 0;
    c->bands = is_band ? c->info->dim[2] : 1;
    if (!is_band && !c->sliced && strcmp(c->info->axes, "row,column") != 0)
        return fail(
            ERR_ARGUMENT,
            "%s: field %s has axes %s, expected \"row,column\", \"row,column,band\" or \"slice,row,column\"",
            dataset_file_label(f->set->file), c->info->name, c->info->axes);
    int64_t wanted = c->info->kind == SLMT_FIELD_IMAGE ? shape->bands : 1;
    if (c->bands != wanted)
        return fail(ERR_ARGUMENT, "%s: field %s has %lld bands, the task takes %lld",
                    dataset_file_label(f->set->file), c->info->name, (long long)c->bands, (long long)wanted);
    return OK;
}

/* Finds the field of input `input`: the set's next one of its kind. */
static status find_field(const feed *f, crops *own, int32_t input)
{
    const crop_rule *rule = f->rule;
    size_t wanted = 0, n = dataset_file_fields(f->set->file);
    for (int32_t i = 0; i < input; i++)
        wanted += rule->kinds[i] == rule->kinds[input];
    for (size_t i = 0; i < n; i++) {
        const slmt_field *info = dataset_file_field(f->set->file, i);
        if (info->kind != rule->kinds[input] || wanted-- > 0)
            continue;
        own->fields[input] = (crop_field){.field = i, .info = info};
        return read_axes(f, &own->fields[input], &own->shape);
    }
    return fail(ERR_NOT_FOUND, "%s: the set has too few fields of kind %s for this task",
                dataset_file_label(f->set->file), kind_word(rule->kinds[input]));
}

/* ---- records ---- */

static size_t element_size(int32_t type)
{
    return type == SLMT_TENSOR_UINT8 ? 1 : type == SLMT_TENSOR_FLOAT16 ? 2 : 4;
}

/* Returns the bytes that must be read for a crop of a field: its rows, or all rows of a slice. 0: the crop
 * does not fit. */
static size_t room_for(const crops *own, const crop_field *c, const int64_t *dims)
{
    int64_t rows = dims[c->sliced], columns = dims[c->sliced + 1];
    if (rows < own->shape.rows || columns < own->shape.columns)
        return 0;
    return (size_t)((c->sliced ? rows : own->shape.rows) * columns * c->bands) * element_size(c->info->type);
}

/* Returns 1 if the record has all fields, and none without slices; raises `most` to the bytes that reading it
 * takes. */
static status take_record(const feed *f, const crops *own, uint32_t record, int *has, size_t *most)
{
    *has = dataset_file_record(f->set->file, record)->split == SLMT_SPLIT_TRAIN;
    for (int32_t i = 0; *has && i < own->n_fields; i++) {
        const int64_t *dims = dataset_file_shape(f->set->file, record, own->fields[i].field);
        *has = dims && dims[0] > 0;
        size_t room = *has ? room_for(own, &own->fields[i], dims) : 1;
        if (room == 0)
            return fail(ERR_ARGUMENT, "%s: record %s is smaller than crops of %lld x %lld",
                        dataset_file_label(f->set->file), dataset_file_record(f->set->file, record)->id,
                        (long long)own->shape.rows, (long long)own->shape.columns);
        *most = room > *most ? room : *most;
    }
    return OK;
}

static status list_records(feed *f, crops *own)
{
    void *p;
    size_t all = dataset_file_records(f->set->file), room = 1;
    TRY(mem_array(f->mem, all + 1, sizeof(uint32_t), &p));
    own->records = p;
    for (uint32_t r = 0; r < all; r++) {
        int has;
        TRY(take_record(f, own, r, &has, &room));
        if (has)
            own->records[own->n++] = r;
    }
    f->records = own->n;
    f->samples = (uint64_t)own->n * (uint64_t)own->shape.crops;
    own->n = (uint32_t)floor(own->n * f->at.setting[TRAIN_DATA_RATE] + 1e-9);
    f->records_used = own->n;
    f->samples_used = (uint64_t)own->n * (uint64_t)own->shape.crops;
    TRY(mem_take(f->mem, room, &own->room));
    return OK;
}

/* ---- opening ---- */

void crops_close(feed *f)
{
    crops *own = f->own;
    if (!own)
        return;
    mem_give(f->mem, own->records);
    mem_give(f->mem, own->order);
    mem_give(f->mem, own->room);
    mem_give(f->mem, own);
    f->own = NULL;
}

status crops_open(feed *f)
{
    void *p;
    const crop_rule *rule = f->rule;
    TRY(mem_zeros(f->mem, 1, sizeof(crops), &p));
    crops *own = f->own = p;
    own->epoch = UINT64_MAX;
    own->n_fields = rule->n;
    TRY(rule->shape(f->at, &own->shape));
    for (int32_t i = 0; i < rule->n; i++)
        TRY(find_field(f, own, i));
    TRY(list_records(f, own));
    return epoch_open(f, (uint64_t)own->n * (uint64_t)own->shape.crops, &own->order);
}

/* ---- a step ---- */

typedef struct crop {
    int64_t slice, row, column;
    int flip; /* 1: columns in reverse order */
} crop;

/* Fields of a record have equal numbers of rows, columns and slices, because axes of the same name have the
 * same extent. */
static crop draw_crop(const feed *f, const crops *own, uint32_t record, random_stream *r)
{
    crop at = {0, 0, 0, 0};
    for (int32_t i = 0; i < own->n_fields; i++) {
        const crop_field *c = &own->fields[i];
        if (c->sliced) {
            at.slice = draw_below(r, dataset_file_shape(f->set->file, record, c->field)[0]);
            break;
        }
    }
    const crop_field *c = &own->fields[0];
    const int64_t *dims = dataset_file_shape(f->set->file, record, c->field) + c->sliced;
    at.row = draw_below(r, dims[0] - own->shape.rows + 1);
    at.column = draw_below(r, dims[1] - own->shape.columns + 1);
    at.flip = f->at.setting[TRAIN_AUGMENT] != 0 && random_uniform(r) < 0.5;
    return at;
}

static float image_value(const crop_field *c, const void *values, size_t i)
{
    switch (c->info->type) {
    case SLMT_TENSOR_UINT8:
        return (float)((const uint8_t *)values)[i] / 255;
    case SLMT_TENSOR_FLOAT16:
        return bk_widen(BK_F16, ((const uint16_t *)values)[i]);
    case SLMT_TENSOR_INT32:
        return (float)((const int32_t *)values)[i];
    default:
        return ((const float *)values)[i];
    }
}

static int32_t label_value(const crop_field *c, const void *values, size_t i)
{
    return c->info->type == SLMT_TENSOR_UINT8 ? ((const uint8_t *)values)[i] : ((const int32_t *)values)[i];
}

/* Copies the crop from rows of `width` pixels; `first` is its first pixel. */
static void cut(const crops *own, const crop_field *c, crop at, int64_t width, int64_t first, void *to)
{
    int64_t h = own->shape.rows, w = own->shape.columns, b = c->bands;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t k = 0; k < b; k++) {
                int64_t column = at.column + (at.flip ? w - 1 - x : x);
                size_t from = (size_t)(((at.row - first + y) * width + column) * b + k);
                size_t into = (size_t)((y * w + x) * b + k);
                if (c->info->kind == SLMT_FIELD_LABELS)
                    ((int32_t *)to)[into] = label_value(c, own->room, from);
                else
                    ((float *)to)[into] = image_value(c, own->room, from);
            }
}

static status read_crop(feed *f, const crop_field *c, uint32_t record, crop at, void *to)
{
    const crops *own = f->own;
    const int64_t *dims = dataset_file_shape(f->set->file, record, c->field);
    int64_t first = c->sliced ? at.slice : at.row, count = c->sliced ? 1 : own->shape.rows;
    TRY(dataset_file_read(f->set->file, record, c->field, first, count, own->room));
    cut(own, c, at, dims[c->sliced + 1], c->sliced ? 0 : at.row, to);
    return OK;
}

static status fill_one(feed *f, uint64_t step, size_t i, void *const *in)
{
    crops *own = f->own;
    uint64_t place = (uint64_t)f->rank * (uint64_t)f->at.setting[TRAIN_BATCH] + i;
    uint32_t record =
        own->records[own->order[step % f->steps_in_epoch * samples_together(f) + place] % own->n];
    random_stream r = random_open(f->seed, random_purpose("crop", step * samples_together(f) + place));
    crop at = draw_crop(f, own, record, &r);
    for (int32_t k = 0; k < own->n_fields; k++) {
        const crop_field *c = &own->fields[k];
        size_t one = (size_t)(own->shape.rows * own->shape.columns * c->bands) * 4; /* bytes of a sample */
        TRY(read_crop(f, c, record, at, (unsigned char *)in[k] + i * one));
    }
    return OK;
}

status crops_fill(feed *f, uint64_t step, void *const *in)
{
    crops *own = f->own;
    uint64_t epoch = step / f->steps_in_epoch;
    if (own->epoch != epoch) {
        random_stream r = random_open(f->seed, random_purpose("order", epoch));
        random_permutation(&r, own->order, own->n * (uint32_t)own->shape.crops);
        own->epoch = epoch;
    }
    for (size_t i = 0; i < (size_t)f->at.setting[TRAIN_BATCH]; i++)
        TRY(fill_one(f, step, i, in));
    return OK;
}
