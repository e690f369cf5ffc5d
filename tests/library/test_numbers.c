/* SPDX-License-Identifier: Apache-2.0 */
/* test_numbers.c - options and settings by name, and what becomes of a name that a method has misspelt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "core/task.h"

#include <cmocka.h> /* last: it has a macro fail() */

static const number rows[] = {{"batch", SLMT_NUMBER_WHOLE, 2, 1, 8, "samples", NULL},
                              {"rate", SLMT_NUMBER_REAL, 0.5, 0, 1, "a rate", NULL}};
static const number_table table = NUMBERS(rows);

static void a_row_is_found_by_its_name(void **state)
{
    (void)state;
    double values[2];
    numbers_init(table, values);
    numbers_watch();
    assert_true(number_of(table, values, "batch") == 2);
    assert_true(number_of(table, values, "rate") == 0.5);
    assert_int_equal(numbers_watched("test"), OK);
}

static void the_first_misspelt_name_is_an_internal_error(void **state)
{
    (void)state;
    /* what lies before the values must not be read */
    double room[] = {-77, 2, 0.5}, *values = room + 1;
    numbers_watch();
    assert_true(number_of(table, values, "bacth") == 1);
    assert_true(number_of(table, values, "raet") == 1);
    assert_true(number_of(table, values, "rate") == 0.5);
    assert_int_equal(numbers_watched("task paint"), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "task paint"));
    assert_non_null(strstr(status_text(), "bacth"));
    numbers_watch();
    assert_int_equal(numbers_watched("task paint"), OK);
}

/* A task whose code asks for a setting that its table has not. */
static int misspells_shapes;

static status shapes(numbers at, bk_dtype real, bk_shape *shape)
{
    int64_t batch = (int64_t)number_of(table, at.setting, misspells_shapes ? "bacth" : "batch");
    shape[0] = (bk_shape){.rank = 1, .dim = {batch}, .dtype = real};
    return misspells_shapes ? (fail)(ERR_ARGUMENT, "what follows from it") : OK;
}

static void build(task_graph *t)
{
    number_of(table, t->at.setting, "bacth");
}

static void a_task_that_misspells_a_setting_is_refused_with_its_name(void **state)
{
    (void)state;
    static const method_task kind = {
        .name = "paint", .settings = NUMBERS(rows), .shapes = shapes, .build = build};
    slmt_model model = {.params = {.real = BK_F32}};
    double setting[2];
    mem m;
    graph *g;
    task t;
    task_values made = {0};
    numbers_init(table, setting);
    misspells_shapes = 1;
    assert_int_equal(task_init(&t, &model, &kind, setting), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "paint asks for option or setting bacth"));
    misspells_shapes = 0;
    assert_int_equal(task_init(&t, &model, &kind, setting), OK);
    mem_init(&m, NULL, NULL, NULL, 0);
    assert_int_equal(graph_create(&m, BK_F32, &g), OK);
    assert_int_equal(task_build(&t, 0, g, &made), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "bacth"));
    task_values_close(&made, g);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_found_by_its_name),
        cmocka_unit_test(the_first_misspelt_name_is_an_internal_error),
        cmocka_unit_test(a_task_that_misspells_a_setting_is_refused_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
