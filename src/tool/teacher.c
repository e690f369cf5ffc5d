/* SPDX-License-Identifier: Apache-2.0 */
/* teacher.c - the second model that some tasks learn from. */
#include <string.h>

#include "console.h"
#include "paths.h"
#include "tool.h"
#include "training_parts.h"

int teacher_load(training *t)
{
    const training_files *f = &t->options->files;
    if (!f->teacher)
        return EXIT_OK;
    slmt_status status = slmt_model_load(t->context, f->teacher, &t->teacher);
    if (status != SLMT_OK)
        return fail(status, "%s", f->teacher);
    const char *method = slmt_model_method(t->teacher);
    if (f->method && strcmp(f->method, method) != 0)
        return fail_with(EXIT_USAGE, "%s: is a model of %s, not of %s", f->teacher, method, f->method);
    return EXIT_OK;
}

static int no_teacher(const training *t)
{
    const char *name = slmt_model_card(slmt_trainer_model(t->trainer), "teacher");
    if (t->options->files.resume && *name)
        return fail_with(EXIT_USAGE, "--teacher is needed: %s began with the model %s",
                         t->options->files.resume, name);
    return fail_with(EXIT_USAGE, "--teacher is needed: task %s learns from a second model", t->task);
}

/* A run that goes on keeps the name that its teacher had. */
static slmt_status name_teacher(const training *t)
{
    slmt_model *model = slmt_trainer_model(t->trainer);
    if (t->options->files.resume)
        return SLMT_OK;
    return slmt_model_set_card(model, "teacher", file_name(t->options->files.teacher));
}

int teacher_attach(training *t)
{
    slmt_task_info info;
    const char *file = t->options->files.teacher;
    bool takes = task_find(t->method, t->task, &info) && *info.second_model;
    if (!takes && !file)
        return EXIT_OK;
    if (!takes)
        return fail_with(EXIT_USAGE, "--teacher: task %s of %s learns from no second model", t->task,
                         t->method);
    if (!file)
        return no_teacher(t);
    slmt_status status = slmt_trainer_attach(t->trainer, info.second_model, t->teacher);
    if (status != SLMT_OK)
        return fail(status, "%s", file);
    status = name_teacher(t);
    return status == SLMT_OK ? EXIT_OK : fail(status, "model card");
}
