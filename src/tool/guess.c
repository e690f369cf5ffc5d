/* SPDX-License-Identifier: Apache-2.0 */
/* guess.c - looks through the words as getopt_long(3) will, and answers where that would only refuse. */
#include "guess.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "commands.h"
#include "console.h"
#include "must.h"
#include "nearest.h"
#include "tool.h"

/* ---- options of a command ---- */

static const char *const helps[] = {"help", "usage", NULL};

/* Returns true if `name`, of this length, is the beginning of an option's name; what argp does with several
 * is its own affair. `takes_value` is that of the option of this very name, or of the last that begins so. */
static bool is_option(const command_line *line, const char *name, size_t length, bool *takes_value)
{
    bool found = false;
    *takes_value = false;
    for (const char *const *help = helps; *help; help++)
        found = found || (length && strncmp(*help, name, length) == 0);
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++) {
            if (strncmp(f->name, name, length) != 0)
                continue;
            found = true;
            *takes_value = f->type != FIELD_FLAG;
            if (!f->name[length])
                return true;
        }
    return found;
}

static const char *nearest_option(const command_line *line, const char *name)
{
    nearest n = nearest_to(name);
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            nearest_try(&n, f->name);
    nearest_try(&n, "help");
    return n.found;
}

/* "slmt synthesize" or "slmt train seq2seq": where --help lists what there is. */
static void refuse_option(const command_line *line, const char *title, const char *word)
{
    size_t dashes = strspn(word, "-");
    char *name = must_format("%.*s", (int)strcspn(word + dashes, "="), word + dashes);
    const char *found = nearest_option(line, name);
    if (found)
        complain("unrecognized option '%s'; did you mean '--%s'? `%s --help' lists the options", word, found,
                 title);
    else
        complain("unrecognized option '%s'; `%s --help' lists the options", word, title);
    free(name);
    exit(EXIT_USAGE);
}

static bool is_number(const char *word)
{
    return word[1] && strspn(word + 1, "0123456789.") == strlen(word + 1);
}

void guess_options(const command_line *line, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool takes_value = false;
        char *word = argv[i];
        if (word[0] != '-' || !word[1] || is_number(word) || strcmp(word, "-?") == 0)
            continue;
        if (strcmp(word, "-h") == 0) {
            argv[i] = (char *)"--help";
            continue;
        }
        size_t length = word[1] == '-' ? strcspn(word + 2, "=") : 0;
        if (word[1] != '-' || !is_option(line, word + 2, length, &takes_value))
            refuse_option(line, argv[0], word);
        i += takes_value && word[2 + length] != '=';
    }
}

/* ---- commands ---- */

static const subcommand *find_command(const char *word)
{
    for (const subcommand *c = subcommands; c->name; c++)
        if (strcmp(c->name, word) == 0)
            return c;
    return NULL;
}

/* What other programs call the work of a command. */
static const struct {
    const char *word, *command;
} synonyms[] = {
    {"predict", "synthesize"},  {"infer", "synthesize"},     {"inference", "synthesize"},
    {"generate", "synthesize"}, {"translate", "synthesize"}, {"apply", "synthesize"},
    {"test", "evaluate"},       {"validate", "evaluate"},    {"score", "evaluate"},
    {"compare", "evaluate"},    {"metrics", "evaluate"},     {"plan", "fit"},
    {"preprocess", "prepare"},  {"import", "prepare"},       {"label", "segment"},
    {"list", "methods"},        {"models", "methods"},       {"show", "info"},
    {"inspect", "info"},        {"export", "convert"},       {NULL, NULL},
};

static const char *nearest_command(const char *word)
{
    for (size_t i = 0; synonyms[i].word; i++)
        if (strcasecmp(synonyms[i].word, word) == 0)
            return synonyms[i].command;
    nearest n = nearest_to(word);
    for (const subcommand *c = subcommands; c->name; c++)
        nearest_try(&n, c->name);
    return n.found;
}

static void list_commands(void)
{
    fputs("Commands:", stderr);
    for (const subcommand *c = subcommands; c->name; c++)
        fprintf(stderr, " %s", c->name);
    fputs("\n`slmt --help' says what they do, `slmt COMMAND --help' lists their options.\n", stderr);
}

static void refuse_command(const char *word)
{
    const char *found = nearest_command(word);
    if (found)
        complain("there is no command '%s'; did you mean `slmt %s'?", word, found);
    else
        complain("there is no command '%s'", word);
    list_commands();
    exit(EXIT_USAGE);
}

/* The line that was meant, "slmt synthesize --threads 1 ...", for options that stand before their command. */
static void refuse_early_option(int argc, char **argv, int at)
{
    size_t command = 0;
    for (int i = at; i < argc && !command; i++)
        command = find_command(argv[i]) ? (size_t)i : 0;
    if (!command) {
        complain("there is no command on the line, and '%s' is none of slmt's own options", argv[at]);
        list_commands();
    } else {
        char *text = must_format("slmt %s", argv[command]);
        for (int i = at; i < argc; i++) {
            if ((size_t)i == command)
                continue;
            char *longer = must_format("%s %s", text, argv[i]);
            free(text);
            text = longer;
        }
        complain("options stand behind their command: %s", text);
        free(text);
    }
    exit(EXIT_USAGE);
}

static bool is_own_option(const char *word, bool *takes_value)
{
    static const char *const own[] = {"--help", "--usage", "--version", "-?", "-V", NULL};
    for (const char *const *o = own; *o; o++)
        if (strncmp(*o, word, strlen(word)) == 0)
            return true;
    size_t length = strcspn(word + 2, "=");
    for (const field *f = program_fields; f->name; f++)
        if (word[1] == '-' && strncmp(f->name, word + 2, length) == 0) {
            *takes_value = word[2 + length] != '=';
            return true;
        }
    return false;
}

/* "help" and "help COMMAND". */
static char **help_words(int *argc, char **argv)
{
    if (*argc > 2 && !find_command(argv[2]))
        refuse_command(argv[2]);
    char **words = must_alloc(4, sizeof *words);
    words[0] = argv[0];
    if (*argc > 2)
        words[1] = argv[2];
    words[*argc > 2 ? 2 : 1] = (char *)"--help";
    *argc = *argc > 2 ? 3 : 2;
    return words;
}

char **guess_program(int *argc, char **argv)
{
    if (*argc < 2) {
        complain("a command is needed");
        list_commands();
        exit(EXIT_USAGE);
    }
    if (strcmp(argv[1], "help") == 0)
        return help_words(argc, argv);
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "-v") == 0)
        argv[1] = (char *)"--version";
    if (strcmp(argv[1], "-h") == 0)
        argv[1] = (char *)"--help";
    for (int i = 1; i < *argc; i++) {
        bool takes_value = false;
        if (argv[i][0] != '-' && !find_command(argv[i]))
            refuse_command(argv[i]);
        if (argv[i][0] != '-')
            break;
        if (!is_own_option(argv[i], &takes_value))
            refuse_early_option(*argc, argv, i);
        i += takes_value;
    }
    return argv;
}
