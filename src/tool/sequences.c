/* SPDX-License-Identifier: Apache-2.0 */
/* sequences.c - models that are told which contrast to make. The input for it is found by its role, whatever
 * the method calls it. */
#include "sequences.h"

#include <stdio.h>
#include <string.h>

#include "console.h"
#include "numbers.h"
#include "tool.h"

/* The input that takes the contrast to make; false: the model makes one contrast only, or none. */
static bool choice_of(const char *method, slmt_port_info *input)
{
    const char *task = synthesis_task(method);
    return task && input_for(method, task, SLMT_ROLE_TARGET_CONTRAST, input);
}

bool takes_sequence(const slmt_model *model)
{
    slmt_port_info input;
    return choice_of(slmt_model_method(model), &input);
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
    static const int32_t roles[] = {SLMT_ROLE_BATCH, SLMT_ROLE_HEIGHT, SLMT_ROLE_WIDTH};
    const number_owner owner = {slmt_model_method(model), synthesis_task(slmt_model_method(model))};
    slmt_preprocess preprocess;
    slmt_number settings[3];
    size_t count = 0;
    slmt_preprocess_init(&preprocess);
    slmt_status status = slmt_model_get_preprocess(model, &preprocess);
    for (size_t i = 0; owner.task && i < sizeof roles / sizeof *roles; i++) {
        slmt_number_info info;
        if (number_for(owner, roles[i], &info))
            settings[count++] =
                (slmt_number){info.name, roles[i] == SLMT_ROLE_BATCH ? batch : preprocess.image_size};
    }
    if (status == SLMT_OK)
        status = slmt_session_create(model, owner.task, settings, count, session);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

slmt_status choose_sequence(slmt_session *session, int32_t index)
{
    static const int64_t one = 1;
    slmt_port_info input;
    if (!choice_of(slmt_model_method(slmt_session_model(session)), &input))
        return SLMT_ERR_UNSUPPORTED;
    const slmt_tensor tensor = {
        .name = input.name, .data = &index, .shape = &one, .rank = 1, .type = SLMT_TENSOR_INT32};
    return slmt_session_set(session, &tensor);
}
