/* SPDX-License-Identifier: Apache-2.0 */
/* scan_fields.c - finds images and label maps of a set, and what their values mean. */
#include "data/sampler/scan_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dataset.h"
#include "core/model.h"
#include "lib/half.h"

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
                dataset_file_label(f->set->file), info->name, info->axes);
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

static status find_labels(feed *f, scan_fields *own, const char *setting)
{
    char names[512];
    const char *asked = number_text(f->kind->settings, f->at.setting, setting);
    size_t n = list_fields(f, SLMT_FIELD_LABELS, names), at = next_field(f, SLMT_FIELD_LABELS, 0);
    if (n == 0)
        return fail(ERR_ARGUMENT,
                    "%s: the set has no label maps, from which this task learns: slmt prepare --labels adds "
                    "them",
                    dataset_file_label(f->set->file));
    if (n > 1 && !*asked)
        return fail(ERR_ARGUMENT, "%s: the set has several label maps, %s: name one by the setting %s",
                    dataset_file_label(f->set->file), names, setting);
    while (*asked && at != SIZE_MAX && strcmp(dataset_file_field(f->set->file, at)->name, asked) != 0)
        at = next_field(f, SLMT_FIELD_LABELS, at + 1);
    if (at == SIZE_MAX)
        return fail(ERR_NOT_FOUND, "%s: the set has no label map %s; it has %s",
                    dataset_file_label(f->set->file), asked, names);
    own->field[own->channels] = at;
    return check_field(f, dataset_file_field(f->set->file, at));
}

/* The names of the model's contrasts come from the first set that it is trained on. */
static status name_contrasts(feed *f, const scan_fields *own)
{
    const char *names[SCAN_CHANNELS];
    if (f->model->n_contrasts > 0)
        return OK;
    for (int64_t c = 0; c < own->channels; c++)
        names[c] = dataset_file_field(f->set->file, own->field[c])->name;
    return contrasts_set(f->model, names, (size_t)own->channels);
}

/* A channel for the contrast that the caller named, or for each of the set's images. */
status scan_find_images(feed *f, scan_fields *own)
{
    char names[512];
    size_t n = list_fields(f, SLMT_FIELD_IMAGE, names), at = next_field(f, SLMT_FIELD_IMAGE, 0);
    if (f->target >= 0)
        return fail(ERR_ARGUMENT, "this task makes no contrast, so that it takes no target contrast");
    if (f->source >= 0 && own->channels == 1) {
        own->field[0] = (size_t)f->source;
        return check_field(f, dataset_file_field(f->set->file, own->field[0]));
    }
    if (n != (size_t)own->channels)
        return fail(ERR_ARGUMENT,
                    "%s: the set has %zu contrasts, %s, and the model takes %d: set its option channels, or "
                    "with one channel name the source contrast",
                    dataset_file_label(f->set->file), n, names, (int)own->channels);
    for (int64_t c = 0; c < own->channels; c++, at = next_field(f, SLMT_FIELD_IMAGE, at + 1)) {
        own->field[c] = at;
        TRY(check_field(f, dataset_file_field(f->set->file, at)));
    }
    return OK;
}

/* Puts the channels into the order of the model's contrasts. */
status scan_order_images(feed *f, scan_fields *own)
{
    char text[512];
    size_t found[SCAN_CHANNELS];
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

/* Returns the class of a value; -2: the value has none. */
int32_t scan_class(const scan_fields *own, int32_t value)
{
    if (value == own->ignored)
        return SCAN_IGNORED;
    for (int32_t k = 0; k < own->classes; k++)
        if (own->values[k] == value)
            return k;
    return -2;
}

status scan_no_class(const feed *f, const scan_fields *own, int32_t value)
{
    char text[256] = "";
    size_t at = 0;
    for (int32_t k = 0; k < own->classes && at + 16 < sizeof text; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", k ? "," : "", own->values[k]);
    return fail(
        ERR_ARGUMENT,
        "%s: the label map %s has the value %d, and the model's classes are %s: list all values in its "
        "option classes, or name the one that does not count in the setting ignored_value",
        dataset_file_label(f->set->file), dataset_file_field(f->set->file, own->field[own->channels])->name,
        value, text);
}

/* Each value that the set lists is one of the model's. */
static status check_classes(const feed *f, const scan_fields *own)
{
    const char *p = dataset_file_field(f->set->file, own->field[own->channels])->classes;
    for (; p && *p; p = strchr(p, ',')) {
        p += *p == ',';
        int32_t value = (int32_t)strtol(p, NULL, 10);
        if (scan_class(own, value) < SCAN_IGNORED)
            return scan_no_class(f, own, value);
    }
    return OK;
}

status scan_find_labels(feed *f, scan_fields *own, const char *setting)
{
    TRY(find_labels(f, own, setting));
    return check_classes(f, own);
}

/* ---- records ---- */

int scan_is_sliced(const feed *f, size_t field)
{
    return dataset_file_field(f->set->file, field)->rank == 3;
}

int scan_extents(const feed *f, uint32_t record, size_t field, int64_t size[3])
{
    const int64_t *dims = dataset_file_shape(f->set->file, record, field);
    if (!dims)
        return 0;
    int sliced = scan_is_sliced(f, field);
    size[0] = sliced ? dims[0] : 1;
    size[1] = dims[sliced];
    size[2] = dims[sliced + 1];
    return size[0] > 0;
}

double scan_value(const slmt_field *info, const void *values, size_t i)
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
