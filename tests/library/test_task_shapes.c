/* SPDX-License-Identifier: Apache-2.0 */
/* test_task_shapes.c - the shapes of a task's ports follow from the names of their axes, by role first, then
 * by the names of settings and options. */
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
    int32_t side, bands;
} toy_options;
static const number options_rows[] = {
    NUMBER_ROLE(toy_options, side, SIDE, 8, 1, 64, "rows and columns"),
    NUMBER_WHOLE(toy_options, bands, 3, 1, 64, "bands of an image"),
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
    {TASK(paint, "for tests")},
    {.name = "guess",
     .help = "for tests",
     .settings = NUMBERS(paint_rows),
     .inputs = PORTS(unknown_inputs),
     .outputs = PORTS(paint_outputs),
     .build = paint_build},
};
static const method toy = {.name = "toy",
                           .title = "for tests",
                           .source = "none",
                           .options = NUMBERS(options_rows),
                           .tensors = no_tensors,
                           .tasks = tasks,
                           .n_tasks = 2};

static slmt_model *open_model(slmt_context **context)
{
    slmt_model *model = NULL;
    method_add(&toy);
    assert_int_equal(slmt_context_create(NULL, context), SLMT_OK);
    assert_int_equal(slmt_model_create(*context, "toy", NULL, 0, 1, &model), SLMT_OK);
    return model;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extents_are_those_of_roles_settings_options_and_digits),
        cmocka_unit_test(the_method_fills_in_what_no_number_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
