/* SPDX-License-Identifier: Apache-2.0 */
/* compare_labels.c - a label map against the truth, for one label. */
#include <math.h>

#include "core/structs.h"
#include "core/volume.h"
#include "data/grid.h"
#include "data/label_metrics.h"
#include "slmt/segment.h"

enum { OUTSIDE, INSIDE, CLASSES };

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

static void count(const uint8_t *truth, const uint8_t *answer, size_t n, slmt_label_scores *scores)
{
    int64_t counts[CLASSES * CLASSES] = {0};
    for (size_t i = 0; i < n; i++)
        counts[truth[i] * CLASSES + answer[i]]++;
    scores->both = counts[INSIDE * CLASSES + INSIDE];
    scores->truth = scores->both + counts[INSIDE * CLASSES + OUTSIDE];
    scores->answer = scores->both + counts[OUTSIDE * CLASSES + INSIDE];
    scores->dice = label_dice(counts, CLASSES, INSIDE, LABEL_SKIP);
    scores->iou = label_iou(counts, CLASSES, INSIDE, LABEL_SKIP);
    scores->precision = label_precision(counts, CLASSES, INSIDE);
    scores->recall = label_recall(counts, CLASSES, INSIDE);
    scores->specificity = label_specificity(counts, CLASSES, INSIDE);
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
