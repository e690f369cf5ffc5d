/* SPDX-License-Identifier: Apache-2.0 */
/* test_task_shapes.c - the shapes of a task's ports follow from the names of their axes, by role first, then
 * by the names of settings and options; and so does how many slices a sample has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "core/model_file.h"
#include "core/task.h"
#include "lib/ops/rules.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* last: it has a macro fail() */

typedef struct toy_options {
    int32_t side, bands, ndims;
} toy_options;
static const number options_rows[] = {
    NUMBER_ROLE(toy_options, side, SIDE, 8, 1, 64, "rows and columns"),
    NUMBER_WHOLE(toy_options, bands, 3, 1, 64, "bands of an image"),
    NUMBER_WHOLE(toy_options, ndims, 2, 2, 3, "axes of space"),
};

static const number paint_rows[] = {NUMBER_BATCH("samples"), NUMBER_EXTENT(height, HEIGHT, 5, 1, 64, "rows"),
                                    NUMBER_EXTENT(marks, NONE, 7, 1, 64, "marks of an image")};
static const port paint_inputs[] = {
    PORT_ROLE("source", "batch,bands,height,width", SOURCE, "images"),
    PORT_INDEX("colour", TARGET_CONTRAST, "bands", "a colour"),
    PORT_MADE("places", "batch,marks,2", INT32, "places of marks"),
};
static const port paint_outputs[] = {PORT_ROLE("target", "batch,height,width", TARGET, "images"),
                                     PORT_LOSS("sum", "the sum of all")};
static const port unknown_inputs[] = {PORT_REAL("riddle", "batch,mystery", "no number tells")};

typedef struct stack_settings {
    int32_t times, depth;
} stack_settings;
static const number stack_rows[] = {
    NUMBER_BATCH("samples"),
    NUMBER_WHOLE(stack_settings, times, 1, 1, 64, "time points"),
    NUMBER_MULTIPLE(stack_settings, depth, DEPTH, 4, 12, 1, 64, "slices, with ndims 3"),
};
NUMBERS_OF(stack_settings, stack)

static void paint_build(task_graph *t)
{
    (void)t;
}

static status fill_riddle(numbers at, bk_dtype real, bk_shape *shape)
{
    (void)real;
    if (shape[0].dim[0] != at.setting[0] || shape[0].dim[1] != 0)
        return ERR_INTERNAL; /* the known extents are not there */
    shape[0].dim[1] = 11;
    return OK;
}

static void no_tensors(params *p, const double *option)
{
    (void)option;
    params_add(p, INIT_ZERO, 1, 1, (const int64_t[]){1}, "w");
}

static method_task tasks[] = {
    {TASK(paint, "for tests"), .inputs = PORTS(paint_inputs), .outputs = PORTS(paint_outputs)},
    {.name = "guess",
     .help = "for tests",
     .settings = NUMBERS(paint_rows),
     .inputs = PORTS(unknown_inputs),
     .outputs = PORTS(paint_outputs),
     .build = paint_build},
    {.name = "stack",
     .help = "for tests",
     .settings = NUMBERS(stack_rows),
     .inputs = PORT_ROWS(PORT_ROLE("source", "batch,times,bands,(depth,)height,width", SOURCE, "stacks")),
     .outputs = PORT_ROWS(PORT_ROLE("target", "batch,height,width", TARGET, "the middle ones")),
     .build = paint_build},
};
static const method toy = {.name = "toy",
                           .title = "for tests",
                           .source = "none",
                           .options = NUMBERS(options_rows),
                           .tensors = no_tensors,
                           TASKS(tasks)};

static slmt_model *open_model_of(slmt_context **context, const slmt_number *options, size_t n)
{
    slmt_model *model = NULL;
    method_add(&toy);
    assert_int_equal(slmt_context_create(NULL, context), SLMT_OK);
    assert_int_equal(slmt_model_create(*context, "toy", options, n, 1, &model), SLMT_OK);
    return model;
}

static slmt_model *open_model(slmt_context **context)
{
    return open_model_of(context, NULL, 0);
}

static void expect_shape(const task *t, int32_t port, bk_dtype type, int32_t rank, const int64_t *dim)
{
    bk_shape wanted = shape_of(type, rank, dim);
    assert_int_equal(t->shape[port].dtype, type);
    assert_true(shape_equal(&t->shape[port], &wanted));
}

static void extents_are_those_of_roles_settings_options_and_digits(void **state)
{
    (void)state;
    slmt_context *context = NULL;
    slmt_model *model = open_model(&context);
    task t;
    const double setting[] = {4, 5, 7};
    assert_int_equal(task_init(&t, model, &tasks[0], setting), OK);
    expect_shape(&t, 0, BK_F32, 4, (const int64_t[]){4, 3, 5, 8}); /* the width is the option's side */
    expect_shape(&t, 1, BK_I32, 1, (const int64_t[]){1});
    expect_shape(&t, 2, BK_I32, 3, (const int64_t[]){4, 7, 2});
    expect_shape(&t, 3, BK_F32, 3, (const int64_t[]){4, 5, 8});
    expect_shape(&t, 4, BK_F32, 0, NULL);
    slmt_model_free(model);
    slmt_context_free(context);
}

static void the_method_fills_in_what_no_number_tells(void **state)
{
    (void)state;
    slmt_context *context = NULL;
    slmt_model *model = open_model(&context);
    task t;
    const double setting[] = {4, 5, 7};
    tasks[1].shapes = fill_riddle;
    assert_int_equal(task_init(&t, model, &tasks[1], setting), OK);
    expect_shape(&t, 0, BK_F32, 2, (const int64_t[]){4, 11});
    tasks[1].shapes = NULL;
    assert_int_equal(task_init(&t, model, &tasks[1], setting), ERR_INTERNAL);
    assert_non_null(strstr(status_text(), "axis 1 of riddle [batch,mystery]"));
    slmt_model_free(model);
    slmt_context_free(context);
}

static void an_axis_in_parentheses_is_there_unless_ndims_is_2(void **state)
{
    (void)state;
    for (int ndims = 2; ndims <= 3; ndims++) {
        slmt_context *context = NULL;
        slmt_model *model = open_model_of(&context, (const slmt_number[]){{"ndims", ndims}}, 1);
        task t;
        assert_int_equal(task_init(&t, model, &tasks[2], (const double[]){2, 5, 12}), OK);
        if (ndims == 2)
            expect_shape(&t, 0, BK_F32, 5, (const int64_t[]){2, 5, 3, 8, 8});
        else
            expect_shape(&t, 0, BK_F32, 6, (const int64_t[]){2, 5, 3, 12, 8, 8});
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

static void a_setting_that_is_a_multiple_is_checked_where_it_is_read(void **state)
{
    (void)state;
    for (int ndims = 2; ndims <= 3; ndims++) {
        slmt_context *context = NULL;
        slmt_model *model = open_model_of(&context, (const slmt_number[]){{"ndims", ndims}}, 1);
        task t;
        status s = task_init(&t, model, &tasks[2], (const double[]){2, 1, 10});
        assert_int_equal(s, ndims == 2 ? OK : ERR_ARGUMENT);
        if (ndims == 3)
            assert_string_equal(status_text(), "setting depth is 10, expected a multiple of 4");
        slmt_model_free(model);
        slmt_context_free(context);
    }
}

static void the_last_axis_before_the_rows_counts_the_slices_of_a_sample(void **state)
{
    (void)state;
    static const struct {
        const char *axes;
        int32_t rank;
        int64_t dim[BK_MAX_RANK];
        int32_t slices, whole;
    } rows[] = {
        {"batch,height,width", 3, {4, 8, 9}, 1, 0},
        {"batch,slices,height,width", 4, {4, 5, 8, 9}, 5, 0},
        {"batch,times,channels,(depth,)height,width", 5, {4, 1, 3, 8, 9}, 3, 0},
        {"batch,times,channels,(depth,)height,width", 5, {4, 2, 3, 8, 9}, 0, 0},
        {"batch,times,channels,(depth,)height,width", 6, {4, 1, 1, 12, 8, 9}, 12, 1},
        {"batch,times,channels,(depth,)height,width", 6, {4, 1, 3, 12, 8, 9}, 0, 0},
        {"batch,times,channels,(depth,)height,width", 6, {4, 2, 1, 12, 8, 9}, 0, 0},
        {"batch,channels,depth,height,width", 5, {4, 1, 12, 8, 9}, 12, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const port p = {.axes = rows[i].axes};
        const bk_shape shape = shape_of(BK_F32, rows[i].rank, rows[i].dim);
        const stacking found = stacking_of(&p, &shape);
        assert_int_equal(found.slices, rows[i].slices);
        assert_int_equal(found.whole, rows[i].whole);
    }
}

static void a_row_without_a_member_leaves_the_struct_alone(void **state)
{
    (void)state;
    double values[] = {7, 3, 8};
    stack_settings s = stack_of(values);
    assert_int_equal(s.times, 3);
    assert_int_equal(s.depth, 8);
    s.times = 2;
    numbers_write((number_table)NUMBERS(stack_rows), &s, values);
    assert_true(values[0] == 7 && values[1] == 2 && values[2] == 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extents_are_those_of_roles_settings_options_and_digits),
        cmocka_unit_test(the_method_fills_in_what_no_number_tells),
        cmocka_unit_test(an_axis_in_parentheses_is_there_unless_ndims_is_2),
        cmocka_unit_test(a_setting_that_is_a_multiple_is_checked_where_it_is_read),
        cmocka_unit_test(the_last_axis_before_the_rows_counts_the_slices_of_a_sample),
        cmocka_unit_test(a_row_without_a_member_leaves_the_struct_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
