/* SPDX-License-Identifier: Apache-2.0 */
/* scan_pattern.c - a pattern is followed folder by folder, and what its stars stand for is kept. */
#include "scan_pattern.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

enum { MOST_FLOORS = 12 };

typedef struct search {
    scan_source *source;
    size_t *left_out;
    bool any_ending; /* the pattern leaves the ending open */
} search;

static void take_scan(search *s, const char *path, const stars *found)
{
    if (s->any_ending && !is_scan_name(path)) {
        if (looks_like_scan(path)) {
            warn_not_taken(path);
            ++*s->left_out;
        }
        return;
    }
    bool named = found->count > 0 && found->length[0] > 0;
    const char *name = named ? found->at[0] : file_name(path);
    scan *one = scan_add(s->source, must_copy(path),
                         scan_name(name, named ? found->length[0] : volume_id_length(name)));
    for (size_t i = 0; i < found->count; i++)
        one->stars[one->star_count++] = scan_name(found->at[i], found->length[i]);
}

static void follow(search *s, const char *folder, const char *rest, const stars *found, int floor);

static char *joined(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    return must_format("%s%s%s", folder, length && folder[length - 1] != '/' ? "/" : "", name);
}

/* What matched one part of the pattern: a scan at the pattern's end, or a folder to go on in. */
static void take_part(search *s, const char *path, const char *rest, const stars *found, int floor)
{
    if (*rest)
        follow(s, path, rest, found, floor);
    else if (!is_folder(path))
        take_scan(s, path, found);
}

static void match_entries(search *s, const path_list *entries, const char *part, const char *rest,
                          const stars *found, int floor)
{
    for (size_t i = 0; i < entries->count; i++) {
        stars longer = *found;
        if (wildcard_match(part, file_name(entries->items[i]), &longer))
            take_part(s, entries->items[i], rest, &longer, floor + 1);
    }
}

/* The folder itself and all below it. */
static void follow_any(search *s, const char *folder, const path_list *folders, const char *rest,
                       const stars *found, int floor)
{
    follow(s, folder, rest, found, floor);
    for (size_t i = 0; i < folders->count; i++) {
        char *again = must_format("**/%s", rest);
        follow(s, folders->items[i], again, found, floor + 1);
        free(again);
    }
}

static void follow_wild(search *s, const char *folder, const char *part, const char *rest, const stars *found,
                        int floor)
{
    path_list files = {0}, folders = {0};
    folder_list(*folder ? folder : ".", &files, &folders);
    for (size_t i = 0; !*folder && i < files.count; i++) /* "./x" is called "x" */
        memmove(files.items[i], files.items[i] + 2, strlen(files.items[i]) - 1);
    for (size_t i = 0; !*folder && i < folders.count; i++)
        memmove(folders.items[i], folders.items[i] + 2, strlen(folders.items[i]) - 1);
    if (strcmp(part, "**") == 0) {
        follow_any(s, folder, &folders, rest, found, floor);
    } else {
        match_entries(s, &folders, part, rest, found, floor);
        if (!*rest)
            match_entries(s, &files, part, rest, found, floor);
    }
    path_list_free(&files);
    path_list_free(&folders);
}

/* `rest` is what is left of the pattern below `folder`, "" for the folder that the command was started in. */
static void follow(search *s, const char *folder, const char *rest, const stars *found, int floor)
{
    size_t length = strcspn(rest, "/");
    char *part = must_format("%.*s", (int)length, rest);
    rest += length;
    rest += strspn(rest, "/");
    if (floor <= MOST_FLOORS && is_wildcard(part)) {
        follow_wild(s, folder, part, rest, found, floor);
    } else if (floor <= MOST_FLOORS) {
        char *path = joined(folder, part);
        if (is_folder(path) || is_file(path))
            take_part(s, path, rest, found, floor);
        free(path);
    }
    free(part);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const scan *)a)->path, ((const scan *)b)->path);
}

int scan_pattern_find(scan_source *source, size_t *left_out)
{
    const stars none = {0};
    const char *pattern = source->place;
    search s = {.source = source, .left_out = left_out, .any_ending = !is_scan_name(pattern)};
    size_t slashes = strspn(pattern, "/");
    if (star_count(pattern) > MOST_STARS)
        return fail_with(EXIT_USAGE, "%s: %s has more than %d stars", source->name, pattern, MOST_STARS);
    follow(&s, slashes ? "/" : "", pattern + slashes, &none, 0);
    if (source->count)
        qsort(source->scans, source->count, sizeof *source->scans, by_path);
    return source->count ? EXIT_OK
                         : fail_with(EXIT_DATA, "%s: no scan matches the pattern %s", source->name, pattern);
}

/* ---- names of several stars ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_name_twice(const scan_source *source)
{
    bool twice = false;
    char **names = must_alloc(source->count, sizeof *names);
    for (size_t i = 0; i < source->count; i++)
        names[i] = source->scans[i].name;
    qsort(names, source->count, sizeof *names, by_text);
    for (size_t i = 1; i < source->count; i++)
        twice = twice || strcmp(names[i - 1], names[i]) == 0;
    free(names);
    return twice;
}

static bool is_pattern(const scan_source *source)
{
    return source->count > 0 && source->scans[0].star_count > 0;
}

static void add_star(scan *s, size_t star)
{
    if (star >= s->star_count || !*s->stars[star])
        return;
    if (!s->person)
        s->person = must_copy(s->name);
    char *longer = must_format("%s_%s", s->name, s->stars[star]);
    free(s->name);
    s->name = longer;
}

void scan_pattern_names(scan_source *sources, size_t count)
{
    bool twice = true;
    for (size_t star = 1; star < MOST_STARS && twice; star++) {
        twice = false;
        for (size_t i = 0; i < count; i++)
            twice = twice || (is_pattern(&sources[i]) && star < sources[i].scans[0].star_count &&
                              has_name_twice(&sources[i]));
        for (size_t i = 0; twice && i < count; i++)
            for (size_t k = 0; is_pattern(&sources[i]) && k < sources[i].count; k++)
                add_star(&sources[i].scans[k], star);
    }
}
