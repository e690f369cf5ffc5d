/* SPDX-License-Identifier: Apache-2.0 */
/* patches.c - finds images and label maps of a set, draws crops, and reads them. */
#include "data/sampler/patches.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dataset.h"
#include "core/model.h"
#include "data/sampler/draw.h"
#include "data/sampler/epoch.h"
#include "lib/half.h"

enum { CHANNELS = 64, IGNORED = -1 };

typedef struct patches {
    int32_t image, labels; /* inputs */
    int64_t size[3];       /* of a crop: slices, rows, columns */
    int64_t channels, crops;
    size_t field[CHANNELS + 1]; /* of each channel, then that of the labels */
    int32_t values[PATCH_CLASSES], classes, ignored;
    uint32_t *records, n; /* of the training part, with all fields */
    uint32_t *order;      /* of an epoch's samples */
    uint64_t epoch;       /* UINT64_MAX: no epoch yet */
    void *room;           /* the slices of a crop, as stored */
    float *spare;         /* one slice of a crop */
} patches;

static const char *label_of(const feed *f)
{
    return dataset_file_label(f->set->file);
}

static double setting_of(const feed *f, const char *name)
{
    return f->at.setting[number_index(f->kind->settings, name)];
}

/* ---- fields ---- */

static int can_be_cropped(const slmt_field *info)
{
    return strcmp(info->axes, "slice,row,column") == 0 || strcmp(info->axes, "row,column") == 0;
}

static status check_field(const feed *f, const slmt_field *info)
{
    if (can_be_cropped(info))
        return OK;
    return fail(ERR_ARGUMENT, "%s: field %s has axes %s, expected \"slice,row,column\" or \"row,column\"",
                label_of(f), info->name, info->axes);
}

/* Appends the names of a kind's fields to text, with commas; returns how many there are. */
static size_t list_fields(const feed *f, int32_t kind, char text[512])
{
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < dataset_file_fields(f->set->file); i++) {
        const slmt_field *info = dataset_file_field(f->set->file, i);
        if (info->kind != kind)
            continue;
        if (strlen(text) + strlen(info->name) + 3 < 512) {
            strcat(text, n ? ", " : "");
            strcat(text, info->name);
        }
        n++;
    }
    return n;
}

/* The next field of a kind from `from` on; SIZE_MAX: there is none. */
static size_t next_field(const feed *f, int32_t kind, size_t from)
{
    for (size_t i = from; i < dataset_file_fields(f->set->file); i++)
        if (dataset_file_field(f->set->file, i)->kind == kind)
            return i;
    return SIZE_MAX;
}

static status find_labels(feed *f, patches *own)
{
    char names[512];
    const patch_rule *rule = f->rule;
    const char *asked = number_text(f->kind->settings, f->at.setting, rule->labels);
    size_t n = list_fields(f, SLMT_FIELD_LABELS, names), at = next_field(f, SLMT_FIELD_LABELS, 0);
    if (n == 0)
        return fail(ERR_ARGUMENT,
                    "%s: the set has no label maps, from which this task learns: slmt prepare --labels adds "
                    "them",
                    label_of(f));
    if (n > 1 && !*asked)
        return fail(ERR_ARGUMENT, "%s: the set has several label maps, %s: name one by the setting %s",
                    label_of(f), names, rule->labels);
    while (*asked && at != SIZE_MAX && strcmp(dataset_file_field(f->set->file, at)->name, asked) != 0)
        at = next_field(f, SLMT_FIELD_LABELS, at + 1);
    if (at == SIZE_MAX)
        return fail(ERR_NOT_FOUND, "%s: the set has no label map %s; it has %s", label_of(f), asked, names);
    own->field[own->channels] = at;
    return check_field(f, dataset_file_field(f->set->file, at));
}

/* The names of the model's contrasts come from the first set that it is trained on. */
static status name_contrasts(feed *f, const patches *own)
{
    const char *names[CHANNELS];
    if (f->model->n_contrasts > 0)
        return OK;
    for (int64_t c = 0; c < own->channels; c++)
        names[c] = dataset_file_field(f->set->file, own->field[c])->name;
    return contrasts_set(f->model, names, (size_t)own->channels);
}

/* A channel for the contrast that the caller named, or for each of the set's images. */
static status find_images(feed *f, patches *own)
{
    char names[512];
    size_t n = list_fields(f, SLMT_FIELD_IMAGE, names), at = next_field(f, SLMT_FIELD_IMAGE, 0);
    if (f->target >= 0)
        return fail(ERR_ARGUMENT, "this task learns label maps, so that it takes no target contrast");
    if (f->source >= 0 && own->channels == 1) {
        own->field[0] = (size_t)f->source;
        return check_field(f, dataset_file_field(f->set->file, own->field[0]));
    }
    if (n != (size_t)own->channels)
        return fail(ERR_ARGUMENT,
                    "%s: the set has %zu contrasts, %s, and the model takes %d: set its option channels, or "
                    "with one channel name the source contrast",
                    label_of(f), n, names, (int)own->channels);
    for (int64_t c = 0; c < own->channels; c++, at = next_field(f, SLMT_FIELD_IMAGE, at + 1)) {
        own->field[c] = at;
        TRY(check_field(f, dataset_file_field(f->set->file, at)));
    }
    return OK;
}

/* Puts the channels into the order of the model's contrasts. */
static status order_images(feed *f, patches *own)
{
    char text[512];
    size_t found[CHANNELS];
    TRY(name_contrasts(f, own));
    for (int64_t c = 0; c < own->channels; c++) {
        const char *name = dataset_file_field(f->set->file, own->field[c])->name;
        int32_t place = contrast_index(f->model, name);
        if (place < 0)
            return fail(ERR_NOT_FOUND, "the training set has contrast %s, the model's contrasts are %s", name,
                        contrasts_text(f->model, text, sizeof text));
        found[place] = own->field[c];
    }
    memcpy(own->field, found, (size_t)own->channels * sizeof *found);
    return OK;
}

/* ---- classes ---- */

/* The class of a value; -2: it has none. */
static int32_t class_of(const patches *own, int32_t value)
{
    if (value == own->ignored)
        return IGNORED;
    for (int32_t k = 0; k < own->classes; k++)
        if (own->values[k] == value)
            return k;
    return -2;
}

static status no_class(const feed *f, const patches *own, int32_t value)
{
    char text[256] = "";
    size_t at = 0;
    for (int32_t k = 0; k < own->classes && at + 16 < sizeof text; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", k ? "," : "", own->values[k]);
    return fail(
        ERR_ARGUMENT,
        "%s: the label map %s has the value %d, and the model's classes are %s: list all values in its "
        "option classes, or name the one that does not count in the setting ignored_value",
        label_of(f), dataset_file_field(f->set->file, own->field[own->channels])->name, value, text);
}

/* Each value that the set lists is one of the model's. */
static status check_classes(const feed *f, const patches *own)
{
    const char *p = dataset_file_field(f->set->file, own->field[own->channels])->classes;
    for (; p && *p; p = strchr(p, ',')) {
        p += *p == ',';
        int32_t value = (int32_t)strtol(p, NULL, 10);
        if (class_of(own, value) < IGNORED)
            return no_class(f, own, value);
    }
    return OK;
}

/* ---- records ---- */

static int is_sliced(const feed *f, size_t field)
{
    return dataset_file_field(f->set->file, field)->rank == 3;
}

/* Extents of a record's field: slices (1 if there is no such axis), rows, columns. 0: it has none. */
static int extents_of(const feed *f, uint32_t record, size_t field, int64_t size[3])
{
    const int64_t *dims = dataset_file_shape(f->set->file, record, field);
    if (!dims)
        return 0;
    int sliced = is_sliced(f, field);
    size[0] = sliced ? dims[0] : 1;
    size[1] = dims[sliced];
    size[2] = dims[sliced + 1];
    return size[0] > 0;
}

/* Returns 1 for a record of the split with all fields; raises `most` to the pixels of its slices. */
static status take_record(const feed *f, const patches *own, uint32_t record, int *has, int64_t *most)
{
    int64_t size[3];
    int32_t split = f->part == FEED_VALIDATION ? SLMT_SPLIT_VALIDATION : SLMT_SPLIT_TRAIN;
    *has = dataset_file_record(f->set->file, record)->split == split;
    for (int64_t i = 0; *has && i <= own->channels; i++) {
        if (!(*has = extents_of(f, record, own->field[i], size)))
            return OK;
        if (size[0] < own->size[0] || size[1] < own->size[1] || size[2] < own->size[2])
            return fail(ERR_ARGUMENT,
                        "%s: %s has %lld slices of %lld x %lld pixels, and crops have %lld of %lld x %lld: "
                        "choose fewer by the settings slices, rows and columns",
                        label_of(f), dataset_file_record(f->set->file, record)->id, (long long)size[0],
                        (long long)size[1], (long long)size[2], (long long)own->size[0],
                        (long long)own->size[1], (long long)own->size[2]);
        if (size[1] * size[2] > *most)
            *most = size[1] * size[2];
    }
    return OK;
}

/* The first records of the training part are trained on, as many as data_rate says. */
static void choose_part(const feed *f, patches *own)
{
    uint32_t used = (uint32_t)floor(own->n * f->at.setting[TRAIN_DATA_RATE] + 1e-9);
    if (f->part == FEED_HELD_OUT) {
        own->n -= used;
        memmove(own->records, own->records + used, own->n * sizeof *own->records);
    } else if (f->part == FEED_TRAINING)
        own->n = used;
}

static status no_records(const feed *f)
{
    if (f->part == FEED_VALIDATION)
        return fail(ERR_ARGUMENT, "%s: the set has no validation subject with images and labels",
                    label_of(f));
    return fail(
        ERR_ARGUMENT,
        "%s: a data_rate of %g holds no training subject out: choose a smaller one, or measure on the "
        "validation subjects, by the setting select",
        label_of(f), f->at.setting[TRAIN_DATA_RATE]);
}

static status list_records(feed *f, patches *own)
{
    void *p;
    int64_t most = 1;
    size_t all = dataset_file_records(f->set->file);
    TRY(mem_array(f->mem, all + 1, sizeof(uint32_t), &p));
    own->records = p;
    for (uint32_t r = 0; r < all; r++) {
        int has;
        TRY(take_record(f, own, r, &has, &most));
        if (has)
            own->records[own->n++] = r;
    }
    f->records = own->n;
    f->samples = (uint64_t)own->n * (uint64_t)own->crops;
    choose_part(f, own);
    if (f->part != FEED_TRAINING && own->n == 0)
        return no_records(f);
    f->records_used = own->n;
    f->samples_used = (uint64_t)own->n * (uint64_t)own->crops;
    TRY(mem_array(f->mem, (size_t)(most * own->size[0]), 4, &own->room));
    TRY(mem_array(f->mem, (size_t)(own->size[1] * own->size[2]), sizeof(float), &p));
    own->spare = p;
    return OK;
}

/* ---- opening ---- */

void patches_close(feed *f)
{
    patches *own = f->own;
    if (!own)
        return;
    mem_give(f->mem, own->records);
    mem_give(f->mem, own->order);
    mem_give(f->mem, own->room);
    mem_give(f->mem, own->spare);
    mem_give(f->mem, own);
    f->own = NULL;
}

static status read_shapes(const feed *f, patches *own)
{
    own->image = port_with_role(f->kind->inputs, SLMT_ROLE_SOURCE);
    own->labels = port_with_role(f->kind->inputs, SLMT_ROLE_LABELS);
    if (own->image < 0 || own->labels < 0)
        return fail(ERR_INTERNAL, "a task that the sampler of patches feeds has inputs of roles SOURCE and "
                                  "LABELS");
    const bk_shape *s = &f->shape[own->image];
    own->channels = s->dim[1];
    own->size[0] = s->rank == 5 ? s->dim[2] : 1;
    own->size[1] = s->dim[s->rank - 2];
    own->size[2] = s->dim[s->rank - 1];
    return OK;
}

status patches_open(feed *f)
{
    void *p;
    const patch_rule *rule = f->rule;
    TRY(mem_zeros(f->mem, 1, sizeof(patches), &p));
    patches *own = f->own = p;
    own->epoch = UINT64_MAX;
    TRY(read_shapes(f, own));
    own->crops = (int64_t)setting_of(f, rule->crops);
    own->ignored = (int32_t)setting_of(f, rule->ignored);
    own->classes = rule->classes(f->at, own->values);
    TRY(find_images(f, own));
    TRY(find_labels(f, own));
    TRY(check_classes(f, own));
    TRY(order_images(f, own));
    TRY(list_records(f, own));
    return epoch_open(f, f->samples_used, &own->order);
}

/* ---- a step ---- */

typedef struct place {
    int64_t first[3];    /* slice, row, column */
    int flips[2], turns; /* of rows, of columns; quarters */
} place;

/* Fields of a record have equal extents, because axes of the same name have the same extent. */
static place draw_place(const feed *f, const patches *own, uint32_t record, random_stream *r)
{
    place at = {{0}, {0}, 0};
    int64_t size[3];
    extents_of(f, record, own->field[0], size);
    for (int i = 0; i < 3; i++)
        at.first[i] = draw_below(r, size[i] - own->size[i] + 1);
    if (f->at.setting[TRAIN_AUGMENT] == 0)
        return at;
    at.flips[0] = random_uniform(r) < 0.5;
    at.flips[1] = random_uniform(r) < 0.5;
    at.turns = own->size[1] == own->size[2] ? (int)draw_below(r, 4) : 0;
    return at;
}

/* The pixel of the crop, as stored, that row y and column x of the sample show. */
static size_t source_of(const patches *own, const place *at, int64_t y, int64_t x)
{
    int64_t h = own->size[1], w = own->size[2];
    for (int i = 0; i < at->turns; i++) { /* h = w */
        int64_t row = y;
        y = x;
        x = w - 1 - row;
    }
    y = at->flips[0] ? h - 1 - y : y;
    x = at->flips[1] ? w - 1 - x : x;
    return (size_t)(y * w + x);
}

static double stored(const slmt_field *info, const void *values, size_t i)
{
    switch (info->type) {
    case SLMT_TENSOR_UINT8:
        return info->kind == SLMT_FIELD_IMAGE ? ((const uint8_t *)values)[i] / 255.0
                                              : ((const uint8_t *)values)[i];
    case SLMT_TENSOR_FLOAT16:
        return bk_widen(BK_F16, ((const uint16_t *)values)[i]);
    case SLMT_TENSOR_INT32:
        return ((const int32_t *)values)[i];
    default:
        return ((const float *)values)[i];
    }
}

/* Copies the crop of a stored slice to spare. */
static void cut(const patches *own, const slmt_field *info, const place *at, int64_t slice,
                const int64_t size[3])
{
    int64_t h = own->size[1], w = own->size[2];
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int64_t from = (slice * size[1] + at->first[1] + y) * size[2] + at->first[2] + x;
            own->spare[y * w + x] = (float)stored(info, own->room, (size_t)from);
        }
}

/* A slice of labels as classes. */
static status put_labels(const feed *f, const patches *own, const place *at, int32_t *to)
{
    int64_t h = own->size[1], w = own->size[2];
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int32_t value = (int32_t)own->spare[source_of(own, at, y, x)], k = class_of(own, value);
            if (k < IGNORED)
                return no_class(f, own, value);
            to[y * w + x] = k;
        }
    return OK;
}

static void put_image(const patches *own, const place *at, float *to)
{
    int64_t h = own->size[1], w = own->size[2];
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            to[y * w + x] = own->spare[source_of(own, at, y, x)];
}

/* Reads the crop of channel `c`, or of the labels, to the sample `to`. */
static status read_field(feed *f, uint32_t record, const place *at, int64_t c, void *to)
{
    const patches *own = f->own;
    int64_t size[3], pixels = own->size[1] * own->size[2];
    size_t field = own->field[c];
    const slmt_field *info = dataset_file_field(f->set->file, field);
    int sliced = is_sliced(f, field);
    extents_of(f, record, field, size);
    TRY(dataset_file_read(f->set->file, record, field, sliced ? at->first[0] : 0,
                          sliced ? own->size[0] : size[1], own->room));
    for (int64_t z = 0; z < own->size[0]; z++) {
        cut(own, info, at, z, size);
        if (c < own->channels)
            put_image(own, at, (float *)to + z * pixels);
        else
            TRY(put_labels(f, own, at, (int32_t *)to + z * pixels));
    }
    return OK;
}

static status fill_one(feed *f, uint64_t step, size_t i, void *const *in)
{
    patches *own = f->own;
    uint64_t nth = (uint64_t)f->rank * (uint64_t)f->at.setting[TRAIN_BATCH] + i;
    uint32_t record = own->records[own->order[step % f->steps_in_epoch * samples_together(f) + nth] % own->n];
    random_stream r = random_open(f->seed, random_purpose("patch", step * samples_together(f) + nth));
    place at = draw_place(f, own, record, &r);
    size_t one = (size_t)(own->size[0] * own->size[1] * own->size[2]);
    float *images = (float *)in[own->image] + i * one * (size_t)own->channels;
    for (int64_t c = 0; c < own->channels; c++)
        TRY(read_field(f, record, &at, c, images + (size_t)c * one));
    return read_field(f, record, &at, own->channels, (int32_t *)in[own->labels] + i * one);
}

status patches_fill(feed *f, uint64_t step, void *const *in)
{
    patches *own = f->own;
    uint64_t epoch = step / f->steps_in_epoch;
    if (own->epoch != epoch) {
        random_stream r = random_open(f->seed, random_purpose("order", epoch));
        random_permutation(&r, own->order, (uint32_t)f->samples_used);
        own->epoch = epoch;
    }
    for (size_t i = 0; i < (size_t)f->at.setting[TRAIN_BATCH]; i++)
        TRY(fill_one(f, step, i, in));
    return OK;
}
