/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate_labels.c - figures of label maps by class and subject, their confusion, and a picture. */
#include "evaluate_labels.h"

#include <math.h>
#include <stdlib.h>

#include "console.h"
#include "label_report.h"
#include "label_sources.h"
#include "must.h"
#include "outputs.h"
#include "overlay.h"
#include "tool.h"

#define LABELS(member) .offset = offsetof(evaluate_labels_options, member)
const field evaluate_labels_fields[] = {
    {"answer", "SCANS",
     "label maps to compare with --truth, without a model and a set: a file, a folder, FOLDER:END or a "
     "pattern, as of slmt prepare",
     FIELD_TEXT, LABELS(answer), .flags = FIELD_INPUT},
    {"truth", "SCANS", "the true label maps, by the same names, each on the grid of the other", FIELD_TEXT,
     LABELS(truth), .flags = FIELD_INPUT},
    {"classes", "LIST",
     "values of their classes, rising, the background first, as 0,1=oedema; default: those that "
     "occur",
     FIELD_TEXT, LABELS(classes)},
    {"labels", "NAME", "the kind of label maps to compare with, if the set has several", FIELD_TEXT,
     LABELS(labels)},
    {"ignored-value", "N", "voxels whose truth has this value do not count", FIELD_INT, LABELS(ignored),
     .low = -16777216, .high = 16777216},
    {"confusion", "FILE", "write how many voxels of each class got each class, by subject and pooled",
     FIELD_TEXT, LABELS(confusion), .flags = FIELD_OUTPUT, .endings = ".csv .tsv .txt"},
    {"png", "FILE",
     "draw truth and answer as outlines on the scan: of the subjects whose Dice is worst, middle and best",
     FIELD_TEXT, LABELS(png), .flags = FIELD_OUTPUT, .endings = ".png"},
    {0}};

evaluate_labels_options evaluate_labels_defaults(void)
{
    return (evaluate_labels_options){.ignored = 255, .how = labelling_defaults()};
}

typedef struct labels_run {
    scored *run;
    const evaluate_labels_options *options;
    label_classes classes;
    label_source source;
    label_subject *subjects;
    overlay *panels; /* of each subject */
    size_t count;
    table_file confusion;
    progress bar;
} labels_run;

/* ---- opening ---- */

static int open_files(labels_run *r, const command_line *line)
{
    char reason[FIELD_REASON];
    char *found = NULL;
    const char *classes = r->options->classes;
    int code = label_source_open_files(&r->source, r->options->answer, r->options->truth);
    if (code == EXIT_OK) {
        path_list inputs = label_source_files(&r->source);
        code = outputs_check_files(line, &inputs, NULL);
        path_list_free(&inputs);
    }
    if (code == EXIT_OK && !classes)
        code = label_source_values(&r->source, r->options->ignored, &found);
    if (code == EXIT_OK && !label_classes_read(classes ? classes : found, &r->classes, reason))
        code = fail_with(EXIT_USAGE, "--classes: %s", reason);
    free(found);
    return code;
}

static int open_set(labels_run *r)
{
    slmt_preprocess data;
    scored *run = r->run;
    int code = label_classes_of(run->model, run->model_path, &r->classes);
    if (code == EXIT_OK)
        code = label_source_open_set(&r->source, run->model, run->set, run->set_path, r->options->labels,
                                     run->split, &r->options->how);
    return code == EXIT_OK ? scored_check(run, &data) : code;
}

static int open_all(labels_run *r, const command_line *line)
{
    r->source.context = r->run->context;
    r->source.classes = &r->classes;
    int code = r->options->answer ? open_files(r, line) : open_set(r);
    if (code == EXIT_OK)
        code = scored_begin(r->run);
    if (code != EXIT_OK || !r->options->confusion)
        return code;
    return table_file_begin(&r->confusion, r->options->confusion);
}

/* ---- the work ---- */

static int score_subject(labels_run *r, size_t index)
{
    label_case c;
    label_subject *s = &r->subjects[index];
    int code = label_source_read(&r->source, index, &c);
    if (code == EXIT_OK)
        code = label_subject_score(&c, &r->classes, r->options->ignored, s);
    if (code == EXIT_OK) {
        s->name = must_copy(c.name);
        if (r->options->png)
            r->panels[index] = overlay_of(&c, &r->classes);
        r->count++;
    }
    label_case_free(&c);
    return code;
}

static int score_all(labels_run *r)
{
    const size_t total = r->source.count;
    int code = EXIT_OK;
    r->subjects = must_alloc(total, sizeof *r->subjects);
    r->panels = must_alloc(total, sizeof *r->panels);
    progress_begin(&r->bar, "evaluate", "subjects", 0);
    for (size_t i = 0; i < total && code == EXIT_OK; i++) {
        code = score_subject(r, i);
        progress_update(&r->bar, i + 1, total, "");
    }
    progress_end();
    return code;
}

static void report(labels_run *r)
{
    label_report *l = must_alloc(1, sizeof *l); /* large */
    *l = (label_report){.method = r->options->answer ? "files" : slmt_model_method(r->run->model),
                        .labels = r->options->answer ? r->options->truth : label_source_labels(&r->source),
                        .classes = &r->classes,
                        .subjects = r->subjects,
                        .count = r->count,
                        .csv = r->run->table.out,
                        .confusion = r->confusion.out,
                        .log = &r->run->log};
    label_report_write(l);
    free(l);
}

/* ---- the picture ---- */

typedef struct ranked {
    double dice; /* of the foreground */
    size_t index;
} ranked;

/* Rising; subjects without a figure, in which no voxel is or was labelled, come last. */
static int by_dice(const void *a, const void *b)
{
    const ranked *one = a, *other = b;
    if (isnan(one->dice) != isnan(other->dice))
        return isnan(one->dice) ? 1 : -1;
    if (one->dice != other->dice && !isnan(one->dice))
        return one->dice < other->dice ? -1 : 1;
    return (one->index > other->index) - (one->index < other->index);
}

static void add_panel(const labels_run *r, const ranked *one, const char *place, overlay *panels,
                      size_t *count)
{
    overlay *panel = &r->panels[one->index];
    panel->title = isnan(one->dice)
                       ? must_format("%s: %s", place, r->subjects[one->index].name)
                       : must_format("%s: %s, Dice %.4f", place, r->subjects[one->index].name, one->dice);
    panels[(*count)++] = *panel;
}

static int draw(const labels_run *r)
{
    overlay panels[3];
    size_t known = 0, count = 0;
    ranked *order = must_alloc(r->count, sizeof *order);
    for (size_t i = 0; i < r->count; i++) {
        order[i] = (ranked){r->subjects[i].foreground.value[LABEL_DICE], i};
        known += !isnan(order[i].dice);
    }
    qsort(order, r->count, sizeof *order, by_dice);
    known = known ? known : r->count;
    add_panel(r, &order[0], known > 1 ? "worst" : "subject", panels, &count);
    if (known > 2)
        add_panel(r, &order[known / 2], "middle", panels, &count);
    if (known > 1)
        add_panel(r, &order[known - 1], "best", panels, &count);
    free(order);
    return overlay_write(r->options->png, panels, count);
}

/* ---- closing ---- */

static int close_all(labels_run *r, int code)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->subjects[i].name);
        overlay_free(&r->panels[i]);
    }
    free(r->subjects);
    free(r->panels);
    label_source_close(&r->source);
    label_classes_free(&r->classes);
    int table_code = table_file_finish(&r->confusion, code == EXIT_OK);
    return code ? code : table_code;
}

int evaluate_labels(scored *run, const evaluate_labels_options *o, const command_line *line)
{
    labels_run r = {.run = run, .options = o};
    int code = open_all(&r, line);
    if (code == EXIT_OK)
        code = score_all(&r);
    if (code == EXIT_OK)
        report(&r);
    if (code == EXIT_OK && o->png)
        code = draw(&r);
    return close_all(&r, code);
}
