/* SPDX-License-Identifier: Apache-2.0 */
/* label_sources.h - where label maps and their truth come from, subject by subject: a model that labels the
 * subjects of a set, or two lists of files. */
#ifndef SLMT_TOOL_LABEL_SOURCES_H
#define SLMT_TOOL_LABEL_SOURCES_H

#include "slmt/slmt.h"

#include "label_figures.h"
#include "labelling.h"
#include "scans.h"

enum { LABEL_CHANNELS = 64 };

typedef struct label_source {
    slmt_context *context;
    const label_classes *classes;
    size_t count; /* subjects */
    /* of a model and a set */
    slmt_model *model;
    slmt_dataset *set;
    const char *set_path;
    slmt_session *session;
    slmt_segmentation how;
    size_t channels, fields[LABEL_CHANNELS], labels; /* fields of the set */
    size_t *subjects;                                /* those to be scored */
    double spacing[3];                               /* mm along x, y, z; 1 where it is not known */
    bool spaced;
    /* of lists */
    scans files;         /* source 0: answers, 1: truth */
    const char *pair[2]; /* two files that are compared whatever their names are; NULL: see files */
} label_source;

/* Opens the subjects of a split that have the model's contrasts and label maps; labels: which, NULL: the only
 * ones. Complains and returns an exit code, as the others; close it in any case. */
int label_source_open_set(label_source *s, slmt_model *model, slmt_dataset *set, const char *set_path,
                          const char *labels, int32_t split, const labelling *how);

/* Returns the name of the set's label maps. */
const char *label_source_labels(const label_source *s);

/* Files of label maps and of their truth, which have one name; of a file and a file, those two. Those that
 * have no partner are warned of. */
int label_source_open_files(label_source *s, const char *answers, const char *truth);

/* All files; the list's items are to be freed by path_list_free(). */
path_list label_source_files(const label_source *s);

/* Returns the values that occur in the files, as "0,1,4"; the caller frees it. */
int label_source_values(label_source *s, int32_t ignored, char **text);

/* Reads, and labels, subject `index`; free it in any case. */
int label_source_read(label_source *s, size_t index, label_case *c);

void label_source_close(label_source *s);

#endif
