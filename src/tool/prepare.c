/* SPDX-License-Identifier: Apache-2.0 */
/* slmt prepare: folders of volumes, one for each contrast and each kind of label map, become a training set.
 * What happens to the voxels is the library's affair; here files are paired, subjects are split, failures are
 * counted. */
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "interrupt.h"
#include "journal.h"
#include "must.h"
#include "options.h"
#include "paths.h"
#include "scored_set.h"
#include "settings.h"

enum { MOST_CONTRASTS = 64 };

typedef struct contrast {
    char *name;
    const char *folder;
    path_list files;
} contrast;

typedef struct subject {
    char *id;
    const char *file[MOST_CONTRASTS]; /* NULL where missing; owned by the contrast's list */
    int32_t split;
} subject;

typedef struct prepare {
    const char *out;
    double test_fraction;
    const char *test; /* names with commas between, or NULL */
    double validation_fraction;
    const char *validation; /* likewise */
    uint64_t seed;
    contrast contrasts[MOST_CONTRASTS]; /* contrasts, then label maps */
    size_t contrast_count;              /* of both */
    size_t label_count;
    subject *subjects;
    size_t subject_count;
    size_t failures;
    size_t added;
} prepare;

/* "NAME=DIR"; false: it is of another form, or one too many. */
static bool new_contrast(prepare *p, const char *text, contrast *c, char reason[FIELD_REASON])
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) {
        snprintf(reason, FIELD_REASON, "'%s' is not of the form NAME=DIR", text);
        return false;
    }
    if (p->contrast_count == MOST_CONTRASTS) {
        snprintf(reason, FIELD_REASON, "more than %d contrasts and label maps", MOST_CONTRASTS);
        return false;
    }
    *c = (contrast){.name = must_format("%.*s", (int)(equals - text), text), .folder = equals + 1};
    return true;
}

/* Contrasts come before label maps, whatever their order on the line. */
static bool set_contrast(void *target, const char *text, char reason[FIELD_REASON])
{
    prepare *p = target;
    contrast c;
    if (!new_contrast(p, text, &c, reason))
        return false;
    contrast *at = &p->contrasts[p->contrast_count - p->label_count];
    memmove(at + 1, at, p->label_count * sizeof *at);
    *at = c;
    p->contrast_count++;
    return true;
}

static bool set_labels(void *target, const char *text, char reason[FIELD_REASON])
{
    prepare *p = target;
    contrast c;
    if (!new_contrast(p, text, &c, reason))
        return false;
    p->contrasts[p->contrast_count++] = c;
    p->label_count++;
    return true;
}

#define PREPARE(member) .offset = offsetof(prepare, member)
static const field prepare_fields[] = {
    {"contrast", "NAME=DIR", "a contrast and the folder of its volumes; once for each contrast", FIELD_CUSTOM,
     .flags = FIELD_REQUIRED, .set = set_contrast},
    {"labels", "NAME=DIR",
     "label maps on the contrasts' grid, and the folder of them; once for each kind. Their values stay as "
     "they are",
     FIELD_CUSTOM, .set = set_labels},
    {"out", "FILE", "the training set to write", FIELD_TEXT, PREPARE(out), .flags = FIELD_REQUIRED},
    {"test-fraction", "PART", "part of the subjects that is kept for testing, the last ones", FIELD_REAL,
     PREPARE(test_fraction)},
    {"test", "A,B,...", "the subjects kept for testing, instead of --test-fraction", FIELD_TEXT,
     PREPARE(test)},
    {"validation-fraction", "PART",
     "part of the subjects that is kept for choosing a model or settings, those before the test subjects",
     FIELD_REAL, PREPARE(validation_fraction)},
    {"validation", "A,B,...", "the subjects kept for choosing, instead of --validation-fraction", FIELD_TEXT,
     PREPARE(validation)},
    {"seed", "N", "shuffle the subjects before splitting; default: they stay in the order of their names",
     FIELD_UINT, PREPARE(seed), .flags = FIELD_HIDDEN},
    {0}};

static const char doc[] =
    "Make a training set from NIfTI volumes. A volume's file name without .nii or .nii.gz is its subject's "
    "name; files of equal names in the folders are one subject, and need not be in every folder. A file that "
    "cannot be used is reported and left out.";

static subject *find_subject(prepare *p, const char *id)
{
    for (size_t i = 0; i < p->subject_count; i++)
        if (strcmp(p->subjects[i].id, id) == 0)
            return &p->subjects[i];
    return NULL;
}

static subject *new_subject(prepare *p, char *id)
{
    p->subjects = must_grow(p->subjects, p->subject_count + 1, sizeof *p->subjects);
    subject *s = &p->subjects[p->subject_count++];
    *s = (subject){.id = id, .split = SLMT_SPLIT_TRAIN};
    return s;
}

static void add_file(prepare *p, size_t c, const char *file)
{
    char *id = volume_id(file);
    subject *s = find_subject(p, id);
    if (s)
        free(id);
    else
        s = new_subject(p, id);
    if (s->file[c]) {
        complain("%s: left out: %s has the same subject name", file, s->file[c]);
        p->failures++;
        return;
    }
    s->file[c] = file;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const subject *)a)->id, ((const subject *)b)->id);
}

static int find_subjects(prepare *p)
{
    for (size_t c = 0; c < p->contrast_count; c++) {
        contrast *contrast = &p->contrasts[c];
        if (!path_list_add_folder(&contrast->files, contrast->folder))
            return fail_with(EXIT_DATA, "%s: %s", contrast->folder, strerror(errno));
        if (contrast->files.count == 0)
            return fail_with(EXIT_DATA, "%s: no .nii or .nii.gz file in it", contrast->folder);
        for (size_t i = 0; i < contrast->files.count; i++)
            add_file(p, c, contrast->files.items[i]);
    }
    qsort(p->subjects, p->subject_count, sizeof *p->subjects, by_name);
    return EXIT_OK;
}

/* SplitMix64 (Steele, Lea and Flood 2014): enough to shuffle names. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void shuffle(prepare *p)
{
    uint64_t state = p->seed;
    for (size_t i = p->subject_count; i > 1; i--) {
        size_t j = (size_t)(next_random(&state) % i);
        subject other = p->subjects[j];
        p->subjects[j] = p->subjects[i - 1];
        p->subjects[i - 1] = other;
    }
}

/* Puts the named subjects into a split; `option` gave the list, NULL: an empty one. */
static int split_by_name(prepare *p, const char *list, const char *option, int32_t split)
{
    int code = EXIT_OK;
    char *names = must_copy(list ? list : "");
    char *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name && code == EXIT_OK;
         name = strtok_r(NULL, ",", &rest)) {
        subject *s = find_subject(p, name);
        if (!s)
            code = fail_with(EXIT_USAGE, "--%s: no folder has a subject '%s'", option, name);
        else if (s->split != SLMT_SPLIT_TRAIN && s->split != split)
            code = fail_with(EXIT_USAGE, "--%s: subject '%s' is in --test too", option, name);
        else
            s->split = split;
    }
    free(names);
    return code;
}

/* Puts the last of the subjects that are still trained on into a split. */
static int split_by_fraction(prepare *p, double fraction, const char *option, int32_t split)
{
    if (!(fraction >= 0 && fraction <= 1))
        return fail_with(EXIT_USAGE, "--%s: %g is not between 0 and 1", option, fraction);
    size_t wanted = (size_t)llround(fraction * (double)p->subject_count);
    for (size_t i = p->subject_count; i-- > 0 && wanted > 0;)
        if (p->subjects[i].split == SLMT_SPLIT_TRAIN) {
            p->subjects[i].split = split;
            wanted--;
        }
    return EXIT_OK;
}

/* Named subjects are put aside before any part is taken of the others. */
static int split_subjects(prepare *p)
{
    int code = split_by_name(p, p->test, "test", SLMT_SPLIT_TEST);
    if (code == EXIT_OK)
        code = split_by_name(p, p->validation, "validation", SLMT_SPLIT_VALIDATION);
    if (code == EXIT_OK && !p->test)
        code = split_by_fraction(p, p->test_fraction, "test-fraction", SLMT_SPLIT_TEST);
    if (code == EXIT_OK && !p->validation)
        code = split_by_fraction(p, p->validation_fraction, "validation-fraction", SLMT_SPLIT_VALIDATION);
    return code;
}

static size_t read_volumes(prepare *p, slmt_context *context, const subject *s, slmt_volume **volumes)
{
    size_t count = 0;
    for (size_t c = 0; c < p->contrast_count; c++) {
        if (!s->file[c])
            continue;
        slmt_status status = slmt_volume_read(context, s->file[c], &volumes[c]);
        if (status == SLMT_OK) {
            count++;
        } else {
            fail(status, "%s", s->file[c]);
            p->failures++;
        }
    }
    return count;
}

static void log_subject(const prepare *p, journal *log, const subject *s, slmt_volume *const *volumes,
                        bool added)
{
    cJSON *event = journal_event("subject");
    cJSON_AddStringToObject(event, "subject", s->id);
    cJSON_AddStringToObject(event, "split", split_name(s->split));
    cJSON *names = cJSON_AddArrayToObject(event, "contrasts");
    for (size_t c = 0; c < p->contrast_count; c++)
        if (volumes[c])
            cJSON_AddItemToArray(names, cJSON_CreateString(p->contrasts[c].name));
    cJSON_AddBoolToObject(event, "added", added);
    journal_write(log, event);
}

/* One bad subject is counted and left out; only a set that cannot be written ends the work. */
static int add_subject(prepare *p, slmt_context *context, slmt_dataset_writer *writer, const subject *s,
                       journal *log)
{
    slmt_volume *volumes[MOST_CONTRASTS] = {0};
    slmt_status status = SLMT_OK;
    int code = EXIT_OK;
    warn_about(s->id);
    bool any = read_volumes(p, context, s, volumes) > 0;
    if (any)
        status = slmt_dataset_writer_add(writer, s->id, (const slmt_volume *const *)volumes, s->split);
    if (status != SLMT_OK) {
        code = fail(status, "%s", s->id);
        p->failures++;
    }
    p->added += any && status == SLMT_OK;
    log_subject(p, log, s, volumes, any && status == SLMT_OK);
    for (size_t c = 0; c < p->contrast_count; c++)
        slmt_volume_free(volumes[c]);
    warn_about(NULL);
    return status == SLMT_ERR_IO ? code : EXIT_OK;
}

static int add_subjects(prepare *p, slmt_context *context, slmt_dataset_writer *writer, journal *log)
{
    progress bar;
    int code = EXIT_OK;
    progress_begin(&bar, "prepare", "subjects", 0);
    for (size_t i = 0; i < p->subject_count && code == EXIT_OK; i++) {
        code = add_subject(p, context, writer, &p->subjects[i], log);
        progress_update(&bar, i + 1, p->subject_count, p->subjects[i].id);
        if (interrupted())
            code = fail_with(EXIT_INTERRUPTED, "interrupted; no training set was written");
    }
    progress_end();
    if (code == EXIT_OK && p->added == 0)
        code = fail_with(EXIT_DATA, "no subject could be used; no training set was written");
    return code;
}

static slmt_status create_set(const prepare *p, slmt_context *context, const slmt_preprocess *preprocess,
                              slmt_dataset_writer **writer)
{
    const char *names[MOST_CONTRASTS];
    size_t contrasts = p->contrast_count - p->label_count;
    for (size_t c = 0; c < contrasts; c++)
        names[c] = p->contrasts[c].name;
    slmt_status status = slmt_dataset_writer_create_mr(context, p->out, preprocess, names, contrasts, writer);
    for (size_t c = contrasts; status == SLMT_OK && c < p->contrast_count; c++)
        status = slmt_dataset_writer_add_labels(*writer, p->contrasts[c].name);
    return status;
}

static int write_set(prepare *p, slmt_context *context, const slmt_preprocess *preprocess, journal *log)
{
    slmt_dataset_writer *writer = NULL;
    slmt_status status = create_set(p, context, preprocess, &writer);
    int code = status == SLMT_OK ? EXIT_OK : fail(status, "%s", p->out);
    if (code == EXIT_OK)
        code = add_subjects(p, context, writer, log);
    if (code != EXIT_OK) {
        slmt_dataset_writer_cancel(writer);
        return code;
    }
    status = slmt_dataset_writer_finish(writer);
    if (status != SLMT_OK)
        return fail(status, "%s", p->out);
    say("%s: %zu of %zu subjects, %zu failures", p->out, p->added, p->subject_count, p->failures);
    return p->failures ? EXIT_SOME_FAILED : EXIT_OK;
}

static int prepare_set(prepare *p, const common *options, const slmt_preprocess *preprocess, bool shuffled)
{
    slmt_context *context = NULL;
    journal log = {0};
    int code = find_subjects(p);
    if (code == EXIT_OK && shuffled)
        shuffle(p);
    if (code == EXIT_OK)
        code = split_subjects(p);
    if (code == EXIT_OK)
        code = common_context(options, &context);
    if (code == EXIT_OK)
        code = journal_open(&log, options->log, false);
    if (code == EXIT_OK)
        code = write_set(p, context, preprocess, &log);
    int log_code = journal_close(&log);
    slmt_context_free(context);
    return code ? code : log_code;
}

static void free_lists(prepare *p)
{
    for (size_t i = 0; i < p->subject_count; i++)
        free(p->subjects[i].id);
    free(p->subjects);
    for (size_t c = 0; c < p->contrast_count; c++) {
        path_list_free(&p->contrasts[c].files);
        free(p->contrasts[c].name);
    }
}

int command_prepare(int argc, char **argv)
{
    common options = {0};
    prepare p = {.test_fraction = 0.2};
    slmt_preprocess preprocess;
    slmt_preprocess_init(&preprocess);
    const option_group groups[] = {{"Files:", prepare_fields, &p},
                                   {"Preprocessing:", preprocess_fields, &preprocess},
                                   {"Common:", common_fields, &options},
                                   {"", log_fields, &options},
                                   {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    bool shuffled = options_given(&line, &p, "seed") != NULL;
    int code;
    if (p.test && options_given(&line, &p, "test-fraction"))
        code = fail_with(EXIT_USAGE, "--test and --test-fraction exclude each other");
    else if (p.validation && options_given(&line, &p, "validation-fraction"))
        code = fail_with(EXIT_USAGE, "--validation and --validation-fraction exclude each other");
    else
        code = prepare_set(&p, &options, &preprocess, shuffled);
    free_lists(&p);
    options_free(&line);
    return code;
}
