/* SPDX-License-Identifier: Apache-2.0 */
/* patches.c - draws crops of images and label maps, and reads them. */
#include "data/sampler/patches.h"

#include <math.h>

#include "core/dataset.h"
#include "data/sampler/draw.h"
#include "data/sampler/epoch.h"
#include "data/sampler/scan_fields.h"

typedef struct patches {
    int32_t image, labels; /* inputs */
    int64_t size[3];       /* of a crop: slices, rows, columns */
    scan_fields scan;
    int64_t crops;
    uint32_t *records, n; /* of the training part, with all fields */
    uint32_t *order;      /* of an epoch's samples */
    uint64_t epoch;       /* UINT64_MAX: no epoch yet */
    void *room;           /* the slices of a crop, as stored */
    float *spare;         /* one slice of a crop */
} patches;

static double setting_of(const feed *f, const char *name)
{
    return f->at.setting[number_index(f->kind->settings, name)];
}

/* ---- records ---- */

/* Returns 1 for a record of the split with all fields; raises `most` to the pixels of its slices. */
static status take_record(const feed *f, const patches *own, uint32_t record, int *has, int64_t *most)
{
    int64_t size[3];
    int32_t split = f->part == FEED_VALIDATION ? SLMT_SPLIT_VALIDATION : SLMT_SPLIT_TRAIN;
    *has = dataset_file_record(f->set->file, record)->split == split;
    for (int64_t i = 0; *has && i <= own->scan.channels; i++) {
        if (!(*has = scan_extents(f, record, own->scan.field[i], size)))
            return OK;
        if (size[0] < own->size[0] || size[1] < own->size[1] || size[2] < own->size[2])
            return fail(ERR_ARGUMENT,
                        "%s: %s has %lld slices of %lld x %lld pixels, and crops have %lld of %lld x %lld: "
                        "choose fewer by the settings slices, rows and columns",
                        dataset_file_label(f->set->file), dataset_file_record(f->set->file, record)->id,
                        (long long)size[0], (long long)size[1], (long long)size[2], (long long)own->size[0],
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
                    dataset_file_label(f->set->file));
    return fail(ERR_ARGUMENT,
                "%s: setting data_rate is %g and holds no training subject out: choose a smaller one, or "
                "measure on the validation subjects, by the setting select",
                dataset_file_label(f->set->file), f->at.setting[TRAIN_DATA_RATE]);
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
    own->scan.channels = s->dim[1];
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
    own->scan.ignored = (int32_t)setting_of(f, rule->ignored);
    own->scan.classes = rule->classes(f->at, own->scan.values);
    TRY(scan_find_images(f, &own->scan));
    TRY(scan_find_labels(f, &own->scan, rule->labels));
    TRY(scan_order_images(f, &own->scan));
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
    scan_extents(f, record, own->scan.field[0], size);
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

/* Copies the crop of a stored slice to spare. */
static void cut(const patches *own, const slmt_field *info, const place *at, int64_t slice,
                const int64_t size[3])
{
    int64_t h = own->size[1], w = own->size[2];
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int64_t from = (slice * size[1] + at->first[1] + y) * size[2] + at->first[2] + x;
            own->spare[y * w + x] = (float)scan_value(info, own->room, (size_t)from);
        }
}

/* A slice of labels as classes. */
static status put_labels(const feed *f, const patches *own, const place *at, int32_t *to)
{
    int64_t h = own->size[1], w = own->size[2];
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int32_t value = (int32_t)own->spare[source_of(own, at, y, x)], k = scan_class(&own->scan, value);
            if (k < SCAN_IGNORED)
                return scan_no_class(f, &own->scan, value);
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
    size_t field = own->scan.field[c];
    const slmt_field *info = dataset_file_field(f->set->file, field);
    int sliced = scan_is_sliced(f, field);
    scan_extents(f, record, field, size);
    TRY(dataset_file_read(f->set->file, record, field, sliced ? at->first[0] : 0,
                          sliced ? own->size[0] : size[1], own->room));
    for (int64_t z = 0; z < own->size[0]; z++) {
        cut(own, info, at, z, size);
        if (c < own->scan.channels)
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
    float *images = (float *)in[own->image] + i * one * (size_t)own->scan.channels;
    for (int64_t c = 0; c < own->scan.channels; c++)
        TRY(read_field(f, record, &at, c, images + (size_t)c * one));
    return read_field(f, record, &at, own->scan.channels, (int32_t *)in[own->labels] + i * one);
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
