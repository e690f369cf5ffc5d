/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c - slmt segment: the labels of one subject's scans, as a network sees them. */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "field.h"
#include "interrupt.h"
#include "journal.h"
#include "labelling.h"
#include "must.h"
#include "options.h"
#include "outputs.h"
#include "paths.h"
#include "sequences.h"
#include "table_file.h"

enum { MOST_CHANNELS = 64 };

typedef struct segment {
    const char *model_path;
    const char *out;
    const char *probabilities;
    const char *truth_path;
    const char *csv;
    labelling how;
    bool resample;
    bool any_spacing;
    common common;
    slmt_context *context;
    slmt_model *model;
    slmt_session *session;
    size_t channels;
    label_classes classes;
    const char *files[MOST_CHANNELS]; /* in the order of the model's contrasts */
    slmt_volume *scans[MOST_CHANNELS];
    slmt_volume *labels, *truth;
    slmt_volume *made[MOST_CLASSES]; /* probabilities */
    char *paths[MOST_CLASSES];       /* where they go */
    journal log;
    progress bar;
} segment;

#define SEGMENT(member) .offset = offsetof(segment, member)
static const field segment_fields[] = {
    {"model", "FILE", "checkpoint of slmt train, of a network that labels pixels", FIELD_TEXT,
     SEGMENT(model_path), .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"out", "FILE",
     "where to write the label map, .nii or .nii.gz: integers, the values of the training's maps", FIELD_TEXT,
     SEGMENT(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT, .endings = ".nii.gz .nii"},
    {"probabilities", "DIR",
     "also write the probability of each class, VALUE.nii.gz, into this folder, made if missing", FIELD_TEXT,
     SEGMENT(probabilities), .flags = FIELD_OUTPUT},
    {"truth", "FILE", "label map to compare with, on the same grid", FIELD_TEXT, SEGMENT(truth_path),
     .flags = FIELD_INPUT},
    {"csv", "FILE", "write how each class agrees with --truth: a row for each class", FIELD_TEXT,
     SEGMENT(csv), .flags = FIELD_OUTPUT, .endings = ".csv"},
    {"resample", NULL,
     "take scans whose voxels are not of the training's size: resample them to it, and the result back",
     FIELD_FLAG, SEGMENT(resample)},
    {"any-spacing", NULL, "take scans of any voxel size as they are: crop and slices count their voxels",
     FIELD_FLAG, SEGMENT(any_spacing)},
    {0}};

static const char doc[] =
    "Label the voxels of one subject with a network that slmt train has made. NAME is a contrast of the "
    "model; a model of one contrast takes a file without a name. The label map lies on the scans' grid, "
    "which must be the same; it has the values of the training's label maps, and outside the crop and the "
    "slices of the training the first of them, the background. Scans larger than a window are covered by "
    "windows that overlap.";

/* ---- scans ---- */

static int model_knows(const segment *s, const char *name)
{
    char *names = sequence_names(s->model, ", ");
    int code = fail_with(EXIT_USAGE, "%s: is trained on %s, not on %s", s->model_path, names, name);
    free(names);
    return code;
}

/* A file that stands alone may have an equals sign in its path. */
static int add_scan(segment *s, const char *text)
{
    const char *equals = strchr(text, '=');
    if (s->channels == 1 && (!equals || is_file(text))) {
        if (s->files[0])
            return fail_with(EXIT_USAGE, "%s: the model takes one scan, and %s is given too", text,
                             s->files[0]);
        s->files[0] = text;
        return EXIT_OK;
    }
    if (!equals || equals == text || !equals[1])
        return fail_with(EXIT_USAGE, "'%s' is not of the form NAME=FILE", text);
    char *name = must_format("%.*s", (int)(equals - text), text);
    int32_t index = sequence_index(s->model, name);
    int code = EXIT_OK;
    if (index < 0 || (size_t)index >= s->channels)
        code = model_knows(s, name);
    else if (s->files[index])
        code = fail_with(EXIT_USAGE, "%s is given twice", name);
    else
        s->files[index] = equals + 1;
    free(name);
    return code;
}

static int find_scans(segment *s, const command_line *line)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < line->input_count && code == EXIT_OK; i++)
        code = add_scan(s, line->inputs[i]);
    for (size_t i = 0; i < s->channels && code == EXIT_OK; i++)
        if (!s->files[i])
            code = fail_with(EXIT_USAGE, "the model takes %zu contrasts, and %s=FILE is missing", s->channels,
                             slmt_model_contrast(s->model, i));
    return code;
}

static int check_files(const segment *s, const command_line *line)
{
    path_list inputs = {0}, outputs = {0};
    for (size_t i = 0; i < s->channels; i++)
        path_list_add(&inputs, must_copy(s->files[i]));
    path_list_add(&outputs, must_copy(s->out));
    for (size_t i = 0; i < s->classes.count && s->paths[i]; i++)
        path_list_add(&outputs, must_copy(s->paths[i]));
    int code = outputs_check_files(line, &inputs, &outputs);
    path_list_free(&inputs);
    path_list_free(&outputs);
    return code;
}

/* ---- classes ---- */

static int name_probabilities(segment *s)
{
    if (!s->probabilities)
        return EXIT_OK;
    if (mkdir(s->probabilities, 0777) != 0 && errno != EEXIST)
        return fail_errno(errno, "%s", s->probabilities);
    for (size_t i = 0; i < s->classes.count; i++)
        s->paths[i] = must_format("%s/%.*s.nii.gz", s->probabilities, (int)strcspn(s->classes.text[i], "="),
                                  s->classes.text[i]);
    return EXIT_OK;
}

/* ---- the session ---- */

static int32_t on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    segment *s = user;
    progress_update(&s->bar, done, total, "");
    return interrupted();
}

static int open_session(segment *s)
{
    int code = labelling_session(s->model, &s->how, &s->session);
    if (code != EXIT_OK)
        return code;
    slmt_status status = slmt_session_set_progress(s->session, on_progress, s);
    if (status == SLMT_OK)
        status = slmt_session_set_spacing(s->session, s->resample      ? SLMT_SPACING_RESAMPLE
                                                      : s->any_spacing ? SLMT_SPACING_ANY
                                                                       : SLMT_SPACING_REFUSE);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

static int open_model(segment *s)
{
    slmt_status status = slmt_model_load(s->context, s->model_path, &s->model);
    if (status != SLMT_OK)
        return fail(status, "%s", s->model_path);
    int code = label_classes_of(s->model, s->model_path, &s->classes);
    return code == EXIT_OK ? label_channels(s->model, s->model_path, &s->channels) : code;
}

/* ---- the work ---- */

static int read_scans(segment *s)
{
    for (size_t i = 0; i < s->channels; i++) {
        warn_about(s->files[i]);
        slmt_status status = slmt_volume_read(s->context, s->files[i], &s->scans[i]);
        if (status != SLMT_OK)
            return fail_file(status, s->files[i]);
        say_zeroed(s->scans[i], s->files[i]);
    }
    if (!s->truth_path)
        return EXIT_OK;
    warn_about(s->truth_path);
    slmt_status status = slmt_volume_read(s->context, s->truth_path, &s->truth);
    warn_about(NULL);
    return status == SLMT_OK ? EXIT_OK : fail_file(status, s->truth_path);
}

static int make_labels(segment *s)
{
    slmt_segmentation how;
    labelling_how(&s->how, &how);
    progress_begin(&s->bar, s->files[0], "windows", 0);
    slmt_status status = slmt_segment_volume(s->session, (const slmt_volume *const *)s->scans, s->channels,
                                             &how, &s->labels, s->probabilities ? s->made : NULL);
    progress_end();
    if (status == SLMT_ERR_CANCELLED && interrupted())
        return fail_with(EXIT_INTERRUPTED, "interrupted; nothing was written");
    return status == SLMT_OK ? EXIT_OK : fail_file(status, s->files[0]);
}

/* ---- against the truth ---- */

static int score_class(segment *s, size_t i, FILE *csv)
{
    slmt_label_scores r = {.struct_size = sizeof r};
    const char *text = s->classes.text[i];
    const int32_t value = s->classes.value[i];
    slmt_status status = slmt_compare_labels(s->labels, s->truth, value, &r);
    if (status != SLMT_OK)
        return fail_file(status, s->truth_path);
    say("  %-16s Dice %.4f  IoU %.4f  HD95 %.2f mm  ASSD %.2f mm", text, r.dice, r.iou, r.hausdorff95,
        r.surface_distance);
    if (csv)
        fprintf(csv, "%s,%d,%lld,%lld,%lld,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g\n", text, (int)value,
                (long long)r.truth, (long long)r.answer, (long long)r.both, r.dice, r.iou, r.precision,
                r.recall, r.specificity, r.hausdorff95, r.surface_distance);
    return EXIT_OK;
}

static int score(segment *s)
{
    table_file table = {0};
    if (!s->truth_path)
        return EXIT_OK;
    int code = s->csv ? table_file_begin(&table, s->csv) : EXIT_OK;
    if (table.out)
        fputs("class,label,truth,answer,both,dice,iou,precision,recall,specificity,hausdorff95,"
              "surface_distance\n",
              table.out);
    for (size_t i = 0; i < s->classes.count && code == EXIT_OK; i++)
        code = score_class(s, i, table.out);
    int table_code = table_file_finish(&table, code == EXIT_OK);
    return code ? code : table_code;
}

static int write_all(segment *s)
{
    slmt_status status = slmt_volume_write(s->labels, s->out);
    if (status != SLMT_OK)
        return fail(status, "%s", s->out);
    for (size_t i = 0; i < s->classes.count && s->paths[i]; i++)
        if ((status = slmt_volume_write(s->made[i], s->paths[i])) != SLMT_OK)
            return fail(status, "%s", s->paths[i]);
    return EXIT_OK;
}

/* How many voxels have each label, to the screen and the log. */
static void tell(segment *s)
{
    int64_t dims[3];
    const float *voxels = slmt_volume_voxels(s->labels);
    cJSON *event = journal_event("labels"), *counts = cJSON_AddObjectToObject(event, "voxels");
    slmt_volume_dims(s->labels, dims);
    cJSON_AddStringToObject(event, "output", s->out);
    say("%s: written", s->out);
    for (size_t c = 0; c < s->classes.count; c++) {
        const float value = (float)s->classes.value[c];
        int64_t count = 0;
        for (int64_t i = 0; i < dims[0] * dims[1] * dims[2]; i++)
            count += voxels[i] == value;
        say("  %-16s %10lld voxels", s->classes.text[c], (long long)count);
        cJSON_AddNumberToObject(counts, s->classes.text[c], (double)count);
    }
    journal_write(&s->log, event);
}

static int label(segment *s, const command_line *line)
{
    int code = common_context(&s->common, &s->context);
    if (code == EXIT_OK)
        code = open_model(s);
    if (code == EXIT_OK)
        code = find_scans(s, line);
    if (code == EXIT_OK)
        code = name_probabilities(s);
    if (code == EXIT_OK)
        code = check_files(s, line);
    if (code == EXIT_OK)
        code = journal_open(&s->log, s->common.log, false);
    if (code == EXIT_OK) {
        log_computer(&s->log, s->context, &s->common);
        code = open_session(s);
    }
    if (code == EXIT_OK)
        code = read_scans(s);
    if (code == EXIT_OK)
        code = make_labels(s);
    if (code == EXIT_OK)
        code = write_all(s);
    if (code == EXIT_OK)
        tell(s);
    return code == EXIT_OK ? score(s) : code;
}

static void close_segment(segment *s)
{
    for (size_t i = 0; i < MOST_CHANNELS; i++)
        slmt_volume_free(s->scans[i]);
    for (size_t i = 0; i < MOST_CLASSES; i++) {
        slmt_volume_free(s->made[i]);
        free(s->paths[i]);
    }
    label_classes_free(&s->classes);
    slmt_volume_free(s->labels);
    slmt_volume_free(s->truth);
    slmt_session_free(s->session);
    slmt_model_free(s->model);
    slmt_context_free(s->context);
}

int command_segment(int argc, char **argv)
{
    segment s = {.how = labelling_defaults(), .common.weights = SLMT_WEIGHTS_STORED};
    const option_group groups[] = {{"Files and run:", segment_fields, &s},
                                   {"", labelling_fields, &s.how},
                                   {"Random field:", crf_fields, &s.how},
                                   {"", nan_fields, &s.common},
                                   {"", weights_fields, &s.common},
                                   {"", arithmetic_fields, &s.common},
                                   {"Common:", common_fields, &s.common},
                                   {"", log_fields, &s.common},
                                   {0}};
    command_line line = {.doc = doc,
                         .arguments = "[NAME=]FILE...",
                         .argument_flags = FIELD_INPUT | FIELD_NAMED,
                         .least_arguments = 1,
                         .most_arguments = MOST_CHANNELS,
                         .groups = groups};
    options_parse(&line, argc, argv);
    int code = EXIT_OK;
    if (s.resample && s.any_spacing)
        code = fail_with(EXIT_USAGE, "--resample and --any-spacing exclude each other");
    else if (s.csv && !s.truth_path)
        code = fail_with(EXIT_USAGE, "--csv needs --truth");
    if (code == EXIT_OK)
        code = labelling_check(&s.how, &line);
    if (code == EXIT_OK)
        code = label(&s, &line);
    int log_code = journal_close(&s.log);
    close_segment(&s);
    options_free(&line);
    return code ? code : log_code;
}
