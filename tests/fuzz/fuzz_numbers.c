/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_numbers.c - options of methods and settings of tasks, as a caller gives them.
 *
 * The input is text: the name of a method, then lines "t TASK", "o NAME=VALUE" (an option) and "s NAME=VALUE"
 * (a setting). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "slmt/slmt.h"

enum { MOST_NUMBERS = 64, MOST_BYTES = 4096, SMALL_ENOUGH = 32 << 20 };

typedef struct request {
    const char *method, *task;
    slmt_number options[MOST_NUMBERS], settings[MOST_NUMBERS];
    size_t n_options, n_settings;
} request;

static slmt_context *open_context(void)
{
    slmt_context *context;
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.threads = 1;
    config.max_bytes = (uint64_t)64 << 20;
    if (slmt_context_create(&config, &context) != SLMT_OK)
        abort();
    return context;
}

/* "NAME=VALUE"; a text is given behind its name, and a number without one is 0. */
static void add_number(slmt_number *list, size_t *count, char *text)
{
    char *equals = strchr(text, '='), *end;
    double value = equals ? strtod(equals + 1, &end) : 0;
    if (*count == MOST_NUMBERS)
        return;
    if (equals && end != equals + 1)
        *equals = '\0';
    list[(*count)++] = (slmt_number){text, value};
}

static void read_request(char *text, request *r)
{
    char *at = text, *line = strsep(&at, "\n");
    *r = (request){.method = line, .task = "synthesize"};
    while ((line = strsep(&at, "\n")))
        if (strncmp(line, "t ", 2) == 0)
            r->task = line + 2;
        else if (strncmp(line, "o ", 2) == 0)
            add_number(r->options, &r->n_options, line + 2);
        else if (strncmp(line, "s ", 2) == 0)
            add_number(r->settings, &r->n_settings, line + 2);
}

static void use_session(slmt_model *model, const request *r)
{
    uint64_t bytes;
    slmt_session *session = NULL;
    if (slmt_session_memory(model, r->task, r->settings, r->n_settings, &bytes) == SLMT_OK &&
        bytes < SMALL_ENOUGH)
        slmt_session_create(model, r->task, r->settings, r->n_settings, &session);
    slmt_session_free(session);
}

static void use_trainer(slmt_model *model, const request *r)
{
    uint64_t bytes;
    slmt_trainer *trainer = NULL;
    if (slmt_trainer_memory(model, r->task, r->settings, r->n_settings, &bytes) == SLMT_OK &&
        bytes < SMALL_ENOUGH)
        slmt_trainer_create(model, r->task, r->settings, r->n_settings, 3, &trainer);
    slmt_trainer_free(trainer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static slmt_context *context;
    static char text[MOST_BYTES + 1];
    static request r;
    slmt_model *model = NULL;
    if (size > MOST_BYTES)
        return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    context = context ? context : open_context();
    uint64_t idle = slmt_context_live_bytes(context);
    read_request(text, &r);
    if (slmt_model_create(context, r.method, r.options, r.n_options, 1, &model) == SLMT_OK) {
        use_session(model, &r);
        use_trainer(model, &r);
    }
    slmt_model_free(model);
    if (slmt_context_live_bytes(context) != idle)
        abort();
    return 0;
}
