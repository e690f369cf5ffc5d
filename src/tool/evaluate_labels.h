/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_labels.h - slmt evaluate of models that label pixels, and of label maps that are there already. */
#ifndef SLMT_TOOL_EVALUATE_LABELS_H
#define SLMT_TOOL_EVALUATE_LABELS_H

#include "labelling.h"
#include "scored_set.h"

typedef struct evaluate_labels_options {
    const char *answer, *truth; /* where label maps are; NULL: the model labels the set's subjects */
    const char *classes;        /* of these; NULL: the values that occur */
    const char *labels;         /* of the set: which label maps; NULL: the only ones */
    int32_t ignored;
    const char *confusion, *png; /* files to write, or NULL */
    labelling how;
} evaluate_labels_options;

evaluate_labels_options evaluate_labels_defaults(void);

extern const field evaluate_labels_fields[]; /* of these options, but `how` */

/* The run's context is open, and its model and set unless label maps are given. Complains and returns an exit
 * code. */
int evaluate_labels(scored *run, const evaluate_labels_options *o, const command_line *line);

#endif
