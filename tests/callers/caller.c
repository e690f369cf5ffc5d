/* SPDX-License-Identifier: Apache-2.0 */
/* caller MODEL SEGMENTER SCANS OUT: what a program in C makes of the scans that SCANS/list names: a picture,
 * the same by voxels of the training's size, and a label map of each, and in OUT/said a line for each: the
 * warnings and the error. Then a training set of SCANS/t1 and SCANS/t2, and a U-Net that learns two steps
 * from it. caller.py and caller.jl do the same. */
#include <slmt/slmt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct caller {
    slmt_context *context;
    slmt_session *any, *resample, *segment;
    const char *scans, *out;
    FILE *said;
} caller;

static void must(slmt_status status)
{
    if (status == SLMT_OK)
        return;
    fprintf(stderr, "caller: %s: %s\n", slmt_status_name(status), slmt_error_text());
    exit(1);
}

static int32_t warn(void *user, const char *text)
{
    fprintf(((caller *)user)->said, "warning: %s\n", text);
    return 0;
}

/* A window is as large as the crops of the training. */
static slmt_session *open_session(const caller *c, const char *path, const char *task, int32_t spacing)
{
    static const slmt_number window[] = {{"rows", 32}, {"columns", 32}};
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    must(slmt_model_load(c->context, path, &model));
    must(slmt_session_create(model, task, window, task ? 2 : 0, &session));
    must(slmt_session_set_spacing(session, spacing));
    slmt_model_free(model); /* the session keeps it */
    return session;
}

/* Writes what a call has made, and frees it; or says why there is nothing. */
static void finish(const caller *c, slmt_status status, slmt_volume *made, const char *name, const char *what)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.%s.nii", c->out, name, what);
    if (status != SLMT_OK)
        fprintf(c->said, "%s: %s\n", what, slmt_error_text());
    else
        must(slmt_volume_write(made, path));
    slmt_volume_free(made);
}

static void try_scan(caller *c, const char *name)
{
    char path[1024];
    slmt_volume *scan = NULL, *made = NULL;
    fprintf(c->said, "## %s\n", name);
    snprintf(path, sizeof path, "%s/%s", c->scans, name);
    slmt_status status = slmt_volume_read(c->context, path, &scan);
    if (status != SLMT_OK) {
        fprintf(c->said, "read: %s\n", slmt_error_text());
        return;
    }
    status = slmt_synthesize_volume(c->any, scan, &made);
    finish(c, status, made, name, "any");
    made = NULL;
    status = slmt_synthesize_volume(c->resample, scan, &made);
    finish(c, status, made, name, "resample");
    made = NULL;
    status = slmt_segment_volume(c->segment, (const slmt_volume *const[]){scan}, 1, NULL, &made, NULL);
    finish(c, status, made, name, "segment");
    slmt_volume_free(scan);
}

static void add_subject(const caller *c, slmt_dataset_writer *writer, int number)
{
    char path[1024], subject[8];
    slmt_volume *volumes[2] = {NULL, NULL};
    snprintf(subject, sizeof subject, "s%d", number);
    for (int contrast = 0; contrast < 2; contrast++) {
        snprintf(path, sizeof path, "%s/t%d/%s.nii", c->scans, contrast + 1, subject);
        must(slmt_volume_read(c->context, path, &volumes[contrast]));
    }
    must(slmt_dataset_writer_add(writer, subject, (const slmt_volume *const *)volumes,
                                 number == 2 ? SLMT_SPLIT_TEST : SLMT_SPLIT_TRAIN));
    slmt_volume_free(volumes[0]);
    slmt_volume_free(volumes[1]);
}

static void train(const caller *c)
{
    static const slmt_number options[] = {{"image_size", 32}, {"depth", 2}, {"width", 4}};
    static const slmt_number settings[] = {{"batch", 4}, {"epochs", 1}};
    const char *contrasts[] = {"t1", "t2"};
    char path[1024];
    slmt_dataset_writer *writer = NULL;
    slmt_dataset *set = NULL;
    slmt_model *model = NULL;
    slmt_trainer *trainer = NULL;
    slmt_preprocess cut;
    slmt_preprocess_init(&cut);
    cut.crop_size = cut.image_size = 32;
    cut.slice_first = 0;
    cut.slice_count = 8;

    snprintf(path, sizeof path, "%s/set.h5", c->out);
    must(slmt_dataset_writer_create_mr(c->context, path, &cut, contrasts, 2, &writer));
    for (int n = 0; n < 3; n++)
        add_subject(c, writer, n);
    must(slmt_dataset_writer_finish(writer));

    must(slmt_dataset_open(c->context, path, &set));
    must(slmt_model_create(c->context, "unet", options, 3, 7, &model));
    must(slmt_trainer_create(model, "train", settings, 2, 7, &trainer));
    must(slmt_trainer_run(trainer, set, "t1", "t2", 2, NULL, NULL));
    snprintf(path, sizeof path, "%s/trained.h5", c->out);
    must(slmt_trainer_save(trainer, path));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_dataset_free(set);
}

static void try_scans(caller *c)
{
    char path[1024], name[256];
    snprintf(path, sizeof path, "%s/list", c->scans);
    FILE *list = fopen(path, "r");
    while (list && fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = '\0';
        try_scan(c, name);
    }
    if (!list || fclose(list))
        exit(1);
}

int main(int argc, char **argv)
{
    caller c = {NULL};
    slmt_context_config config;
    char path[1024];
    if (argc != 5)
        return 2;
    c.scans = argv[3];
    c.out = argv[4];
    snprintf(path, sizeof path, "%s/said", c.out);
    c.said = fopen(path, "w");
    if (!c.said)
        return 1;
    slmt_context_config_init(&config);
    config.threads = 1;
    must(slmt_context_create(&config, &c.context));
    must(slmt_context_set_warning(c.context, warn, &c));
    c.any = open_session(&c, argv[1], NULL, SLMT_SPACING_ANY);
    c.resample = open_session(&c, argv[1], NULL, SLMT_SPACING_RESAMPLE);
    c.segment = open_session(&c, argv[2], "segment", SLMT_SPACING_ANY);
    try_scans(&c);
    train(&c);
    slmt_session_free(c.segment);
    slmt_session_free(c.resample);
    slmt_session_free(c.any);
    slmt_context_free(c.context);
    return fclose(c.said) ? 1 : 0;
}
