/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_plan.c - the command's JSON files: the plan of a fit, which is written and read again; the state of
 * one; and what may be the sidecar of a result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "scratch.h"
#include "src/tool/fit_plan.h"
#include "src/tool/fit_state.h"
#include "src/tool/sidecar.h"

static void abort_unless(int true_)
{
    if (!true_)
        abort();
}

static void begin(void)
{
    scratch_enter();
    abort_unless(mkdir("work", 0777) == 0);
    stderr = fopen("/dev/null", "w");
    abort_unless(stderr != NULL);
}

/* A plan that is taken is one that was written so. */
static void write_and_read(const fit_plan *plan)
{
    fit_plan again = {0};
    char *text = fit_plan_text(plan);
    scratch_put("again.json", (const uint8_t *)text, strlen(text));
    abort_unless(fit_plan_read("again.json", &again) == 0);
    char *twice = fit_plan_text(&again);
    abort_unless(strcmp(text, twice) == 0);
    free(text);
    free(twice);
    fit_plan_free(&again);
}

static void read_plan(void)
{
    fit_plan plan = {0};
    if (fit_plan_read("work/state.json", &plan) == 0)
        write_and_read(&plan);
    fit_plan_free(&plan);
}

static void read_state(void)
{
    fit_state state;
    if (fit_state_open(&state, "work", "a request") == 0) {
        fit_state_get(&state, "unet", "seconds", 0);
        fit_state_set(&state, "unet", "seconds", 1);
        fit_state_save(&state);
    }
    fit_state_free(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!*scratch_folder)
        begin();
    scratch_put("work/state.json", bytes, size);
    read_plan();
    sidecar_may_replace("work/state.json");
    read_state();
    return 0;
}
