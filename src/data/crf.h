/* SPDX-License-Identifier: Apache-2.0 */
/* crf.h - a dense conditional random field that refines the probabilities of a network by the image
 * (Kraehenbuehl and Koltun 2011): pixels that lie near each other, and those that look alike, get the same
 * class.
 *
 * Q_0 = softmax(-U), U = -log(clip(p, 1e-5, 1)); then so many times Q = softmax(-U + sum_k w_k N(K_k) Q), K_k
 * the kernel exp(-|f_i - f_j|^2 / 2) of positions, and of positions and intensities, N its normalisation. */
#ifndef SLMT_DATA_CRF_H
#define SLMT_DATA_CRF_H

#include "lib/mem.h"

/* N(K), with the diagonal matrix D of K's row sums. */
typedef enum crf_normalization {
    CRF_SYMMETRIC, /* D^-1/2 K D^-1/2 */
    CRF_BEFORE,    /* K D^-1 */
    CRF_AFTER,     /* D^-1 K */
    CRF_NONE
} crf_normalization;

typedef enum crf_engine {
    CRF_EXACT,  /* all pairs of pixels: time grows with their square */
    CRF_WINDOW, /* pairs that are at most `reach` pixels apart along each axis, exactly */
    CRF_LATTICE /* all pairs, approximately, in linear time (lattice.h) */
} crf_engine;

typedef struct crf_options {
    int32_t steps;
    crf_normalization normalization;
    crf_engine engine;
    int32_t reach; /* CRF_WINDOW */
    int32_t
        include_self; /* 1: a pixel is its own neighbour too, as in the published code. CRF_LATTICE: always */
    double weight[2]; /* of positions alone, and with intensities */
    double near_sd;   /* of positions alone */
    double position_sd, intensity_sd;
    double spacing[3]; /* of voxels; standard deviations of positions are in its unit */
} crf_options;

/* Ten steps, weights 3 and 10, standard deviations 3, 80 and 13, spacing 1: the published code's example, for
 * intensities from 0 to 255. */
crf_options crf_defaults(void);

enum { CRF_CHANNELS = 8 }; /* at most */

/* A slice (dim[0] = 1) or a volume. */
typedef struct crf_image {
    int64_t dim[3];
    int32_t axes;     /* 2 or 3 */
    int32_t channels; /* at most CRF_CHANNELS */
    int32_t classes;
    const double *intensity; /* [channels][voxels] */
    const double *p;         /* [classes][voxels]: probabilities */
} crf_image;

/* Writes q[classes][voxels]. ERR_ARGUMENT, ERR_MEMORY, ERR_LIMIT. */
status crf_refine(mem *m, const crf_options *o, const crf_image *x, double *q);

/* The gradient of sum(dq * q) with respect to U, [classes][voxels], and to the two weights: backwards through
 * all steps. ERR_UNSUPPORTED: with the lattice. */
status crf_gradient(mem *m, const crf_options *o, const crf_image *x, const double *dq, double *du,
                    double dw[2]);

#endif
