/* SPDX-License-Identifier: Apache-2.0 */
/** @file differentiation.h
 *  Imaging differentiation: what the errors of any-to-any synthesis say about the sequences.
 *
 *  A sequence from which the others are made well is totipotent. A sequence that is made badly from the
 * others holds something that they lack, and should not be dropped; a map shows where. Both figures need only
 *  predictions and their true images, from any method. They measure usefulness for synthesis, not for a
 *  diagnosis. */
#ifndef SLMT_DIFFERENTIATION_H
#define SLMT_DIFFERENTIATION_H

#include "slmt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How well one sequence of a subject was made from another. A NaN is a score that was not taken. The fields
 *  are fixed for ever. \since 0.1 */
typedef struct slmt_pair_score {
    int32_t subject;  /**< whose; for the caller's own use, ignored */
    int32_t source;   /**< index of the sequence it was made from */
    int32_t target;   /**< index of the sequence that was made */
    int32_t reserved; /**< 0 */
    double psnr;      /**< more is better; in dB, or in any unit linear in it */
    double ssim;      /**< more is better */
    double lpips;     /**< less is better */
} slmt_pair_score;

/** How rows are treated whose source is their target. \since 0.1 */
enum {
    SLMT_SELF_EXCLUDE = 0,    /**< as if they were not there (the code of the paper has none) */
    SLMT_SELF_INCLUDE = 1,    /**< rows like all others */
    SLMT_SELF_ZSCORE_ONLY = 2 /**< in the means and deviations, not in the sums (the paper's table 3) */
};

/** Options of a ranking. Fill with slmt_ranking_options_init(). \since 0.1 */
typedef struct slmt_ranking_options {
    uint32_t struct_size; /**< sizeof(slmt_ranking_options) */
    int32_t self;         /**< SLMT_SELF_EXCLUDE */
} slmt_ranking_options;

/** Fill options with the defaults named beside the fields. @param options not NULL @threads any thread
 *  \since 0.1 */
SLMT_API void slmt_ranking_options_init(slmt_ranking_options *options);

/**
 * Rank sequences by how well they make the others, and by how badly the others make them.
 *
 * For each metric q the scores of all rows have a mean and a (population) deviation; of the mean q_ij over
 * the rows of source i and target j, z_q(i,j) = (q_ij - mean) / (deviation + 1e-9). Then
 * A_ij = z_psnr + z_ssim - z_lpips. NaN are skipped; a metric adds 0 to pairs that have no score of it, and A
 * is 0 for pairs without a row. With N sequences, whatever `self` is,
 *
 *     totipotency(i)     =  1/N sum_j A_ij    how well i makes the others
 *     differentiation(i) = -1/N sum_j A_ji    how hard i is to make
 *
 * Most is first in both. With as many rows for each pair the A_ij of all rows sum to 0.
 *
 * @param scores           count rows in any order; not modified
 * @param count            at least 1, also after `self` took rows from the sums
 * @param sequences        N, at least 1
 * @param options          NULL for the defaults
 * @param totipotency      [N], written
 * @param differentiation  [N], written
 * @param agreement        [N][N], A with a row for each source, written; may be NULL
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT  a pointer is NULL, no row is left, an index is not below N (the message names
 *                            the row), `self` is none of SLMT_SELF_...;
 *         SLMT_ERR_NONFINITE a score is an infinity (the message names it: bound it as slmt_compare() does),
 *                            or scores are too large for their squares;
 *         SLMT_ERR_VERSION, SLMT_ERR_MEMORY. Nothing is written where it fails
 * @threads any thread
 * @source Han et al., Medical Image Analysis 92 (2024) 103044, C_t and C_d
 * \since 0.1
 */
SLMT_API slmt_status slmt_rank_sequences(const slmt_pair_score *scores, size_t count, size_t sequences,
                                         const slmt_ranking_options *options, double *totipotency,
                                         double *differentiation, double *agreement);

/**
 * Imaging-differentiation map: where an image holds what its sources lack.
 *
 *     map[k] = 1/n sum_s |predictions[s][k] - truth[k]|
 *
 * The paper's code takes a prediction from each sequence, the image itself included. Leave that one out to
 * see what the others cannot make.
 *
 * @param predictions  n pointers to [count] float32, each made from another source; not modified
 * @param n            at least 1
 * @param truth        [count] float32; not modified
 * @param count        pixels, at least 1
 * @param map          [count] float32, written; may not overlap the others
 * @return SLMT_OK, or
 *         SLMT_ERR_ARGUMENT  a pointer is NULL, n or count is 0, map overlaps another array;
 *         SLMT_ERR_NONFINITE an image holds a NaN or an infinity (the message names the first). Nothing is
 *                            written where it fails
 * @threads any thread
 * @source Han et al., Medical Image Analysis 92 (2024) 103044, M_d
 * \since 0.1
 */
SLMT_API slmt_status slmt_differentiation_map(const float *const *predictions, size_t n, const float *truth,
                                              size_t count, float *map);

#ifdef __cplusplus
}
#endif
#endif
