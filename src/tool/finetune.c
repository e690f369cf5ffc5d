/* SPDX-License-Identifier: Apache-2.0 */
/* finetune.c - slmt finetune: the task of that name of slmt-net. What it shares with slmt train is in
 * train.c. */
#include "tool.h"

#include "train.h"

static const field fields[] = {
    {"data", "FILE", "training set", FIELD_TEXT, FILES(data), .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"out", "FILE", "checkpoint to write", FIELD_TEXT, FILES(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT,
     .endings = ".h5 .hdf5", .magic = MAGIC_CHECKPOINT},
    {"model", "FILE", "pre-trained checkpoint; without it the encoder starts fresh", FIELD_TEXT, FILES(model),
     .flags = FIELD_INPUT},
    {"source", "NAME", "contrast to start from", FIELD_TEXT, FILES(source)},
    {"target", "NAME", "contrast to make", FIELD_TEXT, FILES(target)},
    {"resume", "FILE", "go on from a checkpoint, with its sizes, settings and contrasts", FIELD_TEXT,
     FILES(resume), .flags = FIELD_INPUT | FIELD_INPLACE},
    RUN_OPTIONS,
    {0}};

static const char doc[] = "Train the whole network on pairs of slices: --source is given to it, --target is "
                          "what it should make. Only "
                          "subjects that have both contrasts are used. The first ctrl-C ends the run after "
                          "the current step and saves "
                          "the checkpoint, the second ends it at once.";

int command_finetune(int argc, char **argv)
{
    static const train_form form = {
        .doc = doc, .fields = fields, .method = "slmt-net", .task = "finetune", .pairs = true};
    return train_command(&form, argc, argv);
}
