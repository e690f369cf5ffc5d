/* SPDX-License-Identifier: Apache-2.0 */
/* test_method.c - methods by name: what they say of themselves, models and sessions and trainers made from
 * it, and that SLMT-Net's typed calls are the same thing. */
#include "core/method.h"

#include "tests/api/api_fixture.h"

/* ---- descriptions ---- */

static void check_number(const slmt_number_info *n)
{
    int32_t elements = 0, choices = 1;
    assert_true(n->name[0] && n->help[0]);
    assert_true(n->kind >= SLMT_NUMBER_WHOLE && n->kind <= SLMT_NUMBER_TEXT);
    assert_int_equal(n->pattern[0] != 0, n->kind == SLMT_NUMBER_TEXT);
    if (n->kind == SLMT_NUMBER_TEXT) {
        assert_in_range(n->count, 1, 255);
        return;
    }
    assert_true(n->low <= n->high);
    assert_int_equal(n->choices[0] != 0, n->kind == SLMT_NUMBER_CHOICE);
    assert_int_equal(n->list[0] != 0, n->kind == SLMT_NUMBER_LIST);
    assert_int_equal(n->count > 0, n->kind == SLMT_NUMBER_LIST);
    if (n->kind != SLMT_NUMBER_LIST)
        assert_true(n->low <= n->initial && n->initial <= n->high);
    for (const char *c = n->choices; *c; c++)
        choices += *c == '|';
    if (n->kind == SLMT_NUMBER_CHOICE)
        assert_int_equal(choices, (int)n->high + 1);
    for (const char *c = n->list; *c; c++)
        elements += *c == ',' || !c[1];
    assert_int_equal(elements, n->count);
    assert_true(n->count <= 8);
}

/* The command has one option for each of them. */
static void check_names_differ(const char *method, const slmt_task_info *t, int32_t options)
{
    slmt_number_info option = {.struct_size = sizeof option}, setting = {.struct_size = sizeof setting};
    for (int32_t k = 0; k < options; k++)
        for (int32_t i = 0; i < t->settings; i++) {
            GOOD(slmt_method_option(method, (size_t)k, &option));
            GOOD(slmt_task_setting(method, t->name, (size_t)i, &setting));
            assert_false(t->trains && strcmp(option.name, setting.name) == 0);
        }
}

static void check_port(const slmt_port_info *p)
{
    assert_true(p->name[0] && p->help[0]);
    assert_true(p->type == SLMT_TENSOR_FLOAT32 || p->type == SLMT_TENSOR_INT32);
}

static void check_task(const char *method, const slmt_task_info *t)
{
    slmt_number_info n = {.struct_size = sizeof n};
    slmt_port_info p = {.struct_size = sizeof p};
    assert_true(t->name[0] && t->help[0] && t->inputs > 0 && t->outputs > 0);
    for (int32_t i = 0; i < t->settings; i++) {
        GOOD(slmt_task_setting(method, t->name, (size_t)i, &n));
        check_number(&n);
    }
    for (int32_t i = 0; i < t->inputs; i++) {
        GOOD(slmt_task_input(method, t->name, (size_t)i, &p));
        check_port(&p);
        assert_true(p.axes[0]);
    }
    for (int32_t i = 0; i < t->outputs; i++) {
        GOOD(slmt_task_output(method, t->name, (size_t)i, &p));
        check_port(&p);
    }
    EXPECT(SLMT_ERR_ARGUMENT, slmt_task_setting(method, t->name, (size_t)t->settings, &n));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_task_input(method, t->name, (size_t)t->inputs, &p));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_task_output(method, t->name, (size_t)t->outputs, &p));
}

static void every_method_describes_itself(void **state)
{
    (void)state;
    assert_true(slmt_method_count() >= 2);
    for (size_t i = 0; i < slmt_method_count(); i++) {
        slmt_method_info m = {.struct_size = sizeof m};
        slmt_number_info n = {.struct_size = sizeof n};
        slmt_task_info t = {.struct_size = sizeof t};
        GOOD(slmt_method_describe(i, &m));
        assert_true(m.name[0] && m.title[0] && m.source[0] && m.options > 0 && m.tasks > 0);
        for (int32_t k = 0; k < m.options; k++) {
            GOOD(slmt_method_option(m.name, (size_t)k, &n));
            check_number(&n);
        }
        for (int32_t k = 0; k < m.tasks; k++) {
            GOOD(slmt_method_task(m.name, (size_t)k, &t));
            check_task(m.name, &t);
            check_names_differ(m.name, &t, m.options);
        }
        EXPECT(SLMT_ERR_ARGUMENT, slmt_method_option(m.name, (size_t)m.options, &n));
        EXPECT(SLMT_ERR_ARGUMENT, slmt_method_task(m.name, (size_t)m.tasks, &t));
    }
}

/* ---- roles ---- */

static int32_t role_of_number(const char *method, const char *task, const char *name)
{
    slmt_number_info n = {.struct_size = sizeof n};
    for (size_t i = 0;
         (task ? slmt_task_setting(method, task, i, &n) : slmt_method_option(method, i, &n)) == SLMT_OK; i++)
        if (strcmp(n.name, name) == 0)
            return n.role;
    return -1;
}

static slmt_port_info port_named(const char *method, const char *task, const char *name)
{
    slmt_port_info p = {.struct_size = sizeof p};
    for (size_t i = 0; slmt_task_input(method, task, i, &p) == SLMT_OK; i++)
        if (strcmp(p.name, name) == 0)
            return p;
    for (size_t i = 0; slmt_task_output(method, task, i, &p) == SLMT_OK; i++)
        if (strcmp(p.name, name) == 0)
            return p;
    return (slmt_port_info){.role = -1};
}

static void numbers_and_ports_say_what_they_are_for(void **state)
{
    (void)state;
    static const struct {
        const char *method, *task, *name;
        int32_t role;
    } numbers[] = {
        {"slmt-net", NULL, "image_size", SLMT_ROLE_SIDE},
        {"slmt-net", NULL, "depth", SLMT_ROLE_NONE}, /* of the network */
        {"slmt-net", "synthesize", "batch", SLMT_ROLE_BATCH},
        {"slmt-net", "finetune", "batch", SLMT_ROLE_BATCH},
        {"seq2seq", NULL, "code_length", SLMT_ROLE_CONTRASTS},
        {"seq2seq", NULL, "channels", SLMT_ROLE_NONE},
        {"seq2seq", "synthesize", "depth", SLMT_ROLE_DEPTH},
        {"seq2seq", "train", "height", SLMT_ROLE_HEIGHT},
        {"seq2seq", "train", "width", SLMT_ROLE_WIDTH},
        {"seq2seq", "train", "crops", SLMT_ROLE_CROPS},
        {"unet", NULL, "image_size", SLMT_ROLE_SIDE},
        {"unet", "synthesize", "batch", SLMT_ROLE_BATCH},
        {"unet", "train", "batch", SLMT_ROLE_BATCH},
        {"fcn8s", NULL, "channels", SLMT_ROLE_CONTRASTS},
        {"fcn8s", "segment", "rows", SLMT_ROLE_HEIGHT},
        {"fcn8s", "train", "crops", SLMT_ROLE_CROPS},
        {"vnet", "segment", "slices", SLMT_ROLE_DEPTH},
        {"vgg19", "distance", "width", SLMT_ROLE_WIDTH},
        {"vgg19", NULL, "width", SLMT_ROLE_NONE}, /* of the network */
    };
    static const struct {
        const char *method, *task, *name;
        int32_t role, batched;
    } ports[] = {
        {"slmt-net", "synthesize", "source", SLMT_ROLE_SOURCE, 1},
        {"slmt-net", "synthesize", "target", SLMT_ROLE_TARGET, 1},
        {"slmt-net", "pretrain", "images", SLMT_ROLE_SOURCE, 1},
        {"slmt-net", "finetune", "target", SLMT_ROLE_TARGET, 1},
        {"slmt-net", "finetune", "total", SLMT_ROLE_NONE, 0},
        {"seq2seq", "synthesize", "sequence", SLMT_ROLE_TARGET_CONTRAST, 0},
        {"seq2seq", "train", "source_sequence", SLMT_ROLE_SOURCE_CONTRAST, 0},
        {"seq2seq", "train", "target_sequence", SLMT_ROLE_TARGET_CONTRAST, 0},
        {"unet", "train", "source", SLMT_ROLE_SOURCE, 1},
        {"unet", "synthesize", "target", SLMT_ROLE_TARGET, 1},
        {"fcn8s", "segment", "image", SLMT_ROLE_SOURCE, 1},
        {"fcn8s", "segment", "labels", SLMT_ROLE_LABELS, 1},
        {"fcn8s", "segment", "probabilities", SLMT_ROLE_PROBABILITIES, 1},
        {"fcn8s", "train", "labels", SLMT_ROLE_LABELS, 1},
        {"vgg19", "distance", "a", SLMT_ROLE_NONE, 1},
        {"vgg19", "distance", "distance", SLMT_ROLE_NONE, 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_int_equal(role_of_number(numbers[i].method, numbers[i].task, numbers[i].name),
                         numbers[i].role);
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        slmt_port_info p = port_named(ports[i].method, ports[i].task, ports[i].name);
        assert_int_equal(p.role, ports[i].role);
        assert_int_equal(p.batched, ports[i].batched);
    }
}

/* A program finds a port or a number by its role, so that no table may have two of them. */
static void no_table_has_a_role_twice(void **state)
{
    (void)state;
    for (size_t m = 0; m < slmt_method_count(); m++) {
        slmt_method_info method = {.struct_size = sizeof method};
        slmt_task_info task = {.struct_size = sizeof task};
        GOOD(slmt_method_describe(m, &method));
        for (size_t t = 0; slmt_method_task(method.name, t, &task) == SLMT_OK; t++) {
            int seen[4][32] = {{0}};
            slmt_number_info n = {.struct_size = sizeof n};
            slmt_port_info p = {.struct_size = sizeof p};
            for (size_t i = 0; slmt_method_option(method.name, i, &n) == SLMT_OK; i++)
                assert_true(seen[0][n.role]++ == 0 || n.role == SLMT_ROLE_NONE);
            for (size_t i = 0; slmt_task_setting(method.name, task.name, i, &n) == SLMT_OK; i++)
                assert_true(seen[1][n.role]++ == 0 || n.role == SLMT_ROLE_NONE);
            for (size_t i = 0; slmt_task_input(method.name, task.name, i, &p) == SLMT_OK; i++)
                assert_true(seen[2][p.role]++ == 0 || p.role == SLMT_ROLE_NONE);
            for (size_t i = 0; slmt_task_output(method.name, task.name, i, &p) == SLMT_OK; i++)
                assert_true(seen[3][p.role]++ == 0 || p.role == SLMT_ROLE_NONE);
            assert_true(seen[1][SLMT_ROLE_BATCH] == 1);
            assert_true(seen[3][SLMT_ROLE_TARGET] <= seen[2][SLMT_ROLE_SOURCE]);
        }
    }
}

/* ---- metrics ---- */

static void a_metric_names_a_figure_and_tells_the_better_of_two_images(void **state)
{
    (void)state;
    enum { SIDE_S = 16 };
    float target[SIDE_S * SIDE_S], near[SIDE_S * SIDE_S], far[SIDE_S * SIDE_S];
    slmt_metrics a = {.struct_size = sizeof a}, b = a;
    slmt_metric_info m = {.struct_size = sizeof m};
    slmt_task_info task = {.struct_size = sizeof task};
    for (int i = 0; i < SIDE_S * SIDE_S; i++) {
        target[i] = (float)(i % 7) / 7;
        near[i] = target[i] + (i % 2 ? 0.01F : -0.01F);
        far[i] = target[i] + (i % 2 ? 0.2F : -0.2F);
    }
    GOOD(slmt_compare(near, target, SIDE_S, SIDE_S, &a));
    GOOD(slmt_compare(far, target, SIDE_S, SIDE_S, &b));
    GOOD(slmt_method_task("slmt-net", 0, &task));
    assert_string_equal(task.name, "synthesize");
    assert_int_equal(task.metrics, 6);
    for (size_t i = 0; i < 6; i++) {
        double x = 0, y = 0;
        GOOD(slmt_task_metric("slmt-net", "synthesize", i, &m));
        assert_true(m.name[0] && m.title[0] && m.help[0] && m.by_class == 0);
        GOOD(slmt_metrics_value(&a, m.name, &x));
        GOOD(slmt_metrics_value(&b, m.name, &y));
        assert_true(m.direction * (x - y) > 0);
    }
    double psnr = 0, mae = 0;
    GOOD(slmt_metrics_value(&a, "psnr", &psnr));
    GOOD(slmt_metrics_value(&a, "mae", &mae));
    assert_true(psnr == a.psnr && mae == a.mae);
    GOOD(slmt_task_metric("seq2seq", "synthesize", 0, &m));
    assert_string_equal(m.name, "psnr");
    assert_string_equal(m.unit, "dB");
    EXPECT(SLMT_ERR_ARGUMENT, slmt_task_metric("slmt-net", "synthesize", 6, &m));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_task_metric("vgg19", "distance", 0, &m));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "dice", slmt_metrics_value(&a, "dice", &psnr));
}

static void a_session_without_a_name_runs_the_task_that_makes_a_target(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL, *vgg = NULL;
    slmt_session *session = NULL;
    const slmt_number tiny = {"preset", SLMT_NET_PRESET_TINY}, width = {"width", 1};
    GOOD(slmt_model_create(context, "slmt-net", &tiny, 1, 1, &model));
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    assert_string_equal(slmt_session_task(session), "synthesize");
    assert_ptr_equal(slmt_session_model(session), model);
    slmt_session_free(session);
    GOOD(slmt_model_create(context, "vgg19", &width, 1, 1, &vgg));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "vgg19", slmt_session_create(vgg, NULL, NULL, 0, &session));
    assert_string_equal(slmt_session_task(NULL), "");
    assert_null(slmt_session_model(NULL));
    slmt_model_free(vgg);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_preset_gives_the_options_that_are_not_given(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    double value = 0;
    static const slmt_number tiny[] = {{"depth", 1}, {"preset", SLMT_NET_PRESET_TINY}};
    static const slmt_number none[] = {{"preset", 3}}, half[] = {{"preset", 0.5}};
    GOOD(slmt_model_create(context, "slmt-net", tiny, 2, 1, &model));
    GOOD(slmt_model_option(model, "image_size", &value));
    assert_true(value == 128);
    GOOD(slmt_model_option(model, "generator_heads_3", &value));
    assert_true(value == 16);
    GOOD(slmt_model_option(model, "depth", &value));
    assert_true(value == 1);
    slmt_model_free(model);
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_create(context, "slmt-net", none, 1, 1, &model));
    assert_non_null(strstr(slmt_error_text(), "base|small|tiny"));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_create(context, "slmt-net", half, 1, 1, &model));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_create(context, "seq2seq", none, 1, 1, &model));
    slmt_context_free(context);
}

/* The first preset is what a model without one has. */
static void seq2seq_has_presets_from_the_papers_sizes_down(void **state)
{
    (void)state;
    static const double lstm[] = {256, 96, 48}, last[] = {256, 128, 48};
    slmt_context *context = open_context(1, NULL);
    for (int preset = 1; preset < 3; preset++) {
        const slmt_number given[] = {{"preset", preset}, {"code_length", 3}};
        slmt_model *model = NULL;
        double width = 0, deepest = 0, code = 0;
        GOOD(slmt_model_create(context, "seq2seq", given, 2, 1, &model));
        GOOD(slmt_model_option(model, "lstm_width", &width));
        GOOD(slmt_model_option(model, "widths_2", &deepest));
        GOOD(slmt_model_option(model, "code_length", &code));
        assert_true(width == lstm[preset] && deepest == last[preset] && code == 3);
        slmt_model_free(model);
    }
    const method *m = method_named("seq2seq");
    const slmt_number base = {"preset", 0};
    double plain[METHOD_NUMBERS], named[METHOD_NUMBERS];
    GOOD(method_options(m, NULL, 0, plain));
    GOOD(method_options(m, &base, 1, named));
    assert_memory_equal(plain, named, (size_t)numbers_count(m->options) * sizeof *plain);
    slmt_context_free(context);
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = small_model(context, 1);
    slmt_model *none = NULL;
    slmt_session *session = NULL;
    slmt_trainer *trainer = NULL;
    slmt_method_info m = {.struct_size = sizeof m};
    slmt_number_info n = {.struct_size = sizeof n};
    double x;
    const slmt_number wrong[] = {{"size", 3}}, odd[] = {{"bank", 2.5}}, low[] = {{"ndims", 4}};
    EXPECT(SLMT_ERR_ARGUMENT, slmt_method_describe(slmt_method_count(), &m));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "gan", slmt_method_option("gan", 0, &n));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no task paint", slmt_task_setting("seq2seq", "paint", 0, &n));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "gan", slmt_model_create(context, "gan", NULL, 0, 0, &none));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no option size",
                slmt_model_create(context, "seq2seq", wrong, 1, 0, &none));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "bank is 2.5", slmt_model_create(context, "seq2seq", odd, 1, 0, &none));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "expected 2 to 3",
                slmt_model_create(context, "seq2seq", low, 1, 0, &none));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no task paint", slmt_session_create(model, "paint", NULL, 0, &session));
    EXPECT_TEXT(SLMT_ERR_STATE, "is for a trainer",
                slmt_session_create(model, "pretrain", NULL, 0, &session));
    EXPECT_TEXT(SLMT_ERR_STATE, "is for a session",
                slmt_trainer_create(model, "synthesize", NULL, 0, 0, &trainer));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no setting size",
                slmt_session_create(model, "synthesize", wrong, 1, &session));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no option size", slmt_model_option(model, "size", &x));
    GOOD(slmt_model_option(model, "embed_dim", &x));
    assert_true(x == 8 && !none && !session && !trainer);
    assert_string_equal(slmt_model_method(model), "slmt-net");
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- SLMT-Net by name ---- */

static slmt_model *model_by_name(slmt_context *context, uint64_t seed)
{
    static const slmt_number options[] = {
        {"image_size", 128},       {"embed_dim", 8},          {"depth", 1},
        {"num_heads", 2},          {"mlp_ratio", 2},          {"decoder_dim", 8},
        {"decoder_depth", 1},      {"decoder_heads", 2},      {"generator_depths_1", 1},
        {"generator_depths_2", 1}, {"generator_depths_3", 1}, {"generator_heads_0", 2},
        {"generator_heads_1", 2},  {"generator_heads_2", 4},  {"generator_heads_3", 8}};
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "slmt-net", options, sizeof options / sizeof *options, seed, &model));
    return model;
}

static slmt_tensor slices(const char *name, const float *at, const int64_t *shape)
{
    return (slmt_tensor){name, (void *)(uintptr_t)at, shape, NULL, 3, SLMT_TENSOR_FLOAT32};
}

static void slmt_net_by_name_is_the_typed_one(void **state)
{
    (void)state;
    enum { N = 5 };
    slmt_context *context = open_context(2, NULL);
    slmt_model *typed = small_model(context, 4), *named = model_by_name(context, 4);
    assert_true(same_weights(typed, named));
    slmt_net_session_config c;
    slmt_session *a = NULL, *b = NULL;
    slmt_net_session_config_init(&c);
    c.batch = 2;
    GOOD(slmt_net_session_create(typed, &c, &a));
    GOOD(slmt_session_create(named, "synthesize", &(slmt_number){"batch", 2}, 1, &b));
    uint64_t bytes = 0, same = 0;
    GOOD(slmt_net_session_memory(typed, &c, &bytes));
    GOOD(slmt_session_memory(named, "synthesize", &(slmt_number){"batch", 2}, 1, &same));
    assert_int_equal(bytes, same);
    float *in = make_slices(N, 1), *x = make_slices(N, 2), *y = make_slices(N, 3);
    const int64_t shape[] = {N, SIDE, SIDE};
    slmt_tensor source = slices("source", in, shape), target = slices("target", y, shape);
    GOOD(slmt_synthesize(a, in, N, x));
    GOOD(slmt_session_run(b, &source, 1, &target, 1));
    assert_memory_equal(x, y, N * PIXELS * sizeof *x);
    int64_t dim[6];
    int32_t rank;
    GOOD(slmt_session_shape(b, "target", dim, &rank));
    assert_true(rank == 3 && dim[0] == 2 && dim[1] == SIDE && dim[2] == SIDE && dim[3] == 0);
    EXPECT(SLMT_ERR_NOT_FOUND, slmt_session_shape(b, "image", dim, &rank));
    slmt_session_free(a);
    slmt_session_free(b);
    slmt_model_free(typed);
    slmt_model_free(named);
    slmt_context_free(context);
    free(in);
    free(x);
    free(y);
}

static void a_session_without_a_task_synthesizes(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *model = small_model(context, 4);
    slmt_session *named = NULL, *plain = NULL;
    uint64_t bytes = 0, same = 0;
    const slmt_number batch = {"batch", 2};
    GOOD(slmt_session_create(model, "synthesize", &batch, 1, &named));
    GOOD(slmt_session_create(model, NULL, &batch, 1, &plain));
    GOOD(slmt_session_memory(model, "synthesize", &batch, 1, &bytes));
    GOOD(slmt_session_memory(model, NULL, &batch, 1, &same));
    assert_true(bytes > 0 && bytes == same);
    float *in = make_slices(3, 1), *x = make_slices(3, 2), *y = make_slices(3, 3);
    GOOD(slmt_synthesize(named, in, 3, x));
    GOOD(slmt_synthesize(plain, in, 3, y));
    assert_memory_equal(x, y, 3 * PIXELS * sizeof *x);
    slmt_session_free(named);
    slmt_session_free(plain);
    slmt_model_free(model);
    slmt_context_free(context);
    free(in);
    free(x);
    free(y);
}

static void training_by_name_is_the_typed_one(void **state)
{
    (void)state;
    slmt_context *context = open_context(2, NULL);
    slmt_model *typed = small_model(context, 4), *named = model_by_name(context, 4);
    slmt_net_trainer_config c;
    slmt_trainer *a = NULL, *b = NULL;
    GOOD(slmt_net_trainer_config_init(&c, SLMT_NET_STAGE_PRETRAIN));
    c.batch = 2;
    c.seed = 5;
    GOOD(slmt_net_trainer_create(typed, &c, &a));
    GOOD(slmt_trainer_create(named, "pretrain", &(slmt_number){"batch", 2}, 1, 5, &b));
    float *in = make_slices(2, 1);
    const int64_t shape[] = {2, SIDE, SIDE}, short_shape[] = {1, SIDE, SIDE};
    slmt_tensor images = slices("images", in, shape), few = slices("images", in, short_shape);
    GOOD(slmt_net_pretrain_step(a, in, 1e-3));
    GOOD(slmt_trainer_step(b, &images, 1, 1e-3));
    assert_true(step_value(a, "total") == step_value(b, "total"));
    assert_true(step_value(a, "edge") == step_value(b, "edge") && slmt_trainer_value_count(b) == 4);
    assert_true(same_weights(typed, named));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "hold 1 samples", slmt_trainer_step(b, &few, 1, 1e-3));
    slmt_trainer_free(a);
    slmt_trainer_free(b);
    slmt_model_free(typed);
    slmt_model_free(named);
    slmt_context_free(context);
    free(in);
}

/* ---- tensors ---- */

enum { H = 12, W = 16 };

typedef struct bench {
    slmt_context *context;
    slmt_model *model;
    slmt_session *session;
    counter memory;
    float source[3 * H * W], target[3 * H * W];
    int32_t sequence;
    int64_t image[5], one;
    slmt_tensor in[2], out;
} bench;

static void open_bench(bench *b, int count)
{
    static const slmt_number net[] = {{"channels", 1}, {"widths_0", 4},   {"widths_1", 4},
                                      {"widths_2", 4}, {"lstm_width", 4}, {"residual_blocks", 1},
                                      {"bank", 2},     {"code_length", 3}};
    static const slmt_number settings[] = {{"height", H}, {"width", W}, {"batch", 2}};
    *b = (bench){.sequence = 2, .image = {count, 1, 1, H, W}, .one = 1};
    b->context = open_context(1, &b->memory);
    GOOD(slmt_model_create(b->context, "seq2seq", net, 8, 2, &b->model));
    GOOD(slmt_session_create(b->model, "synthesize", settings, 3, &b->session));
    for (size_t i = 0; i < 3 * H * W; i++)
        b->source[i] = (float)sin(0.1 * (double)i);
    b->in[0] = (slmt_tensor){"source", b->source, b->image, NULL, 5, SLMT_TENSOR_FLOAT32};
    b->in[1] = (slmt_tensor){"sequence", &b->sequence, &b->one, NULL, 1, SLMT_TENSOR_INT32};
    b->out = (slmt_tensor){"target", b->target, b->image, NULL, 5, SLMT_TENSOR_FLOAT32};
}

static void close_bench(bench *b)
{
    slmt_session_free(b->session);
    slmt_model_free(b->model);
    slmt_context_free(b->context);
    assert_int_equal(b->memory.live, 0);
}

static void any_number_of_samples_runs_and_nothing_is_allocated(void **state)
{
    (void)state;
    bench b;
    float first[3 * H * W];
    open_bench(&b, 3); /* the session's batch is 2 */
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    memcpy(first, b.target, sizeof first);
    long calls = b.memory.calls;
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    assert_int_equal(b.memory.calls, calls);
    assert_memory_equal(first, b.target, sizeof first);
    b.image[0] = 1;
    b.in[0].data = b.source + 2 * H * W;
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    assert_memory_equal(first + 2 * H * W, b.target, H * W * sizeof(float));
    const int64_t steps[] = {H * W, H * W, H * W, W, 1};
    b.in[0].strides = steps;
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    close_bench(&b);
}

/* What follows from weights and the shared input alone is kept between runs, and made anew when they change.
 */
static void kept_kernels_follow_weights_and_sequence(void **state)
{
    (void)state;
    bench b;
    float first[H * W], fresh[H * W];
    size_t n;
    open_bench(&b, 1);
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    memcpy(first, b.target, sizeof first);
    b.sequence = 0;
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    assert_memory_not_equal(first, b.target, sizeof first);
    b.sequence = 2;
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    assert_memory_equal(first, b.target, sizeof first);
    float *bank = tensor_values(b.model, "decoder.convs.1.param", &n);
    for (size_t i = 0; i < n; i++)
        bank[i] += 0.1f * (float)(i % 5);
    GOOD(slmt_model_set_tensor(b.model, "decoder.convs.1.param", bank, n));
    free(bank);
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    memcpy(fresh, b.target, sizeof fresh);
    assert_memory_not_equal(first, fresh, sizeof first);
    slmt_session_free(b.session);
    GOOD(slmt_session_create(b.model, "synthesize",
                             (const slmt_number[]){{"height", H}, {"width", W}, {"batch", 2}}, 3,
                             &b.session));
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1));
    assert_memory_equal(fresh, b.target, sizeof fresh);
    close_bench(&b);
}

static void a_tensor_that_does_not_fit_is_named(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 2);
    const int64_t flat[] = {2, H * W}, turned[] = {2, 1, 1, W, H}, gaps[] = {2 * H * W, H * W, H * W, W, 1};
    int32_t beyond = 3, below = -1;
#define REFUSED(status, word, field, value)                                                                  \
    do {                                                                                                     \
        slmt_tensor in[2] = {b.in[0], b.in[1]};                                                              \
        in[0].field = value;                                                                                 \
        EXPECT_TEXT(status, word, slmt_session_run(b.session, in, 2, &b.out, 1));                            \
    } while (0)
    REFUSED(SLMT_ERR_NOT_FOUND, "no tensor image", name, "image");
    REFUSED(SLMT_ERR_NOT_FOUND, "no tensor NULL", name, NULL);
    REFUSED(SLMT_ERR_ARGUMENT, "data or shape is NULL", data, NULL);
    REFUSED(SLMT_ERR_ARGUMENT, "data or shape is NULL", shape, NULL);
    REFUSED(SLMT_ERR_ARGUMENT, "has type 2", type, SLMT_TENSOR_INT32);
    REFUSED(SLMT_ERR_ARGUMENT, "source is [2,1,1,16,12], expected [2,1,1,12,16]", shape, turned);
    REFUSED(SLMT_ERR_ARGUMENT, "strides", strides, gaps);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "sequence [1] is missing",
                slmt_session_run(b.session, b.in, 1, &b.out, 1));
    slmt_tensor odd = b.in[0];
    odd.rank = 2;
    odd.shape = flat;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "source is [2,192]",
                slmt_session_run(b.session, (const slmt_tensor[]){odd, b.in[1]}, 2, &b.out, 1));
    int64_t three[] = {3, 1, 1, H, W};
    slmt_tensor more = b.out;
    more.shape = three;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "holds 3 samples, the one before it 2",
                slmt_session_run(b.session, b.in, 2, &more, 1));
    b.in[1].data = &beyond;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "element 0 is 3, expected 0 to 2",
                slmt_session_run(b.session, b.in, 2, &b.out, 1));
    b.in[1].data = &below;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "is -1", slmt_session_run(b.session, b.in, 2, &b.out, 1));
    b.in[1].data = &b.sequence;
    b.source[5] = NAN;
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "source: element 5", slmt_session_run(b.session, b.in, 2, &b.out, 1));
    b.source[5] = 0;
    GOOD(slmt_session_run(b.session, b.in, 2, &b.out, 1)); /* after all that */
    close_bench(&b);
}

static void typed_calls_refuse_other_methods(void **state)
{
    (void)state;
    bench b;
    slmt_session *session = NULL;
    slmt_trainer *trainer = NULL;
    slmt_net_options o = {.struct_size = sizeof o};
    slmt_net_trainer_config c;
    open_bench(&b, 1);
    GOOD(slmt_net_trainer_config_init(&c, SLMT_NET_STAGE_PRETRAIN));
    EXPECT_TEXT(SLMT_ERR_STATE, "is of seq2seq", slmt_net_session_create(b.model, NULL, &session));
    EXPECT_TEXT(SLMT_ERR_STATE, "is of seq2seq", slmt_net_trainer_create(b.model, &c, &trainer));
    EXPECT_TEXT(SLMT_ERR_STATE, "is of seq2seq", slmt_net_get_options(b.model, &o));
    assert_true(!session && !trainer);
    close_bench(&b);
}

/* A slice's rows run to the left and its columns to the back; a volume's first axis is its rows here. */
static int turned(int i, int side)
{
    return i % side * side + i / side;
}

/* A volume of 7 slices through a network whose samples are 3 neighbours. */
static void a_volume_is_made_slice_by_slice_with_its_neighbours(void **state)
{
    (void)state;
    enum { SIZE = 16, Z = 7, AREA = SIZE * SIZE };
    static const slmt_number net[] = {{"channels", 3}, {"widths_0", 4},   {"widths_1", 4},
                                      {"widths_2", 4}, {"lstm_width", 4}, {"residual_blocks", 1},
                                      {"bank", 2},     {"code_length", 3}};
    static const slmt_number settings[] = {{"height", SIZE}, {"width", SIZE}, {"batch", 2}};
    static float voxels[Z * AREA], samples[Z * 3 * AREA], answers[Z * 3 * AREA];
    const double left_back_up[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const int64_t dims[3] = {SIZE, SIZE, Z}, one = 1, shape[] = {Z, 1, 3, SIZE, SIZE};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    slmt_volume *source = NULL, *seen = NULL, *made = NULL;
    slmt_preprocess p;
    int32_t sequence = 1;
    for (int i = 0; i < Z * AREA; i++)
        voxels[i] = 50 + 40 * (float)sin(0.7 * (i % SIZE) + 0.4 * (i / SIZE % SIZE) + i / AREA);
    GOOD(slmt_model_create(context, "seq2seq", net, 8, 2, &model));
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = SIZE;
    p.slice_first = p.slice_count = 0;
    GOOD(slmt_model_set_preprocess(model, &p));
    GOOD(slmt_session_create(model, "synthesize", settings, 3, &session));
    GOOD(slmt_volume_create(context, dims, left_back_up, voxels, &source));
    slmt_tensor which = {"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32}, wrong = which;
    EXPECT_TEXT(SLMT_ERR_STATE, "sequence is not set", slmt_synthesize_volume(session, source, &made));
    EXPECT_TEXT(SLMT_ERR_STATE, "sequence is not set", slmt_synthesize(session, voxels, 1, samples));
    wrong.name = "source";
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "no input source", slmt_session_set(session, &wrong));
    GOOD(slmt_session_set(session, &which));
    GOOD(slmt_synthesize_volume(session, source, &made));
    GOOD(slmt_normalize_volume(model, source, &seen));
    const float *x = slmt_volume_voxels(seen), *y = slmt_volume_voxels(made);
    for (int z = 0; z < Z; z++)
        for (int k = 0; k < 3; k++) {
            int from = z + k - 1 < 0 ? 0 : z + k - 1 >= Z ? Z - 1 : z + k - 1;
            for (int i = 0; i < AREA; i++)
                samples[(z * 3 + k) * AREA + i] = 2 * x[from * AREA + turned(i, SIZE)] - 1;
        }
    slmt_tensor in[2] = {{"source", samples, shape, NULL, 5, SLMT_TENSOR_FLOAT32}, which};
    slmt_tensor out = {"target", answers, shape, NULL, 5, SLMT_TENSOR_FLOAT32};
    GOOD(slmt_session_run(session, in, 2, &out, 1));
    for (int z = 0; z < Z; z++)
        for (int i = 0; i < AREA; i++)
            assert_true(fabs((answers[(z * 3 + 1) * AREA + i] + 1) / 2 - y[z * AREA + turned(i, SIZE)]) <
                        1e-5);
    slmt_volume_free(source);
    slmt_volume_free(seen);
    slmt_volume_free(made);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- slices of a session by name ---- */

enum { ROWS_S = 12, COLUMNS_S = 8, AREA_S = ROWS_S * COLUMNS_S };

static slmt_session *slice_session(slmt_model *model, int batch, int depth)
{
    slmt_session *session = NULL;
    int32_t sequence = 1;
    const int64_t one = 1;
    const slmt_number settings[] = {
        {"height", ROWS_S}, {"width", COLUMNS_S}, {"batch", batch}, {"depth", depth}};
    const slmt_tensor which = {"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32};
    GOOD(slmt_session_create(model, "synthesize", settings, 4, &session));
    GOOD(slmt_session_set(session, &which));
    return session;
}

static slmt_model *narrow_seq2seq(slmt_context *context, int ndims, int channels)
{
    const slmt_number net[] = {{"ndims", ndims}, {"channels", channels}, {"widths_0", 2},
                               {"widths_1", 2},  {"widths_2", 4},        {"lstm_width", 4},
                               {"bank", 2},      {"code_length", 2},     {"residual_blocks", 1}};
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "seq2seq", net, 9, 2, &model));
    return model;
}

typedef struct seen {
    uint64_t calls, done, total, stop_at;
} seen;

static int32_t see(void *user, const char *stage, uint64_t done, uint64_t total)
{
    seen *s = user;
    assert_string_equal(stage, "synthesize");
    assert_true(done > s->done);
    s->calls++;
    s->done = done;
    s->total = total;
    return s->stop_at && done >= s->stop_at;
}

/* 10 slices in blocks of 8: 0 to 7 and 2 to 9, of which the later answer counts; 5 slices: the last is
 * repeated. */
static void in_three_dimensions_slices_are_made_in_blocks(void **state)
{
    (void)state;
    enum { N = 10, D = 8 };
    static float slices[N * AREA_S], made[N * AREA_S], block[D * AREA_S], answer[D * AREA_S];
    const int64_t shape[] = {1, 1, 1, D, ROWS_S, COLUMNS_S};
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = narrow_seq2seq(context, 3, 1);
    slmt_session *session = slice_session(model, 1, D);
    const slmt_tensor in = {"source", block, shape, NULL, 6, SLMT_TENSOR_FLOAT32},
                      out = {"target", answer, shape, NULL, 6, SLMT_TENSOR_FLOAT32};
    seen calls = {0};
    int32_t sequence = 1;
    const int64_t one = 1;
    const slmt_tensor both[] = {in, {"sequence", &sequence, &one, NULL, 1, SLMT_TENSOR_INT32}};
    for (int i = 0; i < N * AREA_S; i++)
        slices[i] = (float)(0.5 + 0.5 * sin(0.7 * i + 0.002 * i * i));
    GOOD(slmt_session_set_progress(session, see, &calls));
    GOOD(slmt_synthesize(session, slices, N, made));
    assert_true(calls.calls == 2 && calls.done == N && calls.total == N);
    GOOD(slmt_session_set_progress(session, NULL, NULL));
    for (int n = 0; n < 3; n++) {
        int first = n == 1 ? N - D : 0, count = n < 2 ? D : 5;
        for (int i = 0; i < D * AREA_S; i++)
            block[i] =
                2 * slices[(first + (i / AREA_S < count ? i / AREA_S : count - 1)) * AREA_S + i % AREA_S] - 1;
        GOOD(slmt_session_run(session, both, 2, &out, 1));
        if (n == 2)
            GOOD(slmt_synthesize(session, slices, (size_t)count, made));
        for (int z = 0; z < (n == 0 ? N - D : count); z++)
            for (int i = 0; i < AREA_S; i++)
                assert_true(fabs((answer[z * AREA_S + i] + 1) / 2 - made[(first + z) * AREA_S + i]) < 1e-6);
    }
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* The middle of a sample's slices counts, whatever the batch; the call can be stopped between runs. */
static void neighbours_are_the_same_in_every_batch(void **state)
{
    (void)state;
    enum { N = 7 };
    static float slices[N * AREA_S], once[N * AREA_S], made[N * AREA_S];
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = narrow_seq2seq(context, 2, 3);
    seen calls = {.stop_at = 4};
    for (int i = 0; i < N * AREA_S; i++)
        slices[i] = (float)(0.5 + 0.5 * sin(0.7 * i + 0.002 * i * i));
    for (int batch = 1; batch <= N; batch += 2) {
        slmt_session *session = slice_session(model, batch, 8);
        GOOD(slmt_synthesize(session, slices, N, batch == 1 ? once : made));
        for (int i = 0; batch > 1 && i < N * AREA_S; i++)
            assert_true(fabs(once[i] - made[i]) < 1e-5);
        slmt_session_free(session);
    }
    slmt_session *session = slice_session(model, 2, 8);
    GOOD(slmt_session_set_progress(session, see, &calls));
    EXPECT_TEXT(SLMT_ERR_CANCELLED, "4 of 7", slmt_synthesize(session, slices, N, made));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "overlap", slmt_synthesize(session, slices, N, slices + 1));
    slices[AREA_S + COLUMNS_S + 3] = NAN;
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "[1][1][3]", slmt_synthesize(session, slices, N, made));
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_models_file_holds_its_method(void **state)
{
    (void)state;
    bench b;
    slmt_model *back = NULL;
    open_bench(&b, 1);
    GOOD(slmt_model_save(b.model, in_folder("seq.slmt")));
    GOOD(slmt_model_load(b.context, in_folder("seq.slmt"), &back));
    double width = 0;
    GOOD(slmt_model_option(back, "widths_1", &width));
    assert_true(width == 4);
    assert_string_equal(slmt_model_method(back), "seq2seq");
    assert_true(same_weights(b.model, back));
    slmt_model_free(back);
    close_bench(&b);
}

static void memory_is_known_before_it_is_taken(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 1);
    const slmt_number settings[] = {{"height", 32}, {"width", 24}, {"batch", 2}};
    uint64_t bytes = 0, before = slmt_context_live_bytes(b.context);
    slmt_session *session = NULL;
    slmt_trainer *trainer = NULL;
    GOOD(slmt_session_memory(b.model, "synthesize", settings, 3, &bytes));
    assert_int_equal(slmt_context_live_bytes(b.context), before);
    GOOD(slmt_session_create(b.model, "synthesize", settings, 3, &session));
    assert_int_equal(slmt_context_live_bytes(b.context) - before, bytes);
    slmt_session_free(session);
    GOOD(slmt_trainer_memory(b.model, "train", settings, 3, &bytes));
    GOOD(slmt_trainer_create(b.model, "train", settings, 3, 0, &trainer));
    assert_int_equal(slmt_context_live_bytes(b.context) - before, bytes);
    slmt_trainer_free(trainer);
    close_bench(&b);
}

static void a_failed_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, 1);
    long live = b.memory.live;
    for (long n = 1; n < 100000; n++) {
        slmt_trainer *trainer = NULL;
        counter_fail(&b.memory, n);
        slmt_status s = slmt_trainer_create(b.model, "train", NULL, 0, 0, &trainer);
        counter_fail(&b.memory, 0);
        if (s == SLMT_OK) {
            slmt_trainer_free(trainer);
            assert_int_equal(b.memory.live, live);
            break;
        }
        assert_int_equal(s, SLMT_ERR_MEMORY);
        assert_null(trainer);
        assert_int_equal(b.memory.live, live);
        n += n / 8;
    }
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_describes_itself),
        cmocka_unit_test(numbers_and_ports_say_what_they_are_for),
        cmocka_unit_test(no_table_has_a_role_twice),
        cmocka_unit_test(a_metric_names_a_figure_and_tells_the_better_of_two_images),
        cmocka_unit_test(a_session_without_a_name_runs_the_task_that_makes_a_target),
        cmocka_unit_test(a_preset_gives_the_options_that_are_not_given),
        cmocka_unit_test(seq2seq_has_presets_from_the_papers_sizes_down),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(slmt_net_by_name_is_the_typed_one),
        cmocka_unit_test(a_session_without_a_task_synthesizes),
        cmocka_unit_test(training_by_name_is_the_typed_one),
        cmocka_unit_test(any_number_of_samples_runs_and_nothing_is_allocated),
        cmocka_unit_test(kept_kernels_follow_weights_and_sequence),
        cmocka_unit_test(a_tensor_that_does_not_fit_is_named),
        cmocka_unit_test(typed_calls_refuse_other_methods),
        cmocka_unit_test(a_volume_is_made_slice_by_slice_with_its_neighbours),
        cmocka_unit_test(in_three_dimensions_slices_are_made_in_blocks),
        cmocka_unit_test(neighbours_are_the_same_in_every_batch),
        cmocka_unit_test(a_models_file_holds_its_method),
        cmocka_unit_test(memory_is_known_before_it_is_taken),
        cmocka_unit_test(a_failed_allocation_is_reported_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
