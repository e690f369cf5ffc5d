/* SPDX-License-Identifier: Apache-2.0 */
#include "outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "must.h"
#include "stream.h"
#include "tool.h"

/* ---- which file a path is ---- */

/* A file that is there goes by itself, one that is not by its folder and name. */
typedef struct named_file {
    const char *path;
    char *what; /* "--out", "input": for messages */
    bool output, replaceable;
    bool there;
    dev_t device;
    ino_t inode;
    const char *name; /* where it is not there */
} named_file;

typedef struct file_list {
    named_file *items;
    size_t count;
    path_list made; /* paths that were not given as they are here */
} file_list;

/* False: devices, pipes, folders and what cannot be told apart cannot be destroyed. */
static bool identify(const char *path, named_file *f)
{
    struct stat status;
    f->path = path;
    f->there = stat(path, &status) == 0;
    if (!f->there) {
        char *folder = folder_of(path);
        bool found = stat(folder, &status) == 0;
        free(folder);
        if (!found)
            return false;
        f->name = file_name(path);
    } else if (!S_ISREG(status.st_mode)) {
        return false;
    }
    f->device = status.st_dev;
    f->inode = status.st_ino;
    return true;
}

/* Adds a path, which must live as long as the list; takes over `what`. */
static void add_file(file_list *list, const char *path, char *what, uint32_t flags)
{
    named_file f = {.what = what, .output = flags & FIELD_OUTPUT, .replaceable = flags & FIELD_INPLACE};
    if (!identify(path, &f)) {
        free(what);
        return;
    }
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = f;
}

/* Of a volume of a file of several the file, and of a scan in two files both. */
static void add_input(file_list *list, const char *given, const char *what, uint32_t flags)
{
    char *path = must_format("%.*s", (int)(strlen(given) - volume_index_length(given)), given);
    char *other = half_of_pair(path);
    path_list_add(&list->made, path);
    add_file(list, path, must_copy(what), flags);
    if (!other)
        return;
    path_list_add(&list->made, other);
    add_file(list, other, must_copy(what), flags);
}

static void free_files(file_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].what);
    free(list->items);
    path_list_free(&list->made);
}

/* ---- what the line names ---- */

static const char *path_in(const char *text, uint32_t flags)
{
    const char *equals = flags & FIELD_NAMED ? strchr(text, '=') : NULL;
    return equals ? equals + 1 : text;
}

static void add_options(file_list *list, const command_line *line)
{
    for (size_t i = 0; i < line->given_count; i++) {
        const option_given *g = &line->given[i];
        char *what = must_format("--%s", g->field->name);
        if (g->field->flags & FIELD_INPUT)
            add_input(list, path_in(g->text, g->field->flags), what, g->field->flags);
        else if (g->field->flags & FIELD_OUTPUT)
            add_file(list, path_in(g->text, g->field->flags), must_copy(what), g->field->flags);
        free(what);
    }
}

static void add_arguments(file_list *list, const command_line *line)
{
    for (size_t i = 0; i < line->input_count && line->argument_flags; i++) {
        bool last = line->last_is_output && i == line->input_count - 1;
        uint32_t flags = last                   ? FIELD_OUTPUT
                         : line->last_is_output ? line->argument_flags | FIELD_INPLACE
                                                : line->argument_flags;
        if (last)
            add_file(list, line->inputs[i], must_copy("OUT"), flags);
        else
            add_input(list, path_in(line->inputs[i], flags), "the input", flags);
    }
}

/* ---- outputs that are other files ---- */

static int compare(const void *a, const void *b)
{
    const named_file *one = a, *other = b;
    if (one->device != other->device)
        return one->device < other->device ? -1 : 1;
    if (one->inode != other->inode)
        return one->inode < other->inode ? -1 : 1;
    if (one->there != other->there)
        return one->there ? -1 : 1;
    int order = one->there ? 0 : strcmp(one->name, other->name);
    return order ? order : (int)one->output - (int)other->output;
}

static bool same(const named_file *a, const named_file *b)
{
    return a->device == b->device && a->inode == b->inode && a->there == b->there &&
           (a->there || strcmp(a->name, b->name) == 0);
}

static bool may_replace(const named_file *input, const named_file *output)
{
    return input->replaceable && (strcmp(output->what, "--out") == 0 || strcmp(output->what, "OUT") == 0);
}

/* Inputs come before the outputs of one file. */
static int check_two(const named_file *one, const named_file *output)
{
    if (one->output)
        return strcmp(one->path, output->path) == 0 && strcmp(one->what, output->what) == 0
                   ? fail_with(EXIT_USAGE, "%s: two results would be written to it", one->path)
                   : fail_with(EXIT_USAGE, "%s %s and %s %s are one file; nothing was done", one->what,
                               one->path, output->what, output->path);
    if (may_replace(one, output))
        return EXIT_OK;
    return fail_with(EXIT_USAGE, "%s %s would destroy %s %s: they are one file; nothing was done",
                     output->what, output->path, one->what, one->path);
}

/* Of the files of one identity each output is compared with the first one, and with the output before it. */
static int check_list(file_list *list)
{
    int code = EXIT_OK;
    size_t first = 0;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare);
    for (size_t i = 1; i < list->count && code == EXIT_OK; i++) {
        if (!same(&list->items[first], &list->items[i]))
            first = i;
        for (size_t k = first; k < i && list->items[i].output && code == EXIT_OK; k++)
            code = check_two(&list->items[k], &list->items[i]);
    }
    return code;
}

/* ---- whether it can be written ---- */

static bool ends_in(const char *path, const char *ending, size_t length)
{
    size_t all = strlen(path);
    return all >= length && strncasecmp(path + all - length, ending, length) == 0;
}

/* The ending, one of a list with blanks between, that a path has; NULL: none. */
static const char *find_ending(const char *path, const char *endings, size_t *length)
{
    for (; *endings; endings += *length + (endings[*length] == ' ')) {
        *length = strcspn(endings, " ");
        if (ends_in(path, endings, *length))
            return endings;
    }
    return NULL;
}

/* A name without a known ending may be that of anything. */
static int check_ending(const field *f, const char *path)
{
    static const char known[] =
        ".nii.gz .nii .hdr .img .mgz .mgh .h5 .hdf5 .png .jpg .jpeg .csv .tsv .json .jsonl "
        ".html .pdf .txt .log .trace .dcm .zip .gz";
    size_t length;
    if (!f->endings || find_ending(path, f->endings, &length))
        return EXIT_OK;
    const char *ending = find_ending(path, known, &length);
    return ending ? fail_with(EXIT_USAGE, "--%s: %s ends in %.*s, but what is written is called %s", f->name,
                              path, (int)length, ending, f->endings)
                  : EXIT_OK;
}

/* Tables and logs may go to a pipe, as they come. All else, and a table that goes to a file, replaces a file
 * when it is whole. */
static bool is_stream(const field *f)
{
    return f->endings && (strstr(f->endings, ".csv") || strstr(f->endings, ".jsonl"));
}

static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* What says nothing about a file: it may be there, and of another kind. */
static bool may_hide(int reason)
{
    return reason == EMFILE || reason == ENFILE || reason == ENOMEM || reason == EIO;
}

/* A file that is there may be replaced by one of its kind only; an empty one holds nothing. */
static int check_replaced(const field *f, const char *path)
{
    char head[32] = "";
    FILE *file = f->magic ? stream_read(path) : NULL;
    if (!file && f->magic && may_hide(errno))
        return fail_errno(errno, "--%s: %s", f->name, path);
    if (!file)
        return EXIT_OK;
    size_t size = fread(head, 1, sizeof head - 1, file);
    int reason = ferror(file) ? errno : 0;
    fclose(file);
    if (reason && may_hide(reason))
        return fail_errno(reason, "--%s: %s", f->name, path);
    if (size == 0 || strncmp(head, f->magic, strlen(f->magic)) == 0)
        return EXIT_OK;
    const char *is = strncmp(head, MAGIC_SET, strlen(MAGIC_SET)) == 0                 ? "a training set"
                     : strncmp(head, MAGIC_CHECKPOINT, strlen(MAGIC_CHECKPOINT)) == 0 ? "a checkpoint"
                     : strcmp(f->magic, MAGIC_SET) == 0                               ? "no training set"
                                                                                      : "no checkpoint";
    return fail_with(EXIT_DATA, "--%s: %s is there and is %s: it is not replaced", f->name, path, is);
}

static int check_place(const field *f, const char *path)
{
    char *folder = folder_of(path);
    bool takes_folder = strstr(f->arg, "DIR") != NULL, there = access(path, F_OK) == 0;
    size_t length = strlen(path);
    int code = EXIT_OK;
    if (strcmp(path, "-") == 0)
        code = fail_with(
            EXIT_USAGE,
            "--%s: '-' is no file here: results are not written to the standard output; ./- names a file",
            f->name);
    else if (is_folder(path))
        code = !takes_folder               ? fail_with(EXIT_DATA, "--%s: %s is a folder", f->name, path)
               : access(path, W_OK | X_OK) ? fail_errno(errno, "--%s: %s", f->name, path)
                                           : EXIT_OK;
    else if (is_special(path) && !is_stream(f))
        code = fail_with(EXIT_DATA, "--%s: %s is a device or a pipe, which is not replaced by a file",
                         f->name, path);
    else if (!takes_folder && path[length - 1] == '/')
        code = fail_with(EXIT_DATA, "--%s: %s is the name of a folder", f->name, path);
    else if (!is_folder(folder) && !(takes_folder && path[length - 1] == '/'))
        code = fail_with(EXIT_DATA, "--%s: %s: there is no folder %s", f->name, path, folder);
    else if (!(there && access(path, W_OK) == 0) && access(folder, W_OK | X_OK) != 0)
        code = fail_errno(errno, "--%s: %s", f->name, path);
    free(folder);
    return code;
}

static int check_places(const command_line *line)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < line->given_count && code == EXIT_OK; i++) {
        const option_given *g = &line->given[i];
        if (!(g->field->flags & FIELD_OUTPUT))
            continue;
        code = check_place(g->field, g->text);
        if (code == EXIT_OK && !is_folder(g->text))
            code = check_ending(g->field, g->text);
        if (code == EXIT_OK && !is_folder(g->text) && !is_special(g->text))
            code = check_replaced(g->field, g->text);
    }
    return code;
}

/* ---- the checks ---- */

int outputs_check(const command_line *line)
{
    file_list list = {0};
    add_options(&list, line);
    add_arguments(&list, line);
    int code = check_list(&list);
    free_files(&list);
    return code == EXIT_OK ? check_places(line) : code;
}

/* The option may be the name of the one result itself. */
static bool is_out(const command_line *line, const char *path)
{
    for (size_t i = 0; i < line->given_count; i++)
        if (strcmp(line->given[i].field->name, "out") == 0 && strcmp(line->given[i].text, path) == 0)
            return true;
    return false;
}

static void add_results(file_list *list, const command_line *line, const path_list *paths)
{
    for (size_t i = 0; paths && i < paths->count; i++)
        if (!is_out(line, paths->items[i]))
            add_file(list, paths->items[i], must_copy("the result"), FIELD_OUTPUT);
}

int outputs_check_files(const command_line *line, const path_list *inputs, const path_list *outputs)
{
    file_list list = {0};
    add_options(&list, line);
    for (size_t i = 0; inputs && i < inputs->count; i++)
        add_input(&list, inputs->items[i], "the input", FIELD_INPUT);
    add_results(&list, line, outputs);
    int code = check_list(&list);
    free_files(&list);
    return code;
}

static bool is_path(const char *text)
{
    return strstr(text, "FILE") || strstr(text, "DIR") || strstr(text, "SCANS") || strstr(text, "FOLDER") ||
           strstr(text, "INPUT") || strstr(text, "PLACE") || strstr(text, "MODEL") || strstr(text, "IN OUT");
}

static void need_flags(const char *what, const char *arg, uint32_t flags)
{
    if (!is_path(arg) || flags & (FIELD_INPUT | FIELD_OUTPUT))
        return;
    fail_with(EXIT_UNSUPPORTED, "%s %s: its table says neither FIELD_INPUT nor FIELD_OUTPUT", what, arg);
    exit(EXIT_UNSUPPORTED);
}

void outputs_need_flags(const command_line *line)
{
    for (const option_group *g = line->groups; g->title; g++)
        for (const field *f = g->fields; f->name; f++)
            if (f->arg && f->type != FIELD_NUMBER)
                need_flags(f->name, f->arg, f->flags);
    if (line->arguments)
        need_flags("arguments", line->arguments, line->argument_flags);
}
