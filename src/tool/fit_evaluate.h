/* SPDX-License-Identifier: Apache-2.0 */
/* fit_evaluate.h - the candidates of a plan, the source and the monotone map on the test subjects. */
#ifndef SLMT_TOOL_FIT_EVALUATE_H
#define SLMT_TOOL_FIT_EVALUATE_H

#include "fit_score.h"
#include "fit_train.h"

enum { FIT_ROWS = FIT_CANDIDATES + 2 };

/* Source, synthetic, target and error of one slice, from the top: [side][side] grey, the error in colours. */
typedef struct fit_picture {
    size_t slice; /* from 0, of the slices of the set */
    unsigned char *source, *made, *target, *error;
} fit_picture;

typedef struct fit_evaluation {
    int32_t split; /* SLMT_SPLIT_TEST, or SLMT_SPLIT_VALIDATION where no subject is kept for testing */
    const char *names[FIT_ROWS]; /* methods, "monotone-map", "source" */
    double validation[FIT_ROWS]; /* PSNR in dB */
    fit_score *scores[FIT_ROWS]; /* of each subject */
    size_t row_count, winner;
    size_t *subjects; /* indices in the set */
    size_t subject_count;
    fit_picture *pictures;      /* of each subject, by the winner */
    size_t side, slices, empty; /* pixels; slices of all subjects; those without signal in the target */
} fit_evaluation;

/* Chooses the winner: the plan's method, or the candidate with the highest PSNR on the validation subjects.
 * Then scores everything. Reports an error and returns its exit code. */
int fit_evaluate(const fit_run *run, fit_evaluation *e);

/* Mean and standard deviation (divisor n - 1; NaN of one subject) of a figure over the subjects. */
typedef double fit_figure(const fit_score *score);
double fit_mean(const fit_evaluation *e, size_t row, fit_figure *figure);
double fit_deviation(const fit_evaluation *e, size_t row, fit_figure *figure);

double fit_psnr_of(const fit_score *score);
double fit_ssim_of(const fit_score *score);
double fit_nmse_of(const fit_score *score);
double fit_mae_of(const fit_score *score);

void fit_evaluation_free(fit_evaluation *e);

#endif
