/* SPDX-License-Identifier: Apache-2.0 */
/* scores.c - names of figures, and arithmetic on rows of them. */
#include "scores.h"

#include <math.h>
#include <stdio.h>

#include "console.h"
#include "numbers.h"
#include "tool.h"

/* ---- names ---- */

static const char perceptual_key[] = "perceptual";

static void add_figure(figure_list *list, const slmt_metric_info *info)
{
    figure *f = &list->row[list->count++];
    *f = (figure){.key = info->name,
                  .title = info->title,
                  .unit = info->unit,
                  .decimals = info->decimals,
                  .direction = info->direction};
    snprintf(f->column, sizeof f->column, "%s%s%s", info->title, *info->unit ? " " : "", info->unit);
}

int figures_of(const slmt_model *model, bool perceptual, figure_list *list)
{
    const char *method = slmt_model_method(model), *task = synthesis_task(method);
    const slmt_metrics none = {.struct_size = sizeof none};
    const slmt_metric_info distance = {.name = perceptual_key,
                                       .title = "VGG19 distance",
                                       .unit = "",
                                       .direction = SLMT_METRIC_LOWER,
                                       .decimals = 4};
    slmt_metric_info info = {.struct_size = sizeof info};
    double value;
    *list = (figure_list){.count = 0};
    for (size_t i = 0; task && slmt_task_metric(method, task, i, &info) == SLMT_OK; i++)
        if (slmt_metrics_value(&none, info.name, &value) == SLMT_OK && list->count + 1 < MOST_FIGURES)
            add_figure(list, &info);
    if (list->count == 0)
        return fail_with(EXIT_USAGE, "%s has no task whose images can be compared with true ones", method);
    if (perceptual)
        add_figure(list, &distance);
    return EXIT_OK;
}

scores scores_of(const figure_list *list, const slmt_metrics *metrics, double perceptual)
{
    scores row = {{0}};
    for (size_t i = 0; i < list->count; i++)
        if (list->row[i].key == perceptual_key)
            row.value[i] = perceptual;
        else if (slmt_metrics_value(metrics, list->row[i].key, &row.value[i]) != SLMT_OK)
            row.value[i] = NAN;
    return row;
}

/* ---- means ---- */

scores scores_mean(const scores *rows, size_t n)
{
    scores mean = {{0}};
    for (size_t j = 0; j < MOST_FIGURES; j++) {
        for (size_t i = 0; i < n; i++)
            mean.value[j] += rows[i].value[j];
        mean.value[j] = n ? mean.value[j] / (double)n : NAN;
    }
    return mean;
}

scores scores_deviation(const scores *rows, size_t n)
{
    scores mean = scores_mean(rows, n);
    scores deviation = {{0}};
    for (size_t j = 0; j < MOST_FIGURES; j++) {
        double squares = 0;
        for (size_t i = 0; i < n; i++)
            squares += (rows[i].value[j] - mean.value[j]) * (rows[i].value[j] - mean.value[j]);
        deviation.value[j] = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
    }
    return deviation;
}

/* ---- paired differences ---- */

/* P(|T| < t) of Student's t with a whole number of degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4).
 */
static double student_within(double t, size_t freedom)
{
    double angle = atan(t / sqrt((double)freedom)), c = cos(angle), sum = 0;
    double term = freedom % 2 ? c : 1;
    for (size_t k = freedom % 2 ? 1 : 0; k + 2 <= freedom; k += 2) {
        sum += term;
        term *= c * c * (double)(k + 1) / (double)(k + 2);
    }
    sum *= sin(angle);
    return freedom % 2 ? 2 / acos(-1) * (angle + sum) : sum;
}

/* The t that P(|T| < t) = 0.95 has, by bisection; with one degree of freedom it is 12.7. */
static double student_95(size_t freedom)
{
    double low = 1, high = 16;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (student_within(middle, freedom) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return low;
}

paired scores_paired(const scores *ours, const scores *theirs, size_t n, size_t index, int direction)
{
    paired p = {.low = NAN, .high = NAN};
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = ours[i].value[index] - theirs[i].value[index];
        p.mean += difference / (double)n;
        p.better += difference * direction > 0;
    }
    for (size_t i = 0; i < n; i++)
        squares += pow(ours[i].value[index] - theirs[i].value[index] - p.mean, 2);
    if (n > 1) {
        double half = student_95(n - 1) * sqrt(squares / (double)(n - 1) / (double)n);
        p.low = p.mean - half;
        p.high = p.mean + half;
    }
    return p;
}
