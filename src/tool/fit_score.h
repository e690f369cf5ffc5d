/* SPDX-License-Identifier: Apache-2.0 */
/* fit_score.h - how near what was made of a subject's slices is to the target. */
#ifndef SLMT_TOOL_FIT_SCORE_H
#define SLMT_TOOL_FIT_SCORE_H

#include "pair_slices.h"

/* Figures of one subject, by volume: over all of its slices together. SSIM is the mean over the slices with
 * signal in the target. */
typedef struct fit_score {
    double psnr, ssim, nmse, mae;
    size_t empty; /* slices without signal in the target */
} fit_score;

/* Returns the pair of a set of slmt fit: contrasts 0 and 1. */
pair_of fit_pair(slmt_dataset *set);

/* Compares `made` with the target. Reports an error and returns its exit code. */
int fit_score_slices(const pair_slices *slices, fit_score *score);

/* Mean PSNR of a model over the subjects of a split, each by its middle `most` slices (0: all). */
int fit_psnr(slmt_model *model, slmt_dataset *set, int32_t split, size_t most, double *psnr);

#endif
