/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - the methods of this build. */
#include <string.h>

#include "core/method.h"
#include "method_list.h" /* METHOD_LIST: written by the build, see methods.cmake */

#define DECLARE(table) extern const method table;
#define ROW(table)     &table,
METHOD_LIST(DECLARE)

static const method *const methods[] = {METHOD_LIST(ROW)};

const method *method_at(size_t index)
{
    return index < sizeof methods / sizeof *methods ? methods[index] : NULL;
}

const method *method_named(const char *name)
{
    for (size_t i = 0; method_at(i); i++)
        if (strcmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}

const method_task *task_named(const method *m, const char *name)
{
    for (int32_t i = 0; i < m->n_tasks; i++)
        if (strcmp(m->tasks[i].name, name) == 0)
            return &m->tasks[i];
    return NULL;
}

status method_check(const method *m, const double *option)
{
    TRY(numbers_check(m->options, "option", option));
    return m->check(option);
}
