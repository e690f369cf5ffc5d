/* SPDX-License-Identifier: Apache-2.0 */
/* training_forecast.c - what a run will take, said before its first step: time, memory and disk. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "must.h"
#include "paths.h"
#include "tool.h"
#include "training_parts.h"

/* ---- texts ---- */

/* "3 days 20 hours", "2 hours 5 minutes", "40 seconds"; the caller frees it. */
static char *duration_text(double seconds)
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;
    if (seconds < 1)
        return must_copy("a second");
    while (i < 3 && seconds < 2 * units[i].seconds)
        i++;
    uint64_t whole = (uint64_t)(seconds / units[i].seconds);
    uint64_t rest =
        i < 3 ? (uint64_t)((seconds - (double)whole * units[i].seconds) / units[i + 1].seconds) : 0;
    char *text = must_format("%" PRIu64 " %s%s", whole, units[i].name, whole == 1 ? "" : "s");
    if (rest == 0 || whole >= 10)
        return text;
    char *both = must_format("%s %" PRIu64 " %s%s", text, rest, units[i + 1].name, rest == 1 ? "" : "s");
    free(text);
    return both;
}

/* "1.28 GB" */
static char *size_text(uint64_t bytes)
{
    double x = (double)bytes;
    return x >= 1e9   ? must_format("%.3g GB", x / 1e9)
           : x >= 1e6 ? must_format("%.3g MB", x / 1e6)
                      : must_format("%.3g kB", x / 1e3);
}

/* "50 of 72 NOUN" or "72 NOUN" */
static char *part_text(uint64_t part, uint64_t whole, const char *noun)
{
    return part == whole ? must_format("%" PRIu64 " %s", whole, noun)
                         : must_format("%" PRIu64 " of %" PRIu64 " %s", part, whole, noun);
}

/* What a sample of the task is. */
static const char *sample_noun(const training *t)
{
    slmt_port_info info;
    if (input_for(t->method, t->task, SLMT_ROLE_TARGET_CONTRAST, &info))
        return "samples";
    if (input_for(t->method, t->task, SLMT_ROLE_TARGET, &info))
        return "pairs of slices";
    return input_for(t->method, t->task, SLMT_ROLE_SOURCE, &info) ? "slices" : "samples";
}

char *training_samples(const training *t)
{
    char *samples = part_text(t->run.samples_used, t->run.samples, sample_noun(t));
    char *subjects = part_text(t->run.records_used, t->run.records, "training subjects");
    char *text = must_format("%s of %s", samples, subjects);
    free(samples);
    free(subjects);
    return text;
}

/* ---- what is said ---- */

static uint64_t steps_of_run(const training *t, const slmt_training_state *state)
{
    uint64_t most = t->options->files.max_steps, total = t->run.total_steps;
    uint64_t left = total > state->step ? total - state->step : 0;
    return most && most < left ? most : left;
}

static void say_samples(const training *t)
{
    double rate = 1;
    char *samples = training_samples(t);
    slmt_trainer_setting(t->trainer, "data_rate", &rate);
    if (t->run.samples_used < t->run.samples)
        say("%s: %s, the first ones (--data-rate %g; 1 takes all)", t->task, samples, rate);
    else
        say("%s: %s", t->task, samples);
    free(samples);
}

static void say_time(const training *t, uint64_t steps)
{
    char *time = duration_text((double)steps * t->step_seconds);
    say("%" PRIu64 " step%s, %" PRIu64 " an epoch: about %s, at %.2g s a step", steps, steps == 1 ? "" : "s",
        t->run.steps_in_epoch, time, t->step_seconds);
    free(time);
}

static void say_sizes(const training *t)
{
    int32_t every = t->options->files.checkpoint_every;
    char *memory = size_text(slmt_context_live_bytes(t->context)), *disk = size_text(t->run.checkpoint_bytes);
    char *when = every > 1   ? must_format("after every %" PRId32 " epochs and at the end", every)
                 : every > 0 ? must_copy("after every epoch")
                             : must_copy("at the end");
    say("memory: %s; a checkpoint takes %s of disk, and is written %s", memory, disk, when);
    free(memory);
    free(disk);
    free(when);
}

/* Bytes that are free on the disk of a file's folder; UINT64_MAX: not known. */
static uint64_t free_bytes(const char *file)
{
    struct statvfs disk;
    char *folder = must_format("./%s", file);
    if (file[0] == '/')
        memmove(folder, folder + 2, strlen(folder) - 1);
    strrchr(folder, '/')[1] = '\0';
    bool known = statvfs(folder, &disk) == 0;
    free(folder);
    return known ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

/* The old checkpoint stays until the new one is whole. */
static int check_disk(const training *t)
{
    const char *out = t->options->files.out;
    uint64_t room = free_bytes(out);
    if (room >= t->run.checkpoint_bytes)
        return EXIT_OK;
    char *has = size_text(room), *needs = size_text(t->run.checkpoint_bytes);
    int code = warn("%s: a checkpoint takes %s, and %s are free there", out, needs, has);
    free(has);
    free(needs);
    return code;
}

static void log_run(training *t, const slmt_training_state *state, uint64_t steps)
{
    cJSON *event = journal_event("run");
    cJSON_AddStringToObject(event, "task", t->task);
    cJSON_AddNumberToObject(event, "samples", (double)t->run.samples);
    cJSON_AddNumberToObject(event, "samples_used", (double)t->run.samples_used);
    cJSON_AddNumberToObject(event, "subjects", (double)t->run.records);
    cJSON_AddNumberToObject(event, "subjects_used", (double)t->run.records_used);
    cJSON_AddNumberToObject(event, "done", (double)state->step);
    cJSON_AddNumberToObject(event, "steps", (double)steps);
    cJSON_AddNumberToObject(event, "steps_in_epoch", (double)t->run.steps_in_epoch);
    if (t->step_seconds > 0)
        cJSON_AddNumberToObject(event, "seconds_per_step", t->step_seconds);
    cJSON_AddNumberToObject(event, "memory", (double)slmt_context_live_bytes(t->context));
    cJSON_AddNumberToObject(event, "checkpoint", (double)t->run.checkpoint_bytes);
    journal_write(&t->log, event);
}

int training_forecast(training *t)
{
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    uint64_t steps = steps_of_run(t, &state);
    log_run(t, &state, steps);
    if (!t->options->common.quiet) {
        say_samples(t);
        if (t->step_seconds > 0)
            say_time(t, steps);
        say_sizes(t);
    }
    return check_disk(t);
}
