/* SPDX-License-Identifier: Apache-2.0 */
/* compare_labels.c - a label map against the truth, for one label. */
#include <math.h>

#include "core/structs.h"
#include "core/volume.h"
#include "data/grid.h"
#include "data/label_metrics.h"
#include "slmt/segment.h"

enum { OUTSIDE, INSIDE, CLASSES };
enum { MOST_CLASSES = 64 };

/* The voxels that have the label, as a mask that the caller gives back. */
static status mask_of(mem *m, const slmt_volume *v, int32_t label, size_t n, uint8_t **mask)
{
    void *block;
    TRY(mem_take(m, n, &block));
    *mask = block;
    for (size_t i = 0; i < n; i++)
        (*mask)[i] = v->scan.voxels[i] == (float)label;
    return OK;
}

static void fill(const int64_t *counts, int32_t classes, int32_t i, slmt_label_scores *scores)
{
    scores->both = counts[i * classes + i];
    for (int32_t k = 0; k < classes; k++) {
        scores->truth += counts[i * classes + k];
        scores->answer += counts[k * classes + i];
    }
    scores->dice = label_dice(counts, classes, i, LABEL_SKIP);
    scores->iou = label_iou(counts, classes, i, LABEL_SKIP);
    scores->precision = label_precision(counts, classes, i);
    scores->recall = label_recall(counts, classes, i);
    scores->specificity = label_specificity(counts, classes, i);
}

static void count(const uint8_t *truth, const uint8_t *answer, size_t n, slmt_label_scores *scores)
{
    int64_t counts[CLASSES * CLASSES] = {0};
    for (size_t i = 0; i < n; i++)
        counts[truth[i] * CLASSES + answer[i]]++;
    fill(counts, CLASSES, INSIDE, scores);
}

/* Voxels lie with i fastest, so that the grid's axes are k, j, i. */
static status measure(mem *m, const slmt_volume *v, const uint8_t *truth, const uint8_t *answer,
                      slmt_label_scores *scores)
{
    label_grid g = {.axes = 3};
    label_surface surface;
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        for (int r = 0; r < 3; r++)
            sum += v->scan.affine[4 * r + i] * v->scan.affine[4 * r + i];
        g.dim[2 - i] = v->scan.dims[i];
        g.spacing[2 - i] = sqrt(sum);
    }
    TRY(label_surfaces(m, truth, answer, &g, 0, &surface));
    scores->hausdorff95 = surface.hausdorff95;
    scores->surface_distance = surface.mean;
    return OK;
}

slmt_status slmt_compare_labels(const slmt_volume *labels, const slmt_volume *truth, int32_t label,
                                slmt_label_scores *scores)
{
    REQUIRE(labels);
    REQUIRE(truth);
    REQUIRE(scores);
    TRY(struct_check(scores, "slmt_label_scores"));
    const grid g = grid_of(labels->scan.dims, labels->scan.affine),
               other = grid_of(truth->scan.dims, truth->scan.affine);
    TRY(grid_same(&g, "the label map", &other, "the truth"));
    mem *m = &labels->context->mem;
    size_t n = (size_t)(labels->scan.dims[0] * labels->scan.dims[1] * labels->scan.dims[2]);
    uint8_t *wanted = NULL, *made = NULL;
    slmt_label_scores found = {.struct_size = sizeof found};
    status s = mask_of(m, truth, label, n, &wanted);
    if (s == OK)
        s = mask_of(m, labels, label, n, &made);
    if (s == OK) {
        count(wanted, made, n, &found);
        s = measure(m, labels, wanted, made, &found);
    }
    mem_give(m, wanted);
    mem_give(m, made);
    return s == OK ? struct_write(scores, &found, sizeof found, "slmt_label_scores") : s;
}

slmt_status slmt_label_scores_of_counts(const int64_t *counts, size_t classes, size_t index,
                                        slmt_label_scores *scores)
{
    REQUIRE(counts);
    REQUIRE(scores);
    if (classes < 1 || classes > MOST_CLASSES || index >= classes)
        return fail(ERR_ARGUMENT,
                    "slmt_label_scores_of_counts: class %zu of %zu, expected one of 1 to %d classes", index,
                    classes, MOST_CLASSES);
    for (size_t i = 0; i < classes * classes; i++)
        if (counts[i] < 0)
            return fail(ERR_ARGUMENT, "slmt_label_scores_of_counts: counts[%zu] is %lld, below 0", i,
                        (long long)counts[i]);
    slmt_label_scores found = {.struct_size = sizeof found, .hausdorff95 = NAN, .surface_distance = NAN};
    fill(counts, (int32_t)classes, (int32_t)index, &found);
    return struct_write(scores, &found, sizeof found, "slmt_label_scores");
}
