/* SPDX-License-Identifier: Apache-2.0 */
/* test_profile.c - profiles: what is counted, under which names, and the trace file. */
#include "slmt/slmt.h"

#include <cjson/cJSON.h>

#include "tests/api/api_fixture.h"

typedef struct setup {
    slmt_context *context;
    slmt_model *model;
    slmt_session *session;
    slmt_profile *profile;
    float *in, *out;
} setup;

static setup open_setup(void)
{
    setup s = {.context = open_context(1, NULL)};
    slmt_session_config c;
    s.model = small_model(s.context, 1);
    slmt_session_config_init(&c);
    GOOD(slmt_session_create(s.model, &c, &s.session));
    GOOD(slmt_profile_create(s.context, &s.profile));
    GOOD(slmt_session_set_profile(s.session, s.profile));
    s.in = make_slices(2, 0);
    s.out = calloc(2 * PIXELS, sizeof(float));
    assert_true(s.in && s.out);
    return s;
}

static void close_setup(setup *s)
{
    free(s->in);
    free(s->out);
    slmt_profile_free(s->profile);
    slmt_session_free(s->session);
    slmt_model_free(s->model);
    slmt_context_free(s->context);
}

static slmt_profile_entry entry_at(const slmt_profile *profile, size_t index)
{
    slmt_profile_entry e = {.struct_size = sizeof e};
    GOOD(slmt_profile_entry_at(profile, index, &e));
    return e;
}

static slmt_profile_entry find_layer(const slmt_profile *profile, const char *layer, const char *op,
                                     int backward)
{
    for (size_t i = 0; i < slmt_profile_entry_count(profile); i++) {
        slmt_profile_entry e = entry_at(profile, i);
        if (strcmp(e.layer, layer) == 0 && strcmp(e.op, op) == 0 && e.backward == backward)
            return e;
    }
    fail_msg("no %s of layer %s", op, layer);
    return (slmt_profile_entry){0};
}

static void counts_calls_by_layer(void **state)
{
    (void)state;
    setup s = open_setup();
    GOOD(slmt_synthesize(s.session, s.in, 2, s.out)); /* batch 1: two runs */
    slmt_profile_entry e = find_layer(s.profile, "E.blocks.0.attn.qkv", "linear", 0);
    slmt_model_options o = {.struct_size = sizeof o};
    GOOD(slmt_model_get_options(s.model, &o));
    double tokens = (double)o.image_size / o.mae_patch * o.image_size / o.mae_patch;
    assert_int_equal(e.calls, 2);
    assert_true(e.seconds > 0);
    assert_true(e.flops == 2 * 2 * tokens * o.embed_dim * 3.0 * o.embed_dim);
    e = find_layer(s.profile, "E.blocks.0.attn", "attention", 0);
    assert_true(e.flops == 2 * 4 * tokens * tokens * o.embed_dim);
    find_layer(s.profile, "G.to_img.linear", "linear", 0);

    slmt_profile_clear(s.profile);
    assert_int_equal(find_layer(s.profile, "E.blocks.0.attn.qkv", "linear", 0).calls, 0);
    GOOD(slmt_session_set_profile(s.session, NULL));
    GOOD(slmt_synthesize(s.session, s.in, 1, s.out));
    assert_int_equal(find_layer(s.profile, "E.blocks.0.attn.qkv", "linear", 0).calls, 0);
    close_setup(&s);
}

static void does_not_change_results(void **state)
{
    (void)state;
    setup s = open_setup();
    float *plain = calloc(PIXELS, sizeof(float));
    GOOD(slmt_synthesize(s.session, s.in, 1, s.out));
    GOOD(slmt_session_set_profile(s.session, NULL));
    GOOD(slmt_synthesize(s.session, s.in, 1, plain));
    assert_memory_equal(plain, s.out, PIXELS * sizeof(float));
    free(plain);
    close_setup(&s);
}

static void gradients_and_adam_have_their_layers(void **state)
{
    (void)state;
    setup s = open_setup();
    slmt_trainer_config c;
    slmt_trainer *trainer;
    GOOD(slmt_trainer_config_init(&c, SLMT_STAGE_PRETRAIN));
    c.batch = 1;
    GOOD(slmt_trainer_create(s.model, &c, &trainer));
    GOOD(slmt_trainer_set_profile(trainer, s.profile));
    slmt_profile_free(s.profile); /* session and trainer keep it */
    GOOD(slmt_pretrain_step(trainer, s.in, 1e-4));
    assert_int_equal(find_layer(s.profile, "E.blocks.0.attn", "attention_grad", 1).calls, 1);
    assert_true(find_layer(s.profile, "optimizer", "adam", 0).calls >= 1);
    s.profile = NULL;
    slmt_trainer_free(trainer);
    close_setup(&s);
}

static void trace_is_json_with_every_call(void **state)
{
    (void)state;
    char folder[] = "/tmp/slmt-profile-XXXXXX", path[64];
    setup s = open_setup();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/trace.json", folder);
    GOOD(slmt_synthesize(s.session, s.in, 1, s.out));
    GOOD(slmt_profile_write_trace(s.profile, path));

    uint64_t calls = 0;
    for (size_t i = 0; i < slmt_profile_entry_count(s.profile); i++)
        calls += entry_at(s.profile, i).calls;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static char text[1 << 20];
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    cJSON *trace = cJSON_Parse(text);
    assert_non_null(trace);
    const cJSON *events = cJSON_GetObjectItem(trace, "traceEvents"), *event;
    assert_int_equal(cJSON_GetArraySize(events), calls);
    double before = 0;
    cJSON_ArrayForEach(event, events)
    {
        double start = cJSON_GetObjectItem(event, "ts")->valuedouble;
        assert_true(start >= before);
        assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(event, "args"), "layer"));
        before = start + 0.9 * cJSON_GetObjectItem(event, "dur")->valuedouble;
    }
    cJSON_Delete(trace);
    remove(path);
    remove(folder);
    EXPECT_TEXT(SLMT_ERR_IO, path, slmt_profile_write_trace(s.profile, path));
    close_setup(&s);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    setup s = open_setup();
    slmt_profile_entry e = {.struct_size = sizeof e};
    EXPECT(SLMT_ERR_ARGUMENT, slmt_profile_create(NULL, &s.profile));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_profile_create(s.context, NULL));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_session_set_profile(NULL, s.profile));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_trainer_set_profile(NULL, s.profile));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "index",
                slmt_profile_entry_at(s.profile, slmt_profile_entry_count(s.profile), &e));
    e.struct_size = 0;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "slmt_profile_entry", slmt_profile_entry_at(s.profile, 0, &e));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_profile_write_trace(s.profile, NULL));
    assert_int_equal(slmt_profile_entry_count(NULL), 0);
    slmt_profile_clear(NULL);
    slmt_profile_free(NULL);
    close_setup(&s);
}

static void failing_allocations_leave_the_session_as_it_was(void **state)
{
    (void)state;
    counter c = {0};
    slmt_context *context = open_context(1, &c);
    slmt_model *model = small_model(context, 1);
    slmt_session *session;
    slmt_profile *profile;
    float *in = make_slices(1, 0), *out = calloc(PIXELS, sizeof(float));
    GOOD(slmt_session_create(model, NULL, &session));
    GOOD(slmt_profile_create(context, &profile));
    slmt_status s = SLMT_ERR_MEMORY;
    for (long n = 1; s != SLMT_OK; n++) {
        counter_fail(&c, n);
        s = slmt_session_set_profile(session, profile);
        counter_fail(&c, 0);
        assert_true(s == SLMT_OK || s == SLMT_ERR_MEMORY);
        GOOD(slmt_synthesize(session, in, 1, out));
    }
    counter_fail(&c, 1); /* no memory for events: they are counted all the same */
    GOOD(slmt_synthesize(session, in, 1, out));
    counter_fail(&c, 0);
    assert_int_equal(find_layer(profile, "G.to_img.linear", "linear", 0).calls, 2);
    free(in);
    free(out);
    slmt_session_free(session);
    slmt_profile_free(profile);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(atomic_load(&c.live), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_calls_by_layer),
        cmocka_unit_test(does_not_change_results),
        cmocka_unit_test(gradients_and_adam_have_their_layers),
        cmocka_unit_test(trace_is_json_with_every_call),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(failing_allocations_leave_the_session_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
