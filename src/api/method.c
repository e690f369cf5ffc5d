/* SPDX-License-Identifier: Apache-2.0 */
/* method.c - the public description of methods. */
#include "core/method.h"

#include "core/structs.h"

static status find_method(const char *name, const method **m)
{
    *m = method_named(name);
    return *m ? OK : fail(ERR_NOT_FOUND, "there is no method %s", name);
}

static status find_task(const char *method, const char *name, const method_task **t)
{
    const struct method *m;
    TRY(find_method(method, &m));
    *t = task_named(m, name);
    return *t ? OK : fail(ERR_NOT_FOUND, "method %s has no task %s", method, name);
}

static status in_table(size_t index, int32_t n, const char *what)
{
    return index < (size_t)n ? OK : fail(ERR_ARGUMENT, "%s %zu of %d", what, index, n);
}

static status describe_number(number_table t, size_t index, const char *what, slmt_number_info *info)
{
    TRY(in_table(index, t.n, what));
    const number *r = &t.rows[index];
    slmt_number_info known = {.struct_size = sizeof known,
                              .kind = r->kind,
                              .name = r->name,
                              .help = r->help,
                              .choices = r->choices ? r->choices : "",
                              .initial = r->initial,
                              .low = r->low,
                              .high = r->high,
                              .count = r->count,
                              .role = r->role,
                              .list = r->list ? r->list : "",
                              .pattern = r->pattern ? r->pattern : ""};
    return struct_write(info, &known, sizeof known, "slmt_number_info");
}

/* Hidden inputs are not the caller's. */
static const port *visible(port_table t, size_t index, int32_t *n)
{
    const port *found = NULL;
    *n = 0;
    for (int32_t i = 0; i < t.n; i++) {
        if (t.rows[i].flags & PORT_HIDDEN)
            continue;
        if ((size_t)*n == index)
            found = &t.rows[i];
        ++*n;
    }
    return found;
}

static status describe_port(port_table t, size_t index, const char *what, slmt_port_info *info)
{
    int32_t n;
    const port *p = visible(t, index, &n);
    TRY(in_table(index, n, what));
    slmt_port_info known = {.struct_size = sizeof known,
                            .type = p->type,
                            .name = p->name,
                            .axes = p->axes,
                            .help = p->help,
                            .role = p->role,
                            .batched = port_is_batched(p)};
    return struct_write(info, &known, sizeof known, "slmt_port_info");
}

size_t slmt_method_count(void)
{
    size_t n = 0;
    while (method_at(n))
        n++;
    return n;
}

slmt_status slmt_method_describe(size_t index, slmt_method_info *info)
{
    REQUIRE(info);
    TRY(in_table(index, (int32_t)slmt_method_count(), "method"));
    const method *m = method_at(index);
    slmt_method_info known = {.struct_size = sizeof known,
                              .name = m->name,
                              .title = m->title,
                              .source = m->source,
                              .options = m->options.n,
                              .tasks = m->n_tasks,
                              .presets = m->presets ? m->presets : ""};
    return struct_write(info, &known, sizeof known, "slmt_method_info");
}

slmt_status slmt_method_option(const char *method, size_t index, slmt_number_info *info)
{
    const struct method *m;
    REQUIRE(method);
    REQUIRE(info);
    TRY(find_method(method, &m));
    return describe_number(m->options, index, "option", info);
}

/* The first model that is to be attached; "": none is. */
static const char *second_model(const method_task *t)
{
    for (int32_t i = 0; i < t->n_states; i++)
        if (t->states[i].kind == STATE_MODEL)
            return t->states[i].name;
    return "";
}

slmt_status slmt_method_task(const char *method, size_t index, slmt_task_info *info)
{
    const struct method *m;
    REQUIRE(method);
    REQUIRE(info);
    TRY(find_method(method, &m));
    TRY(in_table(index, m->n_tasks, "task"));
    const method_task *t = &m->tasks[index];
    slmt_task_info known = {.struct_size = sizeof known,
                            .trains = t->trains,
                            .name = t->name,
                            .help = t->help,
                            .settings = t->settings.n,
                            .outputs = t->outputs.n,
                            .metrics = t->metrics ? t->metrics->n : 0,
                            .second_model = second_model(t)};
    visible(t->inputs, 0, &known.inputs);
    return struct_write(info, &known, sizeof known, "slmt_task_info");
}

slmt_status slmt_task_setting(const char *method, const char *task, size_t index, slmt_number_info *info)
{
    const method_task *t;
    REQUIRE(method);
    REQUIRE(task);
    REQUIRE(info);
    TRY(find_task(method, task, &t));
    return describe_number(t->settings, index, "setting", info);
}

slmt_status slmt_task_input(const char *method, const char *task, size_t index, slmt_port_info *info)
{
    const method_task *t;
    REQUIRE(method);
    REQUIRE(task);
    REQUIRE(info);
    TRY(find_task(method, task, &t));
    return describe_port(t->inputs, index, "input", info);
}

slmt_status slmt_task_output(const char *method, const char *task, size_t index, slmt_port_info *info)
{
    const method_task *t;
    REQUIRE(method);
    REQUIRE(task);
    REQUIRE(info);
    TRY(find_task(method, task, &t));
    return describe_port(t->outputs, index, "output", info);
}

slmt_status slmt_task_metric(const char *method, const char *task, size_t index, slmt_metric_info *info)
{
    const method_task *t;
    REQUIRE(method);
    REQUIRE(task);
    REQUIRE(info);
    TRY(find_task(method, task, &t));
    TRY(in_table(index, t->metrics ? t->metrics->n : 0, "metric"));
    const metric *m = &t->metrics->rows[index];
    slmt_metric_info known = {.struct_size = sizeof known,
                              .direction = m->direction,
                              .name = m->name,
                              .title = m->title,
                              .unit = m->unit,
                              .help = m->help,
                              .decimals = m->decimals,
                              .by_class = m->by_class};
    return struct_write(info, &known, sizeof known, "slmt_metric_info");
}
