/* SPDX-License-Identifier: Apache-2.0 */
/* score_split.h - how well a model makes one contrast from another on a part of a set, subject by subject,
 * beside two ways that need no network. */
#ifndef SLMT_TOOL_SCORE_SPLIT_H
#define SLMT_TOOL_SCORE_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "slmt/slmt.h"

#include "measure.h"
#include "scores.h"

/* The network; the source as it is; the best monotone map from source to target intensities. */
enum { SCORE_NETWORK, SCORE_SOURCE, SCORE_MONOTONE, SCORE_METHODS };

/* A subject as it was scored. */
typedef struct subject_scores {
    size_t subject; /* index in the set */
    const char *name;
    int64_t slices, empty;                     /* compared, and those of them without signal in the target */
    scores by[SCORE_METHODS][DEFINITIONS + 1]; /* by SLMT_DEFINITION_... */
} subject_scores;

typedef struct split_scores {
    figure_list figures;
    const char *source, *target;       /* contrasts */
    const char *method[SCORE_METHODS]; /* "slmt-net", "source", "monotone-map" */
    size_t methods;                    /* 1, or SCORE_METHODS with the baselines */
    subject_scores *subjects;
    size_t count;
} split_scores;

typedef struct score_options {
    measure_options measure;
    const char *model_name, *set_name; /* in messages, such as paths */
    const char *source, *target;       /* contrasts; NULL: those of the model's card */
    int32_t split;                     /* SLMT_SPLIT_... */
    int32_t batch;                     /* slices computed together, at most */
    bool baselines;
    /* Called once everything is found and open, before the first slice is read; an exit code. NULL or not, as
     * the next two. */
    int (*on_begin)(void *user, const split_scores *s);
    /* Told of what one method made of a subject; slices by index. */
    void (*on_slices)(void *user, const split_scores *s, const subject_scores *subject, size_t method,
                      const measured *slices);
    /* Told of a subject after all of its methods, and of how many there are. */
    void (*on_subject)(void *user, const split_scores *s, size_t total);
    void *user;
} score_options;

#define SCORE_DEFAULTS                                                                                       \
    {                                                                                                        \
        .measure = MEASURE_DEFAULTS, .model_name = "the model", .set_name = "the set",                       \
        .split = SLMT_SPLIT_TEST, .batch = 1                                                                 \
    }

/* Scores the model on the subjects that have both contrasts. The model may belong to a trainer that is not
 * running a step: a session is made for the call and freed. Subjects whose target has no signal are warned of
 * and left out. Reports an error and returns its exit code; free `s` in any case. */
int score_split(slmt_context *context, slmt_model *model, slmt_dataset *set, const score_options *o,
                split_scores *s);

/* Mean and deviation over the subjects. */
scores split_mean(const split_scores *s, size_t method, int32_t definition);
scores split_deviation(const split_scores *s, size_t method, int32_t definition);

/* One method against another by figure `index`. */
paired split_paired(const split_scores *s, size_t ours, size_t theirs, int32_t definition, size_t index);

void split_scores_free(split_scores *s);

#endif
