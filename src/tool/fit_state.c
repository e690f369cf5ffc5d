/* SPDX-License-Identifier: Apache-2.0 */
/* fit_state.c - one JSON object for each part of a run. */
#include "fit_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "console.h"
#include "must.h"
#include "tool.h"
#include "whole_file.h"

enum { MOST_BYTES = 1 << 20 };

static int check_request(const fit_state *state, const char *folder, const char *request)
{
    const char *old = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state->root, "request"));
    if (!old)
        return fail_with(EXIT_DATA, "%s: is not the state of a fit", state->path);
    if (strcmp(old, request) == 0)
        return EXIT_OK;
    return fail_with(
        EXIT_USAGE,
        "%s: holds a run that was asked for something else:\n  then: %s\n  now:  %s\nGive the same "
        "options to go on, another --out, or remove the folder",
        folder, old, request);
}

int fit_state_open(fit_state *state, const char *folder, const char *request)
{
    *state = (fit_state){.path = must_format("%s/state.json", folder)};
    char *text = whole_file(state->path, MOST_BYTES);
    if (!text && errno == ENOENT) {
        state->root = cJSON_CreateObject();
        cJSON_AddStringToObject(state->root, "request", request);
        return EXIT_OK;
    }
    if (!text)
        return fail_errno(errno, "%s", state->path);
    state->root = cJSON_Parse(text);
    state->resumed = true;
    free(text);
    return check_request(state, folder, request);
}

double fit_state_get(const fit_state *state, const char *part, const char *name, double otherwise)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(state->root, part);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) ? value->valuedouble : otherwise;
}

void fit_state_set(fit_state *state, const char *part, const char *name, double value)
{
    cJSON *object = cJSON_GetObjectItemCaseSensitive(state->root, part);
    if (!object)
        object = cJSON_AddObjectToObject(state->root, part);
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    cJSON_AddNumberToObject(object, name, value);
}

int fit_state_begin(const fit_state *state, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail_errno(errno, "%s", folder);
    return fit_state_save(state);
}

int fit_state_save(const fit_state *state)
{
    char *text = cJSON_Print(state->root);
    bool good = text && write_whole_file(state->path, text);
    cJSON_free(text);
    return good ? EXIT_OK : fail_errno(errno, "%s", state->path);
}

void fit_state_free(fit_state *state)
{
    cJSON_Delete(state->root);
    free(state->path);
    *state = (fit_state){0};
}
