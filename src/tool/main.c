/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of the slmt command: finds the subcommand and hands it the rest of the line. */
#include "tool.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "slmt/slmt.h"

#include "interrupt.h"

typedef struct subcommand {
    const char *name;
    char title[24]; /* argv[0] of the subcommand, as argp shows it */
    int (*run)(int argc, char **argv);
} subcommand;

static subcommand subcommands[] = {
    {"methods", "slmt methods", command_methods},
    {"prepare", "slmt prepare", command_prepare},
    {"pretrain", "slmt pretrain", command_pretrain},
    {"finetune", "slmt finetune", command_finetune},
    {"train", "slmt train", command_train},
    {"synthesize", "slmt synthesize", command_synthesize},
    {"evaluate", "slmt evaluate", command_evaluate},
    {"differ", "slmt differ", command_differ},
    {"rank", "slmt rank", command_rank},
    {"convert", "slmt convert", command_convert},
    {"info", "slmt info", command_info},
};

static const char doc[] =
    "Makes a missing MR contrast from one that is there: SLMT-Net, trained on many single slices and a few "
    "pairs, and other methods, see `slmt methods'.\v"
    "Commands, in the order of work:\n"
    "  methods     methods, their options and settings\n"
    "  prepare     volumes (NIfTI) to a training set (HDF5)\n"
    "  pretrain    train the encoder on single slices (Edge-MAE)\n"
    "  finetune    train the whole network on pairs of slices\n"
    "  train       train a model of any method\n"
    "  synthesize  make the target contrast of volumes\n"
    "  evaluate    compare with the true target contrast\n"
    "  differ      map of what the other sequences of a subject cannot make\n"
    "  rank        which sequences make the others, and which are hard to make\n"
    "  convert     save a checkpoint's weights in another type\n"
    "  info        what a checkpoint or training set holds\n"
    "`slmt COMMAND --help' lists a command's options.\n\n" EXIT_CODE_TEXT;

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "slmt %s\n", slmt_version());
}

/* Ends parsing at the first word that is no option: the subcommand. */
static error_t find_subcommand(int key, char *text, struct argp_state *state)
{
    subcommand **found = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
            if (strcmp(text, subcommands[i].name) == 0)
                *found = &subcommands[i];
        if (!*found)
            argp_error(state, "there is no command '%s'", text);
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a command is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv)
{
    subcommand *found = NULL;
    const struct argp argp = {.parser = find_subcommand, .args_doc = "COMMAND [OPTION...]", .doc = doc};
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version_hook = print_version;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &found) != 0 || !found)
        return EXIT_USAGE;
    argp_program_version_hook = NULL;

    int first = 1;
    while (strcmp(argv[first], found->name) != 0)
        first++;
    argv[first] = found->title;
    interrupt_install();
    return found->run(argc - first, argv + first);
}
