/* SPDX-License-Identifier: Apache-2.0 */
/* measure.c - masks and figures of slices. */
#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "head_mask.h"
#include "must.h"
#include "tool.h"

static const field_choice definitions[] = {{"volume", SLMT_DEFINITION_VOLUME},
                                           {"slice", SLMT_DEFINITION_SLICE},
                                           {"paper", SLMT_DEFINITION_PAPER},
                                           {0}};

#define MEASURE(member) .offset = offsetof(measure_options, member)
const field measure_fields[] = {
    {"definition", "volume|slice|paper",
     "whose figures the table shows: of a subject's whole volume; the mean over its slices with signal in "
     "the target; or the mean over all its slices, as the code of SLMT-Net's paper has it",
     FIELD_CHOICE, MEASURE(definition), definitions},
    {"mask", "head|NAME|SCANS",
     "compare inside the head alone; or where label map NAME of the set is not 0; or where mask files are "
     "not, which lie on the volumes' grid: one file, or a folder or pattern as of slmt prepare; default: "
     "everywhere",
     FIELD_TEXT, MEASURE(mask), .flags = FIELD_INPUT},
    {"perceptual", "FILE", "also measure the distance of features of this model of vgg19", FIELD_TEXT,
     MEASURE(perceptual), .flags = FIELD_INPUT},
    {0}};

const char *definition_name(int32_t definition)
{
    const field_choice *c = definitions;
    while (c->name && c->value != definition)
        c++;
    return c->name;
}

const char *definition_text(int32_t definition)
{
    static const char *const texts[] = {
        [SLMT_DEFINITION_VOLUME] =
            "the slices of a subject are one image; SSIM is the mean over its slices with "
            "signal",
        [SLMT_DEFINITION_SLICE] = "a subject has the mean of its slices with signal",
        [SLMT_DEFINITION_PAPER] =
            "a subject has the mean of all its slices, as in the paper's code: empty slices "
            "count as 100 dB or an NMSE of 0"};
    return texts[definition];
}

/* ---- opening ---- */

/* Returns true if the set has a field of label maps of that name. */
static bool find_labels(measure *m)
{
    slmt_field f = {.struct_size = sizeof f};
    for (size_t i = 0; i < slmt_dataset_field_count(m->set); i++)
        if (slmt_dataset_field(m->set, i, &f) == SLMT_OK && f.kind == SLMT_FIELD_LABELS &&
            strcmp(f.name, m->mask_name) == 0) {
            m->label_field = i;
            return true;
        }
    return false;
}

/* A place of files has a mark of a path or a pattern, or is there. */
static bool may_be_files(const char *text)
{
    return strpbrk(text, "/*?:") || is_file(text) || is_folder(text);
}

static int find_files(measure *m)
{
    char reason[FIELD_REASON], *source = must_format("mask=%s", m->mask_name);
    bool good = scans_add(&m->files, source, true, reason);
    free(source);
    return good ? scans_find(&m->files, NULL) : fail_with(EXIT_USAGE, "--mask: %s", reason);
}

static int find_mask(measure *m)
{
    if (!m->mask_name)
        return EXIT_OK;
    if (strcmp(m->mask_name, "head") == 0)
        m->kind = MASK_HEAD;
    else if (find_labels(m))
        m->kind = MASK_LABELS;
    else if (may_be_files(m->mask_name))
        m->kind = MASK_FILES;
    else
        return fail_with(
            EXIT_USAGE,
            "--mask: the set has no label maps '%s', which slmt prepare --labels adds, and there is "
            "no such file or folder",
            m->mask_name);
    return m->kind == MASK_FILES ? find_files(m) : EXIT_OK;
}

int measure_open(measure *m, const measure_options *o, slmt_context *context, slmt_dataset *set, size_t side,
                 int32_t batch)
{
    *m = (measure){.context = context, .set = set, .side = side, .mask_name = o->mask};
    slmt_preprocess_init(&m->preprocess);
    slmt_status status = slmt_dataset_get_preprocess(set, &m->preprocess);
    int code = status == SLMT_OK ? find_mask(m) : fail(status, "--mask");
    m->crop = m->preprocess.crop_size;
    if (code == EXIT_OK && o->perceptual)
        code = perceptual_open(&m->judge, context, o->perceptual, side, batch);
    if (code != EXIT_OK)
        measure_close(m);
    return code;
}

/* ---- masks ---- */

/* The pixel of a label map, `in` pixels wide, that lies at the centre of pixel i of an image of the same
 * field, `out` pixels wide. */
static int64_t nearest(int64_t i, int64_t in, int64_t out)
{
    return (2 * i + 1) * in / (2 * out);
}

static void resize_labels(measure *m, const int32_t *labels)
{
    int64_t side = (int64_t)m->side;
    uint8_t *to = m->mask;
    for (int64_t k = 0; k < (int64_t)m->slices; k++)
        for (int64_t r = 0; r < side; r++) {
            const int32_t *row = labels + (k * m->crop + nearest(r, m->crop, side)) * m->crop;
            for (int64_t c = 0; c < side; c++)
                *to++ = row[nearest(c, m->crop, side)] != 0;
        }
}

/* The subject's label maps in the set; [slices][crop][crop]. */
static int read_labels(const measure *m, size_t subject, int32_t *labels)
{
    const char *name = slmt_dataset_subject(m->set, subject);
    const int64_t wanted[] = {(int64_t)m->slices, m->crop, m->crop};
    const slmt_tensor tensor = {.data = labels, .shape = wanted, .rank = 3, .type = SLMT_TENSOR_INT32};
    slmt_status status = slmt_dataset_read(m->set, subject, m->label_field, 0, wanted[0], &tensor);
    if (status == SLMT_ERR_NOT_FOUND)
        return fail_with(EXIT_USAGE, "--mask: subject %s has no label map '%s'", name, m->mask_name);
    return status == SLMT_OK ? EXIT_OK : fail(status, "--mask: %s", name);
}

/* The file of a subject; a single file is everybody's. */
static const char *file_for(const measure *m, const char *name)
{
    const scans *s = &m->files;
    const scan_subject *own = scans_subject(s, name);
    bool single = s->subject_count == 1 && is_file(m->mask_name);
    return own ? own->file[0] : single ? s->subjects[0].file[0] : NULL;
}

static bool lies_within(const double size[3], const double least[3], const double most[3])
{
    for (int axis = 0; axis < 3; axis++)
        if (size[axis] < 0.98 * least[axis] || size[axis] > 1.02 * most[axis])
            return false;
    return true;
}

/* Refuses a mask whose voxels or field of view are of a size that no volume of the set has. */
static int check_grid(const measure *m, const slmt_volume *mask, const char *file)
{
    slmt_geometry own = {.struct_size = sizeof own}, set = own;
    if (slmt_dataset_geometry(m->set, SLMT_SPLIT_ALL, &set) != SLMT_OK || set.volumes == 0 ||
        slmt_volume_geometry(mask, &m->preprocess, &own) != SLMT_OK)
        return EXIT_OK; /* nothing is known */
    if (lies_within(own.spacing_least, set.spacing_least, set.spacing_most) &&
        lies_within(own.field_least, set.field_least, set.field_most))
        return EXIT_OK;
    const double *s = own.spacing_least, *f = own.field_least, *t = set.spacing_least, *g = set.field_least;
    return fail_with(
        EXIT_DATA,
        "--mask: %s: has voxels of %.4g x %.4g x %.4g mm in a field of %.4g x %.4g x %.4g mm; the volumes "
        "of the set have %.4g x %.4g x %.4g mm in %.4g x %.4g x %.4g mm",
        file, s[0], s[1], s[2], f[0], f[1], f[2], t[0], t[1], t[2], g[0], g[1], g[2]);
}

static int cut_file(const measure *m, size_t subject, int32_t *labels)
{
    const char *name = slmt_dataset_subject(m->set, subject), *file = file_for(m, name);
    slmt_volume *volume = NULL;
    if (!file)
        return fail_with(EXIT_USAGE, "--mask: %s has no file for subject %s", m->mask_name, name);
    slmt_status status = slmt_volume_read(m->context, file, &volume);
    int code = status == SLMT_OK ? check_grid(m, volume, file) : EXIT_OK;
    if (status == SLMT_OK && code == EXIT_OK)
        status = slmt_dataset_cut_labels(m->set, volume, m->slices, labels);
    if (status != SLMT_OK)
        code = fail(status, "--mask: %s", file);
    slmt_volume_free(volume);
    return code == EXIT_USAGE ? EXIT_DATA : code; /* the library calls an unfit volume an argument */
}

/* A mask on another grid than the images lies beside the head. */
static int check_place(const measure *m, size_t subject, const float *source, const float *target)
{
    size_t pixels = m->side * m->side, inside = 0, all = 0;
    uint8_t *head = must_alloc(pixels, sizeof *head);
    for (size_t k = 0; k < m->slices; k++) {
        head_mask(source + k * pixels, target + k * pixels, m->side, m->side, head);
        for (size_t i = 0; i < pixels; i++) {
            all += m->mask[k * pixels + i];
            inside += m->mask[k * pixels + i] && head[i];
        }
    }
    free(head);
    if (inside * 10 >= all * 7)
        return EXIT_OK;
    return warn(
        "--mask: %s: %.0f %% of the mask '%s' lies outside the head: it may be on another grid than the "
        "images",
        slmt_dataset_subject(m->set, subject), 100 * (double)(all - inside) / (double)all, m->mask_name);
}

static int label_mask(measure *m, size_t subject, const float *source, const float *target)
{
    int32_t *labels = must_alloc(m->slices * (size_t)(m->crop * m->crop), sizeof *labels);
    int code = m->kind == MASK_LABELS ? read_labels(m, subject, labels) : cut_file(m, subject, labels);
    if (code == EXIT_OK)
        resize_labels(m, labels);
    free(labels);
    if (code != EXIT_OK || m->placed == subject + 1)
        return code;
    m->placed = subject + 1;
    return check_place(m, subject, source, target);
}

int measure_subject(measure *m, size_t subject, const float *source, const float *target, size_t slices)
{
    size_t pixels = m->side * m->side;
    m->slices = slices;
    free(m->mask);
    m->mask = NULL;
    if (m->kind == MASK_NONE)
        return EXIT_OK;
    m->mask = must_alloc(slices, pixels);
    if (m->kind != MASK_HEAD)
        return label_mask(m, subject, source, target);
    for (size_t k = 0; k < slices; k++)
        head_mask(source + k * pixels, target + k * pixels, m->side, m->side, m->mask + k * pixels);
    return EXIT_OK;
}

/* ---- figures ---- */

int measure_slices(measure *m, const float *prediction, const float *target, measured *out)
{
    size_t pixels = m->side * m->side;
    slmt_status status = SLMT_OK;
    *out = (measured){m->slices, must_alloc(m->slices, sizeof *out->metrics),
                      must_alloc(m->slices, sizeof *out->distance)};
    for (size_t k = 0; k < m->slices && status == SLMT_OK; k++) {
        out->distance[k] = NAN;
        out->metrics[k].struct_size = sizeof *out->metrics;
        status =
            slmt_compare_masked(prediction + k * pixels, target + k * pixels,
                                m->mask ? m->mask + k * pixels : NULL, m->side, m->side, &out->metrics[k]);
    }
    if (status != SLMT_OK)
        return fail(status, "metrics");
    return m->judge.model
               ? perceptual_distances(&m->judge, prediction, target, m->mask, m->slices, out->distance)
               : EXIT_OK;
}

void measured_free(measured *m)
{
    free(m->metrics);
    free(m->distance);
    *m = (measured){0};
}

void measured_combine(const measured *m, int32_t definition, slmt_metrics *metrics, double *distance)
{
    double sum = 0;
    size_t count = 0;
    *metrics = (slmt_metrics){.struct_size = sizeof *metrics};
    slmt_metrics_combine(m->metrics, m->slices, definition, metrics);
    for (size_t k = 0; k < m->slices; k++)
        if (definition == SLMT_DEFINITION_PAPER ? m->metrics[k].slices : m->metrics[k].with_signal) {
            sum += m->distance[k];
            count++;
        }
    *distance = count ? sum / (double)count : NAN;
}

void measure_close(measure *m)
{
    perceptual_close(&m->judge);
    scans_free(&m->files);
    free(m->mask);
    m->mask = NULL;
}
