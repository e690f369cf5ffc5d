/* SPDX-License-Identifier: Apache-2.0 */
/* slmt prepare: scans of each contrast and each kind of label map become a training set. Which scans there
 * are is found by scans.c; what happens to the voxels is the library's affair; here subjects are split and
 * failures are counted. */
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "exchanged.h"
#include "interrupt.h"
#include "journal.h"
#include "likeness_list.h"
#include "must.h"
#include "one_spacing.h"
#include "options.h"
#include "outputs.h"
#include "pairs.h"
#include "reasons.h"
#include "scans.h"
#include "scored_set.h"
#include "settings.h"

typedef struct prepare {
    const char *out;
    const char *table;
    const char *person;
    double test_fraction;
    const char *test; /* names with commas between, or NULL */
    double validation_fraction;
    const char *validation; /* likewise */
    int32_t subjects;       /* training subjects at most; 0: all */
    bool unpaired;
    bool any_spacing, resample;
    one_spacing spacing; /* with --resample: that of all scans */
    uint64_t seed;
    scans scans;
    reasons reasons;
    likeness_list seen;
    int pairs_code;  /* whether there are pairs, as an exit code */
    int memory_code; /* EXIT_MEMORY where a scan could not be read for want of memory, which ends the work */
    size_t failures;
    size_t added;
} prepare;

static bool set_contrast(void *target, const char *text, char reason[FIELD_REASON])
{
    return scans_add(&((prepare *)target)->scans, text, false, reason);
}

static bool set_labels(void *target, const char *text, char reason[FIELD_REASON])
{
    return scans_add(&((prepare *)target)->scans, text, true, reason);
}

#define PREPARE(member) .offset = offsetof(prepare, member)
static const field prepare_fields[] = {
    {"contrast", "NAME=SCANS",
     "a contrast and where its scans are: a folder, FOLDER:END or a pattern, see above; once for each "
     "contrast",
     FIELD_CUSTOM, .set = set_contrast, .flags = FIELD_INPUT | FIELD_NAMED},
    {"labels", "NAME=SCANS",
     "label maps on the contrasts' grid, and where they are; once for each kind. Their values stay as they "
     "are",
     FIELD_CUSTOM, .set = set_labels, .flags = FIELD_INPUT | FIELD_NAMED},
    {"table", "FILE",
     "a table (CSV) with the columns subject, one for each contrast, and if wanted split, person and "
     "labels:NAME; paths count from its folder",
     FIELD_TEXT, PREPARE(table), .flags = FIELD_INPUT},
    {"out", "FILE", "the training set to write", FIELD_TEXT, PREPARE(out),
     .flags = FIELD_REQUIRED | FIELD_OUTPUT, .endings = ".h5 .hdf5", .magic = MAGIC_SET},
    {"test-fraction", "PART", "part of the subjects that is kept for testing, the last ones", FIELD_REAL,
     PREPARE(test_fraction)},
    {"test", "A,B,...", "the subjects or persons kept for testing, instead of --test-fraction", FIELD_TEXT,
     PREPARE(test)},
    {"validation-fraction", "PART",
     "part of the subjects that is kept for choosing a model or settings, those before the test subjects",
     FIELD_REAL, PREPARE(validation_fraction)},
    {"validation", "A,B,...", "the subjects or persons kept for choosing, instead of --validation-fraction",
     FIELD_TEXT, PREPARE(validation)},
    {"person", "PATTERN",
     "which part of a subject's name is the person, by the first star: 'BraTS-GLI-*-*'. All subjects of one "
     "person are on one side of the split",
     FIELD_TEXT, PREPARE(person)},
    {"subjects", "N", "take so many training subjects at most, the first ones; 0: all", FIELD_INT,
     PREPARE(subjects), .low = 0, .high = INT32_MAX},
    {"unpaired", NULL, "accept that no subject has two contrasts: the set is for pre-training alone",
     FIELD_FLAG, PREPARE(unpaired)},
    {"resample", NULL,
     "resample scans and label maps whose voxels differ in size from the first scan's to that size",
     FIELD_FLAG, PREPARE(resample)},
    {"any-spacing", NULL, "accept scans whose voxels differ in size", FIELD_FLAG, PREPARE(any_spacing)},
    {"seed", "N", "shuffle the subjects before splitting; default: they stay in the order of their names",
     FIELD_UINT, PREPARE(seed), .flags = FIELD_HIDDEN},
    {0}};

static const char doc[] = "Make a training set from scans. SCANS is a folder: a scan's file name without its "
                          "ending is its subject's "
                          "name, and scans of equal names are one subject. Or it is FOLDER:END, for scans in "
                          "and below a folder whose "
                          "names end in END: `brats:t1n', `bids:T1w', nnU-Net's `imagesTr:0000'. Or it is a "
                          "pattern whose first star "
                          "is the subject's name: 'brats/*/*-t1n.nii.gz'. A subject need not have all "
                          "contrasts. A file that cannot be "
                          "used is reported and left out.";

/* ---- which subjects are for testing ---- */

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
    for (size_t i = p->scans.subject_count; i > 1; i--) {
        size_t j = (size_t)(next_random(&state) % i);
        scan_subject other = p->scans.subjects[j];
        p->scans.subjects[j] = p->scans.subjects[i - 1];
        p->scans.subjects[i - 1] = other;
    }
}

/* Puts all subjects of a person into a split; returns how many. */
static size_t split_person(prepare *p, const char *person, int32_t split)
{
    size_t count = 0;
    for (size_t i = 0; i < p->scans.subject_count; i++)
        if (strcmp(p->scans.subjects[i].person, person) == 0) {
            p->scans.subjects[i].split = split;
            count++;
        }
    return count;
}

/* The subject, or the first one of the person, of this name; NULL: there is none. */
static const scan_subject *find_named(const prepare *p, const char *name)
{
    const scan_subject *of_person = NULL;
    for (size_t i = 0; i < p->scans.subject_count; i++) {
        const scan_subject *s = &p->scans.subjects[i];
        if (strcmp(s->name, name) == 0)
            return s;
        if (!of_person && strcmp(s->person, name) == 0)
            of_person = s;
    }
    return of_person;
}

/* Puts the named subjects, with all others of their persons, into a split; `option` gave the list, NULL: an
 * empty one. */
static int split_by_name(prepare *p, const char *list, const char *option, int32_t split)
{
    int code = EXIT_OK;
    char *names = must_copy(list ? list : "");
    char *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name && code == EXIT_OK;
         name = strtok_r(NULL, ",", &rest)) {
        const scan_subject *s = find_named(p, name);
        if (!s)
            code = fail_with(EXIT_USAGE, "--%s: there is no subject and no person '%s'", option, name);
        else if (s->split != SLMT_SPLIT_TRAIN && s->split != split)
            code = fail_with(EXIT_USAGE, "--%s: subject '%s' is in --test too", option, name);
        else
            split_person(p, s->person, split);
    }
    free(names);
    return code;
}

/* Puts the last of the subjects that are still trained on into a split, person by person. */
static int split_by_fraction(prepare *p, double fraction, const char *option, int32_t split)
{
    if (!(fraction >= 0 && fraction <= 1))
        return fail_with(EXIT_USAGE, "--%s: %g is not between 0 and 1", option, fraction);
    size_t wanted = (size_t)llround(fraction * (double)p->scans.subject_count);
    for (size_t i = p->scans.subject_count, taken = 0; i-- > 0 && taken < wanted;)
        if (p->scans.subjects[i].split == SLMT_SPLIT_TRAIN)
            taken += split_person(p, p->scans.subjects[i].person, split);
    return EXIT_OK;
}

static bool table_splits(const prepare *p)
{
    for (size_t i = 0; i < p->scans.subject_count; i++)
        if (p->scans.subjects[i].split)
            return true;
    return false;
}

/* The table said it: no person may be on two sides. */
static int check_table_split(const prepare *p)
{
    const scan_subject *subjects = p->scans.subjects;
    for (size_t i = 0; i < p->scans.subject_count; i++)
        for (size_t k = 0; k < i; k++)
            if (subjects[i].split != subjects[k].split && strcmp(subjects[i].person, subjects[k].person) == 0)
                return fail_with(EXIT_USAGE, "%s: %s and %s are of one person, %s, on two sides of the split",
                                 p->table, subjects[k].name, subjects[i].name, subjects[i].person);
    return EXIT_OK;
}

/* Named subjects are put aside before any part is taken of the others. */
static int split_subjects(prepare *p)
{
    bool told = table_splits(p);
    for (size_t i = 0; i < p->scans.subject_count; i++)
        if (!p->scans.subjects[i].split)
            p->scans.subjects[i].split = SLMT_SPLIT_TRAIN;
    if (told)
        return p->test || p->validation ? fail_with(EXIT_USAGE, "--%s: the table has a column split",
                                                    p->test ? "test" : "validation")
                                        : check_table_split(p);
    int code = split_by_name(p, p->test, "test", SLMT_SPLIT_TEST);
    if (code == EXIT_OK)
        code = split_by_name(p, p->validation, "validation", SLMT_SPLIT_VALIDATION);
    if (code == EXIT_OK && !p->test)
        code = split_by_fraction(p, p->test_fraction, "test-fraction", SLMT_SPLIT_TEST);
    if (code == EXIT_OK && !p->validation)
        code = split_by_fraction(p, p->validation_fraction, "validation-fraction", SLMT_SPLIT_VALIDATION);
    return code;
}

static int limit_subjects(prepare *p)
{
    size_t kept = 0;
    int32_t train = 0;
    for (size_t i = 0; p->subjects && i < p->scans.subject_count; i++) {
        bool is_train = p->scans.subjects[i].split == SLMT_SPLIT_TRAIN;
        if (is_train && ++train > p->subjects)
            continue;
        p->scans.subjects[kept++] = p->scans.subjects[i];
    }
    if (p->subjects)
        p->scans.subject_count = kept;
    return p->subjects && train < p->subjects
               ? warn("--subjects %d: there are only %d training subjects", p->subjects, train)
               : EXIT_OK;
}

static bool has_training_pair(const scan_subject *s, size_t contrasts)
{
    size_t files = 0;
    for (size_t c = 0; c < contrasts; c++)
        files += s->file[c] != NULL;
    return s->split == SLMT_SPLIT_TRAIN && files > 1;
}

/* Sets that are made to measure on alone are warned of as well: they say so by their split. */
static int check_training(const prepare *p)
{
    size_t contrasts = p->scans.source_count - p->scans.label_count, train = 0, paired = 0;
    for (size_t i = 0; i < p->scans.subject_count; i++) {
        train += p->scans.subjects[i].split == SLMT_SPLIT_TRAIN;
        paired += has_training_pair(&p->scans.subjects[i], contrasts);
    }
    if (train == 0)
        return warn("no subject is left to train on: all are kept for validation or testing");
    if (contrasts > 1 && paired == 0 && p->pairs_code == EXIT_OK && !p->unpaired)
        return warn(
            "no training subject has two contrasts: those that have are kept for validation or testing");
    return EXIT_OK;
}

/* ---- pairs ---- */

/* A set of several contrasts of which no subject has two is seldom meant: it is written, for it serves
 * pre-training, but the command fails. */
static int check_pairs(const prepare *p)
{
    const scans *s = &p->scans;
    size_t contrasts = s->source_count - s->label_count;
    for (size_t i = 0; i < contrasts; i++)
        for (size_t k = i + 1; k < contrasts; k++)
            if (scans_shared(s, i, k) > 0)
                return EXIT_OK;
    if (contrasts < 2 || p->unpaired)
        return EXIT_OK;
    int code = scans_complain_unpaired(s, 0, 1);
    complain("the set serves pre-training alone; --unpaired says that this is meant");
    return code;
}

/* ---- the work ---- */

static size_t read_volumes(prepare *p, slmt_context *context, const scan_subject *s, slmt_volume **volumes)
{
    size_t count = 0;
    for (size_t c = 0; c < p->scans.source_count; c++) {
        if (!s->file[c])
            continue;
        slmt_status status = slmt_volume_read(context, s->file[c], &volumes[c]);
        say_zeroed(volumes[c], s->file[c]);
        if (status == SLMT_OK && p->resample)
            status = one_spacing_bring(&p->spacing, &volumes[c],
                                       c >= p->scans.source_count - p->scans.label_count);
        if (status == SLMT_OK) {
            count++;
        } else {
            int code = fail(status, "%s", s->file[c]);
            p->memory_code = status == SLMT_ERR_MEMORY ? code : p->memory_code;
            slmt_volume_free(volumes[c]);
            volumes[c] = NULL;
            p->failures++;
        }
    }
    return count;
}

/* Reports two contrasts of a subject that are copies of one image, or keeps in mind what its scans are like.
 */
static int check_likeness(prepare *p, const scan_subject *s, slmt_volume *const *volumes, bool *copies)
{
    likeness_subject l;
    int code = EXIT_OK;
    size_t contrasts = p->scans.source_count - p->scans.label_count;
    *copies = likeness_of_subject(volumes, contrasts, &l);
    if (*copies)
        complain("%s: left out: %s (%s) and %s (%s) %s", s->name, s->file[l.one],
                 p->scans.sources[l.one].name, s->file[l.other], p->scans.sources[l.other].name, l.are);
    for (size_t i = 0; i < contrasts && !*copies && code == EXIT_OK; i++)
        if (l.of[i])
            code = likeness_list_add(&p->seen, s->name, s->person, p->scans.sources[i].name, l.of[i]);
    likeness_subject_free(&l);
    return code;
}

static void log_subject(const prepare *p, journal *log, const scan_subject *s, slmt_volume *const *volumes,
                        bool added)
{
    cJSON *event = journal_event("subject");
    cJSON_AddStringToObject(event, "subject", s->name);
    if (strcmp(s->person, s->name) != 0)
        cJSON_AddStringToObject(event, "person", s->person);
    cJSON_AddStringToObject(event, "split", split_name(s->split));
    cJSON *names = cJSON_AddArrayToObject(event, "contrasts");
    for (size_t c = 0; c < p->scans.source_count; c++)
        if (volumes[c])
            cJSON_AddItemToArray(names, cJSON_CreateString(p->scans.sources[c].name));
    cJSON_AddBoolToObject(event, "added", added);
    journal_write(log, event);
}

static slmt_status add_volumes(slmt_dataset_writer *writer, const scan_subject *s,
                               slmt_volume *const *volumes)
{
    const slmt_record record = {
        .struct_size = sizeof record, .split = s->split, .id = s->name, .group = s->person};
    return slmt_dataset_writer_add_subject(writer, &record, (const slmt_volume *const *)volumes);
}

/* One bad subject is counted and left out; only a set that cannot be written, or a lack of memory, ends the
 * work. */
static int add_subject(prepare *p, slmt_context *context, slmt_dataset_writer *writer, const scan_subject *s,
                       journal *log)
{
    slmt_volume *volumes[MOST_SOURCES] = {0};
    slmt_status status = SLMT_OK;
    warn_about(s->name);
    bool any = read_volumes(p, context, s, volumes) > 0, copies = false;
    int code = any ? check_likeness(p, s, volumes, &copies) : EXIT_OK;
    if (any && !copies)
        status = add_volumes(writer, s, volumes);
    bool added = any && !copies && status == SLMT_OK;
    if (status != SLMT_OK)
        reasons_add(&p->reasons, s->name, slmt_error_text());
    p->failures += copies || status != SLMT_OK;
    p->added += added;
    log_subject(p, log, s, volumes, added);
    for (size_t c = 0; c < p->scans.source_count; c++)
        slmt_volume_free(volumes[c]);
    warn_about(NULL);
    if (p->memory_code != EXIT_OK)
        return p->memory_code;
    return status == SLMT_ERR_IO || status == SLMT_ERR_MEMORY ? exit_code(status) : code;
}

static int add_subjects(prepare *p, slmt_context *context, slmt_dataset_writer *writer, journal *log)
{
    progress bar;
    int code = EXIT_OK;
    likeness_list_begin(&p->seen, p->out);
    progress_begin(&bar, "prepare", "subjects", 0);
    for (size_t i = 0; i < p->scans.subject_count && code == EXIT_OK; i++) {
        code = add_subject(p, context, writer, &p->scans.subjects[i], log);
        progress_update(&bar, i + 1, p->scans.subject_count, p->scans.subjects[i].name);
        if (interrupted())
            code = fail_with(EXIT_INTERRUPTED, "interrupted; no training set was written");
    }
    progress_end();
    reasons_end(&p->reasons);
    if (code == EXIT_OK && p->added == 0)
        code = fail_with(EXIT_DATA, "no subject could be used; no training set was written");
    return code;
}

static slmt_status create_set(const prepare *p, slmt_context *context, const slmt_preprocess *preprocess,
                              slmt_dataset_writer **writer)
{
    const char *names[MOST_SOURCES];
    const scans *s = &p->scans;
    size_t contrasts = s->source_count - s->label_count;
    for (size_t c = 0; c < contrasts; c++)
        names[c] = s->sources[c].name;
    slmt_status status = slmt_dataset_writer_create_mr(context, p->out, preprocess, names, contrasts, writer);
    for (size_t c = contrasts; status == SLMT_OK && c < s->source_count; c++)
        status = slmt_dataset_writer_add_labels(*writer, s->sources[c].name);
    if (status == SLMT_OK && p->any_spacing)
        status = slmt_dataset_writer_any_spacing(*writer);
    return status;
}

static void say_result(const prepare *p, slmt_context *context)
{
    slmt_dataset *set = NULL;
    say("%s: %zu of %zu subjects, %zu %s", p->out, p->added, p->scans.subject_count, p->failures,
        p->failures == 1 ? "failure" : "failures");
    if (p->scans.left_out)
        say("%zu %s not taken", p->scans.left_out,
            p->scans.left_out == 1 ? "file looks like a scan and was" : "files look like scans and were");
    if (slmt_dataset_open(context, p->out, &set) == SLMT_OK)
        pairs_say(set);
    slmt_dataset_free(set);
}

static int write_set(prepare *p, slmt_context *context, const slmt_preprocess *preprocess, journal *log)
{
    slmt_dataset_writer *writer = NULL;
    slmt_status status = create_set(p, context, preprocess, &writer);
    int code = status == SLMT_OK ? EXIT_OK : fail(status, "%s", p->out);
    if (code == EXIT_OK)
        code = add_subjects(p, context, writer, log);
    if (code == EXIT_OK)
        code = exchanged_warn(&p->seen);
    if (code != EXIT_OK) {
        slmt_dataset_writer_cancel(writer);
        return code;
    }
    status = slmt_dataset_writer_finish(writer);
    if (status != SLMT_OK)
        return fail(status, "%s", p->out);
    say_result(p, context);
    if (p->pairs_code != EXIT_OK)
        return p->pairs_code;
    return p->failures ? EXIT_SOME_FAILED : EXIT_OK;
}

static int check_outputs(const prepare *p, const command_line *line)
{
    path_list files = scans_files(&p->scans);
    int code = outputs_check_files(line, &files, NULL);
    path_list_free(&files);
    return code;
}

static int choose_subjects(prepare *p, const command_line *line, bool shuffled)
{
    int code = p->table ? scans_add_table(&p->scans, p->table) : EXIT_OK;
    if (code == EXIT_OK && p->scans.source_count == p->scans.label_count)
        code = fail_with(EXIT_USAGE, "--contrast or --table is needed");
    if (code == EXIT_OK)
        code = scans_find(&p->scans, p->person);
    if (code == EXIT_OK)
        code = check_outputs(p, line);
    p->failures = p->scans.failures;
    if (code == EXIT_OK)
        code = warnings_code();
    if (code == EXIT_OK)
        p->pairs_code = check_pairs(p);
    if (code == EXIT_OK && shuffled)
        shuffle(p);
    if (code == EXIT_OK)
        code = split_subjects(p);
    if (code == EXIT_OK)
        code = limit_subjects(p);
    return code == EXIT_OK ? check_training(p) : code;
}

/* No network takes every size; the networks halve a slice several times. */
static void check_image_size(const slmt_preprocess *preprocess)
{
    enum { USUAL = 16 };
    if (preprocess->image_size % USUAL != 0)
        warn("--image-size %d: is no multiple of %d; most networks will refuse such slices",
             preprocess->image_size, USUAL);
}

static int prepare_set(prepare *p, const command_line *line, const common *options,
                       const slmt_preprocess *preprocess)
{
    slmt_context *context = NULL;
    journal log = {0};
    console_set_quiet(options->quiet);
    console_set_strict(options->strict);
    check_image_size(preprocess);
    int code = choose_subjects(p, line, options_given(line, p, "seed") != NULL);
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

int command_prepare(int argc, char **argv)
{
    common options = {0};
    prepare p = {.test_fraction = 0.2};
    slmt_preprocess preprocess;
    slmt_preprocess_init(&preprocess);
    const option_group groups[] = {
        {"Files:", prepare_fields, &p}, {"Preprocessing:", preprocess_fields, &preprocess},
        {"", nan_fields, &options},     {"Common:", common_fields, &options},
        {"", log_fields, &options},     {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    int code;
    if (p.test && options_given(&line, &p, "test-fraction"))
        code = fail_with(EXIT_USAGE, "--test and --test-fraction exclude each other");
    else if (p.validation && options_given(&line, &p, "validation-fraction"))
        code = fail_with(EXIT_USAGE, "--validation and --validation-fraction exclude each other");
    else if (p.resample && p.any_spacing)
        code = fail_with(EXIT_USAGE, "--resample and --any-spacing exclude each other");
    else
        code = prepare_set(&p, &line, &options, &preprocess);
    likeness_list_free(&p.seen);
    scans_free(&p.scans);
    options_free(&line);
    return code;
}
