/* SPDX-License-Identifier: Apache-2.0 */
/* label_metrics.c - the table of the metrics of label maps, and the figures that follow from counts of
 * pixels. */
#include "data/label_metrics.h"

#include <math.h>

static const metric rows[] = {
    {"dice", "Dice", "", SLMT_METRIC_HIGHER, 4, 1, "2 |T and A| / (|T| + |A|) of truth T and answer A"},
    {"iou", "IoU", "", SLMT_METRIC_HIGHER, 4, 1, "intersection over union, |T and A| / |T or A|"},
    {"precision", "Precision", "", SLMT_METRIC_HIGHER, 4, 1, "share of the answer that is right"},
    {"recall", "Recall", "", SLMT_METRIC_HIGHER, 4, 1, "share of the truth that was found"},
    {"specificity", "Specificity", "", SLMT_METRIC_HIGHER, 4, 1,
     "share of other pixels that were left alone"},
    {"hausdorff95", "HD95", "mm", SLMT_METRIC_LOWER, 2, 1,
     "95th percentile of the distances between the two surfaces, of the worse direction"},
    {"surface_distance", "ASSD", "mm", SLMT_METRIC_LOWER, 2, 1,
     "mean distance between the two surfaces, both directions together"},
};

const metric_table label_metrics = {rows, sizeof rows / sizeof *rows};

void label_count(const int32_t *truth, const int32_t *answer, size_t n, int32_t classes, int64_t *counts)
{
    for (size_t i = 0; i < n; i++)
        if (truth[i] >= 0 && truth[i] < classes && answer[i] >= 0 && answer[i] < classes)
            counts[(size_t)truth[i] * (size_t)classes + (size_t)answer[i]]++;
}

/* What was counted of one class. */
typedef struct tally {
    double both, truth, answer, all;
} tally;

static tally tally_of(const int64_t *counts, int32_t classes, int32_t i)
{
    tally t = {.both = (double)counts[i * classes + i]};
    for (int32_t a = 0; a < classes; a++) {
        t.truth += (double)counts[i * classes + a];
        t.answer += (double)counts[a * classes + i];
        for (int32_t b = 0; b < classes; b++)
            t.all += (double)counts[a * classes + b];
    }
    return t;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

/* part / whole of a class, by policy. */
static double overlap(double part, double whole, double truth, double answer, label_policy policy)
{
    if (policy == LABEL_TRUE && truth == 0)
        return NAN;
    if (policy == LABEL_BOTH && truth == 0)
        return answer == 0;
    if (policy == LABEL_ZERO && whole == 0)
        return 0;
    return ratio(part, whole);
}

double label_iou(const int64_t *counts, int32_t classes, int32_t i, label_policy policy)
{
    tally t = tally_of(counts, classes, i);
    return overlap(t.both, t.truth + t.answer - t.both, t.truth, t.answer, policy);
}

double label_dice(const int64_t *counts, int32_t classes, int32_t i, label_policy policy)
{
    tally t = tally_of(counts, classes, i);
    return overlap(2 * t.both, t.truth + t.answer, t.truth, t.answer, policy);
}

double label_precision(const int64_t *counts, int32_t classes, int32_t i)
{
    tally t = tally_of(counts, classes, i);
    return ratio(t.both, t.answer);
}

double label_recall(const int64_t *counts, int32_t classes, int32_t i)
{
    tally t = tally_of(counts, classes, i);
    return ratio(t.both, t.truth);
}

double label_specificity(const int64_t *counts, int32_t classes, int32_t i)
{
    tally t = tally_of(counts, classes, i);
    return ratio(t.all - t.truth - t.answer + t.both, t.all - t.truth);
}

double label_accuracy(const int64_t *counts, int32_t classes)
{
    double right = 0, all = 0;
    for (int32_t i = 0; i < classes; i++) {
        tally t = tally_of(counts, classes, i);
        right += t.both;
        all += t.truth;
    }
    return ratio(right, all);
}

double label_mean_accuracy(const int64_t *counts, int32_t classes)
{
    double sum = 0;
    int32_t n = 0;
    for (int32_t i = 0; i < classes; i++) {
        double recall = label_recall(counts, classes, i);
        sum += isnan(recall) ? 0 : recall;
        n += !isnan(recall);
    }
    return ratio(sum, n);
}

double label_weighted_iou(const int64_t *counts, int32_t classes)
{
    double sum = 0, all = 0;
    for (int32_t i = 0; i < classes; i++) {
        tally t = tally_of(counts, classes, i);
        if (t.truth > 0)
            sum += t.truth * label_iou(counts, classes, i, LABEL_SKIP);
        all += t.truth;
    }
    return ratio(sum, all);
}

double label_mean(const double *values, size_t n)
{
    double sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        sum += isnan(values[i]) ? 0 : values[i];
        known += !isnan(values[i]);
    }
    return ratio(sum, (double)known);
}
