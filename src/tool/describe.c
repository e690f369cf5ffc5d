/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand builds its tables on its stack and hands them to options_parse(), which does not come back
 * when it is to describe them: each is asked in a process of its own. */
#include "describe.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "numbers.h"
#include "tool.h"

typedef struct asked {
    FILE *out;
    const subcommand *command;
    const char *method;
    describe_function *describe;
} asked;

static void answer(const command_line *line, void *user)
{
    const asked *a = user;
    a->describe(a->out, a->command, a->method, line);
    exit(fflush(a->out) == 0 ? EXIT_OK : EXIT_DATA);
}

static bool trains(const char *method)
{
    slmt_task_info info;
    for (size_t i = 0; task_at(method, i, &info); i++)
        if (info.trains)
            return true;
    return false;
}

const char *trained_method(size_t index)
{
    for (size_t i = 0; i < slmt_method_count(); i++) {
        slmt_method_info info = {.struct_size = sizeof info};
        if (slmt_method_describe(i, &info) == SLMT_OK && trains(info.name) && index-- == 0)
            return info.name;
    }
    return NULL;
}

bool is_by_method(const subcommand *command)
{
    return command->run == command_train;
}

int describe_command(FILE *out, const subcommand *command, const char *method, describe_function *describe)
{
    int status = 0;
    if (fflush(out) != 0)
        return EXIT_DATA;
    pid_t child = fork();
    if (child == 0) {
        asked a = {out, command, method, describe};
        char *argv[] = {(char *)command->title, (char *)method, NULL};
        options_describe(answer, &a);
        command->run(method ? 2 : 1, argv);
        _exit(EXIT_USAGE); /* it has no options */
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? EXIT_OK : EXIT_DATA;
}
