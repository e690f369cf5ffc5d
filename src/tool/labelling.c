/* SPDX-License-Identifier: Apache-2.0 */
/* labelling.c - reads classes, and sets up a session that labels. */
#include "labelling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

/* ---- classes ---- */

static bool read_class(const char *text, size_t length, label_classes *c, char reason[FIELD_REASON])
{
    char *end;
    char *one = must_format("%.*s", (int)length, text);
    long value = strtol(one, &end, 10);
    bool whole = end != one && (*end == '\0' || *end == '=') && value >= -16777216 && value <= 16777216;
    c->text[c->count] = one;
    c->value[c->count++] = (int32_t)value;
    if (!whole)
        snprintf(reason, FIELD_REASON, "'%s' is not VALUE or VALUE=NAME", one);
    else if (c->count > 1 && c->value[c->count - 2] >= value)
        snprintf(reason, FIELD_REASON, "%ld stands behind %d, expected rising values", value,
                 (int)c->value[c->count - 2]);
    return whole && (c->count == 1 || c->value[c->count - 2] < value);
}

bool label_classes_read(const char *text, label_classes *classes, char reason[FIELD_REASON])
{
    *classes = (label_classes){.count = 0};
    for (const char *p = text;; p++) {
        size_t length = strcspn(p, ",");
        if (classes->count == MOST_CLASSES) {
            snprintf(reason, FIELD_REASON, "there are more than %d classes", MOST_CLASSES);
            return false;
        }
        if (!read_class(p, length, classes, reason))
            return false;
        p += length;
        if (!*p)
            return true;
    }
}

void label_classes_free(label_classes *classes)
{
    for (size_t i = 0; i < classes->count; i++)
        free(classes->text[i]);
    *classes = (label_classes){.count = 0};
}

int32_t label_class_of(const label_classes *classes, double value)
{
    for (size_t i = 0; i < classes->count; i++)
        if (classes->value[i] == value)
            return (int32_t)i;
    return -1;
}

bool labels_pixels(const slmt_model *model)
{
    return slmt_model_option_text(model, "classes") != NULL;
}

int label_classes_of(const slmt_model *model, const char *path, label_classes *classes)
{
    char reason[FIELD_REASON];
    if (!labels_pixels(model))
        return fail_with(EXIT_USAGE, "%s: is of %s, which labels nothing", path, slmt_model_method(model));
    if (!label_classes_read(slmt_model_option_text(model, "classes"), classes, reason))
        return fail_with(EXIT_DATA, "%s: its classes: %s", path, reason);
    return EXIT_OK;
}

int label_channels(const slmt_model *model, const char *path, size_t *channels)
{
    double value;
    if (slmt_model_option(model, "channels", &value) != SLMT_OK)
        return fail_with(EXIT_USAGE, "%s: has no option channels", path);
    *channels = (size_t)value;
    return EXIT_OK;
}

/* ---- options ---- */

#define LABELLING(member) .offset = offsetof(labelling, member)
const field labelling_fields[] = {
    {"slices", "N", "slices of a window, of networks in three dimensions; 0: as in the training", FIELD_INT,
     LABELLING(window[0]), .low = 0, .high = 4096},
    {"rows", "N", "rows of a window; 0: as in the training", FIELD_INT, LABELLING(window[1]), .low = 0,
     .high = 8192},
    {"columns", "N", "columns of a window; 0: as in the training", FIELD_INT, LABELLING(window[2]), .low = 0,
     .high = 8192},
    {"overlap", "X", "share of a window that the next one covers too, 0 to 0.9", FIELD_REAL,
     LABELLING(overlap)},
    {"mirror", NULL, "take the mean of four runs, with rows and columns mirrored or not: four times the time",
     FIELD_FLAG, LABELLING(mirror)},
    {"largest", NULL, "keep only the largest object of each class but the background", FIELD_FLAG,
     LABELLING(largest)},
    {0}};

const field crf_fields[] = {
    {"crf", NULL,
     "refine the probabilities by the scans: a dense conditional random field, in which voxels that lie near "
     "each other or look alike get the same label",
     FIELD_FLAG, LABELLING(crf)},
    {"crf-steps", "N", "steps of the random field", FIELD_INT, LABELLING(crf_steps), .low = 1, .high = 1000},
    {"crf-axes", "0|2|3", "2: each slice alone; 3: the whole volume; 0: what the network sees", FIELD_INT,
     LABELLING(crf_axes), .low = 0, .high = 3},
    {"crf-near-weight", "X", "weight of voxels that lie near", FIELD_REAL, LABELLING(crf_near_weight)},
    {"crf-near-sd", "MM", "standard deviation of the distance of voxels that lie near", FIELD_REAL,
     LABELLING(crf_near_sd)},
    {"crf-weight", "X", "weight of voxels that look alike", FIELD_REAL, LABELLING(crf_weight)},
    {"crf-position-sd", "MM", "standard deviation of the distance of voxels that look alike", FIELD_REAL,
     LABELLING(crf_position_sd)},
    {"crf-intensity-sd", "X",
     "standard deviation of the intensities of voxels that look alike, which count from 0 to 255", FIELD_REAL,
     LABELLING(crf_intensity_sd)},
    {0}};

labelling labelling_defaults(void)
{
    enum { STEPS = 10 }; /* as published */
    slmt_segmentation how;
    slmt_segmentation_init(&how);
    return (labelling){.overlap = how.overlap,
                       .crf_steps = STEPS,
                       .crf_axes = how.crf_axes,
                       .crf_near_weight = how.crf_near_weight,
                       .crf_near_sd = how.crf_near_sd,
                       .crf_weight = how.crf_weight,
                       .crf_position_sd = how.crf_position_sd,
                       .crf_intensity_sd = how.crf_intensity_sd};
}

static int check_range(const char *name, double value, double low, double high)
{
    return value >= low && value <= high
               ? EXIT_OK
               : fail_with(EXIT_USAGE, "--%s: %g, expected a number from %g to %g", name, value, low, high);
}

static int check_crf(const labelling *o, const command_line *line)
{
    const struct {
        const char *name;
        double value, low;
    } row[] = {{"crf-near-weight", o->crf_near_weight, 0},
               {"crf-near-sd", o->crf_near_sd, 0.001},
               {"crf-weight", o->crf_weight, 0},
               {"crf-position-sd", o->crf_position_sd, 0.001},
               {"crf-intensity-sd", o->crf_intensity_sd, 0.001}};
    for (const field *f = crf_fields + 1; f->name; f++)
        if (!o->crf && options_given(line, o, f->name))
            return fail_with(EXIT_USAGE, "--%s needs --crf", f->name);
    int code = o->crf_axes == 1 ? fail_with(EXIT_USAGE, "--crf-axes: 1, expected 0, 2 or 3") : EXIT_OK;
    for (size_t i = 0; i < sizeof row / sizeof *row && code == EXIT_OK; i++)
        code = check_range(row[i].name, row[i].value, row[i].low, 1e6);
    return code;
}

int labelling_check(const labelling *o, const command_line *line)
{
    int code = check_range("overlap", o->overlap, 0, 0.9);
    return code == EXIT_OK ? check_crf(o, line) : code;
}

void labelling_how(const labelling *o, slmt_segmentation *how)
{
    slmt_segmentation_init(how);
    how->overlap = o->overlap;
    how->mirror = o->mirror;
    how->largest = o->largest;
    how->crf_steps = o->crf ? o->crf_steps : 0;
    how->crf_axes = o->crf_axes;
    how->crf_near_weight = o->crf_near_weight;
    how->crf_near_sd = o->crf_near_sd;
    how->crf_weight = o->crf_weight;
    how->crf_position_sd = o->crf_position_sd;
    how->crf_intensity_sd = o->crf_intensity_sd;
}

/* ---- the session ---- */

/* The crops of the training, of which the card tells: ", rows 48". 0: it does not. */
static int32_t trained_with(const slmt_model *model, const char *name)
{
    const char *training = slmt_model_card(model, "training");
    char *wanted = must_format(", %s ", name);
    const char *found = strstr(training, wanted);
    long number = found ? strtol(found + strlen(wanted), NULL, 10) : 0;
    free(wanted);
    return number > 0 && number <= 8192 ? (int32_t)number : 0;
}

/* Settings for those extents that are known; `slices` is one of networks that take volumes alone. */
static size_t window_settings(const slmt_model *model, const labelling *o, slmt_number *settings)
{
    static const char *const names[] = {"slices", "rows", "columns"};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        int32_t extent = o->window[i] ? o->window[i] : trained_with(model, names[i]);
        if (extent)
            settings[count++] = (slmt_number){names[i], extent};
    }
    return count;
}

int labelling_session(slmt_model *model, const labelling *o, slmt_session **session)
{
    slmt_number settings[3];
    size_t count = window_settings(model, o, settings);
    slmt_status status = slmt_session_create(model, "segment", settings, count, session);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}
