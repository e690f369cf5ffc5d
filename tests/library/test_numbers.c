/* SPDX-License-Identifier: Apache-2.0 */
/* test_numbers.c - options and settings by name, their structs and their attributes. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/model_file.h"
#include "core/pattern.h"

#include <cmocka.h> /* last: it has a macro fail() */

typedef struct paint {
    int32_t batch;
    double rate;
    int32_t colour, widths[3];
} paint;

static const number rows[] = {
    NUMBER_ROLE(paint, batch, BATCH, 2, 1, 8, "samples"),
    NUMBER_LIST(paint, widths, "4,8,16", 1, 64, "breadth", "widths"),
    NUMBER_REAL(paint, rate, 0.5, 0, 1, "a rate"),
    NUMBER_CHOICE(paint, colour, 1, 2, "red|green|blue", "a colour"),
};
static const number_table table = NUMBERS(rows);

static void a_value_is_found_by_its_name_and_an_element_by_its_index(void **state)
{
    (void)state;
    static const char *const names[] = {"batch", "widths_0", "widths_1", "widths_2", "rate", "colour"};
    assert_int_equal(numbers_count(table), 6);
    for (int32_t i = 0; i < 6; i++)
        assert_int_equal(number_index(table, names[i]), i);
    static const char *const none[] = {"widths", "widths_3", "widths_", "widths_00", "batch_0", "bacth", ""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(number_index(table, none[i]), -1);
}

static void a_value_is_found_by_its_role_behind_the_elements_of_a_list(void **state)
{
    (void)state;
    static const number with_height[] = {
        NUMBER_LIST(paint, widths, "4,8,16", 1, 64, NULL, "breadth"),
        NUMBER_ROLE(paint, colour, HEIGHT, 1, 1, 8, "rows"),
    };
    assert_int_equal(number_with_role(table, SLMT_ROLE_BATCH), 0);
    assert_int_equal(number_with_role(table, SLMT_ROLE_HEIGHT), -1);
    assert_int_equal(number_with_role((number_table){with_height, 2}, SLMT_ROLE_HEIGHT), 3);
}

static void the_defaults_are_read_into_the_struct_and_written_back(void **state)
{
    (void)state;
    double values[6], back[6];
    paint p;
    numbers_init(table, values);
    numbers_read(table, values, &p);
    assert_int_equal(p.batch, 2);
    assert_true(p.rate == 0.5);
    assert_int_equal(p.colour, 1);
    assert_int_equal(p.widths[0], 4);
    assert_int_equal(p.widths[2], 16);
    numbers_write(table, &p, back);
    assert_memory_equal(values, back, sizeof values);
}

static void an_element_out_of_range_is_refused(void **state)
{
    (void)state;
    double values[6];
    static const slmt_number good[] = {{"widths_2", 64}, {"colour", 2}}, bad[] = {{"widths_1", 65}},
                             half[] = {{"colour", 0.5}}, misspelt[] = {{"widths", 3}};
    numbers_init(table, values);
    assert_int_equal(numbers_set(table, "option", good, 2, values), OK);
    assert_int_equal(numbers_check(table, "option", values), OK);
    assert_int_equal(numbers_set(table, "option", misspelt, 1, values), ERR_NOT_FOUND);
    assert_int_equal(numbers_set(table, "option", bad, 1, values), OK);
    assert_int_equal(numbers_check(table, "option", values), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "widths is 65, expected 1 to 64"));
    numbers_init(table, values);
    assert_int_equal(numbers_set(table, "option", half, 1, values), OK);
    assert_int_equal(numbers_check(table, "option", values), ERR_ARGUMENT);
}

static void a_choice_is_found_by_its_whole_name(void **state)
{
    (void)state;
    size_t length;
    assert_int_equal(choice_index("red|green|blue", "green", 5), 1);
    assert_int_equal(choice_index("red|green|blue", "gree", 4), -1);
    assert_int_equal(choice_index("red|green|blue", "", 0), -1);
    assert_true(strncmp(choice_name("red|green|blue", 2, &length), "blue", 4) == 0 && length == 4);
    assert_null(choice_name("red|green|blue", 3, &length));
}

/* ---- in a checkpoint ---- */

static checkpoint *written(mem *m, const char *path, const double *values, status (*put)(checkpoint_writer *))
{
    checkpoint_writer *w;
    checkpoint *c;
    assert_int_equal(checkpoint_create(m, path, &w), OK);
    assert_int_equal(values ? numbers_put(w, "model/options", table, values) : put(w), OK);
    assert_int_equal(checkpoint_finish(w), OK);
    assert_int_equal(checkpoint_open(m, path, &c), OK);
    return c;
}

static void a_choice_is_stored_by_its_name(void **state)
{
    (void)state;
    mem m;
    double values[6], back[6];
    const char *text;
    mem_init(&m, NULL, NULL, NULL, 0);
    numbers_init(table, values);
    values[5] = 2;
    checkpoint *c = written(&m, "numbers.h5", values, NULL);
    assert_int_equal(checkpoint_text(c, "model/options", "colour", &text), OK);
    assert_string_equal(text, "blue");
    assert_int_equal(numbers_get(c, "model/options", table, back), OK);
    assert_memory_equal(values, back, sizeof values);
    checkpoint_close(c);
}

static status put_older(checkpoint_writer *w)
{
    TRY(checkpoint_put_int(w, "model/options", "batch", 3));
    for (int i = 0; i < 3; i++)
        TRY(checkpoint_put_int(w, "model/options", (const char *[]){"breadth_0", "breadth_1", "breadth_2"}[i],
                               i + 1));
    TRY(checkpoint_put_real(w, "model/options", "rate", 0.25));
    return checkpoint_put_int(w, "model/options", "colour", 2);
}

static void an_older_file_has_the_index_of_a_choice_and_the_older_name_of_a_list(void **state)
{
    (void)state;
    mem m;
    double back[6];
    static const double expected[] = {3, 1, 2, 3, 0.25, 2};
    mem_init(&m, NULL, NULL, NULL, 0);
    checkpoint *c = written(&m, "older.h5", NULL, put_older);
    assert_int_equal(numbers_get(c, "model/options", table, back), OK);
    assert_memory_equal(expected, back, sizeof expected);
    checkpoint_close(c);
}

static status put_unknown(checkpoint_writer *w)
{
    TRY(put_older(w));
    return checkpoint_put_text(w, "other", "colour", "mauve");
}

static void a_choice_of_an_unknown_name_is_refused_with_what_there_is(void **state)
{
    (void)state;
    static const number_table colours = {&rows[3], 1};
    mem m;
    double back[6];
    mem_init(&m, NULL, NULL, NULL, 0);
    checkpoint *c = written(&m, "unknown.h5", NULL, put_unknown);
    assert_int_equal(numbers_get(c, "other", colours, back), ERR_SCHEMA);
    assert_non_null(strstr(status_text(), "colour of /other is mauve, expected one of red|green|blue"));
    checkpoint_close(c);
}

/* The patterns of the tables, and others with the same parts, on random texts. */
static void patterns_match_as_regular_expressions_of_posix(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "-?[0-9]{1,8}(=[^,=]{1,60})?(,-?[0-9]{1,8}(=[^,=]{1,60})?)*",
        "median|([0-9.]+(e[+-]?[0-9]+)?(,[0-9.]+(e[+-]?[0-9]+)?)*)?",
        "[A-Za-z0-9_-]*",
        "a{2,3}b|c+",
        "(a?){2,3}b",
        "[^a-c]\\.[x-]{2}",
        "(a|bc|)d*",
    };
    static const char letters[] = "01,=-+e.abcdx_";
    uint32_t random = 1;
    int matched = 0;
    for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++) {
        char whole[128], text[16];
        regex_t form;
        snprintf(whole, sizeof whole, "^(%s)$", patterns[p]);
        assert_int_equal(regcomp(&form, whole, REG_EXTENDED | REG_NOSUB), 0);
        for (int i = 0; i < 20000; i++) {
            int length = i % 10;
            for (int k = 0; k < length; k++) {
                random = random * 1664525u + 1013904223u;
                text[k] = letters[(random >> 16) % (sizeof letters - 1)];
            }
            text[length] = '\0';
            int expected = regexec(&form, text, 0, NULL, 0) == 0;
            if (pattern_matches(patterns[p], text) != expected)
                fail_msg("%s: '%s', expected %d", patterns[p], text, expected);
            matched += expected;
        }
        regfree(&form);
    }
    assert_true(matched > 1000);
    assert_true(pattern_matches(patterns[0], "0,1=edema,2,-4=enhancing tumour"));
    assert_true(pattern_matches(patterns[1], "median") && !pattern_matches(patterns[1], "medians"));
    assert_false(pattern_matches(patterns[0], "123456789"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_by_its_name_and_an_element_by_its_index),
        cmocka_unit_test(a_value_is_found_by_its_role_behind_the_elements_of_a_list),
        cmocka_unit_test(the_defaults_are_read_into_the_struct_and_written_back),
        cmocka_unit_test(an_element_out_of_range_is_refused),
        cmocka_unit_test(a_choice_is_found_by_its_whole_name),
        cmocka_unit_test(a_choice_is_stored_by_its_name),
        cmocka_unit_test(an_older_file_has_the_index_of_a_choice_and_the_older_name_of_a_list),
        cmocka_unit_test(a_choice_of_an_unknown_name_is_refused_with_what_there_is),
        cmocka_unit_test(patterns_match_as_regular_expressions_of_posix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
