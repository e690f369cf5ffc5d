/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include "tool.h"

#define SUBCOMMAND(name, summary)                                                                            \
    {                                                                                                        \
#name, "slmt " #name, summary, command_##name                                                        \
    }
const subcommand subcommands[] = {
    SUBCOMMAND(methods, "methods, their options and settings"),
    SUBCOMMAND(fit, "from scans to a model and its report, in one command"),
    SUBCOMMAND(prepare, "volumes (NIfTI) to a training set (HDF5)"),
    SUBCOMMAND(pretrain, "train the encoder on single slices (Edge-MAE)"),
    SUBCOMMAND(finetune, "train the whole network on pairs of slices"),
    SUBCOMMAND(train, "train a model of any method"),
    SUBCOMMAND(synthesize, "make the target contrast of volumes"),
    SUBCOMMAND(evaluate, "compare with the true target contrast"),
    SUBCOMMAND(differ, "map of what the other sequences of a subject cannot make"),
    SUBCOMMAND(rank, "which sequences make the others, and which are hard to make"),
    SUBCOMMAND(convert, "save a checkpoint's weights in another type"),
    SUBCOMMAND(info, "what a checkpoint or training set holds"),
    {0}};

static const field_choice shells[] = {{"bash", COMPLETE_BASH}, {"zsh", COMPLETE_ZSH}, {0}};

#define PROGRAM(member) .offset = offsetof(program_options, member)
const field program_fields[] = {
    {"completion", "bash|zsh", "print what makes this shell complete the command's options", FIELD_CHOICE,
     PROGRAM(completion), shells, .flags = FIELD_HIDDEN},
    {"manual", "DIR", "write the manual pages into this folder", FIELD_TEXT, PROGRAM(manual)},
    {0}};

const char program_doc[] = "Makes a missing MR contrast from one that is there: SLMT-Net, trained on many "
                           "single slices and a few pairs, and other methods, see `slmt methods'.";
