/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages in man(7), from the tables of options. Prose is written a word at a time: sentences begin on
 * new lines, `quoted' words become bold, and no word is mistaken for a request. */
#include "describe.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "slmt/slmt.h"

#include "console.h"
#include "must.h"
#include "paths.h"
#include "tool.h"

enum { LINE = 68 }; /* before escapes */

/* ---- words ---- */

typedef struct prose {
    FILE *out;
    int column;
    bool bold; /* inside `...' */
} prose;

/* Where a dash is typed as it stands: options, code, numbers; not between the letters of a word. */
static bool is_typed(const prose *p, const char *word, size_t length, size_t i)
{
    return p->bold || memmem(word, length, "--", 2) || i == 0 || i + 1 == length ||
           !isalnum((unsigned char)word[i - 1]) || !isalnum((unsigned char)word[i + 1]);
}

static void put_character(prose *p, const char *word, size_t length, size_t i)
{
    switch (word[i]) {
    case '\\':
        fputs("\\e", p->out);
        break;
    case '`':
        fputs("\\fB", p->out);
        p->bold = true;
        break;
    case '\'':
        fputs(p->bold ? "\\fR" : "\\(aq", p->out);
        p->bold = false;
        break;
    case '-':
        fputs(is_typed(p, word, length, i) ? "\\-" : "-", p->out);
        break;
    default:
        putc(word[i], p->out);
    }
}

static void put_word(prose *p, const char *word, size_t length)
{
    if (p->column > 0) {
        bool full = p->column + 1 + (int)length > LINE;
        putc(full ? '\n' : ' ', p->out);
        p->column = full ? 0 : p->column + 1;
    }
    if (p->column == 0 && *word == '.')
        fputs("\\&", p->out);
    for (size_t i = 0; i < length; i++)
        put_character(p, word, length, i);
    p->column += (int)length;
    if (strchr(".?!", word[length - 1])) {
        putc('\n', p->out);
        p->column = 0;
    }
}

static void put_text(FILE *out, const char *text)
{
    prose p = {.out = out};
    for (text += strspn(text, " \n"); *text; text += strspn(text, " \n")) {
        size_t length = strcspn(text, " \n");
        put_word(&p, text, length);
        text += length;
    }
    if (p.column > 0)
        putc('\n', out);
}

/* Characters that are typed as they stand. */
static void put_code(FILE *out, const char *text)
{
    prose p = {.out = out};
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (text[i] == '-')
            fputs("\\-", out);
        else
            put_character(&p, text, length, i);
}

/* ---- parts of a page ---- */

static void put_head(FILE *out, const char *page, const char *summary)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH"); /* of reproducible builds */
    time_t when = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    struct tm parts;
    char date[32] = "";
    if (gmtime_r(&when, &parts))
        strftime(date, sizeof date, "%Y-%m-%d", &parts);
    fputs(".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Written by slmt \\-\\-manual.\n.TH ", out);
    for (const char *c = page; *c; c++)
        putc(toupper((unsigned char)*c), out);
    fprintf(out, " 1 %s \"slmt %s\" \"User Commands\"\n.SH NAME\n", date, slmt_version());
    put_code(out, page);
    fputs(" \\- ", out);
    put_code(out, summary);
    putc('\n', out);
}

/* --name=VALUE */
static void put_option(FILE *out, const field *f)
{
    fputs("\\fB\\-\\-", out);
    put_code(out, f->name);
    fputs("\\fR", out);
    if (f->type != FIELD_FLAG) {
        fprintf(out, "=\\f%c", f->choices ? 'B' : 'I');
        put_code(out, f->arg);
        fputs("\\fR", out);
    }
    putc('\n', out);
}

static void put_synopsis(FILE *out, const char *title, const command_line *line)
{
    fprintf(out, ".SH SYNOPSIS\n.B %s\n", title);
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            if (f->flags & FIELD_REQUIRED)
                put_option(out, f);
    fputs("[\\fIOPTION\\fR...]\\&\n", out);
    if (line->arguments)
        fprintf(out, ".I %s\n", line->arguments);
}

static void put_heading(FILE *out, const char *title)
{
    size_t length = strlen(title);
    fprintf(out, ".SS %.*s\n", (int)(length - (title[length - 1] == ':')), title);
}

static void put_help_option(FILE *out, const char *name, const char *help)
{
    fprintf(out, ".TP\n\\fB%s\\fR\n%s\n", name, help);
}

static void put_options(FILE *out, const command_line *line)
{
    fputs(".SH OPTIONS\n", out);
    if (line->groups->title)
        fputs("Numbers in brackets are the defaults.\n", out);
    for (const option_group *g = line->groups; g->title; g++) {
        if (*g->title)
            put_heading(out, g->title);
        for (const field *f = g->fields; f->name; f++) {
            char *help = options_help(f, g->target);
            fputs(".TP\n", out);
            put_option(out, f);
            put_text(out, help);
            free(help);
        }
    }
    if (line->groups->title)
        put_heading(out, "Help:");
    put_help_option(out, "\\-?\\fR, \\fB\\-\\-help", "print a summary of the options");
    put_help_option(out, "\\-\\-usage", "print them more briefly");
}

static void put_foot(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    for (const char *row = EXIT_CODE_ROWS; *row;) {
        int code, text, end;
        if (sscanf(row, " %d %n%*[^\n]%n", &code, &text, &end) < 1)
            break;
        fprintf(out, ".TP\n.B %d\n%.*s\n", code, end - text, row + text);
        row += end + 1;
    }
    fputs(".SH NOTES\n" DISCLAIMER "\n.SH SEE ALSO\n", out);
}

/* ---- pages ---- */

/* "slmt-train", "slmt-train-METHOD" */
static char *page_name(const subcommand *command, const char *method)
{
    return must_format("slmt-%s%s%s", command->name, method ? "-" : "", method ? method : "");
}

static void put_example(FILE *out, const char *lines)
{
    fputs(".SH EXAMPLES\n.nf\n", out);
    for (; *lines; lines += *lines == '\n') {
        size_t length = strcspn(lines, "\n");
        char *line = must_format("%.*s", (int)length, lines);
        put_code(out, line);
        putc('\n', out);
        free(line);
        lines += length;
    }
    fputs(".fi\n", out);
}

/* A page of one method has the method in place of the argument. */
static void put_command_page(FILE *out, const subcommand *command, const char *method,
                             const command_line *line)
{
    char *page = page_name(command, method);
    char *summary = method ? must_format("train a model of %s", method) : must_copy(command->summary);
    char *title = must_format("%s%s%s", command->title, method ? " " : "", method ? method : "");
    command_line shown = *line;
    if (method)
        shown.arguments = NULL;
    put_head(out, page, summary);
    put_synopsis(out, title, &shown);
    fputs(".SH DESCRIPTION\n", out);
    put_text(out, line->doc);
    put_options(out, line);
    if (!method && command->example)
        put_example(out, command->example);
    put_foot(out);
    for (size_t i = 0; !method && is_by_method(command) && trained_method(i); i++)
        fprintf(out, ".BR slmt\\-train\\-%s (1),\n", trained_method(i));
    fputs(".BR slmt (1)\n", out);
    free(page);
    free(summary);
    free(title);
}

static const char example[] = //
    "slmt prepare \\-\\-contrast t1=brats/t1 \\-\\-contrast t2=brats/t2 \\-\\-out set.h5\n"
    "slmt pretrain \\-\\-data set.h5 \\-\\-out pre.h5\n"
    "slmt finetune \\-\\-data set.h5 \\-\\-model pre.h5 \\-\\-source t1 \\-\\-target t2 \\-\\-out model.h5\n"
    "slmt evaluate \\-\\-model model.h5 \\-\\-data set.h5 \\-\\-baselines \\-\\-csv scores.csv\n"
    "slmt synthesize \\-\\-model model.h5 new_t1.nii.gz \\-\\-out new_t2.nii.gz\n";

static void put_program_page(FILE *out)
{
    put_head(out, "slmt", "make a missing MR contrast from one that is there");
    fputs(".SH SYNOPSIS\n.B slmt\n.I COMMAND\n[\\fIOPTION\\fR...]\n.SH DESCRIPTION\n", out);
    put_text(out, program_doc);
    fputs(".SH COMMANDS\nIn the order of work:\n", out);
    for (const subcommand *c = subcommands; c->name; c++) {
        fprintf(out, ".TP\n.BR slmt\\-%s (1)\n", c->name);
        put_text(out, c->summary);
    }
    fputs(".SH OPTIONS\n", out);
    for (const field *f = program_fields; f->name; f++) {
        fputs(".TP\n", out);
        put_option(out, f);
        put_text(out, f->doc);
    }
    put_help_option(out, "\\-?\\fR, \\fB\\-\\-help", "print a summary of commands and options");
    put_help_option(out, "\\-\\-usage", "print the options more briefly");
    put_help_option(out, "\\-V\\fR, \\fB\\-\\-version", "print the version");
    fprintf(out, ".SH EXAMPLES\nFrom volumes to a synthesized contrast:\n.PP\n.nf\n%s.fi\n", example);
    put_foot(out);
    for (const subcommand *c = subcommands; c->name; c++)
        fprintf(out, ".BR slmt\\-%s (1)%s\n", c->name, c[1].name ? "," : "");
}

/* Opens the page's file in the folder, has it written (command NULL: of slmt itself), closes it. */
static int write_page(const char *folder, const subcommand *command, const char *method)
{
    char *page = command ? page_name(command, method) : must_copy("slmt");
    char *path = must_format("%s/%s.1", folder, page);
    int code = EXIT_OK;
    FILE *out = fopen(path, "w");
    if (out && command)
        code = describe_command(out, command, method, put_command_page);
    else if (out)
        put_program_page(out);
    bool written = out && !ferror(out) && code == EXIT_OK;
    if (!out || fclose(out) != 0 || !written)
        code = fail_errno(errno, "%s", path);
    free(path);
    free(page);
    return code;
}

int manual_write(const char *folder)
{
    if (!is_folder(folder) && mkdir(folder, 0777) != 0)
        return fail_errno(errno, "--manual: %s", folder);
    int code = write_page(folder, NULL, NULL);
    for (const subcommand *c = subcommands; c->name && code == EXIT_OK; c++) {
        code = write_page(folder, c, NULL);
        for (size_t i = 0; is_by_method(c) && trained_method(i) && code == EXIT_OK; i++)
            code = write_page(folder, c, trained_method(i));
    }
    return code;
}
