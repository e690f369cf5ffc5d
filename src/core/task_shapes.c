/* SPDX-License-Identifier: Apache-2.0 */
/* task_shapes.c - the shapes of a task's ports, which follow from the names of their axes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/task.h"
#include "lib/size.h"

/* Axes that are called alike in every method, whatever number gives their extent. */
static const struct {
    const char *axis;
    int32_t role, or_else;
} axis_roles[] = {
    {"batch", SLMT_ROLE_BATCH, SLMT_ROLE_NONE},
    {"depth", SLMT_ROLE_DEPTH, SLMT_ROLE_NONE},
    {"height", SLMT_ROLE_HEIGHT, SLMT_ROLE_SIDE},
    {"width", SLMT_ROLE_WIDTH, SLMT_ROLE_SIDE},
};

/* The value of a setting, or else of an option, that has a role; 0: none has it. */
static int64_t value_with_role(const task *t, int32_t role)
{
    int32_t k = number_with_role(t->kind->settings, role);
    if (k >= 0)
        return (int64_t)t->setting[k];
    k = number_with_role(t->model->method->options, role);
    return k >= 0 ? (int64_t)t->model->option[k] : 0;
}

static int64_t value_with_name(const task *t, const char *name)
{
    int32_t k = number_index(t->kind->settings, name);
    if (k >= 0)
        return (int64_t)t->setting[k];
    k = number_index(t->model->method->options, name);
    return k >= 0 ? (int64_t)t->model->option[k] : 0;
}

/* 0: the method's shapes() knows. */
static int64_t extent_of(const task *t, const char *axis)
{
    if (axis[0] >= '0' && axis[0] <= '9')
        return strtol(axis, NULL, 10);
    for (size_t i = 0; i < sizeof axis_roles / sizeof *axis_roles; i++)
        if (strcmp(axis, axis_roles[i].axis) == 0) {
            int64_t extent = value_with_role(t, axis_roles[i].role);
            return extent || !axis_roles[i].or_else ? extent : value_with_role(t, axis_roles[i].or_else);
        }
    return value_with_name(t, axis);
}

/* Returns 1 if the axis in parentheses is there. */
static int has_depth(const task *t)
{
    return value_with_name(t, "ndims") != 2;
}

static bk_shape shape_by_axes(const task *t, const port *p, bk_dtype real)
{
    bk_shape shape = {.dtype = p->type == SLMT_TENSOR_INT32 ? BK_I32 : real};
    const char *axis = p->axes;
    while (*axis && shape.rank < BK_MAX_RANK) {
        char name[PARAM_NAME_MAX] = "";
        int is_optional = *axis == '(';
        axis += is_optional;
        size_t length = strcspn(axis, ",");
        memcpy(name, axis, length < sizeof name ? length : sizeof name - 1);
        if (!is_optional || has_depth(t))
            shape.dim[shape.rank++] = extent_of(t, name);
        axis += length + strspn(axis + length, ",)");
    }
    return shape;
}

/* Checks settings that are multiples of a number, but for the depth of images that have none. */
static status check_multiples(const task *t)
{
    number_table s = t->kind->settings;
    for (int32_t i = 0; i < s.n; i++) {
        const number *r = &s.rows[i];
        int64_t value = (int64_t)t->setting[number_place(s, i)];
        int is_read = r->role != SLMT_ROLE_DEPTH || has_depth(t);
        if (r->multiple && is_read && value % r->multiple != 0)
            return fail(ERR_ARGUMENT, "setting %s is %lld, expected a multiple of %d", r->name,
                        (long long)value, (int)r->multiple);
    }
    return OK;
}

static status check_size(const task *t, int32_t i)
{
    char what[PARAM_NAME_MAX + 32];
    snprintf(what, sizeof what, "%s %s", i < t->kind->inputs.n ? "input" : "output", task_port(t, i)->name);
    return size_check(&t->shape[i], what);
}

static status check_known(const task *t)
{
    for (int32_t i = 0; i < task_ports(t); i++)
        for (int32_t k = 0; k < t->shape[i].rank; k++)
            if (t->shape[i].dim[k] < 1)
                return fail(ERR_INTERNAL,
                            "task %s: axis %d of %s [%s] is called like no setting and no option",
                            t->kind->name, (int)k, task_port(t, i)->name, task_port(t, i)->axes);
    for (int32_t i = 0; i < task_ports(t); i++)
        TRY(check_size(t, i));
    return OK;
}

status task_shapes(task *t)
{
    bk_dtype real = model_real(t->model);
    TRY(check_multiples(t));
    for (int32_t i = 0; i < task_ports(t); i++)
        t->shape[i] = shape_by_axes(t, task_port(t, i), real);
    if (t->kind->shapes)
        TRY(t->kind->shapes((numbers){t->model->option, t->setting}, real, t->shape));
    return check_known(t);
}

/* Counts the axes of a port, with the one in parentheses. */
static int32_t axis_count(const port *p)
{
    int32_t n = 1;
    for (const char *c = p->axes; *c; c++)
        n += *c == ',';
    return n;
}

stacking stacking_of(const port *p, const bk_shape *shape)
{
    int32_t stack = shape->rank - 3; /* the axis that counts slices; 0: there is none */
    for (int32_t i = 1; i < stack; i++)
        if (shape->dim[i] != 1)
            return (stacking){0, 0};
    if (stack < 1)
        return (stacking){1, 0};
    return (stacking){(int32_t)shape->dim[stack], strstr(p->axes, "depth,") && axis_count(p) == shape->rank};
}
