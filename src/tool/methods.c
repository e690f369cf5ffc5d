/* SPDX-License-Identifier: Apache-2.0 */
/* slmt methods: which methods there are; the options and tasks of one. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>

#include "console.h"
#include "numbers.h"
#include "options.h"
#include "table.h"

static const char doc[] =
    "List the methods, or the options and tasks of METHOD with their settings, each with its default, its "
    "range and its meaning. `slmt train METHOD' takes all of them as options.";

static void list_methods(void)
{
    table t;
    table_begin(&t, 2);
    t.left = true;
    for (size_t i = 0; i < slmt_method_count(); i++) {
        slmt_method_info info = {.struct_size = sizeof info};
        slmt_method_describe(i, &info);
        table_cell(&t, "%s", info.name);
        table_cell(&t, "%s", info.title);
    }
    table_print(&t);
}

static void print_numbers(number_owner owner, const char *heading)
{
    slmt_number_info info;
    table t;
    table_begin(&t, 4);
    t.left = true;
    for (size_t i = 0; i < 4; i++)
        table_cell(&t, "%s", (const char *[]){heading, "default", "range", "meaning"}[i]);
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        char range[128], *value = number_text(&info, NULL, NULL);
        number_range(&info, range, sizeof range);
        table_cell(&t, "  %s", info.name);
        table_cell(&t, "%s", value);
        table_cell(&t, "%s", range);
        table_cell(&t, "%s", info.help);
        free(value);
    }
    putchar('\n');
    table_print(&t);
}

static void print_tasks(const char *method)
{
    slmt_task_info info = {.struct_size = sizeof info};
    for (size_t i = 0; slmt_method_task(method, i, &info) == SLMT_OK; i++) {
        printf("\n%s%s: %s\n", info.name, info.trains ? " (training)" : "", info.help);
        print_numbers((number_owner){method, info.name}, "settings");
    }
}

static int show_method(const char *name)
{
    slmt_method_info info;
    if (!method_find(name, &info))
        return no_such_method(name);
    printf("%s\n%s\n", info.title, info.source);
    if (*info.presets)
        printf("presets: %s\n", info.presets);
    print_numbers((number_owner){info.name, NULL}, "options");
    print_tasks(info.name);
    return EXIT_OK;
}

int command_methods(int argc, char **argv)
{
    const option_group groups[] = {{0}};
    command_line line = {.doc = doc, .arguments = "[METHOD]", .most_arguments = 1, .groups = groups};
    options_parse(&line, argc, argv);
    int code = EXIT_OK;
    if (line.input_count)
        code = show_method(line.inputs[0]);
    else
        list_methods();
    options_free(&line);
    return code;
}
