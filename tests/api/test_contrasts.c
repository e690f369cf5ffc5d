/* SPDX-License-Identifier: Apache-2.0 */
/* test_contrasts.c - the names of the contrasts that a model tells apart: set, kept in its file, moved from
 * the card of older files, and used to choose what a session makes. */
#include "core/model_file.h"
#include "tests/api/api_fixture.h"

enum { SIDE_OF = 16 };

static slmt_model *any_to_any(slmt_context *context)
{
    static const slmt_number net[] = {{"channels", 1}, {"widths_0", 4},   {"widths_1", 4},
                                      {"widths_2", 4}, {"lstm_width", 4}, {"residual_blocks", 1},
                                      {"bank", 2},     {"code_length", 3}};
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "seq2seq", net, 8, 5, &model));
    return model;
}

static void expect_names(const slmt_model *model, const char *a, const char *b, const char *c)
{
    const char *names[] = {a, b, c};
    size_t n = 0;
    while (n < 3 && names[n])
        n++;
    assert_int_equal(slmt_model_contrast_count(model), n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(slmt_model_contrast(model, i), names[i]);
    assert_string_equal(slmt_model_contrast(model, n), "");
}

static void names_are_set_replaced_and_taken_away(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = any_to_any(context);
    char name[] = "t1";
    expect_names(model, NULL, NULL, NULL);
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){name, "t2 after gadolinium", "flair"}, 3));
    name[0] = 'x'; /* they are copies */
    expect_names(model, "t1", "t2 after gadolinium", "flair");
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){slmt_model_contrast(model, 2)},
                                  1)); /* its own */
    expect_names(model, "flair", NULL, NULL);
    GOOD(slmt_model_set_contrasts(model, NULL, 0));
    expect_names(model, NULL, NULL, NULL);
    assert_int_equal(slmt_model_contrast_count(NULL), 0);
    assert_string_equal(slmt_model_contrast(NULL, 0), "");
    slmt_model_free(model);
    slmt_context_free(context);
}

static void bad_names_are_refused_and_change_nothing(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = any_to_any(context), *one = NULL;
    const slmt_number tiny = {"preset", SLMT_NET_PRESET_TINY};
    char longest[66];
    memset(longest, 'a', 65);
    longest[65] = '\0';
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){"t1", longest + 1}, 2));
    const char *const four[] = {"a", "b", "c", "d"};
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "tells 3 apart", slmt_model_set_contrasts(model, four, 4));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "contrast 2",
                slmt_model_set_contrasts(model, (const char *const[]){"a", "b,c"}, 2));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "contrast 1",
                slmt_model_set_contrasts(model, (const char *const[]){""}, 1));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "contrast 1",
                slmt_model_set_contrasts(model, (const char *const[]){longest}, 1));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "contrast 1",
                slmt_model_set_contrasts(model, (const char *const[]){"a\nb"}, 1));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "contrast 1",
                slmt_model_set_contrasts(model, (const char *const[]){NULL}, 1));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "called t1",
                slmt_model_set_contrasts(model, (const char *const[]){"t1", "t2", "t1"}, 3));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "names", slmt_model_set_contrasts(model, NULL, 1));
    EXPECT(SLMT_ERR_ARGUMENT, slmt_model_set_contrasts(NULL, four, 1));
    expect_names(model, "t1", longest + 1, NULL);
    GOOD(slmt_model_create(context, "slmt-net", &tiny, 1, 1, &one));
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "slmt-net", slmt_model_set_contrasts(one, four, 1));
    slmt_model_free(one);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void names_that_do_not_fit_into_memory_leave_the_old_ones(void **state)
{
    (void)state;
    counter memory = {0};
    slmt_context *context = open_context(1, &memory);
    slmt_model *model = any_to_any(context);
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){"t1", "t2"}, 2));
    counter_fail(&memory, 1);
    EXPECT(SLMT_ERR_MEMORY, slmt_model_set_contrasts(model, (const char *const[]){"pd"}, 1));
    counter_fail(&memory, 0);
    expect_names(model, "t1", "t2", NULL);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_int_equal(memory.live, 0);
}

static void a_file_keeps_the_names(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = any_to_any(context), *loaded = NULL;
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){"t2", "t1", "flair"}, 3));
    GOOD(slmt_model_save(model, in_folder("names.h5")));
    GOOD(slmt_model_load(context, in_folder("names.h5"), &loaded));
    expect_names(loaded, "t2", "t1", "flair");
    slmt_model_free(loaded);
    slmt_model_free(model);
    slmt_context_free(context);
}

static slmt_model *after_a_file_with_card(slmt_context *context, const char *list)
{
    slmt_model *model = any_to_any(context), *loaded = NULL;
    GOOD(slmt_model_set_card(model, "sequences", list));
    GOOD(slmt_model_save(model, in_folder("older.h5")));
    GOOD(slmt_model_load(context, in_folder("older.h5"), &loaded));
    slmt_model_free(model);
    return loaded;
}

static void an_older_files_card_gives_the_names(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = after_a_file_with_card(context, "t1,t1 ce,flair");
    expect_names(model, "t1", "t1 ce", "flair");
    assert_string_equal(slmt_model_card(model, "sequences"), "");
    slmt_model_free(model);
    static const char *const odd[] = {"t1,t1", "a,b,c,d"}; /* a free text need not be such a list */
    for (size_t i = 0; i < 2; i++) {
        model = after_a_file_with_card(context, odd[i]);
        expect_names(model, NULL, NULL, NULL);
        assert_string_equal(slmt_model_card(model, "sequences"), odd[i]);
        slmt_model_free(model);
    }
    slmt_context_free(context);
}

/* Saves a model whose names were changed behind the library's back, or which has one more. */
static void expect_refused(slmt_context *context, char *at, char with, const slmt_model *model,
                           const char *word)
{
    checkpoint_writer *w = NULL;
    slmt_model *loaded = NULL;
    char before = at ? *at : '\0';
    if (at)
        *at = with;
    GOOD(checkpoint_create(&context->mem, in_folder("wrong.h5"), &w));
    GOOD(model_put(w, model));
    if (!at)
        GOOD(checkpoint_put_text(w, "model/names", "7", "pd"));
    GOOD(checkpoint_finish(w));
    if (at)
        *at = before;
    EXPECT_TEXT(SLMT_ERR_SCHEMA, word, slmt_model_load(context, in_folder("wrong.h5"), &loaded));
    assert_non_null(strstr(slmt_error_text(), "wrong.h5"));
    assert_null(loaded);
}

static void a_file_with_wrong_names_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = any_to_any(context);
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){"t1", "t2"}, 2));
    expect_refused(context, &model->contrasts[1][1], '1', model, "called t1");
    expect_refused(context, &model->contrasts[0][1], ',', model, "contrast 1");
    expect_refused(context, &model->contrasts[0][1], '\t', model, "contrast 1");
    expect_refused(context, NULL, 0, model, "attribute 2,");
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_session_makes_the_contrast_of_a_name(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = any_to_any(context);
    slmt_session *session = NULL;
    const slmt_number size[] = {{"height", SIDE_OF}, {"width", SIDE_OF}};
    float source[SIDE_OF * SIDE_OF], by_name[SIDE_OF * SIDE_OF], by_index[SIDE_OF * SIDE_OF];
    const int32_t index = 2;
    const int64_t extent = 1;
    for (int i = 0; i < SIDE_OF * SIDE_OF; i++)
        source[i] = (float)(i % 11) / 11;
    GOOD(slmt_session_create(model, NULL, size, 2, &session));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "none of them has a name", slmt_session_set_target(session, "flair"));
    GOOD(slmt_model_set_contrasts(model, (const char *const[]){"t1", "t2", "flair"}, 3));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "makes no pd; it makes t1, t2, flair",
                slmt_session_set_target(session, "pd"));
    GOOD(slmt_session_set_target(session, "flair"));
    GOOD(slmt_synthesize(session, source, 1, by_name));
    GOOD(slmt_session_set_target(session, "t1"));
    GOOD(slmt_synthesize(session, source, 1, by_index));
    assert_memory_not_equal(by_name, by_index, sizeof by_name);
    GOOD(slmt_session_set(
        session, &(slmt_tensor){"sequence", (void *)(uintptr_t)&index, &extent, NULL, 1, SLMT_TENSOR_INT32}));
    GOOD(slmt_synthesize(session, source, 1, by_index));
    assert_memory_equal(by_name, by_index, sizeof by_name);
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void a_model_of_one_contrast_makes_that_one_alone(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    const slmt_number tiny = {"preset", SLMT_NET_PRESET_TINY};
    GOOD(slmt_model_create(context, "slmt-net", &tiny, 1, 1, &model));
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "does not say", slmt_session_set_target(session, "t2"));
    GOOD(slmt_model_set_card(model, "target_contrast", "t2"));
    GOOD(slmt_session_set_target(session, "t2"));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "t2 alone, not flair", slmt_session_set_target(session, "flair"));
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_set_replaced_and_taken_away),
        cmocka_unit_test(bad_names_are_refused_and_change_nothing),
        cmocka_unit_test(names_that_do_not_fit_into_memory_leave_the_old_ones),
        cmocka_unit_test(a_file_keeps_the_names),
        cmocka_unit_test(an_older_files_card_gives_the_names),
        cmocka_unit_test(a_file_with_wrong_names_is_refused),
        cmocka_unit_test(a_session_makes_the_contrast_of_a_name),
        cmocka_unit_test(a_model_of_one_contrast_makes_that_one_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, delete_folder);
}
