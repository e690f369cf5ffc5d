/* SPDX-License-Identifier: Apache-2.0 */
/* What slmt pretrain, finetune and train share: the run with its checkpoints, its log and the end by ctrl-C.
 * Methods, options and settings go by name here. */
#ifndef SLMT_TOOL_TRAINING_H
#define SLMT_TOOL_TRAINING_H

#include "slmt/slmt.h"

#include "common.h"
#include "numbers.h"
#include "options.h"
#include "report.h"

/* Which weights --out has in the end. */
enum { KEEP_LAST, KEEP_BEST };
extern const field_choice keep_choices[];

typedef struct training_files {
    const char *method; /* NULL: that of the checkpoint or the model */
    const char *task;   /* NULL: that of the checkpoint, or the method's only one that trains */
    const char *data;
    const char *out;
    const char *resume;       /* checkpoint to go on from, or NULL */
    const char *model;        /* model to start from, or NULL */
    const char *teacher;      /* model that the task learns from, or NULL */
    const char *judge;        /* model of another method that this one carries, or NULL */
    const char *source;       /* contrast, or NULL: all, or whatever the method draws */
    const char *target;       /* contrast, or NULL */
    int32_t checkpoint_every; /* epochs */
    int32_t validate_every;   /* epochs; 0: never */
    int32_t keep;             /* KEEP_... */
    uint64_t max_steps;       /* of this run */
} training_files;

/* Rows of fields of a training_files: of how long a run goes on, what it writes, and what it keeps. */
#define FILES(member) .offset = offsetof(training_files, member)
#define RUN_OPTIONS                                                                                            \
    {"checkpoint-every", "EPOCHS", "write the checkpoint after every so many epochs; 0: at the end only",      \
     FIELD_INT, FILES(checkpoint_every)},                                                                      \
        {"validate-every", "EPOCHS",                                                                           \
         "score the validation subjects after every so many epochs, and at the end; 0: never", FIELD_INT,      \
         FILES(validate_every)},                                                                               \
        {"keep",       "last|best", "weights that --out has in the end; best: of the highest validation PSNR", \
         FIELD_CHOICE, FILES(keep), keep_choices},                                                             \
    {                                                                                                          \
        "max-steps", "N", "stop, and save, after so many steps of this run; 0: at the end of the schedule",    \
            FIELD_UINT, FILES(max_steps)                                                                       \
    }

typedef struct training_options {
    common common;
    report report;
    training_files files;
    const char *command; /* "slmt finetune", for messages */
    const command_line *line;
    char options_given,
        settings_given; /* targets on the line of a method's options and of a task's settings */
} training_options;

/* Complains of what cannot be given together: a loaded model has its options (`sizes` is the name of one that
 * was given, or NULL), a resumed run also its settings, seed and start (`settings`, likewise). */
int training_check(const training_options *o, const char *sizes, const char *settings);

/* Trains. Returns an exit code. */
int training_run(const training_options *o);

/* Adds a line to a field of a model's card: what each stage did stays readable. */
slmt_status training_append_card(slmt_model *model, const char *key, const char *text);

#endif
