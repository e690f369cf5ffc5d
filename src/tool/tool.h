/* SPDX-License-Identifier: Apache-2.0 */
/* The slmt command: its exit codes and the entry points of its subcommands, one file each.
 * The command knows the library by its public headers only. */
#ifndef SLMT_TOOL_TOOL_H
#define SLMT_TOOL_TOOL_H

enum {
    EXIT_OK = 0,
    EXIT_SOME_FAILED = 1,  /* some inputs failed, the others were done */
    EXIT_USAGE = 2,        /* wrong options, or options that do not fit the data */
    EXIT_DATA = 3,         /* a file is missing, damaged, of the wrong kind, or cannot be written */
    EXIT_MEMORY = 4,       /* out of memory, or past --max-memory */
    EXIT_UNSUPPORTED = 5,  /* not in this build or on this machine; a backend failed */
    EXIT_WARNING = 6,      /* there was a warning, and --strict */
    EXIT_INTERRUPTED = 130 /* SIGINT, SIGTERM or SIGHUP; training has saved its checkpoint */
};

#define EXIT_CODE_ROWS                                                                                       \
    "  0    all done\n"                                                                                      \
    "  1    some inputs failed, the others were done\n"                                                      \
    "  2    wrong options, or options that do not fit the data\n"                                            \
    "  3    a file is missing, damaged, of the wrong kind, or cannot be written\n"                           \
    "  4    out of memory, or past --max-memory\n"                                                           \
    "  5    not in this build or on this machine; a backend failed\n"                                        \
    "  6    a warning, with --strict\n"                                                                      \
    "  130  interrupted; training has saved its checkpoint\n"
#define DISCLAIMER     "Research software. Its output is not for diagnosis."
#define EXIT_CODE_TEXT "Exit codes:\n" EXIT_CODE_ROWS "\n" DISCLAIMER

/* Each takes argv with argv[0] = "slmt NAME" and returns an exit code. */
int command_methods(int argc, char **argv);
int command_fit(int argc, char **argv);
int command_prepare(int argc, char **argv);
int command_pretrain(int argc, char **argv);
int command_finetune(int argc, char **argv);
int command_train(int argc, char **argv);
int command_synthesize(int argc, char **argv);
int command_segment(int argc, char **argv);
int command_evaluate(int argc, char **argv);
int command_differ(int argc, char **argv);
int command_rank(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_info(int argc, char **argv);

#endif
