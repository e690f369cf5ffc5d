/* SPDX-License-Identifier: Apache-2.0 */
/* test_texts.c - options and settings that are texts: their defaults, their pattern, their place in structs
 * and files, and what a program is told of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/model_file.h"
#include "core/task.h"
#include "lib/ops.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* last: it has a macro fail() */

typedef struct toy_options {
    int32_t side;
    char classes[32];
    int32_t after;
} toy_options;
static const number options_rows[] = {
    NUMBER_WHOLE(toy_options, side, 4, 1, 64, "rows"),
    NUMBER_TEXT(toy_options, classes, "liver,spleen", "[a-z]+(,[a-z]+)*", "names of classes"),
    NUMBER_WHOLE(toy_options, after, 7, 1, 9, "a number behind the text"),
};
NUMBERS_OF(toy_options, options)
static const number_table options_table = NUMBERS(options_rows);

typedef struct tell_settings {
    int32_t batch;
    char word[8];
} tell_settings;
static const number tell_rows[] = {
    NUMBER_ROLE(tell_settings, batch, BATCH, 1, 1, 8, "samples"),
    NUMBER_TEXT(tell_settings, word, "", ".*", "a word, whose length is told"),
};
NUMBERS_OF(tell_settings, tell)
static const port tell_inputs[] = {PORT_REAL("x", "batch", "numbers")};
static const port tell_outputs[] = {PORT_REAL("y", "batch", "numbers plus the word's length")};

static void tell_build(task_graph *t)
{
    t->out[0] = op_affine(t->g, t->in[0], 1, (double)strlen(tell_of(t->at.setting).word));
}

static void tensors(params *p, const double *option)
{
    const int64_t side = options_of(option).side;
    params_add(p, INIT_ONE, 1, 1, &side, "w");
}

static const method_task tasks[] = {
    {TASK(tell, "for tests"), .inputs = PORTS(tell_inputs), .outputs = PORTS(tell_outputs)}};
static const method toy = {.name = "toy",
                           .title = "for tests",
                           .source = "none",
                           .options = NUMBERS(options_rows),
                           .tensors = tensors,
                           .tasks = tasks,
                           .n_tasks = 1};

#define GOOD(call) assert_int_equal(call, SLMT_OK)
#define EXPECT(code, word, call)                                                                             \
    do {                                                                                                     \
        assert_int_equal(call, code);                                                                        \
        assert_non_null(strstr(slmt_error_text(), word));                                                    \
    } while (0)

static slmt_context *context;

static int open_context(void **state)
{
    (void)state;
    method_add(&toy);
    return slmt_context_create(NULL, &context);
}

static int close_context(void **state)
{
    (void)state;
    slmt_context_free(context);
    return 0;
}

static slmt_model *model_with(const char *given)
{
    const slmt_number n = {given, 0};
    slmt_model *model = NULL;
    GOOD(slmt_model_create(context, "toy", &n, given ? 1 : 0, 1, &model));
    return model;
}

static void a_text_is_the_default_or_what_was_given(void **state)
{
    (void)state;
    double value = 0;
    slmt_model *model = model_with(NULL);
    assert_string_equal(slmt_model_option_text(model, "classes"), "liver,spleen");
    assert_string_equal(options_of(model->option).classes, "liver,spleen");
    GOOD(slmt_model_option(model, "after", &value));
    assert_true(value == 7);
    assert_null(slmt_model_option_text(model, "side"));
    assert_null(slmt_model_option_text(model, "nothing"));
    EXPECT(SLMT_ERR_NOT_FOUND, "classes", slmt_model_option(model, "classes", &value));
    slmt_model_free(model);
    model = model_with("classes=kidney");
    assert_string_equal(slmt_model_option_text(model, "classes"), "kidney");
    assert_int_equal(options_of(model->option).after, 7);
    slmt_model_free(model);
}

static void a_text_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    slmt_model *model = NULL;
    const slmt_number digits = {"classes=a1", 0}, half = {"classes=liver,", 0}, empty = {"classes=", 0};
    const slmt_number long_one = {"classes=abcdefghijklmnopqrstuvwxyzabcdef", 0}, bare = {"classes", 3};
    const slmt_number longest = {"classes=abcdefghijklmnopqrstuvwxyzabcde", 0}, number = {"side=3", 0};
    EXPECT(SLMT_ERR_ARGUMENT, "is 'a1', expected a text that matches [a-z]+(,[a-z]+)*",
           slmt_model_create(context, "toy", &digits, 1, 1, &model));
    EXPECT(SLMT_ERR_ARGUMENT, "'liver,'", slmt_model_create(context, "toy", &half, 1, 1, &model));
    EXPECT(SLMT_ERR_ARGUMENT, "''", slmt_model_create(context, "toy", &empty, 1, 1, &model));
    EXPECT(SLMT_ERR_ARGUMENT, "32 bytes, and at most 31",
           slmt_model_create(context, "toy", &long_one, 1, 1, &model));
    EXPECT(SLMT_ERR_ARGUMENT, "\"classes=...\"", slmt_model_create(context, "toy", &bare, 1, 1, &model));
    EXPECT(SLMT_ERR_NOT_FOUND, "side=3", slmt_model_create(context, "toy", &number, 1, 1, &model));
    assert_null(model);
    GOOD(slmt_model_create(context, "toy", &longest, 1, 1, &model));
    assert_string_equal(slmt_model_option_text(model, "classes"), longest.name + 8);
    slmt_model_free(model);
}

static void texts_are_read_into_their_struct_and_written_back(void **state)
{
    (void)state;
    toy_options o = {.side = 3, .classes = "bone", .after = 2};
    double values[16], back[16];
    assert_int_equal(numbers_count(options_table), 1 + 4 + 1); /* 32 bytes are 4 doubles */
    memset(values, 0, sizeof values);
    memset(back, 0, sizeof back);
    numbers_write(options_table, &o, values);
    assert_int_equal(numbers_check(options_table, "option", values), OK);
    assert_string_equal(number_text(options_table, values, "classes"), "bone");
    toy_options read = options_of(values);
    assert_int_equal(read.after, 2);
    assert_string_equal(read.classes, "bone");
    numbers_write(options_table, &read, back);
    assert_memory_equal(values, back, sizeof values);
    memset((char *)(values + 1), 'a', 32); /* no NUL */
    assert_int_equal(numbers_check(options_table, "option", values), ERR_ARGUMENT);
}

static void a_setting_reaches_the_graph(void **state)
{
    (void)state;
    slmt_model *model = model_with(NULL);
    slmt_session *session = NULL;
    const slmt_number word = {"word=seven77", 0};
    const int64_t one = 1;
    float x = 2, y = 0;
    GOOD(slmt_session_create(model, "tell", &word, 1, &session));
    GOOD(slmt_session_run(session, &(slmt_tensor){"x", &x, &one, NULL, 1, SLMT_TENSOR_FLOAT32}, 1,
                          &(slmt_tensor){"y", &y, &one, NULL, 1, SLMT_TENSOR_FLOAT32}, 1));
    assert_true(y == 9);
    slmt_session_free(session);
    slmt_model_free(model);
}

/* Saved as an attribute that is a text; a text that breaks the rules is refused. */
static void a_file_keeps_texts(void **state)
{
    (void)state;
    char path[] = "/tmp/slmt-texts-XXXXXX";
    close(mkstemp(path));
    slmt_model *model = model_with("classes=heart,lung"), *loaded = NULL;
    checkpoint *c = NULL;
    const char *text = NULL;
    GOOD(slmt_model_save(model, path));
    GOOD(slmt_model_load(context, path, &loaded));
    assert_string_equal(slmt_model_option_text(loaded, "classes"), "heart,lung");
    slmt_model_free(loaded);
    loaded = NULL;
    assert_int_equal(checkpoint_open(&context->mem, path, &c), OK);
    assert_int_equal(checkpoint_text(c, "model/options", "classes", &text), OK);
    assert_string_equal(text, "heart,lung");
    checkpoint_close(c);
    ((char *)(model->option + 1))[0] = 'H'; /* behind the library's back */
    GOOD(slmt_model_save(model, path));
    EXPECT(SLMT_ERR_SCHEMA, "'Heart,lung'", slmt_model_load(context, path, &loaded));
    assert_non_null(strstr(slmt_error_text(), path));
    assert_null(loaded);
    remove(path);
    slmt_model_free(model);
}

static void a_program_is_told_of_texts(void **state)
{
    (void)state;
    slmt_number_info info = {.struct_size = sizeof info};
    GOOD(slmt_method_option("toy", 1, &info));
    assert_int_equal(info.kind, SLMT_NUMBER_TEXT);
    assert_int_equal(info.count, 31);
    assert_string_equal(info.list, "liver,spleen");
    assert_string_equal(info.pattern, "[a-z]+(,[a-z]+)*");
    assert_string_equal(info.choices, "");
    GOOD(slmt_method_option("toy", 0, &info));
    assert_string_equal(info.pattern, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_the_default_or_what_was_given),
        cmocka_unit_test(a_text_that_does_not_fit_is_refused),
        cmocka_unit_test(texts_are_read_into_their_struct_and_written_back),
        cmocka_unit_test(a_setting_reaches_the_graph),
        cmocka_unit_test(a_file_keeps_texts),
        cmocka_unit_test(a_program_is_told_of_texts),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
