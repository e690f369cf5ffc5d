/* SPDX-License-Identifier: Apache-2.0 */
/* scans.c - from sources to subjects. */
#include "scans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "console.h"
#include "must.h"
#include "nearest.h"
#include "scan_find.h"
#include "scan_pattern.h"
#include "tool.h"

/* ---- sources ---- */

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
enum { NAME_MOST = 64 }; /* of a contrast's name */

static const char *name_fault(const scans *s, const char *name, size_t length)
{
    if (s->source_count == MOST_SOURCES)
        return "there are too many contrasts and label maps; a set takes 64";
    if (length > NAME_MOST || strspn(name, letters) < length)
        return "a contrast's name is made of at most 64 letters, digits, '-' and '_'";
    for (size_t i = 0; i < s->source_count; i++)
        if (strlen(s->sources[i].name) == length && strncmp(s->sources[i].name, name, length) == 0)
            return "it is given twice";
    return NULL;
}

scan_source *scans_new_source(scans *s, const char *text, bool labels, char reason[FIELD_REASON])
{
    size_t length = strcspn(text, "=");
    const char *fault = name_fault(s, text, length);
    if (!length || fault) {
        snprintf(reason, FIELD_REASON, "'%.*s': %s", (int)length, text, fault ? fault : "there is no name");
        return NULL;
    }
    scan_source *at = &s->sources[s->source_count - (labels ? 0 : s->label_count)];
    memmove(at + 1, at, (labels ? 0 : s->label_count) * sizeof *at);
    const char *place = text + length + (text[length] == '=');
    *at = (scan_source){.name = must_format("%.*s", (int)length, text),
                        .place = *place ? must_copy(place) : NULL,
                        .labels = labels};
    s->source_count++;
    s->label_count += labels;
    return at;
}

bool scans_add(scans *s, const char *text, bool labels, char reason[FIELD_REASON])
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) {
        snprintf(reason, FIELD_REASON, "'%s' is not of the form NAME=SCANS", text);
        return false;
    }
    return scans_new_source(s, text, labels, reason) != NULL;
}

/* ---- one file is one contrast of one subject ---- */

typedef struct identity {
    dev_t device;
    ino_t inode;
    unsigned long volume; /* of a file of several, from 1; 0: the whole file */
    size_t source;
    const scan *scan;
} identity;

static int by_identity(const void *a, const void *b)
{
    const identity *one = a, *other = b;
    if (one->device != other->device)
        return one->device < other->device ? -1 : 1;
    if (one->inode != other->inode)
        return one->inode < other->inode ? -1 : 1;
    if (one->volume != other->volume)
        return one->volume < other->volume ? -1 : 1;
    return (one->source > other->source) - (one->source < other->source);
}

static size_t scan_total(const scans *s)
{
    size_t total = 0;
    for (size_t i = 0; i < s->source_count; i++)
        total += s->sources[i].count;
    return total;
}

static bool identify(const scan *one, size_t source, identity *id)
{
    struct stat status;
    size_t index = volume_index_length(one->path), length = strlen(one->path) - index;
    char *file = must_format("%.*s", (int)length, one->path);
    bool there = stat(file, &status) == 0;
    free(file);
    if (there)
        *id = (identity){.device = status.st_dev,
                         .inode = status.st_ino,
                         .volume = index ? strtoul(one->path + length + 1, NULL, 10) + 1 : 0,
                         .source = source,
                         .scan = one};
    return there;
}

/* Those of all scans that are there, sorted; the caller frees them. */
static identity *identities(const scans *s, size_t *count)
{
    identity *list = must_alloc(scan_total(s), sizeof *list);
    *count = 0;
    for (size_t i = 0; i < s->source_count; i++)
        for (size_t k = 0; k < s->sources[i].count; k++)
            *count += identify(&s->sources[i].scans[k], i, &list[*count]);
    qsort(list, *count, sizeof *list, by_identity);
    return list;
}

static int refuse_shared(const scans *s, const identity *one, const identity *other)
{
    const char *a = s->sources[one->source].name, *b = s->sources[other->source].name;
    bool links = strcmp(one->scan->path, other->scan->path) != 0;
    return fail_with(
        EXIT_USAGE,
        "%s is given as %s and as %s%s%s%s; one scan cannot be two contrasts. Where both lie in one "
        "folder, say %s=FOLDER:END, with what the names of its scans end in, or a pattern",
        one->scan->path, a, b, links ? " (as " : "", links ? other->scan->path : "",
        links ? ", which is the same file)" : "", a);
}

static int check_identities(const scans *s)
{
    size_t count;
    int code = EXIT_OK;
    identity *list = identities(s, &count);
    for (size_t i = 1; i < count && code == EXIT_OK; i++) {
        const identity *one = &list[i - 1], *other = &list[i];
        if (one->device != other->device || one->inode != other->inode || one->volume != other->volume)
            continue;
        if (one->source != other->source)
            code = refuse_shared(s, one, other);
        else if (strcmp(one->scan->name, other->scan->name) != 0)
            warn("%s and %s are one file: the subjects %s and %s have the same %s", one->scan->path,
                 other->scan->path, one->scan->name, other->scan->name, s->sources[one->source].name);
    }
    free(list);
    return code;
}

/* ---- persons ---- */

static int name_persons(scans *s, const char *pattern)
{
    bool any = false;
    for (size_t i = 0; i < s->source_count; i++)
        for (size_t k = 0; k < s->sources[i].count; k++) {
            stars found = {0};
            scan *one = &s->sources[i].scans[k];
            if (!wildcard_match(pattern, one->name, &found) || !found.count || !found.length[0])
                continue;
            any = true;
            free(one->person);
            one->person = must_format("%.*s", (int)found.length[0], found.at[0]);
        }
    if (!star_count(pattern))
        return fail_with(EXIT_USAGE, "--person: '%s' has no star that stands for the person", pattern);
    return any ? EXIT_OK
               : fail_with(EXIT_USAGE, "--person: no subject's name matches '%s'; the first is %s", pattern,
                           s->sources[0].count ? s->sources[0].scans[0].name : "missing");
}

/* ---- subjects ---- */

typedef struct entry {
    const scan *scan;
    size_t source;
} entry;

static int by_name(const void *a, const void *b)
{
    const entry *one = a, *other = b;
    int order = strcmp(one->scan->name, other->scan->name);
    if (order)
        return order;
    if (one->source != other->source)
        return one->source < other->source ? -1 : 1;
    return strcmp(one->scan->path, other->scan->path);
}

static scan_subject *subject_of(scans *s, const scan *one)
{
    scan_subject *last = s->subject_count ? &s->subjects[s->subject_count - 1] : NULL;
    if (last && strcmp(last->name, one->name) == 0)
        return last;
    s->subjects = must_grow(s->subjects, s->subject_count + 1, sizeof *s->subjects);
    last = &s->subjects[s->subject_count++];
    *last = (scan_subject){.name = one->name};
    return last;
}

/* Names that look the same but are other bytes: "é" in one, "e" and an accent in the other. */
static bool look_alike(const char *one, const char *other)
{
    const char *a = file_name(one), *b = file_name(other);
    char *a_name = scan_name(a, strlen(a)), *b_name = scan_name(b, strlen(b));
    bool alike = strcmp(a, b) != 0 && strcmp(a_name, b_name) == 0;
    free(a_name);
    free(b_name);
    return alike;
}

static void add_scan(scans *s, const entry *e)
{
    scan_subject *subject = subject_of(s, e->scan);
    if (subject->file[e->source]) {
        const char *first = subject->file[e->source];
        complain("%s: left out: %s has the same subject name%s", e->scan->path, first,
                 look_alike(e->scan->path, first) ? ", with its accents stored in another way" : "");
        s->failures++;
        return;
    }
    subject->file[e->source] = e->scan->path;
    if (!subject->person)
        subject->person = e->scan->person;
    if (!subject->split)
        subject->split = e->scan->split;
}

static void make_subjects(scans *s)
{
    size_t count = 0;
    entry *entries = must_alloc(scan_total(s), sizeof *entries);
    for (size_t i = 0; i < s->source_count; i++)
        for (size_t k = 0; k < s->sources[i].count; k++)
            entries[count++] = (entry){&s->sources[i].scans[k], i};
    qsort(entries, count, sizeof *entries, by_name);
    for (size_t i = 0; i < count; i++)
        add_scan(s, &entries[i]);
    for (size_t i = 0; i < s->subject_count; i++)
        if (!s->subjects[i].person)
            s->subjects[i].person = s->subjects[i].name;
    free(entries);
}

int scans_find(scans *s, const char *person)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < s->source_count && code == EXIT_OK; i++)
        if (s->sources[i].place)
            code = scan_find(&s->sources[i], &s->left_out);
    if (code == EXIT_OK)
        code = check_identities(s);
    if (code != EXIT_OK)
        return code;
    scan_pattern_names(s->sources, s->source_count);
    if (person)
        code = name_persons(s, person);
    make_subjects(s);
    return code;
}

scan_subject *scans_subject(const scans *s, const char *name)
{
    size_t low = 0, high = s->subject_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(s->subjects[middle].name, name);
        if (order == 0)
            return &s->subjects[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

size_t scans_shared(const scans *s, size_t one, size_t other)
{
    size_t count = 0;
    for (size_t i = 0; i < s->subject_count; i++)
        count += s->subjects[i].file[one] && s->subjects[i].file[other];
    return count;
}

/* ---- why there are no pairs ---- */

/* What all names of a source end in, from the last '_', '-' or '.' on: "t1n". NULL: there is none. */
static char *common_end(const scans *s, size_t source)
{
    char *end = NULL;
    for (size_t i = 0; i < s->subject_count; i++) {
        const char *name = s->subjects[i].name;
        const char *last = name + strlen(name);
        while (last > name && !strchr("_-.", last[-1]))
            last--;
        if (!s->subjects[i].file[source])
            continue;
        if (last == name || (end && strcmp(end, last) != 0)) {
            free(end);
            return NULL;
        }
        end = end ? end : must_copy(last);
    }
    return end;
}

/* Returns true if a subject that has one source is called as one that has the other, but for what their names
 * end in.
 */
static bool match_without(const scans *s, size_t one, const char *end, size_t other, const char *other_end)
{
    for (size_t i = 0; i < s->subject_count; i++) {
        if (!s->subjects[i].file[one])
            continue;
        const char *name = s->subjects[i].name;
        char *wanted = must_format("%.*s%s", (int)(strlen(name) - strlen(end)), name, other_end);
        const scan_subject *found = scans_subject(s, wanted);
        free(wanted);
        if (found && found->file[other])
            return true;
    }
    return false;
}

/* The way to say it, if all that differs is what the names end in. */
static bool advise_ends(const scans *s, size_t one, size_t other)
{
    char *a = common_end(s, one), *b = common_end(s, other);
    bool fits = a && b && match_without(s, one, a, other, b);
    const char *place = s->sources[one].place, *other_place = s->sources[other].place;
    char *folder = fits && place ? scan_folder(place) : NULL;
    char *other_folder = fits && other_place ? scan_folder(other_place) : NULL;
    if (folder && other_folder)
        complain("the names are equal but for what they end in; say %s=%s:%s and %s=%s:%s",
                 s->sources[one].name, folder, a, s->sources[other].name, other_folder, b);
    else if (fits)
        complain("the names are equal but for what they end in, %s and %s", a, b);
    free(folder);
    free(other_folder);
    free(a);
    free(b);
    return fits;
}

static void list_near(const scans *s, size_t one, size_t other)
{
    size_t shown = 0;
    for (size_t i = 0; i < s->subject_count && shown < 3; i++) {
        if (!s->subjects[i].file[one])
            continue;
        nearest n = nearest_to(s->subjects[i].name);
        for (size_t k = 0; k < s->subject_count; k++)
            if (s->subjects[k].file[other])
                nearest_try(&n, s->subjects[k].name);
        if (n.found && ++shown)
            complain("%s has '%s', %s has '%s', which nearly match", s->sources[one].name,
                     s->subjects[i].name, s->sources[other].name, n.found);
    }
}

/* Up to three names of a source, for a message; the caller frees the text. */
static char *first_names(const scans *s, size_t source)
{
    size_t shown = 0, count = 0;
    char *text = must_copy("");
    for (size_t i = 0; i < s->subject_count; i++) {
        if (!s->subjects[i].file[source] || ++count > 3)
            continue;
        char *longer = must_format("%s%s%s", text, shown++ ? ", " : "", s->subjects[i].name);
        free(text);
        text = longer;
    }
    if (count > 3) {
        char *longer = must_format("%s, ... (%zu)", text, count);
        free(text);
        text = longer;
    }
    return text;
}

int scans_complain_unpaired(const scans *s, size_t one, size_t other)
{
    char *a = first_names(s, one), *b = first_names(s, other);
    fail_with(EXIT_USAGE,
              "no subject has both %s and %s, so that there is no pair; subjects with %s: %s; with %s: %s",
              s->sources[one].name, s->sources[other].name, s->sources[one].name, a, s->sources[other].name,
              b);
    if (!advise_ends(s, one, other))
        list_near(s, one, other);
    free(a);
    free(b);
    return EXIT_USAGE;
}

/* ---- the rest ---- */

path_list scans_files(const scans *s)
{
    path_list files = {0};
    for (size_t i = 0; i < s->source_count; i++)
        for (size_t k = 0; k < s->sources[i].count; k++)
            path_list_add(&files, must_copy(s->sources[i].scans[k].path));
    return files;
}

static void free_source(scan_source *source)
{
    for (size_t k = 0; k < source->count; k++) {
        scan *one = &source->scans[k];
        for (size_t i = 0; i < one->star_count; i++)
            free(one->stars[i]);
        free(one->path);
        free(one->name);
        free(one->person);
    }
    free(source->scans);
    free(source->name);
    free(source->place);
}

void scans_free(scans *s)
{
    for (size_t i = 0; i < s->source_count; i++)
        free_source(&s->sources[i]);
    free(s->subjects);
    *s = (scans){0};
}
