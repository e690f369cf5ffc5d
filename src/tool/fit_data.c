/* SPDX-License-Identifier: Apache-2.0 */
/* fit_data.c - from places of scans to subjects, a frame, a split and a training set. */
#include "fit_data.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "exchanged.h"
#include "fit_names.h"
#include "interrupt.h"
#include "must.h"
#include "tool.h"

enum { MOST_LOOKED = 32, CROP_STEP = 8, CROP_AIR = 2 };

bool fit_has_pair(const fit_subject *subject)
{
    return !subject->extra && subject->file[FIT_SOURCE] && subject->file[FIT_TARGET];
}

/* ---- finding ---- */

/* Index of a contrast of that name, new if need be; -1: there are too many. */
static int contrast_index(fit_data *data, const char *name)
{
    for (size_t i = 0; i < data->contrast_count; i++)
        if (strcmp(data->contrasts[i], name) == 0)
            return (int)i;
    if (data->contrast_count == FIT_CONTRASTS)
        return -1;
    data->contrasts[data->contrast_count] = must_copy(name);
    return (int)data->contrast_count++;
}

static int add_place(scans *s, const char *name, const char *place, const char *option)
{
    char reason[FIELD_REASON];
    char *both = must_format("%s=%s", name, place);
    bool good = scans_add(s, both, false, reason);
    free(both);
    return good ? EXIT_OK : fail_with(EXIT_USAGE, "--%s: %s", option, reason);
}

static int find_pairs(fit_data *data, const fit_places *places)
{
    char *source = fit_contrast_name(places->source), *target = fit_contrast_name(places->target);
    bool named = source && target && strcmp(source, target) != 0;
    contrast_index(data, named ? source : "source");
    contrast_index(data, named ? target : "target");
    free(source);
    free(target);
    int code =
        add_place(&data->pairs, data->contrasts[FIT_SOURCE], fit_contrast_place(places->source), "source");
    if (code == EXIT_OK)
        code = add_place(&data->pairs, data->contrasts[FIT_TARGET], fit_contrast_place(places->target),
                         "target");
    return code == EXIT_OK ? scans_find(&data->pairs, places->person) : code;
}

static void add_subject(fit_data *data, const char *name, const char *person, bool extra)
{
    data->subjects = must_grow(data->subjects, data->subject_count + 1, sizeof *data->subjects);
    data->subjects[data->subject_count++] =
        (fit_subject){.name = must_copy(name), .person = must_copy(person ? person : name), .extra = extra};
}

static void take_pairs(fit_data *data)
{
    for (size_t i = 0; i < data->pairs.subject_count; i++) {
        const scan_subject *s = &data->pairs.subjects[i];
        add_subject(data, s->name, s->person, false);
        fit_subject *mine = &data->subjects[data->subject_count - 1];
        mine->file[FIT_SOURCE] = s->file[0];
        mine->file[FIT_TARGET] = s->file[1];
        data->pair_count += fit_has_pair(mine);
    }
}

static bool has_file(const fit_data *data, const char *file)
{
    for (size_t i = 0; i < data->subject_count; i++)
        for (size_t c = 0; c < FIT_CONTRASTS; c++)
            if (data->subjects[i].file[c] && strcmp(data->subjects[i].file[c], file) == 0)
                return true;
    return false;
}

/* A set's names are unique: an extra scan of a subject that is there already gets the contrast into its name.
 */
static void take_extra(fit_data *data, const scan_subject *s, size_t contrast)
{
    if (has_file(data, s->file[0]))
        return;
    char *name = must_format("%s-%s-extra", s->name, data->contrasts[contrast]);
    add_subject(data, name, s->person ? s->person : s->name, true);
    data->subjects[data->subject_count - 1].file[contrast] = s->file[0];
    free(name);
}

static int find_extra(fit_data *data, const char *text, const char *person)
{
    char *name = fit_contrast_name(text);
    int contrast = name ? contrast_index(data, name) : -1;
    scans *s = &data->extras[data->extra_count++];
    int code = EXIT_OK;
    if (contrast < 0)
        code = fail_with(EXIT_USAGE,
                         "--extra: '%s' is not of the form NAME=SCANS, or has one contrast too many", text);
    if (code == EXIT_OK)
        code = add_place(s, name, fit_contrast_place(text), "extra");
    if (code == EXIT_OK)
        code = scans_find(s, person);
    for (size_t i = 0; i < s->subject_count && code == EXIT_OK; i++)
        take_extra(data, &s->subjects[i], (size_t)contrast);
    free(name);
    return code;
}

int fit_data_find(fit_data *data, const fit_places *places)
{
    data->resample = places->resample;
    int code = find_pairs(data, places);
    if (code != EXIT_OK)
        return code;
    take_pairs(data);
    if (data->pair_count == 0)
        return scans_complain_unpaired(&data->pairs, 0, 1);
    for (size_t i = 0; i < places->extra_count && code == EXIT_OK; i++)
        code = find_extra(data, places->extras[i], places->person);
    for (size_t i = 0; i < data->subject_count; i++)
        for (size_t c = 0; c < data->contrast_count; c++)
            data->scan_count += data->subjects[i].file[c] != NULL;
    return code;
}

path_list fit_data_files(const fit_data *data)
{
    path_list files = {0};
    for (size_t i = 0; i < data->subject_count; i++)
        for (size_t c = 0; c < data->contrast_count; c++)
            if (data->subjects[i].file[c])
                path_list_add(&files, must_copy(data->subjects[i].file[c]));
    return files;
}

/* Reads a scan, with --resample in the voxel size of the first one. */
static slmt_status read_scan(fit_data *data, slmt_context *context, const char *file, slmt_volume **volume)
{
    slmt_status status = slmt_volume_read(context, file, volume);
    return status == SLMT_OK && data->resample ? one_spacing_bring(&data->spacing, volume, false) : status;
}

/* ---- looking ---- */

static int look_at(fit_data *data, slmt_context *context, size_t subject, size_t contrast)
{
    const char *file = data->subjects[subject].file[contrast];
    slmt_volume *volume = NULL;
    slmt_status status = read_scan(data, context, file, &volume);
    int code = EXIT_OK;
    if (status == SLMT_ERR_MEMORY || status == SLMT_ERR_LIMIT)
        code = fail(status, "%s", file);
    else if (status != SLMT_OK)
        code = warn("%s: cannot be used: %s", file, slmt_error_text());
    if (status != SLMT_OK) {
        slmt_volume_free(volume);
        return code;
    }
    data->looked = must_grow(data->looked, data->looked_count + 1, sizeof *data->looked);
    data->looked[data->looked_count++] = (fit_scan){subject, contrast, fit_look_at(volume)};
    slmt_volume_free(volume);
    return EXIT_OK;
}

int fit_data_look(fit_data *data, slmt_context *context)
{
    size_t every = 1 + (data->scan_count - 1) / MOST_LOOKED, at = 0;
    double began = seconds_now();
    progress bar;
    int code = EXIT_OK;
    progress_begin(&bar, "look", "scans", 0);
    for (size_t i = 0; i < data->subject_count; i++)
        for (size_t c = 0; c < data->contrast_count && code == EXIT_OK; c++) {
            if (!data->subjects[i].file[c] || at++ % every != 0)
                continue;
            code = interrupted() ? fail_with(EXIT_INTERRUPTED, "interrupted") : look_at(data, context, i, c);
            progress_update(&bar, at, data->scan_count, data->subjects[i].name);
        }
    progress_end();
    if (code == EXIT_OK && data->looked_count == 0)
        code = fail_with(EXIT_DATA, "no scan could be read");
    if (code == EXIT_OK)
        data->look_seconds = (seconds_now() - began) / (double)data->looked_count;
    return code;
}

/* ---- the frame ---- */

static const char *scan_file(const fit_data *data, const fit_scan *scan)
{
    return data->subjects[scan->subject].file[scan->contrast];
}

static int check_spacing(const fit_data *data)
{
    const fit_scan *first = &data->looked[0];
    for (size_t i = 1; i < data->looked_count; i++) {
        const double *a = first->look.spacing, *b = data->looked[i].look.spacing;
        if (!spacings_agree(a, b))
            return fail_with(
                EXIT_USAGE,
                "%s has voxels of %.3g x %.3g x %.3g mm, %s of %.3g x %.3g x %.3g mm: --resample brings all "
                "scans to the voxels of the first one",
                scan_file(data, first), a[0], a[1], a[2], scan_file(data, &data->looked[i]), b[0], b[1],
                b[2]);
    }
    return EXIT_OK;
}

static bool sizes_agree(const fit_data *data)
{
    for (size_t i = 1; i < data->looked_count; i++)
        if (memcmp(data->looked[i].look.size, data->looked[0].look.size, sizeof data->looked[0].look.size) !=
            0)
            return false;
    return true;
}

static int64_t round_up(int64_t value, int64_t step)
{
    return (value + step - 1) / step * step;
}

/* Scans of one size share a place for the crop. Of others the middles are laid upon each other, and the crop
 * reaches as far as the head of any of them. */
static void frame_planes(const fit_data *data, slmt_preprocess *p)
{
    int64_t side = 0, start[2] = {0, 0}, low[2] = {INT32_MAX, INT32_MAX}, high[2] = {0, 0};
    bool agree = sizes_agree(data);
    for (size_t i = 0; i < data->looked_count; i++)
        for (int w = 0; w < 2; w++) {
            const fit_look *l = &data->looked[i].look;
            low[w] = l->head[w][0] < low[w] ? l->head[w][0] : low[w];
            high[w] = l->head[w][1] > high[w] ? l->head[w][1] : high[w];
            int64_t left = l->size[w] - 2 * l->head[w][0], right = 2 * l->head[w][1] - l->size[w];
            int64_t reach = left > right ? left : right;
            side = !agree && reach > side ? reach : side;
        }
    for (int w = 0; w < 2 && agree; w++)
        side = high[w] - low[w] > side ? high[w] - low[w] : side;
    side = round_up(side + 2 * CROP_AIR, CROP_STEP);
    const int64_t *size = data->looked[0].look.size;
    for (int w = 0; w < 2; w++) {
        start[w] = (low[w] + high[w] - side) / 2;
        start[w] = start[w] < 0 ? 0 : start[w] + side > size[w] ? size[w] - side : start[w];
    }
    bool fits = agree && side <= size[0] && side <= size[1];
    p->crop_size = (int32_t)side;
    p->crop_x = fits ? (int32_t)start[0] : SLMT_CENTRE;
    p->crop_y = fits ? (int32_t)start[1] : SLMT_CENTRE;
}

static int frame_slices(const fit_data *data, slmt_preprocess *p)
{
    int64_t first = 0, end = INT32_MAX;
    for (size_t i = 0; i < data->looked_count; i++) {
        const fit_look *l = &data->looked[i].look;
        if (l->slices[0] == l->slices[1])
            return fail_with(EXIT_DATA, "%s: holds no head: all its voxels are nearly equal",
                             scan_file(data, &data->looked[i]));
        first = l->slices[0] > first ? l->slices[0] : first;
        end = l->slices[1] < end ? l->slices[1] : end;
    }
    if (end <= first)
        return fail_with(EXIT_USAGE,
                         "no axial slice number holds a head in every scan: their fields of view differ too "
                         "much");
    p->slice_first = (int32_t)first;
    p->slice_count = (int32_t)(end - first);
    return EXIT_OK;
}

int fit_data_frame(const fit_data *data, slmt_preprocess *preprocess)
{
    int code = check_spacing(data);
    if (code == EXIT_OK)
        code = frame_slices(data, preprocess);
    if (code == EXIT_OK)
        frame_planes(data, preprocess);
    return code;
}

/* ---- the split ---- */

/* Persons with a pair, in the order of their first subjects. */
static fit_names list_persons(const fit_data *data)
{
    fit_names persons = {0};
    for (size_t i = 0; i < data->subject_count; i++)
        if (fit_has_pair(&data->subjects[i]) && !fit_names_have(&persons, data->subjects[i].person))
            fit_names_add(&persons, data->subjects[i].person);
    return persons;
}

/* Adds the subjects with a pair of persons first to end. */
static void take_persons(const fit_data *data, const fit_names *persons, size_t first, size_t end,
                         fit_names *to)
{
    for (size_t i = 0; i < data->subject_count; i++)
        for (size_t p = first; p < end; p++)
            if (fit_has_pair(&data->subjects[i]) && strcmp(data->subjects[i].person, persons->items[p]) == 0)
                fit_names_add(to, data->subjects[i].name);
}

/* A part of n persons: one at least, unless the part is 0. */
static size_t part_of(double part, size_t n)
{
    size_t count = (size_t)llround(part * (double)n);
    return part > 0 && count == 0 ? 1 : count;
}

int fit_data_split(const fit_data *data, double validation, double test, fit_plan *plan)
{
    fit_names persons = list_persons(data);
    size_t n = persons.count, for_test = n < 3 ? 0 : part_of(test, n),
           for_validation = part_of(validation, n);
    int code = EXIT_OK;
    if (n < 2)
        code = fail_with(EXIT_USAGE,
                         "one person alone has both contrasts; two are needed: one to train on, one to "
                         "validate with");
    else if (for_test + for_validation >= n)
        code = fail_with(EXIT_USAGE, "--test-fraction and --validation-fraction leave no person to train on");
    if (code == EXIT_OK) {
        take_persons(data, &persons, n - for_test, n, &plan->test);
        take_persons(data, &persons, n - for_test - for_validation, n - for_test, &plan->validation);
    }
    fit_names_free(&persons);
    return code;
}

static const fit_subject *find_subject(const fit_data *data, const char *name)
{
    for (size_t i = 0; i < data->subject_count; i++)
        if (strcmp(data->subjects[i].name, name) == 0)
            return &data->subjects[i];
    return NULL;
}

static int check_names(const fit_data *data, const fit_names *names, const fit_names *others,
                       const char *part)
{
    for (size_t i = 0; i < names->count; i++) {
        const fit_subject *s = find_subject(data, names->items[i]);
        if (!s)
            return fail_with(EXIT_USAGE, "%s: there is no subject '%s'", part, names->items[i]);
        if (!fit_has_pair(s))
            return fail_with(EXIT_USAGE, "%s: subject '%s' lacks one of the two contrasts", part, s->name);
        for (size_t k = 0; k < others->count; k++) {
            const fit_subject *other = find_subject(data, others->items[k]);
            if (other && strcmp(other->person, s->person) == 0)
                return fail_with(EXIT_USAGE, "subjects '%s' for %s and '%s' for testing are one person",
                                 s->name, part, other->name);
        }
    }
    return EXIT_OK;
}

/* Returns true if a person is among the subjects of these names. */
static bool has_person(const fit_data *data, const fit_names *names, const char *person)
{
    for (size_t i = 0; i < names->count; i++) {
        const fit_subject *s = find_subject(data, names->items[i]);
        if (s && strcmp(s->person, person) == 0)
            return true;
    }
    return false;
}

static bool is_held_out(const fit_data *data, const fit_plan *plan, const fit_subject *s)
{
    return has_person(data, &plan->validation, s->person) || has_person(data, &plan->test, s->person);
}

int fit_data_check_split(const fit_data *data, const fit_plan *plan)
{
    static const fit_names none;
    int code = check_names(data, &plan->validation, &plan->test, "validation");
    if (code == EXIT_OK)
        code = check_names(data, &plan->test, &none, "testing");
    for (size_t i = 0; i < data->subject_count && code == EXIT_OK; i++)
        if (fit_has_pair(&data->subjects[i]) && !is_held_out(data, plan, &data->subjects[i]))
            return EXIT_OK;
    return code == EXIT_OK ? fail_with(EXIT_USAGE, "no subject with both contrasts is left to train on")
                           : code;
}

/* ---- the set ---- */

static int read_volumes(fit_data *data, slmt_context *context, const fit_subject *s, slmt_volume **volumes)
{
    int code = EXIT_OK;
    for (size_t c = 0; c < data->contrast_count && code == EXIT_OK; c++)
        if (s->file[c] && read_scan(data, context, s->file[c], &volumes[c]) != SLMT_OK) {
            code = warn("%s: left out: %s", s->file[c], slmt_error_text());
            slmt_volume_free(volumes[c]);
            volumes[c] = NULL;
        }
    return code;
}

static int32_t split_of(const fit_plan *plan, const fit_subject *s)
{
    return fit_names_have(&plan->test, s->name)         ? SLMT_SPLIT_TEST
           : fit_names_have(&plan->validation, s->name) ? SLMT_SPLIT_VALIDATION
                                                        : SLMT_SPLIT_TRAIN;
}

/* A subject of whom two contrasts are one picture is left out: *usable is false then. */
static int check_likeness(fit_data *data, const fit_subject *s, slmt_volume *const *volumes, bool *usable)
{
    likeness_subject l;
    int code = EXIT_OK;
    *usable = !likeness_of_subject(volumes, data->contrast_count, &l);
    if (!*usable)
        code = warn("%s: left out: %s (%s) and %s (%s) %s", s->name, s->file[l.one], data->contrasts[l.one],
                    s->file[l.other], data->contrasts[l.other], l.are);
    for (size_t c = 0; c < data->contrast_count && *usable && code == EXIT_OK; c++)
        if (l.of[c])
            code = likeness_list_add(&data->seen, s->name, s->person, data->contrasts[c], l.of[c]);
    likeness_subject_free(&l);
    return code;
}

/* Other scans of a person who is held out are used for nothing. */
static int write_subject(fit_data *data, slmt_context *context, const fit_plan *plan, const fit_subject *s,
                         slmt_dataset_writer *writer)
{
    slmt_volume *volumes[FIT_CONTRASTS] = {0};
    int32_t split = split_of(plan, s);
    if (split == SLMT_SPLIT_TRAIN && is_held_out(data, plan, s))
        return EXIT_OK;
    int code = read_volumes(data, context, s, volumes);
    bool any = false;
    for (size_t c = 0; c < data->contrast_count; c++)
        any |= volumes[c] != NULL;
    if (code == EXIT_OK && any)
        code = check_likeness(data, s, volumes, &any);
    slmt_record record = {.struct_size = sizeof record, .split = split, .id = s->name, .group = s->person};
    slmt_status status = SLMT_OK;
    warn_about(s->name);
    if (code == EXIT_OK && any)
        status = slmt_dataset_writer_add_subject(writer, &record, (const slmt_volume *const *)volumes);
    warn_about(NULL);
    if (status == SLMT_ERR_ARGUMENT)
        code = warn("%s: left out: %s", s->name, slmt_error_text());
    else if (status != SLMT_OK)
        code = fail(status, "%s", s->name);
    for (size_t c = 0; c < data->contrast_count; c++)
        slmt_volume_free(volumes[c]);
    return code;
}

int fit_data_write(fit_data *data, slmt_context *context, const fit_plan *plan, const char *path)
{
    slmt_dataset_writer *writer = NULL;
    slmt_status status =
        slmt_dataset_writer_create_mr(context, path, &plan->preprocess, (const char *const *)data->contrasts,
                                      data->contrast_count, &writer);
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    progress bar;
    int code = EXIT_OK;
    likeness_list_free(&data->seen);
    likeness_list_begin(&data->seen, path);
    progress_begin(&bar, "prepare", "subjects", 0);
    for (size_t i = 0; i < data->subject_count && code == EXIT_OK; i++) {
        code = write_subject(data, context, plan, &data->subjects[i], writer);
        progress_update(&bar, i + 1, data->subject_count, data->subjects[i].name);
        if (interrupted())
            code = fail_with(EXIT_INTERRUPTED, "interrupted; the same command line goes on");
    }
    progress_end();
    if (code == EXIT_OK)
        code = exchanged_warn(&data->seen);
    if (code != EXIT_OK) {
        slmt_dataset_writer_cancel(writer);
        return code;
    }
    status = slmt_dataset_writer_finish(writer);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", path);
}

void fit_data_free(fit_data *data)
{
    for (size_t i = 0; i < data->contrast_count; i++)
        free(data->contrasts[i]);
    for (size_t i = 0; i < data->subject_count; i++) {
        free(data->subjects[i].name);
        free(data->subjects[i].person);
    }
    free(data->subjects);
    free(data->looked);
    likeness_list_free(&data->seen);
    scans_free(&data->pairs);
    for (size_t i = 0; i < data->extra_count; i++)
        scans_free(&data->extras[i]);
    *data = (fit_data){0};
}
