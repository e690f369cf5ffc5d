/* SPDX-License-Identifier: Apache-2.0 */
/* test_trainer.c - training through the public functions: rates, losses, and that a run is a function of its
 * seed alone: cancelled, resumed or uninterrupted, it leaves the same file. That gradients and updates are
 * the reference's is test_parity's business. */
#include <pthread.h>

#include "io/checkpoint.h"
#include "train/trainer.h"

#include "tests/api/api_fixture.h"

/* ---- a training set: two subjects to train on, one to test, six slices each ---- */

enum { NX = 24, NZ = 8, SLICES = 6, TRAIN_SUBJECTS = 2, BATCH = 2 };

static const char *set_path(void)
{
    return in_folder("set.h5");
}

static slmt_volume *make_volume(slmt_context *context, int subject, int contrast)
{
    const int64_t dims[3] = {NX, NX, NZ};
    float voxels[NX * NX * NZ];
    for (int z = 0; z < NZ; z++)
        for (int y = 0; y < NX; y++)
            for (int x = 0; x < NX; x++) {
                double dx = (x - 12) / 10.0, dy = (y - 12) / 9.0, inside = dx * dx + dy * dy < 1;
                double wave = 0.5 + 0.4 * sin(0.6 * x + subject + 0.3 * z) * cos(0.5 * y);
                double value = contrast == 0 ? wave : contrast == 1 ? 1 - 0.8 * wave : wave * wave;
                voxels[(z * NX + y) * NX + x] = (float)(inside * (20 + 100 * value));
            }
    slmt_volume *volume = NULL;
    GOOD(slmt_volume_create(context, dims, NULL, voxels, &volume));
    return volume;
}

/* Contrasts t1, t2 and flair; the last one is missing in the second subject. */
static void add_subject(slmt_context *context, slmt_dataset_writer *writer, int subject, int32_t split)
{
    char name[32];
    slmt_volume *volumes[3];
    snprintf(name, sizeof name, "subject-%d", subject);
    for (int contrast = 0; contrast < 3; contrast++)
        volumes[contrast] = contrast == 2 && subject == 1 ? NULL : make_volume(context, subject, contrast);
    GOOD(slmt_dataset_writer_add(writer, name, (const slmt_volume *const *)volumes, split));
    for (int contrast = 0; contrast < 3; contrast++)
        slmt_volume_free(volumes[contrast]);
}

static void write_set(const char *path, int32_t image_size, int32_t slice_count)
{
    static const char *contrasts[] = {"t1", "t2", "flair"};
    slmt_context *context = open_context(1, NULL);
    slmt_preprocess p;
    slmt_dataset_writer *writer = NULL;
    slmt_preprocess_init(&p);
    p.crop_size = NX;
    p.slice_first = 1;
    p.slice_count = slice_count;
    p.image_size = image_size;
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, contrasts, 3, &writer));
    for (int subject = 0; subject <= TRAIN_SUBJECTS; subject++)
        add_subject(context, writer, subject, subject < TRAIN_SUBJECTS ? SLMT_SPLIT_TRAIN : SLMT_SPLIT_TEST);
    GOOD(slmt_dataset_writer_finish(writer));
    slmt_context_free(context);
}

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    write_set(set_path(), SIDE, SLICES);
    write_set(in_folder("large.h5"), 2 * SIDE, SLICES);
    write_set(in_folder("single.h5"), SIDE, 1);
    return 0;
}

static slmt_dataset *open_set(slmt_context *context, const char *path)
{
    slmt_dataset *set = NULL;
    GOOD(slmt_dataset_open(context, path, &set));
    return set;
}

/* ---- trainers ---- */

static slmt_net_trainer_config config_of(int32_t stage)
{
    slmt_net_trainer_config c;
    GOOD(slmt_net_trainer_config_init(&c, stage));
    c.batch = BATCH;
    c.epochs = 3;
    if (stage == SLMT_NET_STAGE_FINETUNE) {
        c.warmup_epochs = 1;
    } else {
        c.decay_epochs = 1;
        c.decay_factor = 0.5;
    }
    c.seed = 11;
    return c;
}

static slmt_trainer *open_trainer(slmt_context *context, const slmt_net_trainer_config *config)
{
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    GOOD(slmt_net_trainer_create(model, config, &trainer));
    slmt_model_free(model); /* the trainer keeps it */
    return trainer;
}

static slmt_trainer *open_stage(slmt_context *context, int32_t stage)
{
    slmt_net_trainer_config c = config_of(stage);
    return open_trainer(context, &c);
}

static slmt_status run_set(slmt_trainer *trainer, slmt_dataset *set, uint64_t steps, slmt_step_fn step,
                           void *user)
{
    slmt_net_trainer_config c = {.struct_size = sizeof c};
    GOOD(slmt_net_trainer_get_config(trainer, &c));
    int pairs = c.stage == SLMT_NET_STAGE_FINETUNE;
    return slmt_trainer_run(trainer, set, pairs ? "t1" : NULL, pairs ? "t2" : NULL, steps, step, user);
}

static slmt_training_state state_of(const slmt_trainer *trainer)
{
    slmt_training_state s = {.struct_size = sizeof s};
    GOOD(slmt_trainer_get_state(trainer, &s));
    return s;
}

/* One step by hand on n fixed slices. */
static slmt_status step_by_hand(slmt_trainer *trainer, const float *a, const float *b, double rate)
{
    if (strcmp(slmt_trainer_task(trainer), "pretrain") == 0)
        return slmt_net_pretrain_step(trainer, a, rate);
    return slmt_net_finetune_step(trainer, a, b, rate);
}

/* ---- configuration ---- */

static void the_defaults_are_the_papers(void **state)
{
    (void)state;
    slmt_net_trainer_config c;
    GOOD(slmt_net_trainer_config_init(&c, SLMT_NET_STAGE_PRETRAIN));
    assert_int_equal(c.struct_size, sizeof c);
    assert_true(c.stage == SLMT_NET_STAGE_PRETRAIN && c.batch == 20 && c.epochs == 100 && c.seed == 0);
    assert_true(c.patch_weight == SLMT_NET_PATCH_WEIGHT_HARD && c.augment == 1 && c.decay_epochs == 50);
    assert_true(c.decay_factor == 0.1 && c.learning_rate == 3e-3 && c.beta1 == 0.9 && c.beta2 == 0.95);
    assert_true(c.epsilon == 1e-8 && c.mask_ratio == 0.7 && c.rec_weight == 10 && c.data_rate == 1);
    GOOD(slmt_net_trainer_config_init(&c, SLMT_NET_STAGE_FINETUNE));
    assert_true(c.stage == SLMT_NET_STAGE_FINETUNE && c.batch == 10 && c.epochs == 150 &&
                c.warmup_epochs == 5);
    assert_true(c.learning_rate == 1e-3 && c.minimum_rate == 1e-5 && c.beta1 == 0.9 && c.beta2 == 0.999);
    assert_true(c.epsilon == 1e-8 && c.l1_weight == 10000 && c.data_rate == 0.7 && c.augment == 1);
    EXPECT(SLMT_ERR_ARGUMENT, slmt_net_trainer_config_init(&c, 0));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_net_trainer_config_init(&c, 3));
}

static int is_of_finetuning(const char *field)
{
    return strcmp(field, "warmup_epochs") == 0 || strcmp(field, "minimum_rate") == 0 ||
           strcmp(field, "l1_weight") == 0;
}

static void every_bad_field_is_named(void **state)
{
    (void)state;
#define WHOLE(name, value)                                                                                   \
    {                                                                                                        \
#name, offsetof(slmt_net_trainer_config, name), 1, value, 0                                          \
    }
#define REAL(name, value)                                                                                    \
    {                                                                                                        \
#name, offsetof(slmt_net_trainer_config, name), 0, 0, value                                          \
    }
    static const struct {
        const char *name;
        size_t offset;
        int whole;
        int32_t number;
        double real;
    } bad[] = {
        WHOLE(batch, 0),         WHOLE(batch, 65537),     WHOLE(epochs, 0),          WHOLE(patch_weight, 2),
        WHOLE(augment, -1),      WHOLE(decay_epochs, 0),  WHOLE(warmup_epochs, -1),  WHOLE(recompute, 3),
        REAL(decay_factor, 1.5), REAL(learning_rate, -1), WHOLE(recompute, -1),      REAL(learning_rate, NAN),
        REAL(minimum_rate, -1),  REAL(beta1, 1),          REAL(beta2, -0.1),         REAL(epsilon, 0),
        REAL(mask_ratio, 1.1),   REAL(mask_ratio, 1),     REAL(mask_ratio, 0),       REAL(rec_weight, -1),
        REAL(l1_weight, NAN),    REAL(data_rate, 2),      REAL(data_rate, INFINITY),
    };
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 3);
    uint64_t live = slmt_context_live_bytes(context), bytes = 0;
    slmt_trainer *trainer = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int32_t stage = is_of_finetuning(bad[i].name) ? SLMT_NET_STAGE_FINETUNE : SLMT_NET_STAGE_PRETRAIN;
        slmt_net_trainer_config c = config_of(stage);
        if (bad[i].whole)
            memcpy((char *)&c + bad[i].offset, &bad[i].number, sizeof(int32_t));
        else
            memcpy((char *)&c + bad[i].offset, &bad[i].real, sizeof(double));
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, bad[i].name, slmt_net_trainer_create(model, &c, &trainer));
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, bad[i].name, slmt_net_trainer_memory(model, &c, &bytes));
    }
    slmt_net_trainer_config c = config_of(SLMT_NET_STAGE_PRETRAIN);
    c.stage = 7;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "stage 7", slmt_net_trainer_create(model, &c, &trainer));
    c.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "struct_size", slmt_net_trainer_create(model, &c, &trainer));
    assert_true(!trainer && bytes == 0);
    assert_int_equal(slmt_context_live_bytes(context), live);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_short_struct_takes_the_defaults_of_its_stage(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 3);
    slmt_trainer *trainer = NULL;
    slmt_net_trainer_config c, back = {.struct_size = sizeof back};
    memset(&c, 0xEE, sizeof c);
    c.struct_size = offsetof(slmt_net_trainer_config, epochs);
    c.stage = SLMT_NET_STAGE_FINETUNE;
    c.batch = 1;
    GOOD(slmt_net_trainer_create(model, &c, &trainer));
    GOOD(slmt_net_trainer_get_config(trainer, &back));
    assert_true(back.batch == 1 && back.epochs == 150 && back.beta2 == 0.999 && back.data_rate == 0.7);
    assert_ptr_equal(slmt_trainer_model(trainer), model);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- rates ---- */

typedef struct record {
    int n;
    double rate[64], rec[64];
    slmt_training_state last;
    int stop_after; /* this many steps */
} record;

static int32_t keep_record(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    record *r = user;
    r->rate[r->n] = step_value(trainer, "learning_rate");
    r->rec[r->n++] =
        strcmp(slmt_trainer_task(trainer), "pretrain") == 0 ? step_value(trainer, "reconstruction") : 0;
    r->last = *state;
    assert_true(isfinite(step_value(trainer, "total")));
    return r->n == r->stop_after;
}

/* Pre-training: 2 subjects x 6 slices x 2 contrasts + 6 of the third, 30 in all: 15 steps an epoch. */
static void the_pretraining_rate_falls_by_steps(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, set_path());
    slmt_trainer *trainer = open_stage(context, SLMT_NET_STAGE_PRETRAIN);
    record r = {0};
    GOOD(run_set(trainer, set, 0, keep_record, &r));
    assert_int_equal(r.n, 45);
    assert_true(r.last.steps_in_epoch == 15 && r.last.total_steps == 45 && r.last.step == 45 &&
                r.last.seed == 11);
    for (int i = 0; i < 45; i++)
        assert_float_equal(r.rate[i], i < 15 ? 3e-3 : i < 30 ? 1.5e-3 : 7.5e-4, 1e-12);
    GOOD(run_set(trainer, set, 0, keep_record, &r)); /* the schedule is over */
    assert_int_equal(r.n, 45);
    slmt_trainer_free(trainer);

    trainer = open_stage(context, SLMT_NET_STAGE_PRETRAIN);
    r = (record){0};
    GOOD(slmt_trainer_run(trainer, set, "flair", NULL, 4, keep_record, &r)); /* one contrast, one subject */
    assert_true(r.n == 4 && r.last.steps_in_epoch == 3);
    assert_float_equal(r.rate[3], 1.5e-3, 1e-12);
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* Fine-tuning: 12 pairs, of which the first 0.7 are 8: 4 steps an epoch. One epoch of warm-up, then
 * 1e-5 + 9.9e-4 (1 + cos(pi k/8)) / 2 for k = 0..7. */
static void the_finetuning_rate_warms_up_and_follows_a_cosine(void **state)
{
    (void)state;
    static const double expected[12] = {0,       2.5e-4,       5e-4,         7.5e-4,
                                        1e-3,    9.6232037e-4, 8.5501786e-4, 6.9442830e-4,
                                        5.05e-4, 3.1557170e-4, 1.5498214e-4, 4.767963e-5};
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, set_path());
    slmt_trainer *trainer = open_stage(context, SLMT_NET_STAGE_FINETUNE);
    record r = {0};
    GOOD(run_set(trainer, set, 0, keep_record, &r));
    assert_int_equal(r.n, 12);
    assert_true(r.last.steps_in_epoch == 4 && r.last.total_steps == 12);
    for (int i = 0; i < 12; i++)
        assert_float_equal(r.rate[i], expected[i], 1e-10);
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* ---- learning ---- */

static void losses_fall(int32_t stage, int steps, double factor)
{
    slmt_context *context = open_context(1, NULL);
    slmt_trainer *trainer = open_stage(context, stage);
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    double first = 0, last = 0;
    for (int i = 0; i < steps; i++) {
        GOOD(step_by_hand(trainer, a, b, 3e-3));
        double total = step_value(trainer, "total");
        assert_int_equal(state_of(trainer).step, i + 1);
        assert_true(step_value(trainer, "learning_rate") == 3e-3);
        if (stage == SLMT_NET_STAGE_PRETRAIN) {
            double rec = step_value(trainer, "reconstruction"), edge = step_value(trainer, "edge");
            assert_true(rec > 0 && edge > 0);
            assert_float_equal(total, 10 * rec + edge, 1e-5 * total);
        } else {
            double l1 = step_value(trainer, "l1"), consistency = step_value(trainer, "consistency");
            assert_true(l1 > 0 && consistency > 0);
            assert_float_equal(total, 10000 * l1 + consistency, 1e-5 * total);
        }
        first += i < 5 ? total / 5 : 0;
        last += i >= steps - 5 ? total / 5 : 0;
    }
    print_message("stage %d: %g, after %d steps %g\n", stage, first, steps, last);
    assert_true(last < factor * first);
    free(a);
    free(b);
    slmt_trainer_free(trainer);
    slmt_context_free(context);
}

static void pretraining_learns(void **state)
{
    (void)state;
    losses_fall(SLMT_NET_STAGE_PRETRAIN, 120, 0.6);
}

static void finetuning_learns(void **state)
{
    (void)state;
    losses_fall(SLMT_NET_STAGE_FINETUNE, 120, 0.6);
}

/* With the last layer of the reconstruction at 0 the prediction is 1/2 everywhere; on black slices each
 * removed patch is off by 1/4 a pixel. Then hard weights 1 + m and easy weights 2 - m add to 3/4, whatever
 * the mask. */
static double first_reconstruction(slmt_context *context, int32_t patch_weight)
{
    slmt_net_trainer_config c = config_of(SLMT_NET_STAGE_PRETRAIN);
    c.patch_weight = patch_weight;
    slmt_trainer *trainer = open_trainer(context, &c);
    float zeros[64 * 8] = {0}, *black = calloc(BATCH * PIXELS, sizeof *black);
    GOOD(slmt_model_set_tensor(slmt_trainer_model(trainer), "E.rec_pred.weight", zeros, 64 * 8));
    GOOD(step_by_hand(trainer, black, NULL, 0));
    double reconstruction = step_value(trainer, "reconstruction");
    free(black);
    slmt_trainer_free(trainer);
    return reconstruction;
}

static void easy_and_hard_weights_add_to_three(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    double hard = first_reconstruction(context, SLMT_NET_PATCH_WEIGHT_HARD);
    double easy = first_reconstruction(context, SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD);
    assert_float_equal(hard + easy, 0.75, 1e-6);
    assert_true(hard > easy); /* most neighbours of a removed patch are removed too */
    assert_true(hard > 0.25 * 1.5 && hard < 0.25 * 1.75);
    slmt_context_free(context);
}

/* With a rate of 0 the weights stay, so that a step's loss depends on its mask and weights alone. */
static void record_run(slmt_context *context, int32_t patch_weight, record *r)
{
    slmt_dataset *set = open_set(context, set_path());
    slmt_net_trainer_config c = config_of(SLMT_NET_STAGE_PRETRAIN);
    c.patch_weight = patch_weight;
    c.learning_rate = 0;
    c.epochs = 4;
    slmt_trainer *trainer = open_trainer(context, &c);
    GOOD(slmt_trainer_run(trainer, set, "flair", NULL, 0, keep_record, r));
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
}

static void easy_becomes_hard_at_half_of_training(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    record hard = {0}, easy = {0};
    record_run(context, SLMT_NET_PATCH_WEIGHT_HARD, &hard);
    record_run(context, SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD, &easy);
    assert_true(hard.n == 12 && easy.n == 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(hard.rec[i] == easy.rec[i], i >= 6);
    slmt_context_free(context);
}

static int tensor_changed(slmt_trainer *trainer, const slmt_model *before, const char *name)
{
    size_t n, m;
    float *x = tensor_values(slmt_trainer_model(trainer), name, &n), *y = tensor_values(before, name, &m);
    int changed = memcmp(x, y, n * sizeof *x) != 0;
    free(x);
    free(y);
    return changed;
}

static void a_stage_trains_what_is_its_to_train(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *before = small_model(context, 3);
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        slmt_trainer *trainer = open_stage(context, stage);
        int pre = stage == SLMT_NET_STAGE_PRETRAIN;
        for (int i = 0; i < 3; i++)
            GOOD(step_by_hand(trainer, a, b, 1e-3));
        assert_false(tensor_changed(trainer, before, "E.pos_embed"));
        assert_false(tensor_changed(trainer, before, "E.decoder_pos_embed"));
        assert_false(tensor_changed(trainer, before, "E.operator.filter.weight"));
        assert_true(tensor_changed(trainer, before, "E.blocks.0.attn.qkv.weight"));
        assert_true(tensor_changed(trainer, before, "E.patch_embed.proj.weight"));
        static const char *mae[] = {
            "E.cls_token",       "E.mask_token",     "E.decoder_embed.weight",
            "E.rec_pred.weight", "E.edge_pred.bias", "E.decoder_blocks.0.mlp.fc1.weight"};
        static const char *generator[] = {"G.to_img.linear.weight", "G.layers1.0.blocks.1.norm1.weight",
                                          "G.layers2.3.downsample.norm.bias", "G.fusion.0.upconv.weight",
                                          "G.layers2.0.blocks.1.attn.relative_position_bias_table"};
        for (size_t i = 0; i < sizeof mae / sizeof *mae; i++)
            assert_int_equal(tensor_changed(trainer, before, mae[i]), pre);
        for (size_t i = 0; i < sizeof generator / sizeof *generator; i++)
            assert_int_equal(tensor_changed(trainer, before, generator[i]), !pre);
        slmt_trainer_free(trainer);
    }
    free(a);
    free(b);
    slmt_model_free(before);
    slmt_context_free(context);
}

/* The judge of feature consistency is the encoder as it was when the trainer was made. */
static void the_frozen_encoder_stays(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *before = small_model(context, 3);
    slmt_trainer *trainer = open_stage(context, SLMT_NET_STAGE_FINETUNE);
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    for (int i = 0; i < 3; i++)
        GOOD(step_by_hand(trainer, a, b, 1e-3));
    save_trainer(trainer, "frozen.slmt");
    mem m;
    checkpoint *c;
    const checkpoint_tensor *t;
    size_t count = 0, n;
    mem_init(&m, NULL, NULL, NULL, 0);
    GOOD(checkpoint_open(&m, in_folder("frozen.slmt"), &c));
    for (; (t = checkpoint_tensor_at(c, "training/frozen", count)); count++) {
        float *x = tensor_values(before, t->name, &n), *y = malloc(n * sizeof *y);
        GOOD(checkpoint_read(c, t->group, t->name, CHECKPOINT_F32, t->rank, t->dims, NULL, y));
        assert_memory_equal(x, y, n * sizeof *x);
        free(x);
        free(y);
    }
    assert_true(count > 20);
    checkpoint_close(c);
    free(a);
    free(b);
    slmt_trainer_free(trainer);
    slmt_model_free(before);
    slmt_context_free(context);
}

/* ---- what is refused ---- */

static void steps_refuse_what_they_cannot_use(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        slmt_trainer *trainer = open_stage(context, stage);
        GOOD(step_by_hand(trainer, a, b, 1e-3));
        save_trainer(trainer, "before.slmt");
        float *at = &a[PIXELS + 2 * SIDE + 3], good = *at;
        *at = NAN;
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "[1][2][3]", step_by_hand(trainer, a, b, 1e-3));
        *at = good;
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "rate", step_by_hand(trainer, a, b, -1e-9));
        EXPECT_TEXT(SLMT_ERR_ARGUMENT, "rate", step_by_hand(trainer, a, b, NAN));
        if (stage == SLMT_NET_STAGE_PRETRAIN) {
            EXPECT(SLMT_ERR_STATE, slmt_net_finetune_step(trainer, a, b, 1e-3));
        } else {
            b[7] = -INFINITY;
            double total = step_value(trainer, "total");
            EXPECT_TEXT(SLMT_ERR_NONFINITE, "target[0][0][7]", slmt_net_finetune_step(trainer, a, b, 1e-3));
            assert_true(step_value(trainer, "total") == total);
            EXPECT(SLMT_ERR_STATE, slmt_net_pretrain_step(trainer, a, 1e-3));
        }
        slmt_trainer_cancel(trainer);
        b[7] = 0;
        EXPECT(SLMT_ERR_CANCELLED, step_by_hand(trainer, a, b, 1e-3));
        save_trainer(trainer, "after.slmt");
        assert_true(same_saved("before.slmt", "after.slmt"));
        GOOD(step_by_hand(trainer, a, b, 1e-3));
        slmt_trainer_free(trainer);
    }
    free(a);
    free(b);
    slmt_context_free(context);
}

static void a_loss_that_is_no_number_leaves_the_weights(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1), huge[8];
    for (int i = 0; i < 8; i++)
        huge[i] = 3e38f;
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        slmt_trainer *trainer = open_stage(context, stage);
        GOOD(step_by_hand(trainer, a, b, 1e-3));
        GOOD(slmt_model_set_tensor(slmt_trainer_model(trainer), "E.patch_embed.proj.bias", huge, 8));
        save_trainer(trainer, "before.slmt");
        EXPECT_TEXT(SLMT_ERR_NONFINITE, "loss", step_by_hand(trainer, a, b, 1e-3));
        save_trainer(trainer, "after.slmt");
        assert_true(same_saved("before.slmt", "after.slmt"));
        slmt_trainer_free(trainer);
    }
    free(a);
    free(b);
    slmt_context_free(context);
}

static void fill_tensor(slmt_model *model, const char *name, float x, size_t count)
{
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = x;
    GOOD(slmt_model_set_tensor(model, name, values, count));
    free(values);
}

/* The weights before the last product are 1e34 and 1e-34: the picture is an ordinary one, the product's
 * gradient is not. */
static void a_gradient_that_is_no_number_leaves_the_weights(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_net_trainer_config c = config_of(SLMT_NET_STAGE_FINETUNE);
    c.l1_weight = 1e9;
    slmt_trainer *trainer = open_trainer(context, &c);
    slmt_model *model = slmt_trainer_model(trainer);
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    fill_tensor(model, "G.norm_up.weight", 1e34f, 8);
    fill_tensor(model, "G.to_img.linear.weight", 1e-34f, 8 * 16);
    save_trainer(trainer, "before.slmt");
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "gradient of G.to_img.linear.weight", step_by_hand(trainer, a, b, 1e-3));
    save_trainer(trainer, "after.slmt");
    assert_true(same_saved("before.slmt", "after.slmt"));
    slmt_trainer_free(trainer);
    free(a);
    free(b);
    slmt_context_free(context);
}

static void a_set_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, set_path()), *large = open_set(context, in_folder("large.h5"));
    slmt_dataset *single = open_set(context, in_folder("single.h5"));
    slmt_trainer *pre = open_stage(context, SLMT_NET_STAGE_PRETRAIN),
                 *fine = open_stage(context, SLMT_NET_STAGE_FINETUNE);
    GOOD(run_set(fine, set, 1, NULL, NULL));
    save_trainer(fine, "before.slmt");
    uint64_t live = slmt_context_live_bytes(context);
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no contrast pd; it has t1, t2",
                slmt_trainer_run(pre, set, "pd", NULL, 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "pd", slmt_trainer_run(fine, set, "pd", "t2", 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "pd", slmt_trainer_run(fine, set, "t1", "pd", 0, NULL, NULL));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_run(pre, set, "t1", "t2", 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "source and target are the same contrast, \"t1\"",
                slmt_trainer_run(fine, set, "t1", "t1", 0, NULL, NULL));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_run(fine, set, NULL, "t2", 0, NULL, NULL));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_run(fine, set, "t1", NULL, 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "256", run_set(pre, large, 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "256", run_set(fine, large, 0, NULL, NULL));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "2 slices 1 are used",
                run_set(fine, single, 0, NULL, NULL)); /* 0.7 of 2, a batch is 2 */
    save_trainer(fine, "after.slmt");
    assert_true(same_saved("before.slmt", "after.slmt"));
    assert_int_equal(slmt_context_live_bytes(context), live);
    GOOD(run_set(pre, single, 1, NULL, NULL)); /* 5 slices */
    slmt_trainer_free(pre);
    slmt_trainer_free(fine);
    slmt_dataset_free(set);
    slmt_dataset_free(large);
    slmt_dataset_free(single);
    slmt_context_free(context);
}

/* ---- one run is like another ---- */

/* A whole run with a seed in a context of its own; saved. */
static void run_and_save(int32_t threads, int32_t stage, uint64_t seed, uint64_t steps, const char *name)
{
    slmt_context *context = open_context(threads, NULL);
    slmt_dataset *set = open_set(context, set_path());
    slmt_net_trainer_config c = config_of(stage);
    c.seed = seed;
    slmt_trainer *trainer = open_trainer(context, &c);
    GOOD(run_set(trainer, set, steps, NULL, NULL));
    save_trainer(trainer, name);
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

static void a_run_is_a_function_of_its_seed(void **state)
{
    (void)state;
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        slmt_context *context = open_context(1, NULL);
        slmt_model *a = NULL, *b = NULL;
        for (int32_t threads = 1; threads <= 2; threads++) {
            run_and_save(threads, stage, 5, 2, "a.slmt");
            run_and_save(threads, stage, 5, 2, "b.slmt");
            assert_true(same_saved("a.slmt", "b.slmt"));
        }
        run_and_save(1, stage, 6, 2, "b.slmt");
        GOOD(slmt_model_load(context, in_folder("a.slmt"), &a)); /* a trainer's file is a model's too */
        GOOD(slmt_model_load(context, in_folder("b.slmt"), &b));
        assert_false(same_weights(a, b));
        slmt_model_free(a);
        slmt_model_free(b);
        slmt_context_free(context);
    }
}

/* 2k steps; and k steps, saved, loaded elsewhere, k more. k is chosen so that an epoch ends in between. */
static void a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(void **state)
{
    (void)state;
    static const struct {
        int32_t stage;
        uint64_t k;
    } runs[] = {{SLMT_NET_STAGE_PRETRAIN, 9}, {SLMT_NET_STAGE_FINETUNE, 5}};
    for (int i = 0; i < 2; i++) {
        run_and_save(1, runs[i].stage, 11, 2 * runs[i].k, "whole.slmt");
        run_and_save(1, runs[i].stage, 11, runs[i].k, "half.slmt");
        slmt_context *context = open_context(1, NULL);
        slmt_dataset *set = open_set(context, set_path());
        slmt_trainer *trainer = NULL;
        slmt_net_trainer_config back = {.struct_size = sizeof back}, c = config_of(runs[i].stage);
        GOOD(slmt_trainer_load(context, in_folder("half.slmt"), &trainer));
        GOOD(slmt_net_trainer_get_config(trainer, &back));
        assert_memory_equal(&back, &c, sizeof c);
        assert_int_equal(state_of(trainer).step, runs[i].k);
        save_trainer(trainer, "again.slmt");
        assert_true(same_saved("half.slmt", "again.slmt"));
        GOOD(run_set(trainer, set, runs[i].k, NULL, NULL));
        save_trainer(trainer, "resumed.slmt");
        assert_true(same_saved("whole.slmt", "resumed.slmt"));
        slmt_trainer_free(trainer);
        slmt_dataset_free(set);
        slmt_context_free(context);
    }
}

/* The slices that the set holds and the contrasts that were named: what synthesis must do alike. */
static void a_run_records_what_it_learned_from(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, set_path());
    slmt_trainer *fine = open_stage(context, SLMT_NET_STAGE_FINETUNE),
                 *pre = open_stage(context, SLMT_NET_STAGE_PRETRAIN);
    slmt_model *model = slmt_trainer_model(fine);
    slmt_preprocess before = {.struct_size = sizeof before}, of_set = before, after = before;
    GOOD(slmt_dataset_get_preprocess(set, &of_set));
    GOOD(slmt_model_get_preprocess(model, &before));
    slmt_trainer_cancel(fine);
    EXPECT(SLMT_ERR_CANCELLED, run_set(fine, set, 1, NULL, NULL)); /* in its first step */
    GOOD(slmt_model_get_preprocess(model, &after));
    assert_memory_equal(&before, &after, sizeof after);
    assert_string_equal(slmt_model_card(model, "source_contrast"), "");
    GOOD(run_set(fine, set, 1, NULL, NULL));
    GOOD(slmt_model_get_preprocess(model, &after));
    assert_memory_equal(&of_set, &after, sizeof after);
    assert_string_equal(slmt_model_card(model, "source_contrast"), "t1");
    assert_string_equal(slmt_model_card(model, "target_contrast"), "t2");
    model = slmt_trainer_model(pre);
    GOOD(slmt_trainer_run(pre, set, "flair", NULL, 1, NULL, NULL));
    assert_string_equal(slmt_model_card(model, "pretrain_contrast"), "flair");
    GOOD(slmt_trainer_run(pre, set, NULL, NULL, 1, NULL, NULL));
    assert_string_equal(slmt_model_card(model, "pretrain_contrast"), "");
    assert_string_equal(slmt_model_card(model, "source_contrast"), "");
    slmt_trainer_free(fine);
    slmt_trainer_free(pre);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

static void a_run_stopped_by_its_callback_stops_between_steps_and_goes_on(void **state)
{
    (void)state;
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        run_and_save(1, stage, 11, 3, "three.slmt");
        run_and_save(1, stage, 11, 6, "six.slmt");
        slmt_context *context = open_context(1, NULL);
        slmt_dataset *set = open_set(context, set_path());
        slmt_trainer *trainer = open_stage(context, stage);
        record r = {.stop_after = 3};
        EXPECT_TEXT(SLMT_ERR_CANCELLED, "step 3", run_set(trainer, set, 0, keep_record, &r));
        save_trainer(trainer, "stopped.slmt");
        assert_true(same_saved("three.slmt", "stopped.slmt"));
        GOOD(run_set(trainer, set, 3, NULL, NULL));
        save_trainer(trainer, "stopped.slmt");
        assert_true(same_saved("six.slmt", "stopped.slmt"));
        slmt_trainer_free(trainer);
        slmt_dataset_free(set);
        slmt_context_free(context);
    }
}

/* ---- validation between steps ---- */

static void make_slice(slmt_model *model, const float *source, float *target)
{
    slmt_session *session = NULL;
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    GOOD(slmt_synthesize(session, source, 1, target));
    slmt_session_free(session);
}

typedef struct validation {
    float source[SIDE * SIDE], made[2][SIDE * SIDE]; /* made after the step before, and after this one */
    int steps;
} validation;

/* What the trainer's model makes now is what its checkpoint makes, and not what it made a step before. */
static int32_t validate(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    validation *v = user;
    (void)state;
    slmt_model *saved = NULL;
    float made_by_saved[SIDE * SIDE];
    slmt_context *context = open_context(1, NULL);
    memcpy(v->made[0], v->made[1], sizeof *v->made);
    make_slice(slmt_trainer_model(trainer), v->source, v->made[1]);
    save_trainer(trainer, "now.slmt");
    GOOD(slmt_model_load(context, in_folder("now.slmt"), &saved));
    make_slice(saved, v->source, made_by_saved);
    assert_memory_equal(v->made[1], made_by_saved, sizeof made_by_saved);
    assert_memory_not_equal(v->made[1], v->made[0], sizeof made_by_saved);
    slmt_model_free(saved);
    slmt_context_free(context);
    v->steps++;
    return 0;
}

static void sessions_between_steps_see_the_weights_and_leave_the_run_as_it_was(void **state)
{
    (void)state;
    run_and_save(1, SLMT_NET_STAGE_FINETUNE, 11, 4, "whole.slmt");
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, set_path());
    slmt_trainer *trainer = open_stage(context, SLMT_NET_STAGE_FINETUNE);
    validation v = {.steps = 0};
    GOOD(slmt_dataset_read_slice(set, TRAIN_SUBJECTS, 0, 2, SLMT_RESIZE_BILINEAR, v.source));
    GOOD(run_set(trainer, set, 4, validate, &v));
    assert_int_equal(v.steps, 4);
    save_trainer(trainer, "validated.slmt");
    assert_true(same_saved("whole.slmt", "validated.slmt"));
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* ---- cancelling from another thread ---- */

typedef struct canceller {
    slmt_trainer *trainer;
    _Atomic int steps;
} canceller;

static int32_t count_steps(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    (void)state;
    (void)trainer;
    atomic_fetch_add(&((canceller *)user)->steps, 1);
    return 0;
}

static void *cancel_in_a_step(void *user)
{
    canceller *c = user;
    while (atomic_load(&c->steps) < 2)
        usleep(200);
    usleep(3000);
    slmt_trainer_cancel(c->trainer);
    return NULL;
}

static void a_step_cancelled_in_the_middle_leaves_the_trainer_as_it_was(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = open_set(context, set_path());
    slmt_net_trainer_config c = config_of(SLMT_NET_STAGE_PRETRAIN);
    c.epochs = 10000; /* minutes, if nobody stopped it */
    slmt_trainer *trainer = open_trainer(context, &c), *whole = open_trainer(context, &c);
    canceller cancel = {trainer, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_in_a_step, &cancel), 0);
    EXPECT(SLMT_ERR_CANCELLED, run_set(trainer, set, 0, count_steps, &cancel));
    pthread_join(thread, NULL);
    uint64_t done = state_of(trainer).step;
    assert_true(done >= 2 && done == (uint64_t)cancel.steps);
    GOOD(run_set(whole, set, done, NULL, NULL));
    save_trainer(trainer, "cancelled.slmt");
    save_trainer(whole, "whole.slmt");
    assert_true(same_saved("cancelled.slmt", "whole.slmt"));
    GOOD(run_set(whole, set, 2, NULL, NULL));
    GOOD(run_set(trainer, set, 2, NULL, NULL));
    save_trainer(trainer, "cancelled.slmt");
    save_trainer(whole, "whole.slmt");
    assert_true(same_saved("cancelled.slmt", "whole.slmt"));
    slmt_trainer_free(trainer);
    slmt_trainer_free(whole);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

/* ---- files ---- */

static void a_plain_model_is_no_trainer(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 3), *loaded = NULL;
    slmt_trainer *trainer = NULL, *made = open_stage(context, SLMT_NET_STAGE_FINETUNE);
    GOOD(slmt_model_save(model, in_folder("model.slmt")));
    uint64_t live = slmt_context_live_bytes(context);
    EXPECT_TEXT(SLMT_ERR_STATE, "model.slmt", slmt_trainer_load(context, in_folder("model.slmt"), &trainer));
    EXPECT(SLMT_ERR_NOT_FOUND, slmt_trainer_load(context, in_folder("none.slmt"), &trainer));
    write_file(in_folder("text.slmt"), "hello", 5);
    EXPECT(SLMT_ERR_FORMAT, slmt_trainer_load(context, in_folder("text.slmt"), &trainer));
    assert_null(trainer);
    save_trainer(made, "trainer.slmt");
    assert_int_equal(slmt_context_live_bytes(context), live);
    GOOD(slmt_model_load(context, in_folder("trainer.slmt"), &loaded));
    assert_true(same_weights(loaded, slmt_trainer_model(made)));
    slmt_model_free(loaded);
    slmt_model_free(model);
    slmt_trainer_free(made);
    slmt_context_free(context);
}

/* ---- memory ---- */

/* What loading refuses saving refuses too, so that the file before stays. */
static void a_state_that_no_gradients_make_is_not_saved(void **state)
{
    (void)state;
    static const struct {
        float first, second;
        const char *words;
    } rows[] = {{0, -1e-9f, "the moments of E.patch_embed.proj.weight"},
                {1e-3f, 0, "the moments of E.patch_embed.proj.weight"},
                {1e30f, 1, "the moments of E.patch_embed.proj.weight"},
                {NAN, 1, "the moments of E.patch_embed.proj.weight"},
                {0, INFINITY, "training/moment2/E.patch_embed.proj.weight: element 3"}};
    slmt_context *context = open_context(1, NULL);
    slmt_trainer *trainer = open_stage(context, SLMT_NET_STAGE_FINETUNE), *loaded = NULL;
    float *first = trainer->stepper.set[0].state[0], *second = trainer->stepper.set[0].state[1];
    first[3] = 0.072f; /* gradients of nearly this size for ten steps, after many without */
    second[3] = 1e-4f;
    save_trainer(trainer, "state.slmt");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        first[3] = rows[i].first;
        second[3] = rows[i].second;
        EXPECT_TEXT(SLMT_ERR_NONFINITE, rows[i].words, slmt_trainer_save(trainer, in_folder("state.slmt")));
    }
    GOOD(slmt_trainer_load(context, in_folder("state.slmt"), &loaded));
    assert_true(((float *)loaded->stepper.set[0].state[0])[3] == 0.072f);
    slmt_trainer_free(loaded);
    slmt_trainer_free(trainer);
    slmt_context_free(context);
}

static void the_memory_query_is_exact(void **state)
{
    (void)state;
    counter c = {0};
    float *a = make_slices(BATCH, 0), *b = make_slices(BATCH, 1);
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        slmt_context *context = open_context(1, &c);
        slmt_model *model = small_model(context, 3);
        slmt_net_trainer_config config = config_of(stage);
        slmt_trainer *trainer = NULL;
        uint64_t bytes = 0, before = slmt_context_live_bytes(context);
        GOOD(slmt_net_trainer_memory(model, &config, &bytes));
        assert_int_equal(slmt_context_live_bytes(context), before);
        GOOD(slmt_net_trainer_create(model, &config, &trainer));
        assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
        counter_fail(&c, 1);
        GOOD(step_by_hand(trainer, a, b, 1e-3)); /* takes nothing */
        assert_int_equal(c.calls, 0);
        counter_fail(&c, 0);
        slmt_trainer_free(trainer);
        assert_int_equal(slmt_context_live_bytes(context), before);
        slmt_model_free(model);
        slmt_context_free(context);
        assert_int_equal(c.live, 0);
    }
    free(a);
    free(b);
}

static void a_limit_is_told_as_a_limit(void **state)
{
    (void)state;
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        slmt_context *free_context = open_context(1, NULL);
        slmt_model *model = small_model(free_context, 3);
        slmt_net_trainer_config c = config_of(stage);
        uint64_t bytes, base = slmt_context_live_bytes(free_context);
        GOOD(slmt_net_trainer_memory(model, &c, &bytes));
        slmt_model_free(model);
        slmt_context_free(free_context);
        for (int i = 0; i <= 20; i++) {
            slmt_context_config limited = config_for(SLMT_BACKEND_CPU, 1, NULL);
            limited.max_bytes = base + bytes / 20 * (uint64_t)i - (i == 20);
            slmt_context *context = open_with(&limited);
            slmt_trainer *trainer = NULL;
            model = small_model(context, 3);
            EXPECT_TEXT(SLMT_ERR_LIMIT, "max_bytes", slmt_net_trainer_create(model, &c, &trainer));
            assert_null(trainer);
            assert_int_equal(slmt_context_live_bytes(context), base);
            slmt_model_free(model);
            slmt_context_free(context);
        }
    }
}

static void memory_comes_back_wherever_it_runs_out(void **state)
{
    (void)state;
    for (int32_t stage = SLMT_NET_STAGE_PRETRAIN; stage <= SLMT_NET_STAGE_FINETUNE; stage++) {
        counter c = {0};
        slmt_context *context = open_context(1, &c);
        slmt_model *model = small_model(context, 3);
        slmt_net_trainer_config config = config_of(stage);
        slmt_trainer *trainer = NULL;
        long live = c.live, total;
        counter_fail(&c, 0);
        GOOD(slmt_net_trainer_create(model, &config, &trainer));
        total = c.calls;
        save_trainer(trainer, "whole.slmt");
        slmt_trainer_free(trainer);
        for (long n = 1; n <= total; n += n < 10 || n > total - 30 ? 1 : 13) {
            trainer = NULL;
            counter_fail(&c, n);
            EXPECT(SLMT_ERR_MEMORY, slmt_net_trainer_create(model, &config, &trainer));
            assert_null(trainer);
            assert_int_equal(c.live, live);
        }
        counter_fail(&c, 0);
        GOOD(slmt_trainer_load(context, in_folder("whole.slmt"), &trainer));
        total = c.calls;
        slmt_trainer_free(trainer);
        for (long n = 1; n <= total; n += n < 10 || n > total - 10 ? 1 : total / 50) {
            trainer = NULL;
            counter_fail(&c, n);
            EXPECT(SLMT_ERR_MEMORY, slmt_trainer_load(context, in_folder("whole.slmt"), &trainer));
            assert_null(trainer);
            assert_int_equal(c.live, live);
        }
        counter_fail(&c, 0);
        slmt_model_free(model);
        slmt_context_free(context);
        assert_int_equal(c.live, 0);
    }
}

static void a_run_that_finds_no_memory_changes_nothing(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_dataset *set = open_set(context, set_path());
    slmt_trainer *trainer = open_stage(context, SLMT_NET_STAGE_FINETUNE);
    save_trainer(trainer, "before.slmt");
    long live = c.live;
    slmt_status s = SLMT_ERR_MEMORY;
    for (long n = 1; s != SLMT_OK; n++) {
        counter_fail(&c, n);
        s = run_set(trainer, set, 1, NULL, NULL);
        assert_int_equal(c.live, live + (s == SLMT_OK ? 5 : 0)); /* the card, two keys and their texts */
        counter_fail(&c, 0);
        if (s != SLMT_OK) {
            EXPECT(SLMT_ERR_MEMORY, s);
            save_trainer(trainer, "after.slmt");
            assert_true(same_saved("before.slmt", "after.slmt"));
        }
        assert_true(n < 100);
    }
    slmt_trainer_free(trainer);
    slmt_dataset_free(set);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_the_papers),
        cmocka_unit_test(every_bad_field_is_named),
        cmocka_unit_test(a_short_struct_takes_the_defaults_of_its_stage),
        cmocka_unit_test(the_pretraining_rate_falls_by_steps),
        cmocka_unit_test(the_finetuning_rate_warms_up_and_follows_a_cosine),
        cmocka_unit_test(pretraining_learns),
        cmocka_unit_test(finetuning_learns),
        cmocka_unit_test(easy_and_hard_weights_add_to_three),
        cmocka_unit_test(easy_becomes_hard_at_half_of_training),
        cmocka_unit_test(a_stage_trains_what_is_its_to_train),
        cmocka_unit_test(the_frozen_encoder_stays),
        cmocka_unit_test(steps_refuse_what_they_cannot_use),
        cmocka_unit_test(a_loss_that_is_no_number_leaves_the_weights),
        cmocka_unit_test(a_gradient_that_is_no_number_leaves_the_weights),
        cmocka_unit_test(a_set_that_does_not_fit_is_refused),
        cmocka_unit_test(a_run_is_a_function_of_its_seed),
        cmocka_unit_test(a_resumed_run_equals_the_uninterrupted_one_bit_for_bit),
        cmocka_unit_test(a_run_records_what_it_learned_from),
        cmocka_unit_test(a_run_stopped_by_its_callback_stops_between_steps_and_goes_on),
        cmocka_unit_test(sessions_between_steps_see_the_weights_and_leave_the_run_as_it_was),
        cmocka_unit_test(a_step_cancelled_in_the_middle_leaves_the_trainer_as_it_was),
        cmocka_unit_test(a_plain_model_is_no_trainer),
        cmocka_unit_test(a_state_that_no_gradients_make_is_not_saved),
        cmocka_unit_test(the_memory_query_is_exact),
        cmocka_unit_test(a_limit_is_told_as_a_limit),
        cmocka_unit_test(memory_comes_back_wherever_it_runs_out),
        cmocka_unit_test(a_run_that_finds_no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, delete_folder);
}
