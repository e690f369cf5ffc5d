/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"

#include "tool.h"

#define SUBCOMMAND(name, summary, example)                                                                   \
    {                                                                                                        \
#name, "slmt " #name, summary, example, command_##name                                               \
    }
const subcommand subcommands[] = {
    SUBCOMMAND(methods, "methods, their options and settings", "slmt methods seq2seq"),
    SUBCOMMAND(fit, "from scans to a model and its report, in one command",
               "slmt fit --source 'brats:t1n' --target 'brats:t2w' --out model.h5 --time 2h"),
    SUBCOMMAND(prepare, "volumes (NIfTI) to a training set (HDF5)",
               "slmt prepare --contrast t1=scans/t1 --contrast t2=scans/t2 --out set.h5\n"
               "slmt prepare --contrast 't1=brats/*/*-t1n.nii.gz' --contrast 't2=brats/*/*-t2w.nii.gz' --out "
               "set.h5\n"
               "slmt prepare --contrast t1=bids --contrast t2=bids --out set.h5\n"
               "slmt prepare --table scans.csv --out set.h5"),
    SUBCOMMAND(pretrain, "train the encoder on single slices (Edge-MAE)",
               "slmt pretrain --data set.h5 --out pre.h5"),
    SUBCOMMAND(finetune, "train the whole network on pairs of slices",
               "slmt finetune --data set.h5 --model pre.h5 --source t1 --target t2 --out model.h5\n"
               "slmt finetune --data set.h5 --resume model.h5 --out model.h5"),
    SUBCOMMAND(train, "train a model of any method",
               "slmt train seq2seq --data set.h5 --code-length 3 --epochs 200 --out any.h5"),
    SUBCOMMAND(synthesize, "make the target contrast of volumes",
               "slmt synthesize --model model.h5 new_t1.nii.gz --out new_t2.nii.gz\n"
               "slmt synthesize --model any.h5 --to flair folder --out made"),
    SUBCOMMAND(segment, "label the voxels of scans by a network that was trained for it",
               "slmt segment --model lesions.h5 flair=p_flair.nii.gz t1=p_t1.nii.gz --out p_lesions.nii.gz"),
    SUBCOMMAND(evaluate, "compare with the true target contrast",
               "slmt evaluate --model model.h5 --data set.h5 --baselines --csv scores.csv"),
    SUBCOMMAND(differ, "map of what the other sequences of a subject do not show",
               "slmt differ --model any.h5 --to flair t1=p_t1.nii.gz t2=p_t2.nii.gz flair=p_flair.nii.gz "
               "--out map.nii.gz --png map.png"),
    SUBCOMMAND(
        rank, "which sequences make the others, and which are hard to make",
        "slmt rank --model any.h5 --data set.h5 --csv pairs.csv --ranking ranking.csv --png ranking.png"),
    SUBCOMMAND(convert, "save a checkpoint's weights in another type",
               "slmt convert model.h5 small.h5 --weights bf16\n"
               "slmt convert --import changed.h5 set.h5"),
    SUBCOMMAND(info, "what a checkpoint or training set holds", "slmt info --all set.h5\nslmt info model.h5"),
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
