/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand builds its tables on its stack and hands them to options_parse(), which does not come back
 * when it is to describe them: each is asked in a process of its own. */
#include "describe.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"

typedef struct asked {
    FILE *out;
    const subcommand *command;
    describe_function *describe;
} asked;

static void answer(const command_line *line, void *user)
{
    const asked *a = user;
    a->describe(a->out, a->command, line);
    exit(fflush(a->out) == 0 ? EXIT_OK : EXIT_DATA);
}

int describe_command(FILE *out, const subcommand *command, describe_function *describe)
{
    int status = 0;
    if (fflush(out) != 0)
        return EXIT_DATA;
    pid_t child = fork();
    if (child == 0) {
        asked a = {out, command, describe};
        char *argv[] = {(char *)command->title, NULL};
        options_describe(answer, &a);
        command->run(1, argv);
        _exit(EXIT_USAGE); /* it has no options */
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? EXIT_OK : EXIT_DATA;
}
