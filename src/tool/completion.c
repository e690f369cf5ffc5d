/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for bash and zsh, from the tables of options: what an option takes is told by its choices, or by
 * what the help text calls its value. */
#include "describe.h"

#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "must.h"
#include "tool.h"

typedef enum value_kind {
    ANYTHING,
    A_CHOICE,
    A_METHOD,
    A_FILE,
    A_FOLDER,
    A_NAMED_FILE,
    A_NAMED_FOLDER
} value_kind;

static value_kind kind_of(const field *f)
{
    bool named = strncmp(f->arg, "NAME=", 5) == 0;
    if (f->choices)
        return A_CHOICE;
    if (strcmp(f->arg, "METHOD") == 0)
        return A_METHOD;
    if (strstr(f->arg, "FILE") || strstr(f->arg, "SCANS"))
        return named ? A_NAMED_FILE : A_FILE;
    if (strstr(f->arg, "DIR"))
        return named ? A_NAMED_FOLDER : A_FOLDER;
    return ANYTHING;
}

/* What stands beside the options: methods or files. */
static value_kind kind_of_arguments(const command_line *line)
{
    if (!line->arguments)
        return ANYTHING;
    if (strstr(line->arguments, "METHOD"))
        return A_METHOD;
    return strncmp(line->arguments, "NAME=", 5) == 0 ? A_NAMED_FILE : A_FILE;
}

static void put_choices(FILE *out, const field_choice *choices)
{
    for (const field_choice *c = choices; c->name; c++)
        fprintf(out, "%s%s", c == choices ? "" : " ", c->name);
}

static void put_methods(FILE *out)
{
    for (size_t i = 0; i < slmt_method_count(); i++) {
        slmt_method_info info = {.struct_size = sizeof info};
        slmt_method_describe(i, &info);
        fprintf(out, "%s%s", i ? " " : "", info.name);
    }
}

static void put_trained(FILE *out)
{
    for (size_t i = 0; trained_method(i); i++)
        fprintf(out, "%s%s", i ? " " : "", trained_method(i));
}

/* ---- bash ---- */

/* The words are put together again first: bash takes them apart at each "=". */
static const char bash_head[] = //
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Completion of slmt for bash, written by `slmt --completion bash`.\n"
    "_slmt() {\n"
    "    local raw=${COMP_WORDS[COMP_CWORD]} word joined='' command='' option='' value words='' kind=words\n"
    "    local methods='";

static const char bash_middle[] = //
    "'\n"
    "    local -a line=()\n"
    "    for word in \"${COMP_WORDS[@]:0:COMP_CWORD+1}\"; do\n"
    "        if [[ ${#line[@]} -gt 0 && ( $word == = || -n $joined ) ]]; then\n"
    "            line[-1]+=$word\n"
    "        else\n"
    "            line+=(\"$word\")\n"
    "        fi\n"
    "        joined=\n"
    "        [[ $word != = ]] || joined=yes\n"
    "    done\n"
    "    [[ $raw != = ]] || raw=\n"
    "    for word in \"${line[@]:1:${#line[@]}-2}\"; do\n"
    "        [[ $word == -* ]] || { command=$word; break; }\n"
    "    done\n"
    "    for word in \"${line[@]:1:${#line[@]}-2}\"; do\n"
    "        [[ $command == train && \" $methods \" == *\" $word \"* ]] && { command=train:$word; break; }\n"
    "    done\n"
    "    value=${line[-1]}\n"
    "    if [[ $value == --*=* ]]; then\n"
    "        option=${value%%=*} value=${value#*=}\n"
    "    elif [[ $value == -* ]]; then\n"
    "        option=options\n"
    "    elif [[ ${line[-2]} == --* && ${line[-2]} != *=* ]]; then\n"
    "        option=${line[-2]}\n"
    "    fi\n"
    "    case $command,$option in\n";

static const char bash_tail[] = //
    "    esac\n"
    "    if [[ $kind == named-* ]]; then\n"
    "        [[ $value == *=* ]] && kind=${kind#named-} value=${value#*=} || kind=words\n"
    "    fi\n"
    "    case $kind in\n"
    "        words) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$value\") ;;\n"
    "        file) mapfile -t COMPREPLY < <(compgen -f -- \"$value\") ;;\n"
    "        folder) mapfile -t COMPREPLY < <(compgen -d -- \"$value\") ;;\n"
    "    esac\n"
    "    [[ $kind == words ]] || compopt -o filenames 2>/dev/null\n"
    "    COMPREPLY=(\"${COMPREPLY[@]/#/${raw%\"$value\"}}\")\n"
    "}\n"
    "complete -F _slmt slmt\n";

static void bash_value(FILE *out, value_kind kind, const field_choice *choices)
{
    static const char *const kinds[] = {[A_FILE] = "file",
                                        [A_FOLDER] = "folder",
                                        [A_NAMED_FILE] = "named-file",
                                        [A_NAMED_FOLDER] = "named-folder"};
    if (kind == A_CHOICE || kind == A_METHOD) {
        fputs("words='", out);
        kind == A_CHOICE ? put_choices(out, choices) : put_methods(out);
        putc('\'', out);
    } else if (kind != ANYTHING) {
        fprintf(out, "kind=%s", kinds[kind]);
    }
    fputs(" ;;\n", out);
}

static void bash_options(FILE *out, const char *command, const field *fields)
{
    for (const field *f = fields; f->name; f++)
        if (f->type != FIELD_FLAG) {
            fprintf(out, "        %s,--%s) ", command, f->name);
            bash_value(out, kind_of(f), f->choices);
        }
}

static void bash_names(FILE *out, const field *fields)
{
    for (const field *f = fields; f->name; f++)
        fprintf(out, "--%s ", f->name);
}

/* Two tasks of a method can have settings of one name. */
static bool is_new(const command_line *line, const option_group *group, const field *named)
{
    for (const option_group *g = line->groups; g < group; g++)
        for (const field *f = g->fields; f->name; f++)
            if (strcmp(f->name, named->name) == 0)
                return false;
    return true;
}

/* A command with its method goes by COMMAND:METHOD. */
static void bash_command(FILE *out, const subcommand *command, const char *method, const command_line *line)
{
    char *name = must_format("%s%s%s", command->name, method ? ":" : "", method ? method : "");
    fprintf(out, "        %s,options) words='", name);
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            if (is_new(line, g, f))
                fprintf(out, "--%s ", f->name);
    fputs("--help --usage' ;;\n", out);
    for (const option_group *g = line->groups; g->title; g++)
        bash_options(out, name, g->fields);
    fprintf(out, "        %s,*) ", name);
    bash_value(out, method ? ANYTHING : kind_of_arguments(line), NULL);
    free(name);
}

static int bash_commands(FILE *out)
{
    int code = EXIT_OK;
    for (const subcommand *c = subcommands; c->name && code == EXIT_OK; c++) {
        code = describe_command(out, c, NULL, bash_command);
        for (size_t i = 0; is_by_method(c) && trained_method(i) && code == EXIT_OK; i++)
            code = describe_command(out, c, trained_method(i), bash_command);
    }
    return code;
}

static int bash_print(FILE *out)
{
    int code = EXIT_OK;
    fputs(bash_head, out);
    put_trained(out);
    fprintf(out, "%s        ,options) words='", bash_middle);
    bash_names(out, program_fields);
    fputs("--help --usage --version' ;;\n", out);
    bash_options(out, "", program_fields);
    fputs("        ,*) words='", out);
    for (const subcommand *c = subcommands; c->name; c++)
        fprintf(out, "%s%s", c == subcommands ? "" : " ", c->name);
    fputs("' ;;\n", out);
    code = bash_commands(out);
    fputs(bash_tail, out);
    return code;
}

/* ---- zsh ---- */

/* Inside '...[ ]': quotes and brackets are marked. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fprintf(out, strchr("[]:\\", *text) ? "\\%c" : "%c", *text);
}

static void zsh_value(FILE *out, value_kind kind, const field_choice *choices)
{
    static const char *const actions[] = {[ANYTHING] = " ",
                                          [A_FILE] = "_files",
                                          [A_FOLDER] = "_files -/",
                                          [A_NAMED_FILE] = " _slmt_named _files",
                                          [A_NAMED_FOLDER] = " _slmt_named _files -/"};
    if (kind == A_CHOICE || kind == A_METHOD) {
        putc('(', out);
        kind == A_CHOICE ? put_choices(out, choices) : put_methods(out);
        putc(')', out);
    } else {
        fputs(actions[kind], out);
    }
}

static void zsh_option(FILE *out, const field *f)
{
    bool often = f->type == FIELD_CUSTOM && !f->choices; /* once for each name */
    fprintf(out, "        '%s--%s%s[", often ? "*" : "", f->name, f->type == FIELD_FLAG ? "" : "=");
    zsh_text(out, f->doc);
    putc(']', out);
    if (f->type != FIELD_FLAG) {
        putc(':', out);
        zsh_text(out, f->arg);
        putc(':', out);
        zsh_value(out, kind_of(f), f->choices);
    }
    fputs("' \\\n", out);
}

static void zsh_command(FILE *out, const subcommand *command, const char *method, const command_line *line)
{
    fprintf(out, "_slmt_%s%s%s() {\n    _arguments -S \\\n", command->name, method ? "_" : "",
            method ? method : "");
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            if (is_new(line, g, f))
                zsh_option(out, f);
    if (line->arguments) {
        fputs("        '*:", out);
        zsh_text(out, line->arguments);
        putc(':', out);
        zsh_value(out, kind_of_arguments(line), NULL);
        fputs("' \\\n", out);
    }
    fputs("        '(- *)--help[list the options]' '(- *)--usage[list them briefly]'\n}\n\n", out);
}

static int zsh_print(FILE *out)
{
    int code = EXIT_OK;
    fputs("#compdef slmt\n"
          "# SPDX-License-Identifier: Apache-2.0\n"
          "# Completion of slmt for zsh, written by `slmt --completion zsh`.\n\n"
          "# NAME=FILE: nothing is known of the name\n"
          "_slmt_named() {\n    compset -P '*=' && \"$@\"\n}\n\n",
          out);
    for (const subcommand *c = subcommands; c->name && code == EXIT_OK; c++) {
        code = describe_command(out, c, NULL, zsh_command);
        for (size_t i = 0; is_by_method(c) && trained_method(i) && code == EXIT_OK; i++)
            code = describe_command(out, c, trained_method(i), zsh_command);
    }
    fputs("_slmt() {\n    local curcontext=$curcontext state\n    local -a commands=(\n", out);
    for (const subcommand *c = subcommands; c->name; c++) {
        fprintf(out, "        '%s:", c->name);
        zsh_text(out, c->summary);
        fputs("'\n", out);
    }
    fputs("    )\n    _arguments -C -S \\\n", out);
    for (const field *f = program_fields; f->name; f++)
        zsh_option(out, f);
    fputs("        '(- *)--help[list commands and options]' '(- *)--usage[list the options briefly]' \\\n"
          "        '(- *)--version[print the version]' '1:command:->command' '*::argument:->rest'\n"
          "    case $state in\n"
          "        command) _describe -t commands command commands ;;\n"
          "        rest)\n"
          "            local name=_slmt_$words[1] word\n"
          "            for word in ${words[2,CURRENT-1]}; do\n"
          "                (( $+functions[${name}_$word] )) && { name+=_$word; break }\n"
          "            done\n"
          "            (( $+functions[$name] )) && $name ;;\n"
          "    esac\n"
          "}\n\n"
          "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n    _slmt \"$@\"\nelse\n    compdef _slmt "
          "slmt\nfi\n",
          out);
    return code;
}

int completion_print(int32_t shell)
{
    int code = shell == COMPLETE_BASH ? bash_print(stdout) : zsh_print(stdout);
    return code == EXIT_OK && fflush(stdout) != 0 ? EXIT_DATA : code;
}
