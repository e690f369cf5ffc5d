/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is told is found by the names of its task's inputs and settings, not by its method. */
#include "sequences.h"

#include <stdio.h>
#include <string.h>

#include "console.h"
#include "numbers.h"
#include "tool.h"

static const char task[] = "synthesize";
static const char input[] = "sequence";

bool takes_sequence(const slmt_model *model)
{
    return task_has_input(slmt_model_method(model), task, input);
}

static const char *names_of(const slmt_model *model)
{
    return slmt_model_card(model, "sequences");
}

int32_t sequence_index(const slmt_model *model, const char *name)
{
    const char *list = names_of(model);
    for (int32_t i = 0; *list; i++) {
        size_t length = strcspn(list, ",");
        if (length == strlen(name) && strncmp(list, name, length) == 0)
            return i;
        list += length + (list[length] == ',');
    }
    return -1;
}

int need_sequences(const slmt_model *model, const char *path)
{
    if (!takes_sequence(model))
        return fail_with(EXIT_USAGE, "%s: is a model of %s, which makes one contrast and not any sequence",
                         path, slmt_model_method(model));
    if (!*names_of(model))
        return fail_with(EXIT_DATA, "%s: its card names no sequences; slmt train does that", path);
    return EXIT_OK;
}

int no_such_sequence(const slmt_model *model, const char *path, const char *name)
{
    return fail_with(EXIT_USAGE, "%s: has no sequence '%s'; it has %s", path, name, names_of(model));
}

int check_method(const slmt_model *model, const char *path, const char *method)
{
    slmt_method_info info;
    if (!method || strcmp(method, slmt_model_method(model)) == 0)
        return EXIT_OK;
    if (!method_find(method, &info))
        return no_such_method(method);
    return fail_with(EXIT_USAGE, "%s: is a model of %s, not of %s", path, slmt_model_method(model), method);
}

int slice_session(slmt_model *model, int32_t batch, slmt_session **session)
{
    slmt_preprocess preprocess;
    slmt_number settings[3];
    size_t count = 0;
    slmt_preprocess_init(&preprocess);
    slmt_status status = slmt_model_get_preprocess(model, &preprocess);
    const slmt_number wanted[] = {
        {"batch", batch}, {"height", preprocess.image_size}, {"width", preprocess.image_size}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        slmt_number_info info;
        if (number_named((number_owner){slmt_model_method(model), task}, wanted[i].name, &info))
            settings[count++] = wanted[i];
    }
    if (status == SLMT_OK)
        status = slmt_session_create(model, task, settings, count, session);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

slmt_status choose_sequence(slmt_session *session, int32_t index)
{
    static const int64_t one = 1;
    const slmt_tensor tensor = {
        .name = input, .data = &index, .shape = &one, .rank = 1, .type = SLMT_TENSOR_INT32};
    return slmt_session_set(session, &tensor);
}
