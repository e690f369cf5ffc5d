/* SPDX-License-Identifier: Apache-2.0 */
/* labelling.h - models that label pixels: their classes, and how the command runs them. */
#ifndef SLMT_TOOL_LABELLING_H
#define SLMT_TOOL_LABELLING_H

#include <stdbool.h>
#include <stddef.h>

#include "slmt/slmt.h"

#include "field.h"
#include "options.h"

enum { MOST_CLASSES = 64 };

/* ---- classes ---- */

typedef struct label_classes {
    size_t count;
    char *text[MOST_CLASSES]; /* "VALUE" or "VALUE=NAME" */
    int32_t value[MOST_CLASSES];
} label_classes;

/* Reads "VALUE,VALUE=NAME,...", rising. false: `reason` says what is wrong. Free the classes in any case. */
bool label_classes_read(const char *text, label_classes *classes, char reason[FIELD_REASON]);
void label_classes_free(label_classes *classes);

/* Returns the index of a value; -1: no class has it. */
int32_t label_class_of(const label_classes *classes, double value);

/* Returns true if the model labels pixels. */
bool labels_pixels(const slmt_model *model);

/* Reads the classes of a model, of the file `path`. Complains and returns an exit code where it labels
 * nothing. */
int label_classes_of(const slmt_model *model, const char *path, label_classes *classes);

/* Tells how many contrasts the model takes. Complains and returns an exit code. */
int label_channels(const slmt_model *model, const char *path, size_t *channels);

/* ---- how ---- */

typedef struct labelling {
    int32_t window[3]; /* slices, rows, columns; 0: those of the training's crops */
    double overlap;
    bool mirror, largest;
    bool crf;
    int32_t crf_steps, crf_axes;
    double crf_near_weight, crf_near_sd, crf_weight, crf_position_sd, crf_intensity_sd;
} labelling;

labelling labelling_defaults(void);

extern const field labelling_fields[]; /* of a labelling */
extern const field crf_fields[];       /* likewise */

/* Complains and returns an exit code: numbers out of range, options that need --crf. */
int labelling_check(const labelling *o, const command_line *line);

void labelling_how(const labelling *o, slmt_segmentation *how);

/* Makes a session for windows of that size. Complains and returns an exit code. */
int labelling_session(slmt_model *model, const labelling *o, slmt_session **session);

#endif
