/* SPDX-License-Identifier: Apache-2.0 */
/* measure.h - how predictions of a subject's slices are compared with the true ones: by which definition,
 * where, and by which networks. */
#ifndef SLMT_TOOL_MEASURE_H
#define SLMT_TOOL_MEASURE_H

#include <stdint.h>

#include "slmt/slmt.h"

#include "field.h"
#include "perceptual.h"
#include "scans.h"

typedef struct measure_options {
    int32_t definition; /* SLMT_DEFINITION_... */
    const char
        *mask; /* NULL: all pixels; "head"; a field of label maps of the set; or where mask files are */
    const char *perceptual; /* a model of vgg19, or NULL */
} measure_options;

#define MEASURE_DEFAULTS                                                                                     \
    {                                                                                                        \
        .definition = SLMT_DEFINITION_VOLUME                                                                 \
    }

enum { DEFINITIONS = 3 };

/* Options --definition, --mask, --perceptual of a measure_options. */
extern const field measure_fields[];

/* "volume", and one sentence that says what that is. */
const char *definition_name(int32_t definition);
const char *definition_text(int32_t definition);

/* Where a mask comes from. */
typedef enum mask_kind { MASK_NONE, MASK_HEAD, MASK_LABELS, MASK_FILES } mask_kind;

typedef struct measure {
    slmt_context *context;
    slmt_dataset *set;
    size_t side;                /* pixels */
    slmt_preprocess preprocess; /* of the set */
    int64_t crop;
    const char *mask_name;
    mask_kind kind;
    size_t label_field;
    scans files;
    size_t placed; /* the subject whose mask's place was looked at last, plus 1 */
    uint8_t *mask; /* of the subject begun, [slices][side][side]; NULL: all pixels */
    size_t slices; /* of the subject begun */
    perceptual judge;
} measure;

/* Figures of a subject's slices by one method. */
typedef struct measured {
    size_t slices;
    slmt_metrics *metrics;
    double *distance; /* NaN without a judge */
} measured;

/* Reports an error and returns its exit code, as the others. What failed is closed too. */
int measure_open(measure *m, const measure_options *o, slmt_context *context, slmt_dataset *set, size_t side,
                 int32_t batch);

/* Begins a subject with its slices [slices][side][side], of which a head's mask is made. */
int measure_subject(measure *m, size_t subject, const float *source, const float *target, size_t slices);

/* Compares predictions of the subject begun. */
int measure_slices(measure *m, const float *prediction, const float *target, measured *out);
void measured_free(measured *m);

/* The subject's figures by a definition. */
void measured_combine(const measured *m, int32_t definition, slmt_metrics *metrics, double *distance);

void measure_close(measure *m);

#endif
