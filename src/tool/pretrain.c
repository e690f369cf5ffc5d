/* SPDX-License-Identifier: Apache-2.0 */
/* pretrain.c - slmt pretrain: the task of that name of slmt-net. What it shares with slmt train is in
 * train.c. */
#include "tool.h"

#include "train.h"

static const field fields[] = {
    {"data", "FILE", "training set", FIELD_TEXT, FILES(data), .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"out", "FILE", "checkpoint to write", FIELD_TEXT, FILES(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT,
     .endings = ".h5 .hdf5", .magic = MAGIC_CHECKPOINT},
    {"contrast", "NAME", "train on this contrast only; default: all of the set", FIELD_TEXT, FILES(source)},
    {"resume", "FILE", "go on from a checkpoint, with its sizes and settings", FIELD_TEXT, FILES(resume),
     .flags = FIELD_INPUT | FIELD_INPLACE},
    {"checkpoint-every", "EPOCHS", "write the checkpoint after every so many epochs; 0: at the end only",
     FIELD_INT, FILES(checkpoint_every)},
    {"max-steps", "N", "stop, and save, after so many steps of this run; 0: at the end of the schedule",
     FIELD_UINT, FILES(max_steps)},
    {0}};

static const char doc[] =
    "Train the encoder on single slices: parts of a slice are hidden, and the network learns to fill them in "
    "and to draw the edges (Edge-MAE). Pairs are not needed. The first ctrl-C ends the run after the current "
    "step and saves the checkpoint, the second ends it at once.";

int command_pretrain(int argc, char **argv)
{
    static const train_form form = {.doc = doc, .fields = fields, .method = "slmt-net", .task = "pretrain"};
    return train_command(&form, argc, argv);
}
