/* SPDX-License-Identifier: Apache-2.0 */
/* fit_score.h - slices of a subject, what is made of them, and how near that is to the target. */
#ifndef SLMT_TOOL_FIT_SCORE_H
#define SLMT_TOOL_FIT_SCORE_H

#include "slmt/slmt.h"

#include "monotone_map.h"

/* Neighbouring slices of one subject: [count][side][side]. */
typedef struct fit_slices {
    size_t count, side;
    float *source, *target, *made;
} fit_slices;

/* Figures of one subject, by volume: over all of its slices together. SSIM is the mean over the slices with
 * signal in the target. */
typedef struct fit_score {
    double psnr, ssim, nmse, mae;
    size_t empty; /* slices without signal in the target */
} fit_score;

/* Reads source and target of a subject (contrasts 0 and 1): all slices, or the middle `most` of them (0:
 * all). Complains and returns an exit code. */
int fit_slices_read(slmt_dataset *set, size_t subject, size_t most, fit_slices *slices);

/* Fills `made`: by the model; with the source; with the mapped source. The first one complains. */
int fit_slices_by_model(fit_slices *slices, slmt_session *session);
void fit_slices_by_source(fit_slices *slices);
void fit_slices_by_map(fit_slices *slices, const monotone_map *map);

/* Compares `made` with the target. */
int fit_slices_score(const fit_slices *slices, fit_score *score);

void fit_slices_free(fit_slices *slices);

/* The best monotone map from source to target over the training subjects. */
int fit_map_learn(slmt_dataset *set, monotone_map *map);

/* Mean PSNR of a model over the subjects of a split, each by its middle `most` slices (0: all). */
int fit_psnr(slmt_model *model, slmt_dataset *set, int32_t split, size_t most, double *psnr);

#endif
