/* SPDX-License-Identifier: Apache-2.0 */
/* test_seq2seq.c - what must hold of Seq2Seq whatever its weights are, what its steps do, and how it trains
 * on a set whose subjects lack sequences. Recorded results of the reference: test_seq2seq_parity.c. */
#include "tests/api/api_fixture.h"

enum { H = 16, W = 12, LENGTH = 5, CHANNELS = 2, IMAGE = CHANNELS * H * W };

static const slmt_number small_net[] = {{"channels", CHANNELS},  {"widths_0", 4},   {"widths_1", 6},
                                        {"widths_2", 8},         {"lstm_width", 8}, {"residual_blocks", 1},
                                        {"code_length", LENGTH}, {"bank", 3}};
enum { SMALL_NET = sizeof small_net / sizeof *small_net };

static slmt_model *small_seq2seq(slmt_context *context, uint64_t seed)
{
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "seq2seq", small_net, SMALL_NET, seed, &model));
    return model;
}

/* n numbers in [-1, 1]. */
static void fill(float *x, size_t n, int kind)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)sin(0.37 * (double)i + 1.7 * kind + 0.01 * (double)(i % 7) * kind);
}

static slmt_session *open_times(slmt_model *model, int times, int times_out)
{
    slmt_session *session = NULL;
    const slmt_number settings[] = {{"height", H}, {"width", W}, {"times", times}, {"times_out", times_out}};
    GOOD(slmt_session_create(model, "synthesize", settings, 4, &session));
    return session;
}

static void run_times(slmt_session *s, const float *source, int times, int32_t sequence, float *target,
                      int out)
{
    const int64_t one = 1, in_shape[] = {1, times, CHANNELS, H, W}, out_shape[] = {1, out, CHANNELS, H, W};
    const slmt_tensor in[] = {{"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32},
                              {"source", (void *)(uintptr_t)source, in_shape, NULL, 5, SLMT_TENSOR_FLOAT32}};
    const slmt_tensor to = {"target", target, out_shape, NULL, 5, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_run(s, in, 2, &to, 1));
}

static void synthesize(slmt_model *model, const float *source, int32_t sequence, float *target)
{
    slmt_session *s = open_times(model, 1, 1);
    run_times(s, source, 1, sequence, target, 1);
    slmt_session_free(s);
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - b[i]));
    return most;
}

/* Sets a part of a tensor, elements first + i * step (n of them), to numbers of another kind. */
static void change(slmt_model *model, const char *name, size_t first, size_t n)
{
    size_t count;
    float *values = tensor_values(model, name, &count);
    assert_true(first + n <= count);
    for (size_t i = 0; i < n; i++)
        values[first + i] = (float)cos(3.1 * (double)i) * 0.7f;
    GOOD(slmt_model_set_tensor(model, name, values, count));
    free(values);
}

static void change_all(slmt_model *model, const char *name)
{
    size_t count;
    free(tensor_values(model, name, &count));
    change(model, name, 0, count);
}

/* Also those that the backend keeps packed, or that are computed once for a sequence. */
static void weights_that_change_under_a_session_are_seen(void **state)
{
    (void)state;
    static const char *const names[] = {"encoder.conv.1.0.weight", "encoder.res.0.conv_block.1.weight",
                                        "decoder.convs.1.param"};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_seq2seq(context, 3);
    slmt_session *session = open_times(model, 1, 1);
    float source[IMAGE], before[IMAGE], after[IMAGE], fresh[IMAGE];
    fill(source, IMAGE, 1);
    run_times(session, source, 1, 2, after, 1);
    for (int i = 0; i < 3; i++) {
        memcpy(before, after, sizeof before);
        change_all(model, names[i]);
        run_times(session, source, 1, 2, after, 1);
        synthesize(model, source, 2, fresh);
        assert_memory_not_equal(after, before, sizeof before);
        assert_memory_equal(after, fresh, sizeof fresh);
    }
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* How far the output moves when tensors change. */
static double moved_by(const char *const *names, int n)
{
    slmt_context *context = open_reference(SLMT_FLOAT64); /* norms after norms enlarge what float32 rounds */
    slmt_model *model = small_seq2seq(context, 3);
    float source[IMAGE], before[IMAGE], after[IMAGE];
    fill(source, IMAGE, 1);
    synthesize(model, source, 2, before);
    for (int i = 0; i < n; i++)
        change_all(model, names[i]);
    synthesize(model, source, 2, after);
    slmt_model_free(model);
    slmt_context_free(context);
    return largest_difference(before, after, IMAGE);
}

/* Method note, "Must show" 2. */
static void biases_before_an_instance_norm_do_nothing(void **state)
{
    (void)state;
    static const char *const idle[] = {"encoder.conv.0.0.bias",
                                       "encoder.conv.1.0.bias",
                                       "encoder.conv.2.0.bias",
                                       "encoder.res.0.conv_block.1.bias",
                                       "encoder.res.0.conv_block.5.bias",
                                       "decoder.res.0.conv1.b",
                                       "decoder.res.0.conv2.fc_bias.weight",
                                       "decoder.convs.0.b",
                                       "decoder.convs.1.fc_bias.bias"};
    static const char *const last[] = {"decoder.conv_last.b"}, *const inner[] = {"decoder.convs.1.param"};
    double idle_moved = moved_by(idle, 9);
    if (!(idle_moved < 1e-6))
        print_error("the output moved by %g\n", idle_moved);
    assert_true(idle_moved < 1e-6);
    assert_true(moved_by(inner, 1) > 1e-2);
    assert_true(moved_by(last, 1) > 1e-4);
}

/* "Must show" 3: at one time point the f gate and all that reads the hidden state are idle. */
static void at_one_time_point_forget_gates_and_hidden_weights_are_idle(void **state)
{
    (void)state;
    enum { LSTM = 8, TAPS = 9, IN = 2 * LSTM };
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_seq2seq(context, 3);
    float source[IMAGE], before[IMAGE], after[IMAGE];
    fill(source, IMAGE, 1);
    synthesize(model, source, 2, before);
    for (int layer = 0; layer < 3; layer++) {
        const char *const stacks[] = {"enc_convlstm", "dec_convlstm"};
        for (int k = 0; k < 2; k++) {
            char name[80];
            snprintf(name, sizeof name, "%s.cell_list.%d.conv.weight", stacks[k], layer);
            change(model, name, LSTM * IN * TAPS, LSTM * IN * TAPS); /* rows of f */
            for (size_t row = 0; row < 4 * LSTM; row++)              /* columns of h */
                change(model, name, (row * IN + LSTM) * TAPS, LSTM * TAPS);
            snprintf(name, sizeof name, "%s.cell_list.%d.conv.bias", stacks[k], layer);
            change(model, name, LSTM, LSTM);
        }
    }
    synthesize(model, source, 2, after);
    assert_memory_equal(before, after, sizeof before);
    change(model, "enc_convlstm.cell_list.1.conv.weight", 0, LSTM * TAPS); /* i reads x: not idle */
    synthesize(model, source, 2, after);
    assert_true(largest_difference(before, after, IMAGE) > 1e-4);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* T_in images make T_out; the source's own sequence is no input, the target's is. */
static void any_number_of_time_points_makes_any_other(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_seq2seq(context, 4);
    static float source[3 * IMAGE], target[3 * IMAGE], other[3 * IMAGE];
    fill(source, 3 * IMAGE, 2);
    slmt_session *three_to_one = open_times(model, 3, 1), *one_to_three = open_times(model, 1, 3);
    run_times(three_to_one, source, 3, 0, target, 1);
    run_times(three_to_one, source, 3, 1, other, 1);
    assert_true(largest_difference(target, other, IMAGE) > 1e-3);
    run_times(one_to_three, source, 1, 0, target, 3);
    assert_true(largest_difference(target, target + IMAGE, IMAGE) > 1e-5); /* the state moves on */
    for (size_t i = 0; i < 3 * IMAGE; i++)
        assert_true(target[i] > -1 && target[i] < 1);
    synthesize(model, source, 0, other); /* the first of three is the only one of one */
    assert_true(largest_difference(target, other, IMAGE) < 1e-5);
    slmt_session_free(three_to_one);
    slmt_session_free(one_to_three);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- "Must show" 1: hyper-convolution ---- */

/* A network whose banks are constant over k and whose mixtures sum to 1: no code changes it. */
static void constant_banks_and_mixtures_of_sum_1_ignore_the_code(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_seq2seq(context, 5);
    float source[IMAGE], a[IMAGE], b[IMAGE];
    fill(source, IMAGE, 3);
    synthesize(model, source, 0, a);
    synthesize(model, source, 4, b);
    assert_true(largest_difference(a, b, IMAGE) > 1e-3); /* as they come, codes matter */
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = tensor_info(model, i);
        size_t n, bank = 3;
        if (strncmp(info.name, "decoder.", 8) != 0)
            continue;
        float *x = tensor_values(model, info.name, &n);
        int is_bank = strstr(info.name, ".param") || strcmp(info.name + strlen(info.name) - 2, ".b") == 0;
        for (size_t k = 0; k < n; k++) {
            if (is_bank)
                x[k] = x[k / bank * bank];
            else if (strstr(info.name, "weight")) /* rows of fc: they sum to 0 for every code */
                x[k] = k / LENGTH == 0   ? 0.25f * (float)(k % LENGTH)
                       : k / LENGTH == 1 ? -0.25f * (float)(k % LENGTH)
                                         : 0;
            else
                x[k] = k == 2 ? 1 : 0;
        }
        GOOD(slmt_model_set_tensor(model, info.name, x, n));
        free(x);
    }
    synthesize(model, source, 0, a);
    synthesize(model, source, 4, b);
    assert_true(largest_difference(a, b, IMAGE) < 1e-5);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- 3D ---- */

static void three_dimensions_run(void **state)
{
    (void)state;
    enum { D = 8, VOXELS = D * H * W };
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    slmt_number net[SMALL_NET + 1];
    memcpy(net, small_net, sizeof small_net);
    net[0].value = 1;
    net[SMALL_NET] = (slmt_number){"ndims", 3};
    GOOD(slmt_model_create(context, "seq2seq", net, SMALL_NET + 1, 1, &model));
    slmt_tensor_info info = {.struct_size = sizeof info};
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        info = tensor_info(model, i);
        if (strcmp(info.name, "decoder.convs.0.param") == 0)
            break;
    }
    assert_int_equal(info.rank, 6);
    assert_int_equal(info.dim[4], 3);
    const slmt_number settings[] = {{"depth", D}, {"height", H}, {"width", W}, {"batch", 2}};
    GOOD(slmt_session_create(model, "synthesize", settings, 4, &session));
    static float source[2 * VOXELS], target[2 * VOXELS], one[VOXELS];
    fill(source, 2 * VOXELS, 1);
    int32_t sequence = 1;
    const int64_t index = 1, two[] = {2, 1, 1, D, H, W}, single[] = {1, 1, 1, D, H, W};
    slmt_tensor in[] = {{"source", source, two, NULL, 6, SLMT_TENSOR_FLOAT32},
                        {"sequence", &sequence, &index, NULL, 1, SLMT_TENSOR_INT32}};
    slmt_tensor out = {"target", target, two, NULL, 6, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    in[0] = (slmt_tensor){"source", source + VOXELS, single, NULL, 6, SLMT_TENSOR_FLOAT32};
    out = (slmt_tensor){"target", one, single, NULL, 6, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    assert_true(largest_difference(one, target + VOXELS, VOXELS) < 1e-5);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- training ---- */

static slmt_trainer *open_trainer(slmt_model *model, int batch, uint64_t seed)
{
    slmt_trainer *trainer = NULL;
    const slmt_number settings[] = {{"batch", batch},        {"height", H}, {"width", W},
                                    {"learning_rate", 2e-3}, {"crops", 2},  {"epochs", 50}};
    GOOD(slmt_trainer_create(model, "train", settings, 6, seed, &trainer));
    return trainer;
}

static double step(slmt_trainer *trainer, float *source, float *target, int batch, int32_t s, int32_t t)
{
    const int64_t one = 1, shape[] = {batch, 1, CHANNELS, H, W};
    const slmt_tensor in[] = {{"source", source, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"target", target, shape, NULL, 5, SLMT_TENSOR_FLOAT32},
                              {"source_sequence", &s, &one, NULL, 1, SLMT_TENSOR_INT32},
                              {"target_sequence", &t, &one, NULL, 1, SLMT_TENSOR_INT32}};
    GOOD(slmt_trainer_step(trainer, in, 4, 2e-3));
    return step_value(trainer, "total");
}

static void steps_learn_a_pair(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_seq2seq(context, 6);
    slmt_trainer *trainer = open_trainer(model, 2, 1);
    float source[2 * IMAGE], target[2 * IMAGE];
    for (int i = 0; i < 2 * IMAGE; i++) { /* smooth: a quarter of the resolution must hold it */
        int row = i / W % H, column = i % W, sample = i / IMAGE;
        source[i] = (float)(0.8 * cos(0.3 * row + sample) * cos(0.25 * column));
        target[i] = -0.5f * source[i];
    }
    double first = step(trainer, source, target, 2, 0, 1), last = first;
    double parts = 10 * step_value(trainer, "reconstruction") + 10 * step_value(trainer, "cycle");
    assert_int_equal(slmt_trainer_value_count(trainer), 5);
    assert_true(fabs(first - parts) < 1e-5 * first);
    for (int i = 0; i < 400; i++)
        last = step(trainer, source, target, 2, i % 2, (i + 1) % 2);
    print_message("loss %.4f, after 400 steps %.4f\n", first, last);
    assert_true(last < 0.6 * first);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* Three sequences; subject 0 has all, 1 lacks the third, 2 has the third alone; 3 is for tests. */
static void make_set(slmt_context *context, const char *path)
{
    enum { X = 24, Y = 20, Z = 6, N = X * Y * Z };
    static const char *const names[] = {"t1", "t2", "flair"};
    static const int has[4][3] = {{1, 1, 1}, {1, 1, 0}, {0, 0, 1}, {1, 1, 1}};
    const int64_t dims[3] = {X, Y, Z};
    const double affine[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_dataset_writer *writer = NULL;
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = 20;
    p.image_size = 20;
    p.slice_first = 0;
    p.slice_count = 0;
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, names, 3, &writer));
    for (int s = 0; s < 4; s++) {
        slmt_volume *volumes[3] = {NULL};
        char name[16];
        for (int c = 0; c < 3; c++) {
            static float voxels[N];
            for (int i = 0; i < N; i++) {
                double x = (i % X - 12) / 11.0, y = (i / X % Y - 10) / 9.0;
                voxels[i] = x * x + y * y < 1 ? (float)(1 + sin(0.3 * (i % X) + c) * 0.5 + 0.1 * s) : 0;
            }
            if (has[s][c])
                GOOD(slmt_volume_create(context, dims, affine, voxels, &volumes[c]));
        }
        snprintf(name, sizeof name, "s%d", s);
        GOOD(slmt_dataset_writer_add(writer, name, (const slmt_volume *const *)volumes,
                                     s == 3 ? SLMT_SPLIT_TEST : SLMT_SPLIT_TRAIN));
        for (int c = 0; c < 3; c++)
            slmt_volume_free(volumes[c]);
    }
    GOOD(slmt_dataset_writer_finish(writer));
}

static slmt_trainer *train_on_set(slmt_context *context, slmt_dataset *set, uint64_t steps)
{
    slmt_model *model = small_seq2seq(context, 7);
    slmt_trainer *trainer = open_trainer(model, 2, 9);
    GOOD(slmt_trainer_run(trainer, set, NULL, NULL, steps, NULL, NULL));
    slmt_model_free(model);
    return trainer;
}

/* "Missing-sequence training by available pairs", and its checkpoint. */
static void a_set_with_missing_sequences_trains_and_a_resumed_run_is_the_same(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_dataset *set = NULL;
    make_set(context, in_folder("set.h5"));
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    slmt_trainer *whole = train_on_set(context, set, 10), *half = train_on_set(context, set, 4),
                 *resumed = NULL;
    slmt_training_state s = {.struct_size = sizeof s};
    GOOD(slmt_trainer_get_state(whole, &s));
    assert_int_equal(s.step, 10);
    assert_int_equal(s.steps_in_epoch, 3); /* 3 subjects, 2 crops each, batches of 2 */
    static const char *const names[] = {"t1", "t2", "flair", ""};
    assert_int_equal(slmt_model_contrast_count(slmt_trainer_model(whole)), 3);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(slmt_model_contrast(slmt_trainer_model(whole), i), names[i]);
    GOOD(slmt_trainer_save(half, in_folder("half.slmt")));
    GOOD(slmt_trainer_load(context, in_folder("half.slmt"), &resumed));
    assert_string_equal(slmt_trainer_task(resumed), "train");
    double crops = 0;
    GOOD(slmt_trainer_setting(resumed, "crops", &crops));
    assert_true(crops == 2);
    GOOD(slmt_trainer_run(resumed, set, NULL, NULL, 6, NULL, NULL));
    assert_true(same_weights(slmt_trainer_model(whole), slmt_trainer_model(resumed)));
    assert_false(same_weights(slmt_trainer_model(whole), slmt_trainer_model(half)));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "name none", slmt_trainer_run(whole, set, "t1", NULL, 1, NULL, NULL));
    slmt_trainer_free(whole);
    slmt_trainer_free(half);
    slmt_trainer_free(resumed);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

static void a_set_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_dataset *set = NULL;
    slmt_trainer *trainer = NULL;
    slmt_model *model = small_seq2seq(context, 7);
    GOOD(slmt_dataset_open(context, in_folder("set.h5"), &set));
    const slmt_number large[] = {{"height", 24}, {"width", 12}};
    GOOD(slmt_trainer_create(model, "train", large, 2, 0, &trainer));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "height = 24", slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    slmt_trainer_free(trainer);
    trainer = open_trainer(model, 1, 0);
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){"t1", "t2", "pd"}, 3));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "contrast flair, the model's contrasts are t1, t2, pd",
                slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    slmt_trainer_free(trainer);
    trainer = open_trainer(model, 64, 0);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "a batch needs 64",
                slmt_trainer_run(trainer, set, NULL, NULL, 1, NULL, NULL));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_dataset_free(set);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_that_change_under_a_session_are_seen),
        cmocka_unit_test(biases_before_an_instance_norm_do_nothing),
        cmocka_unit_test(at_one_time_point_forget_gates_and_hidden_weights_are_idle),
        cmocka_unit_test(any_number_of_time_points_makes_any_other),
        cmocka_unit_test(constant_banks_and_mixtures_of_sum_1_ignore_the_code),
        cmocka_unit_test(three_dimensions_run),
        cmocka_unit_test(steps_learn_a_pair),
        cmocka_unit_test(a_set_with_missing_sequences_trains_and_a_resumed_run_is_the_same),
        cmocka_unit_test(a_set_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
