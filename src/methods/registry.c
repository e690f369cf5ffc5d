/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - the methods of this build. */
#include <string.h>

#include "core/method.h"
#include "method_list.h" /* METHOD_LIST: written by the build, see methods.cmake */

#define DECLARE(table) extern const method table;
#define ROW(table)     &table,
METHOD_LIST(DECLARE)

static const method *const methods[] = {METHOD_LIST(ROW)};

static const method *extra; /* of a test */

void method_add(const method *m)
{
    extra = m;
}

const method *method_at(size_t index)
{
    size_t n = sizeof methods / sizeof *methods;
    return index < n ? methods[index] : index == n ? extra : NULL;
}

const method *method_named(const char *name)
{
    for (size_t i = 0; method_at(i); i++)
        if (strcmp(method_at(i)->name, name) == 0)
            return method_at(i);
    return NULL;
}

const method_task *task_named(const method *m, const char *name)
{
    for (int32_t i = 0; i < m->n_tasks; i++)
        if (strcmp(m->tasks[i].name, name) == 0)
            return &m->tasks[i];
    return NULL;
}

const method_task *task_synthesis(const method *m)
{
    for (int32_t i = 0; i < m->n_tasks; i++)
        if (!m->tasks[i].trains && port_with_role(m->tasks[i].outputs, SLMT_ROLE_TARGET) >= 0)
            return &m->tasks[i];
    return NULL;
}

void method_preset(const method *m, int32_t index, double *option)
{
    if (m->preset)
        m->preset(index, option);
    else
        numbers_write(m->options, (const char *)m->preset_rows + (size_t)index * m->preset_size, option);
}

static status take_preset(const method *m, double index, double *option)
{
    size_t length;
    if (!m->presets)
        return fail(ERR_NOT_FOUND, "method %s has no presets", m->name);
    if (!(index >= 0 && index < 64) || index != (int32_t)index ||
        !choice_name(m->presets, (int32_t)index, &length))
        return fail(ERR_ARGUMENT, "preset is %.10g, expected the index of one of %s", index, m->presets);
    method_preset(m, (int32_t)index, option);
    return OK;
}

status method_options(const method *m, const slmt_number *given, size_t n, double *option)
{
    numbers_init(m->options, option);
    for (size_t i = 0; i < n; i++)
        if (given[i].name && strcmp(given[i].name, "preset") == 0)
            TRY(take_preset(m, given[i].value, option));
    for (size_t i = 0; i < n; i++)
        if (!given[i].name || strcmp(given[i].name, "preset") != 0)
            TRY(numbers_set(m->options, "option", &given[i], 1, option));
    return OK;
}

status method_check(const method *m, const double *option)
{
    TRY(numbers_check(m->options, "option", option));
    return m->check ? m->check(option) : OK;
}
