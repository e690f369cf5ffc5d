/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on rows of metrics. */
#include "scores.h"

#include <math.h>

const score_name score_names[SCORES] = {
    {"psnr", "PSNR dB", 2},
    {"ssim", "SSIM", 4},
    {"ssim_range_2", "SSIM range 2", 4},
    {"nmse", "NMSE", 4},
    {"nmse_spectral", "NMSE spectral", 4},
    {"mae", "MAE", 4},
};

scores scores_of(const slmt_metrics *m)
{
    return (scores){{m->psnr, m->ssim, m->ssim_range_2, m->nmse, m->nmse_spectral, m->mae}};
}

scores scores_mean(const scores *rows, size_t n)
{
    scores mean = {{0}};
    for (size_t j = 0; j < SCORES; j++) {
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
    for (size_t j = 0; j < SCORES; j++) {
        double squares = 0;
        for (size_t i = 0; i < n; i++)
            squares += (rows[i].value[j] - mean.value[j]) * (rows[i].value[j] - mean.value[j]);
        deviation.value[j] = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
    }
    return deviation;
}
