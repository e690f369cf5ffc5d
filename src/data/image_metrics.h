/* SPDX-License-Identifier: Apache-2.0 */
/* image_metrics.h - the metrics of tasks that make images in [0, 1]: how they are called, and where
 * slmt_compare() puts them. */
#ifndef SLMT_DATA_IMAGE_METRICS_H
#define SLMT_DATA_IMAGE_METRICS_H

#include "core/method.h"
#include "slmt/volume.h"

/* The figures of images, for `metrics` of a task's table. */
extern const metric_table image_metrics;

/* ERR_NOT_FOUND: the name is not one of image_metrics. */
status image_metric_value(const slmt_metrics *m, const char *name, double *value);

#endif
