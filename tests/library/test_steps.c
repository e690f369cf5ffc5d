/* SPDX-License-Identifier: Apache-2.0 */
/* test_steps.c - training beyond one graph and one optimiser, by the method of step_method.h: it learns,
 * resumes bit for bit, looks ahead with the right gradient, and a step that fails leaves everything as it
 * was. */
#include "tests/library/step_method.h"

#include "core/model_file.h"
#include "io/checkpoint.h"
#include "train/trainer.h"

#include "tests/api/api_fixture.h"

enum { BATCH = 6 };

static int set_up(void **state)
{
    method_add(&step_method);
    return make_folder(state);
}

static slmt_model *make_model(slmt_context *context, uint64_t seed, double hidden)
{
    slmt_model *model = NULL;
    const slmt_number option = {"hidden", hidden};
    GOOD(slmt_model_create(context, "step-method", &option, 1, seed, &model));
    return model;
}

static slmt_trainer *make_trainer(slmt_model *model, const char *task, double ahead_scale)
{
    slmt_trainer *trainer = NULL;
    const slmt_number settings[] = {{"ahead_scale", ahead_scale}};
    GOOD(slmt_trainer_create(model, task, settings, strcmp(task, "train") == 0, 7, &trainer));
    return trainer;
}

/* y = sin of a sum: something to learn. The samples depend on the step. */
static void make_samples(uint64_t step, float x[BATCH][SM_IN], float y[BATCH])
{
    for (int b = 0; b < BATCH; b++) {
        double sum = 0;
        for (int i = 0; i < SM_IN; i++) {
            x[b][i] = (float)sin(1.3 * b + 2.1 * i + 0.7 * (double)(step % 5));
            sum += x[b][i] * (i % 2 ? 1 : -0.5);
        }
        y[b] = (float)sin(sum);
    }
}

static slmt_status step_on(slmt_trainer *trainer, float x[BATCH][SM_IN], float y[BATCH])
{
    const int64_t in_shape[] = {BATCH, SM_IN}, one_shape[] = {BATCH, 1};
    const slmt_tensor in[] = {{"x", x, in_shape, NULL, 2, SLMT_TENSOR_FLOAT32},
                              {"y", y, one_shape, NULL, 2, SLMT_TENSOR_FLOAT32}};
    return slmt_trainer_step(trainer, in, strcmp(slmt_trainer_task(trainer), "train") == 0 ? 2 : 1, 0.05);
}

static slmt_status one_step(slmt_trainer *trainer)
{
    float x[BATCH][SM_IN], y[BATCH];
    make_samples(trainer->stepper.step, x, y);
    return step_on(trainer, x, y);
}

/* ---- learning ---- */

static void five_losses_are_reported_by_name(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    static const char *const names[] = {"fit",         "consistency", "look_ahead",
                                        "mean_weight", "total",       "learning_rate"};
    double x;
    assert_int_equal(slmt_trainer_value_count(trainer), 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(slmt_trainer_value_name(trainer, i), names[i]);
    assert_string_equal(slmt_trainer_value_name(trainer, 6), "");
    EXPECT_TEXT(SLMT_ERR_STATE, "first step", slmt_trainer_value(trainer, "fit", &x));
    GOOD(one_step(trainer));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "errors", slmt_trainer_value(trainer, "errors", &x)); /* a tensor */
    double fit = step_value(trainer, "fit"), consistency = step_value(trainer, "consistency");
    assert_true(fit > 0 && consistency > 0 && step_value(trainer, "look_ahead") > 0);
    assert_float_equal(step_value(trainer, "total"), fit + 0.5 * consistency, 1e-6);
    assert_true(step_value(trainer, "learning_rate") == 0.05);
    double mean = 0;
    const float *errors = step_read(&trainer->stepper, SM_ERRORS);
    for (int b = 0; b < BATCH; b++)
        mean += 1 / (1 + (double)errors[b]) / BATCH;
    assert_float_equal(step_value(trainer, "mean_weight"), mean, 1e-6);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void both_sets_learn(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5), *fresh = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    double first = 0, last = 0;
    for (int i = 0; i < 200; i++) {
        GOOD(one_step(trainer));
        first += i < 10 ? step_value(trainer, "fit") : 0;
        last += i >= 190 ? step_value(trainer, "fit") : 0;
    }
    print_message("fit %g, after 200 steps %g\n", first / 10, last / 10);
    assert_true(last < 0.5 * first);
    for (int32_t k = 0; k < model->params.n; k++) {
        size_t n = model->params.list[k].count * sizeof(float);
        assert_memory_not_equal(model_tensor(model, k), model_tensor(fresh, k), n);
    }
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_model_free(fresh);
    slmt_context_free(context);
}

/* ---- files ---- */

static size_t count_tensors(const checkpoint *c, const char *group)
{
    size_t n = 0;
    while (checkpoint_tensor_at(c, group, n))
        n++;
    return n;
}

static void state_is_saved_under_its_own_names(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    mem m;
    checkpoint *c;
    int64_t updates;
    for (int i = 0; i < 3; i++)
        GOOD(one_step(trainer));
    save_trainer(trainer, "state.slmt");
    mem_init(&m, NULL, NULL, NULL, 0);
    GOOD(checkpoint_open(&m, in_folder("state.slmt"), &c));
    assert_int_equal(count_tensors(c, "weights"), 8);
    assert_int_equal(count_tensors(c, "training/momentum"), 5); /* no buffer has any */
    assert_int_equal(count_tensors(c, "training/moment1"), 1);
    assert_int_equal(count_tensors(c, "training/moment2"), 1);
    assert_int_equal(count_tensors(c, "training/teacher"), 7); /* the teacher's statistics too */
    assert_string_equal(checkpoint_tensor_at(c, "training/moment1", 0)->name, "gen.weight");
    assert_string_equal(checkpoint_tensor_at(c, "training/tensors", 0)->name, "bank");
    GOOD(checkpoint_int(c, "training/updates", "gen", &updates));
    assert_int_equal(updates, 3);
    checkpoint_close(c);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1), *resumed = NULL;
    for (int i = 0; i < 10; i++) {
        GOOD(one_step(trainer));
        if (i == 3)
            save_trainer(trainer, "half.slmt");
    }
    save_trainer(trainer, "whole.slmt");
    GOOD(slmt_trainer_load(context, in_folder("half.slmt"), &resumed));
    save_trainer(resumed, "again.slmt");
    assert_true(same_saved("half.slmt", "again.slmt"));
    for (int i = 4; i < 10; i++)
        GOOD(one_step(resumed));
    save_trainer(resumed, "resumed.slmt");
    assert_true(same_saved("whole.slmt", "resumed.slmt"));
    slmt_trainer_free(trainer);
    slmt_trainer_free(resumed);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- a step that fails ---- */

/* Both sets and the statistics have been updated by then. */
static void a_step_that_fails_late_leaves_everything_as_it_was(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    for (int i = 0; i < 2; i++)
        GOOD(one_step(trainer));
    save_trainer(trainer, "before.slmt");
    double fit = step_value(trainer, "fit");
    sm_fails_late = 1;
    EXPECT_TEXT(SLMT_ERR_BACKEND, "asked", one_step(trainer));
    sm_fails_late = 0;
    save_trainer(trainer, "after.slmt");
    assert_true(same_saved("before.slmt", "after.slmt"));
    assert_true(step_value(trainer, "fit") == fit);
    slmt_trainer_cancel(trainer);
    EXPECT(SLMT_ERR_CANCELLED, one_step(trainer));
    save_trainer(trainer, "after.slmt");
    assert_true(same_saved("before.slmt", "after.slmt"));
    GOOD(one_step(trainer));
    save_trainer(trainer, "after.slmt");
    slmt_trainer_free(trainer);

    /* The next step is the one that would have come without the failures. */
    GOOD(slmt_trainer_load(context, in_folder("before.slmt"), &trainer));
    GOOD(one_step(trainer));
    save_trainer(trainer, "plain.slmt");
    assert_true(same_saved("plain.slmt", "after.slmt"));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_step_fails_in_its_last_graph_but_one(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1e30);
    save_trainer(trainer, "before.slmt");
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "look_ahead", one_step(trainer));
    save_trainer(trainer, "after.slmt");
    assert_true(same_saved("before.slmt", "after.slmt"));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- second order ---- */

/* The generator's gradient through a step of the network, against central differences in float64: the error
 * of a difference of step h is of the order of h^2 = 1e-10 of the third derivative, and 1e-16 / h of
 * rounding. */
static void the_gradient_through_a_step_ahead_is_right(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    stepper *s = &trainer->stepper;
    GOOD(one_step(trainer));
    int32_t k = params_find(&model->params, "gen.weight");
    double *w = model_tensor(model, k), largest = 0, h = 1e-5;
    GOOD(step_run(s, SM_GRAPH_AHEAD));
    double gradient[SM_IN * SM_IN];
    memcpy(gradient, stepper_gradient(s, k), sizeof gradient);
    for (int i = 0; i < SM_IN * SM_IN; i++) {
        double at = w[i], side[2];
        for (int j = 0; j < 2; j++) {
            w[i] = at + (j ? h : -h);
            GOOD(step_run(s, SM_GRAPH_AHEAD));
            side[j] = s->value[SM_LOOK_AHEAD];
        }
        w[i] = at;
        largest = fmax(largest, fabs(gradient[i]));
        assert_float_equal(gradient[i], (side[1] - side[0]) / (2 * h), 1e-8);
    }
    assert_true(largest > 1e-5); /* there is something to compare */
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

/* ---- statistics, and a second model ---- */

static void the_teacher_is_a_moving_average(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    int32_t k = params_find(&model->params, "net.fc2.weight");
    float before[5];
    memcpy(before, model_tensor(model, k), sizeof before);
    GOOD(one_step(trainer));
    const float *now = model_tensor(model, k);
    const step_state *teacher = &trainer->stepper.state[SM_TEACHER];
    const float *average = (const float *)(const void *)((const char *)teacher->array + teacher->byte[k]);
    for (int i = 0; i < 5; i++)
        assert_float_equal(average[i], 0.75 * before[i] + 0.25 * now[i], 1e-6);
    assert_true(now[0] != before[0]);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void statistics_change_by_one_update_a_step(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    slmt_model *model = make_model(context, 3, 5), *guide = make_model(context, 4, 5);
    slmt_trainer *trainer = make_trainer(model, "distil", 1);
    float x[BATCH][SM_IN], y[BATCH];
    double z[BATCH][5], w[5 * SM_IN];
    make_samples(0, x, y);
    memcpy(w, model_tensor(model, params_find(&model->params, "net.fc1.weight")), sizeof w);
    for (int b = 0; b < BATCH; b++)
        for (int i = 0; i < 5; i++) {
            z[b][i] = 0;
            for (int j = 0; j < SM_IN; j++)
                z[b][i] += w[i * SM_IN + j] * (double)x[b][j];
        }
    GOOD(slmt_trainer_attach(trainer, "guide", guide));
    GOOD(step_on(trainer, x, y));
    const double *mean = model_tensor(model, params_find(&model->params, "net.bn.running_mean"));
    const double *var = model_tensor(model, params_find(&model->params, "net.bn.running_var"));
    for (int i = 0; i < 5; i++) {
        double m = 0, v = 0;
        for (int b = 0; b < BATCH; b++)
            m += z[b][i] / BATCH;
        for (int b = 0; b < BATCH; b++)
            v += (z[b][i] - m) * (z[b][i] - m) / (BATCH - 1);
        assert_float_equal(mean[i], 0.1 * m, 1e-12);
        assert_float_equal(var[i], 0.9 + 0.1 * v, 1e-12);
    }
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_model_free(guide);
    slmt_context_free(context);
}

static void a_fixed_set_stays(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5), *guide = make_model(context, 4, 5),
               *fresh = make_model(context, 3, 5);
    slmt_trainer *trainer = make_trainer(model, "distil", 1);
    GOOD(slmt_trainer_attach(trainer, "guide", guide));
    for (int i = 0; i < 3; i++)
        GOOD(one_step(trainer));
    for (int32_t k = 0; k < model->params.n; k++) {
        const param *p = &model->params.list[k];
        int stays = strcmp(p->name, "net.bn.weight") == 0 || strcmp(p->name, "gen.weight") == 0;
        int same = memcmp(model_tensor(model, k), model_tensor(fresh, k), p->count * sizeof(float)) == 0;
        assert_int_equal(same, stays);
    }
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_model_free(guide);
    slmt_model_free(fresh);
    slmt_context_free(context);
}

static void a_default_step_that_fails_leaves_the_statistics(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5), *guide = make_model(context, 4, 5);
    slmt_trainer *trainer = make_trainer(model, "distil", 1);
    float x[BATCH][SM_IN], y[BATCH];
    GOOD(slmt_trainer_attach(trainer, "guide", guide));
    GOOD(one_step(trainer));
    save_trainer(trainer, "before.slmt");
    make_samples(0, x, y);
    x[0][0] = 3e38f; /* the variance overflows, and the loss does not */
    EXPECT_TEXT(SLMT_ERR_NONFINITE, "net.bn.running_var", step_on(trainer, x, y));
    save_trainer(trainer, "after.slmt");
    assert_true(same_saved("before.slmt", "after.slmt"));
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_model_free(guide);
    slmt_context_free(context);
}

static void a_second_model_is_attached_by_name(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 5), *guide = make_model(context, 4, 5),
               *wide = make_model(context, 4, 6);
    slmt_model *other = small_model(context, 1), *same = make_model(context, 4, 5);
    slmt_trainer *trainer = make_trainer(model, "distil", 1), *loaded = NULL;
    EXPECT_TEXT(SLMT_ERR_STATE, "guide", one_step(trainer));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "judge", slmt_trainer_attach(trainer, "judge", guide));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "slmt-net", slmt_trainer_attach(trainer, "guide", other));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "net.fc1.weight is [6,4], expected net.fc1.weight [5,4]",
                slmt_trainer_attach(trainer, "guide", wide));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "that is trained", slmt_trainer_attach(trainer, "guide", model));
    EXPECT_TEXT(SLMT_ERR_STATE, "guide", one_step(trainer));
    GOOD(slmt_trainer_attach(trainer, "guide", wide == guide ? wide : guide));
    slmt_model_free(guide); /* the trainer keeps it */
    GOOD(one_step(trainer));
    double first = step_value(trainer, "distance");
    for (int i = 0; i < 300; i++)
        GOOD(one_step(trainer));
    assert_true(step_value(trainer, "distance") < 0.5 * first);
    assert_true(same_weights(trainer->stepper.state[0].model, same)); /* not changed */
    save_trainer(trainer, "distil.slmt");
    GOOD(slmt_trainer_load(context, in_folder("distil.slmt"), &loaded));
    EXPECT_TEXT(SLMT_ERR_STATE, "guide", one_step(loaded));
    GOOD(slmt_trainer_attach(loaded, "guide", same));
    GOOD(one_step(loaded));
    GOOD(one_step(trainer));
    save_trainer(loaded, "loaded.slmt");
    save_trainer(trainer, "distil.slmt");
    assert_true(same_saved("loaded.slmt", "distil.slmt"));
    slmt_trainer_free(trainer);
    slmt_trainer_free(loaded);
    slmt_model_free(model);
    slmt_model_free(wide);
    slmt_model_free(other);
    slmt_model_free(same);
    slmt_context_free(context);
}

/* ---- clipping ---- */

/* Plain descent at rate 1: the change of all weights together has the norm that the gradient is clipped to.
 */
static void a_gradient_is_clipped_to_its_norm(void **state)
{
    (void)state;
    slmt_context *context = open_reference(SLMT_FLOAT64);
    slmt_model *guide = make_model(context, 4, 5);
    for (int clipped = 0; clipped < 2; clipped++) {
        slmt_model *model = make_model(context, 3, 5), *before = make_model(context, 3, 5);
        slmt_trainer *trainer = NULL;
        const slmt_number settings[] = {{"optimizer", OPTIMIZER_SGD},
                                        {"weight_decay", 0},
                                        {"momentum", 0},
                                        {"clip_norm", clipped ? 1e-3 : 1e3}};
        GOOD(slmt_trainer_create(model, "distil", settings, 4, 7, &trainer));
        GOOD(slmt_trainer_attach(trainer, "guide", guide));
        GOOD(one_step(trainer));
        double change = 0, norm = 0;
        for (int32_t k = 0; k < model->params.n; k++) {
            const double *now = model_tensor(model, k), *old = model_tensor(before, k);
            const double *d = stepper_gradient(&trainer->stepper, k);
            for (size_t i = 0; d && i < model->params.list[k].count; i++) {
                change += (now[i] - old[i]) * (now[i] - old[i]);
                norm += d[i] * d[i];
            }
        }
        assert_true(sqrt(norm) > 1e-3 && sqrt(norm) < 1e3);
        assert_float_equal(sqrt(change), 0.05 * (clipped ? 1e-3 : sqrt(norm)), 1e-12);
        slmt_trainer_free(trainer);
        slmt_model_free(model);
        slmt_model_free(before);
    }
    slmt_model_free(guide);
    slmt_context_free(context);
}

/* ---- memory ---- */

static void the_memory_query_is_exact_and_steps_take_nothing(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = make_model(context, 3, 5);
    uint64_t bytes = 0, before = slmt_context_live_bytes(context);
    GOOD(slmt_trainer_memory(model, "train", NULL, 0, &bytes));
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    assert_int_equal(slmt_context_live_bytes(context) - before, bytes);
    counter_fail(&c, 1);
    GOOD(one_step(trainer));
    assert_int_equal(c.calls, 0);
    counter_fail(&c, 0);
    slmt_trainer_free(trainer);
    assert_int_equal(slmt_context_live_bytes(context), before);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

/* The method's graphs run one after the other, and so do its updates: each kind has one arena, not one each.
 */
static void all_graphs_work_in_one_arena(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = make_model(context, 3, 64);
    slmt_trainer *trainer = make_trainer(model, "train", 1);
    const stepper *s = &trainer->stepper;
    size_t largest = 0, sum = 0;
    for (int i = 0; i < TASK_GRAPHS; i++) {
        size_t bytes = s->graph[i].plan ? plan_arena_bytes(s->graph[i].plan) : 0;
        largest = bytes > largest ? bytes : largest;
        sum += bytes;
        for (int set = 0; set < TASK_SETS; set++)
            if (s->graph[i].update[set])
                assert_true(plan_arena_bytes(s->graph[i].update[set]) <= s->updates.bytes);
    }
    assert_true(largest < sum);
    assert_int_equal(s->graphs.bytes, largest);
    assert_ptr_not_equal(s->graphs.memory, s->updates.memory); /* updates read gradients there */
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void memory_comes_back_wherever_it_runs_out(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = make_model(context, 3, 5);
    long live = c.live, total;
    slmt_trainer *trainer = NULL;
    counter_fail(&c, 0);
    GOOD(slmt_trainer_create(model, "train", NULL, 0, 7, &trainer));
    total = c.calls;
    slmt_trainer_free(trainer);
    for (long n = 1; n <= total; n += n < 10 || n > total - 60 ? 1 : 7) {
        trainer = NULL;
        counter_fail(&c, n);
        EXPECT(SLMT_ERR_MEMORY, slmt_trainer_create(model, "train", NULL, 0, 7, &trainer));
        assert_null(trainer);
        assert_int_equal(c.live, live);
    }
    counter_fail(&c, 0);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(c.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_losses_are_reported_by_name),
        cmocka_unit_test(both_sets_learn),
        cmocka_unit_test(state_is_saved_under_its_own_names),
        cmocka_unit_test(a_resumed_run_equals_the_uninterrupted_one_bit_for_bit),
        cmocka_unit_test(a_step_that_fails_late_leaves_everything_as_it_was),
        cmocka_unit_test(a_step_fails_in_its_last_graph_but_one),
        cmocka_unit_test(the_gradient_through_a_step_ahead_is_right),
        cmocka_unit_test(the_teacher_is_a_moving_average),
        cmocka_unit_test(statistics_change_by_one_update_a_step),
        cmocka_unit_test(a_fixed_set_stays),
        cmocka_unit_test(a_default_step_that_fails_leaves_the_statistics),
        cmocka_unit_test(a_second_model_is_attached_by_name),
        cmocka_unit_test(a_gradient_is_clipped_to_its_norm),
        cmocka_unit_test(the_memory_query_is_exact_and_steps_take_nothing),
        cmocka_unit_test(all_graphs_work_in_one_arena),
        cmocka_unit_test(memory_comes_back_wherever_it_runs_out),
    };
    return cmocka_run_group_tests(tests, set_up, delete_folder);
}
