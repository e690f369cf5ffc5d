/* SPDX-License-Identifier: Apache-2.0 */
/* slmt train: any training task of any method, its options and settings by name. The run is in training.c. */
#include "tool.h"

#include "console.h"
#include "training.h"

#define FILES(member) .offset = offsetof(training_files, member)
static const field fields[] = {
    {"method", "METHOD", "method of a fresh model, see slmt methods", FIELD_TEXT, FILES(method)},
    {"task", "NAME", "what to train, see slmt methods NAME [train]", FIELD_TEXT, FILES(task)},
    {"data", "FILE", "training set", FIELD_TEXT, FILES(data), .flags = FIELD_REQUIRED},
    {"out", "FILE", "checkpoint to write", FIELD_TEXT, FILES(out), .flags = FIELD_REQUIRED},
    {"model", "FILE", "checkpoint whose model to start from, instead of a fresh one", FIELD_TEXT,
     FILES(model)},
    {"judge", "FILE",
     "model of another method that this one carries, such as a vgg19 for seq2seq's perceptual term",
     FIELD_TEXT, FILES(judge)},
    {"source", "NAME", "contrast to start from, of tasks that are told one", FIELD_TEXT, FILES(source)},
    {"target", "NAME", "contrast to make, of tasks that are told one", FIELD_TEXT, FILES(target)},
    {"resume", "FILE", "go on from a checkpoint, with its options, settings and contrasts", FIELD_TEXT,
     FILES(resume)},
    {"checkpoint-every", "EPOCHS", "write the checkpoint so often; 0: at the end only", FIELD_INT,
     FILES(checkpoint_every)},
    {"max-steps", "N", "stop, and save, after so many steps of this run; 0: at the end of the schedule",
     FIELD_UINT, FILES(max_steps)},
    {0}};

static const field option_fields[] = {
    {"option", "NAME=VALUE", "an option of the method; once for each", FIELD_CUSTOM, .set = set_number_text},
    {0}};
static const field setting_fields[] = {
    {"set", "NAME=VALUE", "a setting of the task; once for each", FIELD_CUSTOM, .set = set_number_text}, {0}};

static const char doc[] = "Train a model of any method. `slmt methods NAME' lists a method's options, which "
                          "fix the network, and the "
                          "settings of its tasks, which steer the training. The first ctrl-C ends the run "
                          "after the current step and "
                          "saves the checkpoint, the second ends it at once.";

static int check(const command_line *line, const training_options *o)
{
    const training_files *f = &o->files;
    const char *settings = options_given(line, &o->settings, NULL);
    if (!settings)
        settings = options_given(line, &o->common, "seed");
    if (!f->method && !f->model && !f->resume)
        return fail_with(EXIT_USAGE, "--method is needed, or --model, or --resume; see slmt methods");
    if (f->target && !f->source)
        return fail_with(EXIT_USAGE, "--target: --source is needed with it");
    if (f->judge && f->resume)
        return fail_with(EXIT_USAGE, "--judge cannot be used with --resume: the checkpoint has its own");
    return training_check(o, options_given(line, &o->options, NULL), settings);
}

int command_train(int argc, char **argv)
{
    training_options o = {.files.checkpoint_every = 1};
    const option_group groups[] = {
        {"Files and run:", fields, &o.files}, {"Method:", option_fields, &o.options},
        {"", setting_fields, &o.settings},    {"Common:", common_fields, &o.common},
        {"", log_fields, &o.common},          {"", report_fields, &o.report},
        {"", seed_fields, &o.common},         {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    int code = check(&line, &o);
    if (code == EXIT_OK)
        code = training_run(&o);
    text_list_free(&o.options);
    text_list_free(&o.settings);
    options_free(&line);
    return code;
}
