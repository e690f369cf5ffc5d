/* SPDX-License-Identifier: Apache-2.0 */
/* label_figures.c - compares label maps, class by class. */
#include "label_figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

#define FIGURE(member) .offset = offsetof(slmt_label_scores, member)
const label_figure label_figures[LABEL_FIGURES] = {
    {"dice", "Dice", 4, FIGURE(dice)},
    {"iou", "IoU", 4, FIGURE(iou)},
    {"precision", "Precision", 4, FIGURE(precision)},
    {"recall", "Recall", 4, FIGURE(recall)},
    {"specificity", "Specificity", 4, FIGURE(specificity)},
    {"hausdorff95", "HD95 mm", 2, FIGURE(hausdorff95)},
    {"surface_distance", "ASSD mm", 2, FIGURE(surface_distance)},
};

static label_row figures_of(const slmt_label_scores *scores)
{
    label_row row;
    for (size_t i = 0; i < LABEL_FIGURES; i++)
        memcpy(&row.value[i], (const char *)scores + label_figures[i].offset, sizeof row.value[i]);
    return row;
}

void label_case_free(label_case *c)
{
    free(c->name);
    free(c->grey);
    slmt_volume_free(c->truth);
    slmt_volume_free(c->answer);
    *c = (label_case){.name = NULL};
}

/* ---- one subject ---- */

static size_t voxels_of(const slmt_volume *v)
{
    int64_t dims[3];
    slmt_volume_dims(v, dims);
    return (size_t)(dims[0] * dims[1] * dims[2]);
}

static int no_class(const label_case *c, const label_classes *classes, const char *whose, double value)
{
    if (value != nearbyint(value))
        return fail_with(EXIT_DATA, "%s: %s has the value %g, and labels are whole numbers", c->name, whose,
                         value);
    return fail_with(EXIT_USAGE,
                     "%s: %s has the value %g, and the classes are %d to %d, %zu of them: list all values in "
                     "the classes, or name the one that does not count by --ignored-value",
                     c->name, whose, value, (int)classes->value[0], (int)classes->value[classes->count - 1],
                     classes->count);
}

/* Fills the counts; where the truth does not count, -1 is its place in `answer` too. */
static int count_voxels(const label_case *c, const label_classes *classes, int32_t ignored,
                        label_subject *out)
{
    const float *truth = slmt_volume_voxels(c->truth), *answer = slmt_volume_voxels(c->answer);
    memset(out->counts, 0, sizeof out->counts);
    for (size_t i = 0; i < voxels_of(c->truth); i++) {
        if (truth[i] == (float)ignored)
            continue;
        const int32_t t = label_class_of(classes, truth[i]), a = label_class_of(classes, answer[i]);
        if (t < 0)
            return no_class(c, classes, "the truth", truth[i]);
        if (a < 0)
            return no_class(c, classes, "the label map", answer[i]);
        out->counts[(size_t)t * classes->count + (size_t)a]++;
    }
    return EXIT_OK;
}

/* The answer where the truth counts, and the truth's own value elsewhere. */
static slmt_status masked_answer(const label_case *c, int32_t ignored, slmt_volume **masked)
{
    const size_t n = voxels_of(c->truth);
    const float *truth = slmt_volume_voxels(c->truth), *answer = slmt_volume_voxels(c->answer);
    float *voxels = must_alloc(n, sizeof *voxels);
    for (size_t i = 0; i < n; i++)
        voxels[i] = truth[i] == (float)ignored ? truth[i] : answer[i];
    slmt_status status = slmt_volume_like(c->answer, voxels, "label map", masked);
    free(voxels);
    return status;
}

static slmt_status score_class(const label_case *c, const slmt_volume *answer, const label_classes *classes,
                               size_t i, label_subject *out)
{
    slmt_label_scores *r = &out->by[i], surface = {.struct_size = sizeof surface};
    *r = (slmt_label_scores){.struct_size = sizeof *r};
    slmt_status status = slmt_label_scores_of_counts(out->counts, classes->count, i, r);
    if (status == SLMT_OK && c->spaced)
        status = slmt_compare_labels(answer, c->truth, classes->value[i], &surface);
    if (status == SLMT_OK && c->spaced) {
        r->hausdorff95 = surface.hausdorff95;
        r->surface_distance = surface.surface_distance;
    }
    out->row[i] = figures_of(r);
    return status;
}

static label_row foreground_of(const label_subject *s, size_t classes)
{
    label_row mean;
    for (size_t f = 0; f < LABEL_FIGURES; f++) {
        double sum = 0, known = 0;
        for (size_t i = 1; i < classes; i++) {
            const double value = s->row[i].value[f];
            sum += isnan(value) ? 0 : value;
            known += !isnan(value);
        }
        mean.value[f] = known > 0 ? sum / known : NAN;
    }
    return mean;
}

int label_subject_score(label_case *c, const label_classes *classes, int32_t ignored, label_subject *out)
{
    slmt_volume *answer = NULL;
    int code = count_voxels(c, classes, ignored, out);
    if (code != EXIT_OK)
        return code;
    slmt_status status = masked_answer(c, ignored, &answer);
    for (size_t i = 0; i < classes->count && status == SLMT_OK; i++)
        status = score_class(c, answer, classes, i, out);
    slmt_volume_free(answer);
    out->foreground = foreground_of(out, classes->count);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", c->name);
}

/* ---- over subjects ---- */

static const label_row *row_of(const label_subject *s, size_t index, size_t classes)
{
    return index < classes ? &s->row[index] : &s->foreground;
}

/* Of one figure of one class. */
static void mean_of(const label_subject *subjects, size_t count, size_t index, size_t classes, size_t f,
                    label_means *out)
{
    double sum = 0, squares = 0, known = 0;
    for (size_t i = 0; i < count; i++) {
        const double value = row_of(&subjects[i], index, classes)->value[f];
        sum += isnan(value) ? 0 : value;
        known += !isnan(value);
    }
    const double mean = known > 0 ? sum / known : NAN;
    for (size_t i = 0; i < count; i++) {
        const double value = row_of(&subjects[i], index, classes)->value[f];
        squares += isnan(value) ? 0 : (value - mean) * (value - mean);
    }
    out->mean[index].value[f] = mean;
    out->deviation[index].value[f] = known > 1 && isfinite(mean) ? sqrt(squares / (known - 1)) : NAN;
}

void label_means_of(const label_subject *subjects, size_t count, const label_classes *classes,
                    label_means *out)
{
    const size_t n = classes->count;
    memset(out->counts, 0, sizeof out->counts);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < n * n; k++)
            out->counts[k] += subjects[i].counts[k];
    for (size_t i = 0; i <= n; i++)
        for (size_t f = 0; f < LABEL_FIGURES; f++)
            mean_of(subjects, count, i, n, f, out);
    for (size_t i = 0; i < n; i++) {
        out->all[i] = (slmt_label_scores){.struct_size = sizeof out->all[i]};
        slmt_label_scores_of_counts(out->counts, n, i,
                                    &out->all[i]); /* cannot fail: counts and index are right */
        out->pooled[i] = figures_of(&out->all[i]);
    }
}
