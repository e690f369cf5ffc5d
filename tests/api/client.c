/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - a program of a user, through the public headers alone: every struct that crosses the interface
 * is filled, passed and read back. scripts/check-old-client compiles it against an earlier revision's headers
 * and runs it with the library of today.
 *
 *   client FOLDER   writes its files there; 0, or 1 and what went wrong */
#include <slmt/slmt.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 128, AREA = SIDE * SIDE, DEPTH = 3 };

static const char *folder;

static void need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "client: %s: %s\n", what, slmt_error_text());
    exit(1);
}

#define GOOD(call) need((call) == SLMT_OK, #call)
#define TRUE(fact) need((fact) != 0, #fact)

static const char *in_folder(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void *count_alloc(void *user, size_t bytes)
{
    ++*(long *)user;
    return malloc(bytes);
}

static void count_free(void *user, void *p)
{
    --*(long *)user;
    free(p);
}

static int32_t stop_at_two(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    return slmt_trainer_value(trainer, "total", user) != SLMT_OK || state->step == 2;
}

static int32_t count_slices(void *user, const char *stage, uint64_t done, uint64_t total)
{
    *(uint64_t *)user = done;
    return strcmp(stage, "synthesize") != 0 || done > total;
}

static slmt_context *open_context(long *blocks)
{
    slmt_context_config config;
    slmt_context *context = NULL;
    slmt_context_config_init(&config);
    config.threads = 1;
    config.alloc = count_alloc;
    config.free = count_free;
    config.alloc_user = blocks;
    GOOD(slmt_context_create(&config, &context));
    return context;
}

static slmt_model *small_model(slmt_context *context)
{
    slmt_model_options o = {.struct_size = sizeof o}, back = {.struct_size = sizeof back};
    slmt_model *model = NULL;
    GOOD(slmt_model_options_init(&o, SLMT_PRESET_TINY));
    TRUE(o.image_size == SIDE && o.window == 8);
    o.embed_dim = o.decoder_dim = 8;
    o.depth = o.decoder_depth = 1;
    o.num_heads = o.decoder_heads = o.mlp_ratio = 2;
    for (int i = 0; i < 4; i++) {
        o.generator_depths[i] = 1;
        o.generator_heads[i] = 1 << i;
    }
    GOOD(slmt_model_create(context, &o, 1, &model));
    GOOD(slmt_model_get_options(model, &back));
    TRUE(back.decoder_dim == 8 && back.generator_heads[3] == 8 && back.window == o.window);
    return model;
}

/* A training set of one subject with two contrasts. */
static void write_set(slmt_context *context, slmt_model *model)
{
    const int64_t dims[3] = {SIDE, SIDE, DEPTH};
    const double affine[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const char *const contrasts[] = {"t1", "t2"};
    static float voxels[AREA * DEPTH];
    slmt_volume *volumes[2] = {NULL, NULL};
    slmt_dataset_writer *writer = NULL;
    slmt_preprocess p = {.struct_size = sizeof p};
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = SIDE;
    p.slice_first = p.slice_count = 0;
    GOOD(slmt_model_set_preprocess(model, &p));
    GOOD(slmt_dataset_writer_create_mr(context, in_folder("set.h5"), &p, contrasts, 2, &writer));
    for (int c = 0; c < 2; c++) {
        for (int i = 0; i < AREA * DEPTH; i++)
            voxels[i] = (float)(50 + 40 * sin(0.1 * (i % SIDE) + c) * cos(0.07 * (i / SIDE)));
        GOOD(slmt_volume_create(context, dims, affine, voxels, &volumes[c]));
    }
    GOOD(slmt_dataset_writer_add(writer, "one", (const slmt_volume *const *)volumes, SLMT_SPLIT_TRAIN));
    GOOD(slmt_dataset_writer_finish(writer));
    slmt_volume_free(volumes[0]);
    slmt_volume_free(volumes[1]);
}

static void train(slmt_context *context, slmt_model *model)
{
    slmt_trainer_config c = {.struct_size = sizeof c};
    slmt_trainer *trainer = NULL;
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_dataset *set = NULL;
    slmt_preprocess p = {.struct_size = sizeof p};
    double loss = 0;
    GOOD(slmt_trainer_config_init(&c, SLMT_STAGE_FINETUNE));
    TRUE(c.batch == 10 && c.l1_weight == 10000 && c.minimum_rate == 1e-5);
    c.batch = 1;
    c.epochs = 5;
    c.data_rate = 1;
    GOOD(slmt_trainer_create(model, &c, &trainer));
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    GOOD(slmt_dataset_get_preprocess(set, &p));
    TRUE(p.crop_size == SIDE && p.high_percentile == 99.8);
    TRUE(slmt_trainer_run(trainer, set, "t1", "t2", 0, stop_at_two, &loss) == SLMT_ERR_CANCELLED);
    GOOD(slmt_trainer_get_state(trainer, &state));
    TRUE(state.step == 2 && state.steps_in_epoch == DEPTH && state.total_steps == 5 * DEPTH && loss > 0);
    slmt_dataset_free(set);
    slmt_trainer_free(trainer);
}

static void synthesize(slmt_model *model)
{
    static float source[2 * AREA], target[2 * AREA];
    slmt_session_config c = {.struct_size = sizeof c};
    slmt_session *session = NULL;
    slmt_metrics same = {.struct_size = sizeof same}, metrics = {.struct_size = sizeof metrics};
    uint64_t done = 0;
    for (int i = 0; i < 2 * AREA; i++)
        source[i] = (float)(0.5 + 0.4 * sin(0.01 * i));
    slmt_session_config_init(&c);
    c.progress = count_slices;
    c.progress_user = &done;
    GOOD(slmt_session_create(model, &c, &session));
    GOOD(slmt_synthesize(session, source, 2, target));
    TRUE(done == 2);
    GOOD(slmt_compare(source, source, SIDE, SIDE, &same));
    GOOD(slmt_compare(target, source, SIDE, SIDE, &metrics));
    TRUE(same.psnr == 100 && same.ssim == 1 && metrics.ssim < 1 && metrics.psnr > 0 && metrics.psnr < 60);
    slmt_session_free(session);
}

static void use_by_name(slmt_context *context)
{
    const slmt_number options[] = {{"channels", 1},    {"widths_0", 2},       {"widths_1", 2},
                                   {"widths_2", 4},    {"lstm_width", 4},     {"bank", 2},
                                   {"code_length", 2}, {"residual_blocks", 0}};
    const slmt_number settings[] = {{"height", 16}, {"width", 16}};
    const int64_t one = 1, shape[] = {1, 1, 1, 16, 16};
    float source[256], target[256] = {0};
    int32_t sequence = 1;
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    slmt_tensor_info info = {.struct_size = sizeof info};
    slmt_task_info task = {.struct_size = sizeof task};
    for (int i = 0; i < 256; i++)
        source[i] = (float)sin(0.1 * i);
    const slmt_tensor in[] = {{"source", source, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32}};
    const slmt_tensor out = {"target", target, shape, NULL, 5, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_method_task("seq2seq", 0, &task));
    TRUE(strcmp(task.name, "synthesize") == 0 && !task.trains && task.inputs == 2 && task.outputs == 1);
    GOOD(slmt_model_create_method(context, "seq2seq", options, 8, 3, &model));
    GOOD(slmt_model_tensor_info(model, 0, &info));
    TRUE(info.rank == 4 && info.dim[0] == 2 && info.dim[1] == 1 && info.dim[2] == 7 && info.used);
    GOOD(slmt_session_create_task(model, "synthesize", settings, 2, &session));
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    for (int i = 0; i < 256; i++)
        TRUE(target[i] > -1 && target[i] < 1 && target[i] != 0);
    slmt_session_free(session);
    slmt_model_free(model);
}

int main(int argc, char **argv)
{
    long blocks = 0;
    slmt_model *model, *back = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: client FOLDER\n");
        return 2;
    }
    folder = argv[1];
    slmt_context *context = open_context(&blocks);
    model = small_model(context);
    write_set(context, model);
    train(context, model);
    GOOD(slmt_model_set_card(model, "name", "of an old client"));
    GOOD(slmt_model_save(model, in_folder("model.h5")));
    GOOD(slmt_model_load(context, in_folder("model.h5"), &back));
    TRUE(strcmp(slmt_model_card(back, "name"), "of an old client") == 0);
    synthesize(back);
    use_by_name(context);
    TRUE(slmt_model_load(context, in_folder("none.h5"), &model) == SLMT_ERR_NOT_FOUND);
    slmt_model_free(model);
    slmt_model_free(back);
    slmt_context_free(context);
    TRUE(blocks == 0);
    printf("client: %s, compiled for %s\n", slmt_version(), SLMT_VERSION_STRING);
    return 0;
}
