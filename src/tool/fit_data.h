/* SPDX-License-Identifier: Apache-2.0 */
/* fit_data.h - the scans of slmt fit: whose they are, what they are like, and the training set made of them.
 */
#ifndef SLMT_TOOL_FIT_DATA_H
#define SLMT_TOOL_FIT_DATA_H

#include "slmt/slmt.h"

#include "fit_look.h"
#include "fit_plan.h"
#include "likeness_list.h"
#include "one_spacing.h"
#include "paths.h"
#include "scans.h"

enum { FIT_CONTRASTS = 16, FIT_EXTRAS = 16, FIT_SOURCE = 0, FIT_TARGET = 1 };

typedef struct fit_subject {
    char *name;
    char *person;
    const char *file[FIT_CONTRASTS]; /* NULL where it has none; a scan's */
    bool extra;                      /* of --extra: pre-training alone */
} fit_subject;

/* A scan that was looked at. */
typedef struct fit_scan {
    size_t subject, contrast;
    fit_look look;
} fit_scan;

typedef struct fit_data {
    char *contrasts[FIT_CONTRASTS]; /* names: source, target, others of --extra */
    size_t contrast_count;
    scans pairs;
    scans extras[FIT_EXTRAS];
    size_t extra_count;
    fit_subject *subjects; /* in the order of their names, those of --extra last */
    size_t subject_count;
    size_t pair_count; /* subjects that have source and target */
    fit_scan *looked;
    size_t looked_count;
    size_t scan_count;
    double look_seconds; /* a scan */
    bool resample;       /* all scans are brought to one voxel size, */
    one_spacing spacing; /* that of the first one that is read */
    likeness_list seen;  /* the pictures that are in the set */
} fit_data;

/* What --source, --target and --extra say. */
typedef struct fit_places {
    const char *source, *target; /* "PLACE" or "NAME=PLACE" */
    const char *extras[FIT_EXTRAS];
    size_t extra_count;
    bool resample;
    const char *person; /* NULL, or a pattern of names whose first star is the person */
} fit_places;

/* Finds the scans. Reports an error and returns its exit code, also if no subject has both contrasts. */
int fit_data_find(fit_data *data, const fit_places *places);

/* All files; to be freed by path_list_free(). */
path_list fit_data_files(const fit_data *data);

/* Reads some of the scans, the first of each subject's included while they are few, and looks at them. */
int fit_data_look(fit_data *data, slmt_context *context);

/* Crop and slices that hold the head of every scan that was looked at. Complains if the scans do not go
 * together. */
int fit_data_frame(const fit_data *data, slmt_preprocess *preprocess);

/* Chooses the subjects for validation and testing: the last ones of those with pairs, all scans of a person
 * together. */
int fit_data_split(const fit_data *data, double validation, double test, fit_plan *plan);

/* Every name of the plan is a subject with a pair, in one part only, and someone is left to train on. */
int fit_data_check_split(const fit_data *data, const fit_plan *plan);

/* Writes the training set. A subject that cannot be used is told and left out. */
int fit_data_write(fit_data *data, slmt_context *context, const fit_plan *plan, const char *path);

bool fit_has_pair(const fit_subject *subject);

void fit_data_free(fit_data *data);

#endif
