/* SPDX-License-Identifier: Apache-2.0 */
/* differ.c - slmt differ: where one volume of a subject holds what the others cannot make. */
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "head_mask.h"
#include "interrupt.h"
#include "must.h"
#include "options.h"
#include "paths.h"
#include "picture.h"
#include "sequences.h"

typedef struct source {
    char *name;
    const char *file;
    slmt_volume *made; /* the target, made from this one */
} source;

typedef struct differ {
    const char *model_path;
    const char *to;
    const char *out;
    const char *png;
    int32_t self;
    int32_t mask;
    int32_t batch;
    bool resample;
    common common;
    source sources[MOST_SEQUENCES];
    size_t count;
    slmt_context *context;
    slmt_model *model;
    slmt_session *session;
    slmt_volume *truth; /* as the model sees it */
    float *seen;        /* the largest value of any of the volumes at each voxel, as the model sees them */
} differ;

static const field_choice on_off[] = {{"on", 1}, {"off", 0}, {0}};
static const field_choice masks[] = {{"head", 1}, {"none", 0}, {0}};

#define DIFFER(member) .offset = offsetof(differ, member)
static const field differ_fields[] = {
    {"model", "FILE", "checkpoint of slmt train", FIELD_TEXT, DIFFER(model_path),
     .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"to", "NAME", "sequence whose map is made, one of the volumes", FIELD_TEXT, DIFFER(to),
     .flags = FIELD_REQUIRED},
    {"out", "FILE", "where to write the map, .nii or .nii.gz", FIELD_TEXT, DIFFER(out),
     .flags = FIELD_REQUIRED | FIELD_OUTPUT, .endings = ".nii.gz .nii"},
    {"png", "FILE", "also draw slices of the map, 0 black and 0.5 white", FIELD_TEXT, DIFFER(png),
     .flags = FIELD_OUTPUT, .endings = ".png"},
    {"self", "on|off", "count what is made from the sequence itself; off: from the others alone",
     FIELD_CHOICE, DIFFER(self), on_off},
    {"mask", "head|none", "where there is a map: inside the head alone, or in the air around it too",
     FIELD_CHOICE, DIFFER(mask), masks},
    {"batch", "N", "slices computed together, at most", FIELD_INT, DIFFER(batch), .low = 1, .high = 65536},
    {"resample", NULL,
     "take volumes whose voxels are not of the training's size: resample them to it, and the map back",
     FIELD_FLAG, DIFFER(resample)},
    {0}};

static const char doc[] =
    "Make the imaging-differentiation map of one subject's sequence: the mean difference between the "
    "sequence and what the model makes of it from each of the subject's volumes, itself included. "
    "Intensities count from -1 to 1 as in the paper, so the map goes from 0 to 2. It lies on the volumes' "
    "grid, which must be the same; outside the head, the crop and the slices of the training it is 0. NAME "
    "is a sequence of the model. With a model that makes one contrast it is the source or the target, and "
    "the target is compared with what is made from the source.";

/* ---- arguments ---- */

static const source *find_source(const differ *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->sources[i].name, name) == 0)
            return &d->sources[i];
    return NULL;
}

static int add_source(differ *d, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return fail_with(EXIT_USAGE, "'%s' is not of the form NAME=FILE", text);
    if (d->count == MOST_SEQUENCES)
        return fail_with(EXIT_USAGE, "more than %d volumes", MOST_SEQUENCES);
    source s = {.name = must_format("%.*s", (int)(equals - text), text), .file = equals + 1};
    bool twice = find_source(d, s.name) != NULL;
    d->sources[d->count++] = s;
    return twice ? fail_with(EXIT_USAGE, "%s is given twice", s.name) : EXIT_OK;
}

static int check_files(const differ *d)
{
    if (!find_source(d, d->to))
        return fail_with(EXIT_USAGE, "--to: no volume %s=FILE is given", d->to);
    if (!d->self && d->count < 2)
        return fail_with(EXIT_USAGE, "--self off: a volume of another sequence is needed");
    if (!is_nifti_name(d->out))
        return fail_with(EXIT_USAGE, "%s: its name ends in neither .nii nor .nii.gz", d->out);
    if (!can_write(d->out))
        return fail_errno(errno, "%s", d->out);
    if (d->png && !can_write(d->png))
        return fail_errno(errno, "%s", d->png);
    return EXIT_OK;
}

/* A model that makes one contrast from one other: its target is no source, whatever --self says. */
static int check_single(differ *d)
{
    const char *from = slmt_model_card(d->model, "source_contrast"),
               *to = slmt_model_card(d->model, "target_contrast");
    if (!*from || !*to)
        return fail_with(EXIT_DATA, "%s: does not know its contrasts yet; training names them",
                         d->model_path);
    if (strcmp(d->to, to) != 0)
        return fail_with(EXIT_USAGE, "%s: makes %s, not %s", d->model_path, to, d->to);
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->sources[i].name, from) != 0 && strcmp(d->sources[i].name, to) != 0)
            return fail_with(EXIT_USAGE, "%s: makes %s from %s, not from %s", d->model_path, to, from,
                             d->sources[i].name);
    d->self = 0;
    return d->count == 2 ? EXIT_OK : fail_with(EXIT_USAGE, "a volume %s=FILE is needed", from);
}

static int check_names(differ *d)
{
    if (!takes_sequence(d->model))
        return check_single(d);
    int code = need_sequences(d->model, d->model_path);
    for (size_t i = 0; i < d->count && code == EXIT_OK; i++)
        if (sequence_index(d->model, d->sources[i].name) < 0)
            code = no_such_sequence(d->model, d->model_path, d->sources[i].name);
    return code;
}

/* ---- the work ---- */

static int open_session(differ *d)
{
    int code = common_context(&d->common, &d->context);
    if (code != EXIT_OK)
        return code;
    slmt_status status = slmt_model_load(d->context, d->model_path, &d->model);
    if (status != SLMT_OK)
        return fail(status, "%s", d->model_path);
    code = check_names(d);
    if (code == EXIT_OK)
        code = slice_session(d->model, d->batch, &d->session);
    if (code != EXIT_OK)
        return code;
    if (takes_sequence(d->model))
        status = choose_sequence(d->session, sequence_index(d->model, d->to));
    if (status == SLMT_OK && d->resample)
        status = slmt_session_set_spacing(d->session, SLMT_SPACING_RESAMPLE);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

/* Equal dimensions and places: voxel by voxel the same point of the patient, to a hundredth of a millimetre.
 */
static bool same_grid(const slmt_volume *a, const slmt_volume *b)
{
    int64_t one[3], other[3];
    double to[16], also[16];
    slmt_volume_dims(a, one);
    slmt_volume_dims(b, other);
    slmt_volume_affine(a, to);
    slmt_volume_affine(b, also);
    for (int i = 0; i < 16; i++)
        if (!(to[i] - also[i] < 0.01 && also[i] - to[i] < 0.01))
            return false;
    return memcmp(one, other, sizeof one) == 0;
}

static size_t voxel_count(const slmt_volume *volume)
{
    int64_t dims[3];
    slmt_volume_dims(volume, dims);
    return (size_t)(dims[0] * dims[1] * dims[2]);
}

/* Adds a volume, as the model sees it, to what is seen of the head. */
static void see(differ *d, const slmt_volume *normalized)
{
    size_t voxels = voxel_count(normalized);
    if (!d->seen)
        d->seen = must_alloc(voxels, sizeof *d->seen);
    for (size_t i = 0; i < voxels; i++)
        d->seen[i] = fmaxf(d->seen[i], slmt_volume_voxels(normalized)[i]);
}

static int read_truth(differ *d)
{
    slmt_volume *volume = NULL;
    const char *file = find_source(d, d->to)->file;
    warn_about(file);
    slmt_status status = slmt_volume_read(d->context, file, &volume);
    if (status == SLMT_OK)
        status = slmt_session_normalize_volume(d->session, volume, &d->truth);
    if (status == SLMT_OK)
        see(d, d->truth);
    slmt_volume_free(volume);
    return status == SLMT_OK ? EXIT_OK : fail_file(status, file);
}

static slmt_status see_source(differ *d, const slmt_volume *volume)
{
    slmt_volume *normalized = NULL;
    slmt_status status = slmt_session_normalize_volume(d->session, volume, &normalized);
    if (status == SLMT_OK)
        see(d, normalized);
    slmt_volume_free(normalized);
    return status;
}

static int make_target(differ *d, source *s)
{
    slmt_volume *volume = NULL;
    int code = EXIT_OK;
    warn_about(s->file);
    slmt_status status = slmt_volume_read(d->context, s->file, &volume);
    if (status == SLMT_OK && !same_grid(volume, d->truth))
        code = fail_with(EXIT_DATA, "%s: lies on another grid than %s", s->file, find_source(d, d->to)->file);
    else if (status == SLMT_OK)
        status = see_source(d, volume);
    if (status == SLMT_OK && code == EXIT_OK)
        status = slmt_synthesize_volume(d->session, volume, &s->made);
    slmt_volume_free(volume);
    return status == SLMT_OK ? code : fail_file(status, s->file);
}

static int make_targets(differ *d)
{
    progress bar;
    int code = EXIT_OK;
    progress_begin(&bar, "differ", "volumes", 0);
    for (size_t i = 0; i < d->count && code == EXIT_OK; i++) {
        if (d->self || strcmp(d->sources[i].name, d->to) != 0)
            code = make_target(d, &d->sources[i]);
        if (code == EXIT_OK)
            progress_update(&bar, i + 1, d->count, d->sources[i].name);
        if (code == EXIT_OK && interrupted())
            code = fail_with(EXIT_INTERRUPTED, "interrupted; nothing was written");
    }
    progress_end();
    return code;
}

/* Makes the map 0 outside the head; returns the voxels of the head. */
static size_t mask_map(const differ *d, float *map)
{
    int64_t dims[3];
    slmt_volume_dims(d->truth, dims);
    size_t plane = (size_t)(dims[0] * dims[1]), inside = 0;
    uint8_t *mask = must_alloc(plane, sizeof *mask);
    for (size_t k = 0; k < (size_t)dims[2]; k++) {
        const float *seen = d->seen + k * plane;
        head_mask(seen, seen, (size_t)dims[1], (size_t)dims[0], mask);
        for (size_t i = 0; i < plane; i++) {
            map[k * plane + i] = mask[i] ? map[k * plane + i] : 0;
            inside += mask[i];
        }
    }
    free(mask);
    return inside;
}

static int write_map(const differ *d, const slmt_volume *map, double mean, size_t sources)
{
    slmt_status status = slmt_volume_write(map, d->out);
    if (status != SLMT_OK)
        return fail(status, "%s", d->out);
    int code = d->png ? picture_slices(d->png, map, 0.5) : EXIT_OK;
    if (code == EXIT_OK)
        say("%s: map of %s from %zu source%s, mean %.4g over the %s", d->out, d->to, sources,
            sources == 1 ? "" : "s", mean, d->mask ? "head" : "volume");
    return code;
}

/* The library's slices go from 0 to 1, the paper's from -1 to 1: differences there are twice as large. */
static int make_map(const differ *d)
{
    const float *made[MOST_SEQUENCES];
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < d->count; i++)
        if (d->sources[i].made)
            made[n++] = slmt_volume_voxels(d->sources[i].made);
    size_t voxels = voxel_count(d->truth), counted = voxels;
    float *map = must_alloc(voxels, sizeof *map);
    slmt_volume *volume = NULL;
    slmt_status status = slmt_differentiation_map(made, n, slmt_volume_voxels(d->truth), voxels, map);
    if (d->mask && status == SLMT_OK)
        counted = mask_map(d, map);
    for (size_t i = 0; i < voxels; i++) {
        map[i] *= 2;
        sum += map[i];
    }
    if (status == SLMT_OK)
        status = slmt_volume_like(d->truth, map, "imaging-differentiation map, not for diagnosis", &volume);
    free(map);
    int code = status == SLMT_OK ? write_map(d, volume, counted ? sum / (double)counted : 0, n)
                                 : fail(status, "map");
    slmt_volume_free(volume);
    return code;
}

static int differ_volumes(differ *d, const command_line *line)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < line->input_count && code == EXIT_OK; i++)
        code = add_source(d, line->inputs[i]);
    if (code == EXIT_OK)
        code = check_files(d);
    if (code == EXIT_OK)
        code = open_session(d);
    if (code == EXIT_OK)
        code = read_truth(d);
    if (code == EXIT_OK)
        code = make_targets(d);
    return code == EXIT_OK ? make_map(d) : code;
}

static void close_all(differ *d)
{
    for (size_t i = 0; i < d->count; i++) {
        slmt_volume_free(d->sources[i].made);
        free(d->sources[i].name);
    }
    slmt_volume_free(d->truth);
    free(d->seen);
    slmt_session_free(d->session);
    slmt_model_free(d->model);
    slmt_context_free(d->context);
}

int command_differ(int argc, char **argv)
{
    differ d = {.self = 1, .mask = 1, .batch = 1, .common.weights = SLMT_WEIGHTS_STORED};
    const option_group groups[] = {{"Files and run:", differ_fields, &d},
                                   {"", weights_fields, &d.common},
                                   {"", arithmetic_fields, &d.common},
                                   {"Common:", common_fields, &d.common},
                                   {0}};
    command_line line = {.doc = doc,
                         .arguments = "NAME=FILE...",
                         .argument_flags = FIELD_INPUT | FIELD_NAMED,
                         .least_arguments = 1,
                         .most_arguments = MOST_SEQUENCES,
                         .groups = groups};
    options_parse(&line, argc, argv);
    int code = differ_volumes(&d, &line);
    close_all(&d);
    options_free(&line);
    return code;
}
