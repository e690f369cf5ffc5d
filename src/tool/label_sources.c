/* SPDX-License-Identifier: Apache-2.0 */
/* label_sources.c - reads subjects of a set and labels them, or reads files of label maps. */
#include "label_sources.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "interrupt.h"
#include "must.h"
#include "scored_set.h"
#include "tool.h"

enum { ANSWER, TRUTH };

/* ---- the fields of a set ---- */

static int field_info(const label_source *s, size_t index, slmt_field *info)
{
    *info = (slmt_field){.struct_size = sizeof *info};
    slmt_status status = slmt_dataset_field(s->set, index, info);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", s->set_path);
}

/* Fields of a kind, of a name unless NULL; the first goes to *found, the names to *names, which the caller
 * frees. */
static int find_fields(const label_source *s, int32_t kind, const char *name, size_t *found, size_t *count,
                       char **names)
{
    *count = 0;
    *names = must_copy("");
    for (size_t i = 0; i < slmt_dataset_field_count(s->set); i++) {
        slmt_field info;
        int code = field_info(s, i, &info);
        if (code != EXIT_OK)
            return code;
        if (info.kind != kind)
            continue;
        char *longer = must_format("%s%s%s", *names, **names ? ", " : "", info.name);
        free(*names);
        *names = longer;
        if ((!name || strcmp(name, info.name) == 0) && (*count)++ == 0)
            *found = i;
    }
    return EXIT_OK;
}

static int find_labels(label_source *s, const char *name)
{
    size_t count;
    char *names;
    int code = find_fields(s, SLMT_FIELD_LABELS, name, &s->labels, &count, &names);
    if (code == EXIT_OK && !*names)
        code = fail_with(EXIT_USAGE,
                         "%s: the set has no label maps to compare with: slmt prepare --labels adds them",
                         s->set_path);
    else if (code == EXIT_OK && count == 0)
        code = fail_with(EXIT_USAGE, "%s: the set has no label map %s; it has %s", s->set_path, name, names);
    else if (code == EXIT_OK && count > 1)
        code = fail_with(EXIT_USAGE, "%s: the set has several label maps, %s: name one by --labels",
                         s->set_path, names);
    free(names);
    return code;
}

static int find_contrasts(label_source *s)
{
    for (size_t i = 0; i < s->channels; i++) {
        size_t count;
        char *names;
        const char *name = slmt_model_contrast(s->model, i);
        int code = find_fields(s, SLMT_FIELD_IMAGE, name, &s->fields[i], &count, &names);
        if (code == EXIT_OK && count == 0)
            code =
                fail_with(EXIT_USAGE, "%s: has no contrast '%s', on which the model was trained; it has %s",
                          s->set_path, name, names);
        free(names);
        if (code != EXIT_OK)
            return code;
    }
    return EXIT_OK;
}

const char *label_source_labels(const label_source *s)
{
    slmt_field info;
    return field_info(s, s->labels, &info) == EXIT_OK ? info.name : "";
}

/* ---- the subjects of a set ---- */

static bool has_all(const label_source *s, size_t subject)
{
    int64_t shape[6];
    bool has = slmt_dataset_shape(s->set, subject, s->labels, shape) == SLMT_OK && shape[0] > 0;
    for (size_t i = 0; i < s->channels && has; i++)
        has = slmt_dataset_shape(s->set, subject, s->fields[i], shape) == SLMT_OK && shape[0] > 0;
    return has;
}

static size_t list_subjects(const label_source *s, int32_t split, size_t *list)
{
    size_t count = 0;
    for (size_t i = 0; i < slmt_dataset_subject_count(s->set); i++)
        if (in_split(s->set, i, split) && has_all(s, i)) {
            if (list)
                list[count] = i;
            count++;
        }
    return count;
}

static int find_subjects(label_source *s, int32_t split)
{
    s->count = list_subjects(s, split, NULL);
    s->subjects = must_alloc(s->count + 1, sizeof *s->subjects);
    list_subjects(s, split, s->subjects);
    if (s->count > 0)
        return EXIT_OK;
    return fail_with(
        EXIT_USAGE,
        "%s: no subject of --split %s has the model's contrasts and label maps; train has %zu such "
        "subjects, validation %zu, test %zu",
        s->set_path, split_name(split), list_subjects(s, SLMT_SPLIT_TRAIN, NULL),
        list_subjects(s, SLMT_SPLIT_VALIDATION, NULL), list_subjects(s, SLMT_SPLIT_TEST, NULL));
}

/* The size of the voxels, where all subjects have the same. */
static int find_spacing(label_source *s)
{
    slmt_geometry g = {.struct_size = sizeof g};
    slmt_status status = slmt_dataset_geometry(s->set, SLMT_SPLIT_ALL, &g);
    if (status != SLMT_OK)
        return fail(status, "%s", s->set_path);
    s->spaced = g.volumes > 0;
    for (size_t i = 0; i < 3; i++) {
        s->spacing[i] = 1;
        s->spaced = s->spaced && g.spacing_most[i] - g.spacing_least[i] <= 0.01 * g.spacing_least[i];
    }
    for (size_t i = 0; i < 3 && s->spaced; i++)
        s->spacing[i] = (g.spacing_least[i] + g.spacing_most[i]) / 2;
    if (s->spaced)
        return EXIT_OK;
    return warn(
        "%s: the voxels of its subjects are of unknown or of different sizes: there are no distances of "
        "surfaces",
        s->set_path);
}

static int32_t on_window(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)user, (void)stage, (void)done, (void)total;
    return interrupted();
}

static int open_session(label_source *s, const labelling *how)
{
    int code = labelling_session(s->model, how, &s->session);
    if (code != EXIT_OK)
        return code;
    slmt_status status = slmt_session_set_progress(s->session, on_window, NULL);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

int label_source_open_set(label_source *s, slmt_model *model, slmt_dataset *set, const char *set_path,
                          const char *labels, int32_t split, const labelling *how)
{
    s->model = model;
    s->set = set;
    s->set_path = set_path;
    labelling_how(how, &s->how);
    if (strcmp(slmt_dataset_source(set), "mr") != 0)
        return fail_with(EXIT_USAGE, "%s: is not a set of MR volumes, as slmt prepare makes it", set_path);
    int code = label_channels(model, set_path, &s->channels);
    if (code == EXIT_OK)
        code = find_contrasts(s);
    if (code == EXIT_OK)
        code = find_labels(s, labels);
    if (code == EXIT_OK)
        code = find_subjects(s, split);
    if (code == EXIT_OK)
        code = find_spacing(s);
    return code == EXIT_OK ? open_session(s, how) : code;
}

/* ---- a subject of a set ---- */

/* What is read of a subject: slices, rows, columns. */
typedef struct subject_data {
    int64_t size[3];
    float *image; /* [channels][size] */
    int32_t *truth, *answer;
} subject_data;

static size_t pixels_of(const subject_data *d)
{
    return (size_t)(d->size[0] * d->size[1] * d->size[2]);
}

static slmt_status read_field(const label_source *s, size_t subject, size_t field, int32_t type,
                              const int64_t size[3], void *to)
{
    const slmt_tensor t = {.type = type, .rank = 3, .shape = size, .data = to};
    return slmt_dataset_read(s->set, subject, field, 0, size[0], &t);
}

static int read_subject(const label_source *s, size_t subject, subject_data *d)
{
    int64_t shape[6];
    slmt_status status = slmt_dataset_shape(s->set, subject, s->labels, shape);
    for (int i = 0; i < 3; i++)
        d->size[i] = shape[i];
    const size_t n = pixels_of(d);
    d->image = must_alloc(n * s->channels, sizeof *d->image);
    d->truth = must_alloc(n, sizeof *d->truth);
    d->answer = must_alloc(n, sizeof *d->answer);
    if (status == SLMT_OK)
        status = read_field(s, subject, s->labels, SLMT_TENSOR_INT32, d->size, d->truth);
    for (size_t c = 0; c < s->channels && status == SLMT_OK; c++)
        status = read_field(s, subject, s->fields[c], SLMT_TENSOR_FLOAT32, d->size, d->image + c * n);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", slmt_dataset_subject(s->set, subject));
}

/* Rows of a slice go along x, to the left, and columns to the back. In a volume x is fastest, and y goes to
 * the front, as pictures show it. */
static size_t voxel_of(const subject_data *d, size_t pixel)
{
    const size_t rows = (size_t)d->size[1], columns = (size_t)d->size[2];
    const size_t z = pixel / (rows * columns), x = pixel / columns % rows, y = pixel % columns;
    return (z * columns + columns - 1 - y) * rows + x;
}

static slmt_status volume_of(const label_source *s, const subject_data *d, const int32_t *labels,
                             slmt_volume **v)
{
    const double *mm = s->spacing;
    const double affine[16] = {-mm[0], 0, 0, 0, 0, mm[1], 0, 0, 0, 0, mm[2], 0, 0, 0, 0, 1};
    float *voxels = must_alloc(pixels_of(d), sizeof *voxels);
    for (size_t i = 0; i < pixels_of(d); i++)
        voxels[voxel_of(d, i)] = (float)labels[i];
    slmt_status status = slmt_volume_create(s->context, (const int64_t[]){d->size[1], d->size[2], d->size[0]},
                                            affine, voxels, v);
    free(voxels);
    return status;
}

static int make_case(const label_source *s, const subject_data *d, size_t subject, label_case *c)
{
    c->name = must_copy(slmt_dataset_subject(s->set, subject));
    c->spaced = s->spaced;
    c->grey = must_alloc(pixels_of(d), sizeof *c->grey);
    for (size_t i = 0; i < pixels_of(d); i++)
        c->grey[voxel_of(d, i)] = d->image[i];
    slmt_status status = volume_of(s, d, d->truth, &c->truth);
    if (status == SLMT_OK)
        status = volume_of(s, d, d->answer, &c->answer);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", c->name);
}

static int label_subject_of_set(const label_source *s, size_t subject, label_case *c)
{
    subject_data d = {.image = NULL};
    const double mm[3] = {s->spacing[2], s->spacing[0], s->spacing[1]};
    int code = read_subject(s, subject, &d);
    if (code == EXIT_OK) {
        slmt_status status = slmt_segment_slices(s->session, d.image, d.size, mm, &s->how, d.answer, NULL);
        if (status == SLMT_ERR_CANCELLED && interrupted())
            code = fail_with(EXIT_INTERRUPTED, "interrupted");
        else if (status != SLMT_OK)
            code = fail(status, "%s", slmt_dataset_subject(s->set, subject));
    }
    if (code == EXIT_OK)
        code = make_case(s, &d, subject, c);
    free(d.image);
    free(d.truth);
    free(d.answer);
    return code;
}

/* ---- files ---- */

static int add_files(label_source *s, const char *name, const char *place)
{
    char reason[FIELD_REASON];
    char *text = must_format("%s=%s", name, place);
    int code =
        scans_add(&s->files, text, true, reason) ? EXIT_OK : fail_with(EXIT_USAGE, "--%s: %s", name, reason);
    free(text);
    return code;
}

/* Keeps the subjects that have both. */
static int keep_pairs(label_source *s)
{
    const scans *f = &s->files;
    int code = EXIT_OK;
    s->subjects = must_alloc(f->subject_count + 1, sizeof *s->subjects);
    for (size_t i = 0; i < f->subject_count && code == EXIT_OK; i++) {
        const scan_subject *one = &f->subjects[i];
        if (one->file[ANSWER] && one->file[TRUTH])
            s->subjects[s->count++] = i;
        else
            code = warn("%s is left out: there is no label map of it in %s", one->name,
                        one->file[TRUTH] ? "--answer" : "--truth");
    }
    return code == EXIT_OK && s->count == 0 ? scans_complain_unpaired(f, ANSWER, TRUTH) : code;
}

int label_source_open_files(label_source *s, const char *answers, const char *truth)
{
    if (is_file(answers) && is_file(truth)) {
        s->pair[ANSWER] = answers;
        s->pair[TRUTH] = truth;
        s->count = 1;
        return EXIT_OK;
    }
    int code = add_files(s, "answer", answers);
    if (code == EXIT_OK)
        code = add_files(s, "truth", truth);
    if (code == EXIT_OK)
        code = scans_find(&s->files, NULL);
    return code == EXIT_OK ? keep_pairs(s) : code;
}

path_list label_source_files(const label_source *s)
{
    path_list files = {0};
    if (!s->pair[ANSWER])
        return scans_files(&s->files);
    for (int i = ANSWER; i <= TRUTH; i++)
        path_list_add(&files, must_copy(s->pair[i]));
    return files;
}

static int read_file(const label_source *s, const char *path, slmt_volume **v)
{
    warn_about(path);
    slmt_status status = slmt_volume_read(s->context, path, v);
    warn_about(NULL);
    return status == SLMT_OK ? EXIT_OK : fail_file(status, path);
}

static int read_files(const label_source *s, size_t index, label_case *c)
{
    int64_t one[3], other[3];
    const scan_subject *subject = s->pair[ANSWER] ? NULL : &s->files.subjects[s->subjects[index]];
    const char *const *file = subject ? subject->file : s->pair;
    c->name = subject ? must_copy(subject->name) : volume_id(file[ANSWER]);
    c->spaced = true;
    int code = read_file(s, file[ANSWER], &c->answer);
    if (code == EXIT_OK)
        code = read_file(s, file[TRUTH], &c->truth);
    if (code != EXIT_OK)
        return code;
    slmt_volume_dims(c->answer, one);
    slmt_volume_dims(c->truth, other);
    if (memcmp(one, other, sizeof one) == 0)
        return EXIT_OK;
    return fail_with(EXIT_DATA,
                     "%s: the label map has %lld x %lld x %lld voxels, its truth %lld x %lld x %lld", c->name,
                     (long long)one[0], (long long)one[1], (long long)one[2], (long long)other[0],
                     (long long)other[1], (long long)other[2]);
}

int label_source_read(label_source *s, size_t index, label_case *c)
{
    *c = (label_case){.name = NULL};
    if (interrupted())
        return fail_with(EXIT_INTERRUPTED, "interrupted");
    return s->set ? label_subject_of_set(s, s->subjects[index], c) : read_files(s, index, c);
}

/* ---- the values of files ---- */

typedef struct value_list {
    double value[MOST_CLASSES];
    size_t count;
} value_list;

static void insert(value_list *l, size_t at, double value)
{
    memmove(l->value + at + 1, l->value + at, (l->count - at) * sizeof *l->value);
    l->value[at] = value;
    l->count++;
}

/* false: there are too many. */
static bool add_value(value_list *l, double value)
{
    size_t at = 0;
    while (at < l->count && l->value[at] < value)
        at++;
    if (at < l->count && l->value[at] == value)
        return true;
    if (l->count == MOST_CLASSES)
        return false;
    insert(l, at, value);
    return true;
}

static int add_values(const label_case *c, const slmt_volume *v, int32_t ignored, value_list *l)
{
    int64_t dims[3];
    const float *voxels = slmt_volume_voxels(v);
    slmt_volume_dims(v, dims);
    for (int64_t i = 0; i < dims[0] * dims[1] * dims[2]; i++) {
        if (voxels[i] != nearbyintf(voxels[i]) || fabsf(voxels[i]) > 16777216)
            return fail_with(EXIT_DATA, "%s: a label map has the value %g, and labels are whole numbers",
                             c->name, (double)voxels[i]);
        if (voxels[i] != (float)ignored && !add_value(l, voxels[i]))
            return fail_with(EXIT_DATA,
                             "%s: label maps have more than %d values: name the classes by --classes",
                             c->name, MOST_CLASSES);
    }
    return EXIT_OK;
}

int label_source_values(label_source *s, int32_t ignored, char **text)
{
    value_list l = {.count = 0};
    int code = EXIT_OK;
    *text = must_copy("");
    for (size_t i = 0; i < s->count && code == EXIT_OK; i++) {
        label_case c;
        code = label_source_read(s, i, &c);
        if (code == EXIT_OK)
            code = add_values(&c, c.truth, ignored, &l);
        if (code == EXIT_OK)
            code = add_values(&c, c.answer, ignored, &l);
        label_case_free(&c);
    }
    for (size_t i = 0; i < l.count && code == EXIT_OK; i++) {
        char *longer = must_format("%s%s%.0f", *text, i ? "," : "", l.value[i]);
        free(*text);
        *text = longer;
    }
    return code;
}

void label_source_close(label_source *s)
{
    slmt_session_free(s->session);
    free(s->subjects);
    scans_free(&s->files);
}
