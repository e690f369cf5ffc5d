/* SPDX-License-Identifier: Apache-2.0 */
/* training.c - training in one's own program: step by step, over a training set, stopped, and gone on with.
 *
 * First the encoder is pre-trained on single slices that the program feeds itself. Then the whole network is
 * fine-tuned over a training set; after STOP steps, or at Ctrl-C, the run is cancelled and saved, loaded
 * again and gone on with to its end. Ctrl-C then saves and leaves. The data is made here: a bright disc in a
 * head, and its inverse for a second contrast.
 *
 *     example_training [STOP]          writes set.h5, training.h5, model.h5 and scan.nii.gz into this folder
 *
 * examples/minimal makes the second contrast of the scan: synthesize model.h5 scan.nii.gz made.nii.gz */
#include <slmt/slmt.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 128, PIXELS = SIDE * SIDE, DEPTH = 4, SUBJECTS = 4, BATCH = 4 };

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    signal(number, interrupt); /* some systems forget it at each signal */
    interrupted = 1;
}

static void must(slmt_status status)
{
    if (status != SLMT_OK) {
        fprintf(stderr, "training: %s: %s\n", slmt_status_name(status), slmt_error_text());
        exit(1);
    }
}

/* ---- data ---- */

/* One slice of a subject. Contrast 0: a bright disc in a grey head; 1: a dark one in a bright head. */
static void paint(int subject, int slice, int contrast, float *pixels)
{
    int x = 44 + 13 * subject, y = 50 + 9 * slice;
    for (int r = 0; r < SIDE; r++)
        for (int c = 0; c < SIDE; c++) {
            int head = (r - 64) * (r - 64) + (c - 64) * (c - 64) < 55 * 55;
            int disc = (r - y) * (r - y) + (c - x) * (c - x) < 15 * 15;
            pixels[r * SIDE + c] = !head ? 0.0f : disc != contrast ? 0.9f : 0.4f;
        }
}

static slmt_volume *scan(slmt_context *context, int subject, int contrast)
{
    static float voxels[DEPTH * PIXELS];
    const int64_t dims[3] = {SIDE, SIDE, DEPTH};
    slmt_volume *volume = NULL;
    for (int slice = 0; slice < DEPTH; slice++)
        paint(subject, slice, contrast, voxels + slice * PIXELS);
    must(slmt_volume_create(context, dims, NULL, voxels, &volume));
    return volume;
}

static slmt_dataset *make_set(slmt_context *context)
{
    const char *const contrasts[] = {"t1", "t2"};
    slmt_preprocess preprocess;
    slmt_dataset_writer *writer = NULL;
    slmt_dataset *set = NULL;
    slmt_preprocess_init(&preprocess);
    preprocess.crop_size = preprocess.image_size = SIDE;
    preprocess.slice_first = 0;
    preprocess.slice_count = DEPTH;
    must(slmt_dataset_writer_create_mr(context, "set.h5", &preprocess, contrasts, 2, &writer));
    for (int i = 0; i < SUBJECTS; i++) {
        slmt_volume *t1 = scan(context, i, 0), *t2 = scan(context, i, 1);
        const slmt_volume *const volumes[] = {t1, t2};
        char name[32];
        snprintf(name, sizeof name, "subject-%d", i);
        must(slmt_dataset_writer_add(writer, name, volumes, SLMT_SPLIT_TRAIN));
        slmt_volume_free(t1);
        slmt_volume_free(t2);
    }
    must(slmt_dataset_writer_finish(writer));
    must(slmt_dataset_open(context, "set.h5", &set));
    return set;
}

/* ---- training ---- */

/* What the last step reported under a name. */
static double value(const slmt_trainer *trainer, const char *name)
{
    double x = 0;
    must(slmt_trainer_value(trainer, name, &x));
    return x;
}

/* Fed by hand: what is learned, in which order and at what rate is the program's affair. */
static void pretrain(slmt_model *model)
{
    static float images[BATCH * PIXELS];
    slmt_trainer_config config;
    slmt_trainer *trainer = NULL;
    must(slmt_trainer_config_init(&config, SLMT_STAGE_PRETRAIN));
    config.batch = BATCH;
    must(slmt_trainer_create(model, &config, &trainer));
    for (int step = 0; step < 8 && !interrupted; step++) {
        for (int b = 0; b < BATCH; b++)
            paint((step + b) % SUBJECTS, b % DEPTH, b % 2, images + b * PIXELS);
        must(slmt_pretrain_step(trainer, images, 1e-3));
        printf("pre-train %2d: loss %.4f (reconstruction %.4f, edges %.4f)\n", step + 1,
               value(trainer, "total"), value(trainer, "reconstruction"), value(trainer, "edge"));
    }
    slmt_trainer_free(trainer);
}

/* After each step of slmt_trainer_run(): anything but 0 ends it. */
static int32_t after_step(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    const uint64_t *stop = user;
    printf("fine-tune %2llu of %llu: mean error %.4f, rate %.1e\n", (unsigned long long)state->step,
           (unsigned long long)state->total_steps, value(trainer, "l1"), value(trainer, "learning_rate"));
    return interrupted || state->step == *stop;
}

/* Runs to the schedule's end, the step `stop` or Ctrl-C, and saves. Returns 1 if it was the end. */
static int run(slmt_trainer *trainer, slmt_dataset *set, uint64_t stop)
{
    slmt_status status = slmt_trainer_run(trainer, set, "t1", "t2", 0, after_step, &stop);
    if (status != SLMT_ERR_CANCELLED)
        must(status);
    must(slmt_trainer_save(trainer, "training.h5"));
    return status == SLMT_OK;
}

static slmt_trainer *finetune(slmt_context *context, slmt_model *model, slmt_dataset *set, uint64_t stop)
{
    slmt_trainer_config config;
    slmt_trainer *trainer = NULL;
    must(slmt_trainer_config_init(&config, SLMT_STAGE_FINETUNE));
    config.batch = BATCH;
    config.epochs = 4;
    config.warmup_epochs = 1;
    config.data_rate = 1;
    must(slmt_trainer_create(model, &config, &trainer));
    if (run(trainer, set, stop))
        return trainer;

    printf("stopped and saved; now from the file:\n");
    interrupted = 0;
    slmt_trainer_free(trainer);
    must(slmt_trainer_load(context, "training.h5", &trainer));
    if (!run(trainer, set, 0)) {
        printf("stopped again; training.h5 has all that is needed to go on\n");
        exit(1);
    }
    return trainer;
}

int main(int argc, char **argv)
{
    slmt_context_config config;
    slmt_context *context = NULL;
    slmt_model_options options;
    slmt_model *model = NULL;
    uint64_t stop = argc > 1 ? strtoull(argv[1], NULL, 10) : 6;
    signal(SIGINT, interrupt);

    slmt_context_config_init(&config);
    config.threads = 1; /* so small a network has no work for more */
    must(slmt_context_create(&config, &context));
    must(slmt_model_options_init(&options, SLMT_PRESET_TINY));
    options.embed_dim = options.decoder_dim = 16; /* seconds, not minutes */
    options.depth = options.decoder_depth = 1;
    must(slmt_model_create(context, &options, 1, &model));
    slmt_dataset *set = make_set(context);

    pretrain(model);
    slmt_trainer *trainer = finetune(context, model, set, stop);
    must(slmt_model_save(slmt_trainer_model(trainer), "model.h5"));
    slmt_volume *one = scan(context, 1, 0);
    must(slmt_volume_write(one, "scan.nii.gz"));
    printf("model.h5 is ready: synthesize model.h5 scan.nii.gz made.nii.gz\n");

    slmt_volume_free(one);
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_model_free(model);
    slmt_context_free(context);
    return 0;
}
