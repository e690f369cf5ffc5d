/* SPDX-License-Identifier: Apache-2.0 */
/* label_figures.h - figures of label maps against the truth: by class of a subject, and over subjects. */
#ifndef SLMT_TOOL_LABEL_FIGURES_H
#define SLMT_TOOL_LABEL_FIGURES_H

#include <stddef.h>

#include "slmt/slmt.h"

#include "labelling.h"

enum { LABEL_FIGURES = 7, LABEL_DICE = 0 };

/* A figure, as the task `segment` of each method that labels lists it. */
typedef struct label_figure {
    const char *key;    /* in CSV and JSON */
    const char *column; /* "HD95 mm" */
    int decimals;
    size_t offset; /* in slmt_label_scores */
} label_figure;

extern const label_figure label_figures[LABEL_FIGURES];

typedef struct label_row {
    double value[LABEL_FIGURES]; /* NaN: not defined */
} label_row;

/* A label map on the grid of its truth. */
typedef struct label_case {
    char *name;
    slmt_volume *truth, *answer;
    float *grey; /* the scan, from 0 to 1, at the same voxels; NULL: there is none */
    bool spaced; /* the size of the voxels is known */
} label_case;

void label_case_free(label_case *c);

/* What is kept of a subject. */
typedef struct label_subject {
    char *name;
    slmt_label_scores by[MOST_CLASSES];
    label_row row[MOST_CLASSES];
    label_row foreground; /* mean of the classes but the first, where defined */
    int64_t counts[MOST_CLASSES *
                   MOST_CLASSES]; /* by class of the truth, then of the answer; rows of classes->count */
} label_subject;

/* Compares; voxels whose truth has the value `ignored` do not count. Complains, of the subject, about values
 * that are no class, and returns an exit code. */
int label_subject_score(label_case *c, const label_classes *classes, int32_t ignored, label_subject *out);

/* Over subjects. Mean and standard deviation (divisor n - 1) take those in which a figure is defined; pooled:
 * the figures of the counts of all of them. index: a class, or classes->count for the foreground. */
typedef struct label_means {
    label_row mean[MOST_CLASSES + 1], deviation[MOST_CLASSES + 1], pooled[MOST_CLASSES];
    slmt_label_scores all[MOST_CLASSES]; /* what pooled follows from */
    int64_t counts[MOST_CLASSES * MOST_CLASSES];
} label_means;
void label_means_of(const label_subject *subjects, size_t count, const label_classes *classes,
                    label_means *out);

#endif
