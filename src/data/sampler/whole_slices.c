/* SPDX-License-Identifier: Apache-2.0 */
/* whole_slices.c - lists the slices of a set, and reads them. */
#include "data/sampler/whole_slices.h"

#include <math.h>

#include "core/dataset.h"
#include "data/resize.h"

/* Returns 1 for a training record with all fields; raises `most` to the pixels of its slices. */
static status take_record(const feed *f, const whole_slices *own, uint32_t record, int *has, int64_t *most)
{
    int64_t size[3];
    *has = dataset_file_record(f->set->file, record)->split == SLMT_SPLIT_TRAIN;
    for (int64_t i = 0; *has && i < own->fields; i++) {
        if (!(*has = scan_extents(f, record, own->scan.field[i], size)))
            return OK;
        if (size[1] != size[2])
            return fail(ERR_ARGUMENT, "%s: the slices of %s have %lld x %lld pixels; this task takes squares",
                        dataset_file_label(f->set->file), dataset_file_record(f->set->file, record)->id,
                        (long long)size[1], (long long)size[2]);
        if (size[1] * size[2] > *most)
            *most = size[1] * size[2];
    }
    return OK;
}

static status list_records(feed *f, whole_slices *own, int64_t *most)
{
    void *p;
    size_t all = dataset_file_records(f->set->file);
    TRY(mem_array(f->mem, all + 1, sizeof(uint32_t), &p));
    own->records = p;
    for (uint32_t r = 0; r < all; r++) {
        int has;
        TRY(take_record(f, own, r, &has, most));
        if (has)
            own->records[own->n++] = r;
    }
    f->records = own->n;
    own->n = (uint32_t)floor(own->n * f->at.setting[TRAIN_DATA_RATE] + 1e-9);
    f->records_used = own->n;
    return own->n ? OK
                  : fail(ERR_ARGUMENT, "%s: no training record has %s", dataset_file_label(f->set->file),
                         own->fields > own->scan.channels ? "all contrasts and labels" : "all contrasts");
}

static status count_slices(feed *f, whole_slices *own)
{
    void *p;
    int64_t size[3];
    TRY(mem_array(f->mem, (size_t)own->n + 1, sizeof(uint64_t), &p));
    own->before = p;
    own->before[0] = 0;
    for (uint32_t i = 0; i < own->n; i++) {
        scan_extents(f, own->records[i], own->scan.field[0], size);
        own->before[i + 1] = own->before[i] + (uint64_t)size[0];
    }
    return OK;
}

status whole_slices_open(feed *f, whole_slices *own, int with_labels)
{
    void *p;
    int64_t most = own->side * own->side;
    own->fields = own->scan.channels + with_labels;
    TRY(list_records(f, own, &most));
    TRY(count_slices(f, own));
    TRY(mem_array(f->mem, (size_t)most, 4, &own->room));
    TRY(mem_array(f->mem, (size_t)most, sizeof(float), &p));
    own->spare = p;
    return OK;
}

void whole_slices_close(feed *f, whole_slices *own)
{
    mem_give(f->mem, own->records);
    mem_give(f->mem, own->before);
    mem_give(f->mem, own->room);
    mem_give(f->mem, own->spare);
}

int64_t whole_slices_of(const whole_slices *own, uint32_t nth)
{
    return (int64_t)(own->before[nth + 1] - own->before[nth]);
}

/* One slice of a record: a row of a field that counts slices, else the whole field. */
static status read_stored(feed *f, whole_slices *own, uint32_t record, size_t field, int64_t slice,
                          int64_t *rows)
{
    int64_t size[3];
    int sliced = scan_is_sliced(f, field);
    const slmt_field *info = dataset_file_field(f->set->file, field);
    scan_extents(f, record, field, size);
    *rows = size[1];
    TRY(dataset_file_read(f->set->file, record, field, sliced ? slice : 0, sliced ? 1 : size[1], own->room));
    for (int64_t i = 0; i < size[1] * size[2]; i++)
        own->spare[i] = (float)scan_value(info, own->room, (size_t)i);
    return OK;
}

status whole_slices_read(feed *f, whole_slices *own, uint32_t nth, int64_t slice, int64_t c, float *to)
{
    int64_t rows;
    int side = (int)own->side;
    TRY(read_stored(f, own, own->records[nth], own->scan.field[c], slice, &rows));
    if (c < own->scan.channels)
        resize_bilinear(own->spare, (int)rows, (int)rows, to, side, side);
    else
        resize_nearest(own->spare, (int)rows, (int)rows, to, side, side);
    return OK;
}
