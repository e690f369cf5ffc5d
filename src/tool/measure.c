/* SPDX-License-Identifier: Apache-2.0 */
/* measure.c - masks and figures of slices. */
#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "head_mask.h"
#include "must.h"
#include "tool.h"

static const field_choice definitions[] = {{"volume", SLMT_DEFINITION_VOLUME},
                                           {"slice", SLMT_DEFINITION_SLICE},
                                           {"paper", SLMT_DEFINITION_PAPER},
                                           {0}};

#define MEASURE(member) .offset = offsetof(measure_options, member)
const field measure_fields[] = {
    {"definition", "volume|slice|paper",
     "whose figures the table shows: of a subject's whole volume; the mean over its slices with signal in "
     "the "
     "target; "
     "or the mean over all its slices, as the code of SLMT-Net's paper has it",
     FIELD_CHOICE, MEASURE(definition), definitions},
    {"mask", "head|NAME",
     "compare inside the head alone, or where label map NAME of the set is not 0; default: everywhere",
     FIELD_TEXT, MEASURE(mask)},
    {"perceptual", "FILE", "also measure the distance of features of this model of vgg19", FIELD_TEXT,
     MEASURE(perceptual), .flags = FIELD_INPUT},
    {0}};

const char *definition_name(int32_t definition)
{
    const field_choice *c = definitions;
    while (c->name && c->value != definition)
        c++;
    return c->name;
}

const char *definition_text(int32_t definition)
{
    static const char *const texts[] = {
        [SLMT_DEFINITION_VOLUME] =
            "the slices of a subject are one image; SSIM is the mean over its slices with "
            "signal",
        [SLMT_DEFINITION_SLICE] = "a subject has the mean of its slices with signal",
        [SLMT_DEFINITION_PAPER] =
            "a subject has the mean of all its slices, as in the paper's code: empty slices "
            "count as 100 dB or an NMSE of 0"};
    return texts[definition];
}

/* ---- opening ---- */

/* The field of label maps of that name. */
static int find_labels(measure *m, const char *name)
{
    slmt_field f = {.struct_size = sizeof f};
    for (size_t i = 0; i < slmt_dataset_field_count(m->set); i++)
        if (slmt_dataset_field(m->set, i, &f) == SLMT_OK && f.kind == SLMT_FIELD_LABELS &&
            strcmp(f.name, name) == 0) {
            m->label_field = i;
            return EXIT_OK;
        }
    return fail_with(EXIT_USAGE, "--mask: the set has no label maps '%s'; slmt prepare --labels adds them",
                     name);
}

static bool is_head(const measure *m)
{
    return strcmp(m->mask_name, "head") == 0;
}

int measure_open(measure *m, const measure_options *o, slmt_context *context, slmt_dataset *set, size_t side,
                 int32_t batch)
{
    int code = EXIT_OK;
    *m = (measure){.set = set, .side = side, .mask_name = o->mask};
    if (m->mask_name && !is_head(m))
        code = find_labels(m, m->mask_name);
    if (code == EXIT_OK && o->perceptual)
        code = perceptual_open(&m->judge, context, o->perceptual, side, batch);
    if (code != EXIT_OK)
        measure_close(m);
    return code;
}

/* ---- masks ---- */

static slmt_status read_labels(const measure *m, size_t subject, int64_t shape[6], int32_t **labels)
{
    slmt_status status = slmt_dataset_shape(m->set, subject, m->label_field, shape);
    if (status != SLMT_OK)
        return status;
    *labels = must_alloc((size_t)(shape[0] * shape[1] * shape[2]), sizeof **labels);
    const slmt_tensor tensor = {.data = *labels, .shape = shape, .rank = 3, .type = SLMT_TENSOR_INT32};
    return slmt_dataset_read(m->set, subject, m->label_field, 0, shape[0], &tensor);
}

/* The pixel of a label map, `in` pixels wide, that lies at the centre of pixel i of an image of the same
 * field, `out` pixels wide. */
static int64_t nearest(int64_t i, int64_t in, int64_t out)
{
    return (2 * i + 1) * in / (2 * out);
}

static void resize_labels(const measure *m, const int32_t *labels, const int64_t shape[6])
{
    int64_t side = (int64_t)m->side;
    uint8_t *to = m->mask;
    for (int64_t k = 0; k < (int64_t)m->slices; k++)
        for (int64_t r = 0; r < side; r++) {
            const int32_t *row = labels + (k * shape[1] + nearest(r, shape[1], side)) * shape[2];
            for (int64_t c = 0; c < side; c++)
                *to++ = row[nearest(c, shape[2], side)] != 0;
        }
}

static int label_mask(measure *m, size_t subject)
{
    int64_t shape[6];
    int32_t *labels = NULL;
    int code = EXIT_OK;
    const char *name = slmt_dataset_subject(m->set, subject);
    slmt_status status = read_labels(m, subject, shape, &labels);
    if (status == SLMT_ERR_NOT_FOUND)
        code = fail_with(EXIT_USAGE, "--mask: subject %s has no label map '%s'", name, m->mask_name);
    else if (status != SLMT_OK)
        code = fail(status, "%s", name);
    else if ((size_t)shape[0] < m->slices)
        code = fail_with(EXIT_DATA, "--mask: '%s' of subject %s has %d slices, its images %zu", m->mask_name,
                         name, (int)shape[0], m->slices);
    else
        resize_labels(m, labels, shape);
    free(labels);
    return code;
}

int measure_subject(measure *m, size_t subject, const float *source, const float *target, size_t slices)
{
    size_t pixels = m->side * m->side;
    m->slices = slices;
    free(m->mask);
    m->mask = NULL;
    if (!m->mask_name)
        return EXIT_OK;
    m->mask = must_alloc(slices, pixels);
    if (!is_head(m))
        return label_mask(m, subject);
    for (size_t k = 0; k < slices; k++)
        head_mask(source + k * pixels, target + k * pixels, m->side, m->side, m->mask + k * pixels);
    return EXIT_OK;
}

/* ---- figures ---- */

int measure_slices(measure *m, const float *prediction, const float *target, measured *out)
{
    size_t pixels = m->side * m->side;
    slmt_status status = SLMT_OK;
    *out = (measured){m->slices, must_alloc(m->slices, sizeof *out->metrics),
                      must_alloc(m->slices, sizeof *out->distance)};
    for (size_t k = 0; k < m->slices && status == SLMT_OK; k++) {
        out->distance[k] = NAN;
        out->metrics[k].struct_size = sizeof *out->metrics;
        status =
            slmt_compare_masked(prediction + k * pixels, target + k * pixels,
                                m->mask ? m->mask + k * pixels : NULL, m->side, m->side, &out->metrics[k]);
    }
    if (status != SLMT_OK)
        return fail(status, "metrics");
    return m->judge.model
               ? perceptual_distances(&m->judge, prediction, target, m->mask, m->slices, out->distance)
               : EXIT_OK;
}

void measured_free(measured *m)
{
    free(m->metrics);
    free(m->distance);
    *m = (measured){0};
}

void measured_combine(const measured *m, int32_t definition, slmt_metrics *metrics, double *distance)
{
    double sum = 0;
    size_t count = 0;
    *metrics = (slmt_metrics){.struct_size = sizeof *metrics};
    slmt_metrics_combine(m->metrics, m->slices, definition, metrics);
    for (size_t k = 0; k < m->slices; k++)
        if (definition == SLMT_DEFINITION_PAPER ? m->metrics[k].slices : m->metrics[k].with_signal) {
            sum += m->distance[k];
            count++;
        }
    *distance = count ? sum / (double)count : NAN;
}

void measure_close(measure *m)
{
    perceptual_close(&m->judge);
    free(m->mask);
    m->mask = NULL;
}
