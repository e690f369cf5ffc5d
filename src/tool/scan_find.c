/* SPDX-License-Identifier: Apache-2.0 */
/* scan_find.c - files, folders, and folders with the END of the names. Patterns are in scan_pattern.c. */
#include "scan_find.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "console.h"
#include "must.h"
#include "scan_pattern.h"
#include "tool.h"

enum { MOST_FLOORS = 12 }; /* of folders in folders, which links could make endless */

/* ---- names ---- */

/* Bytes of the well-formed UTF-8 character that begins here and can be shown; 0: there is none. */
static size_t shown_length(const unsigned char *text, size_t left)
{
    size_t size = *text < 0x80   ? 1
                  : *text < 0xC2 ? 0
                  : *text < 0xE0 ? 2
                  : *text < 0xF0 ? 3
                  : *text < 0xF5 ? 4
                                 : 0;
    if (size == 1)
        return *text >= 0x20 && *text != 0x7F && *text != '/';
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    bool longer_than_needed = (*text == 0xE0 && text[1] < 0xA0) || (*text == 0xF0 && text[1] < 0x90);
    bool control = *text == 0xC2 && text[1] < 0xA0;
    bool surrogate = *text == 0xED && text[1] >= 0xA0;
    bool beyond = *text == 0xF4 && text[1] >= 0x90;
    bool mark = *text == 0xE2 && ((text[1] == 0x80 && text[2] >= 0xA8 && text[2] <= 0xAE) ||
                                  (text[1] == 0x81 && text[2] >= 0xA6 && text[2] <= 0xA9));
    return longer_than_needed || control || surrogate || beyond || mark ? 0 : size;
}

/* "é" is one character or "e" and an accent: two systems write one name in two ways, and macOS in both. The
 * name in composed characters is that of both. */
static char *composed(char *name)
{
    char *one = (char *)utf8proc_NFC((const utf8proc_uint8_t *)name);
    if (!one)
        return name;
    free(name);
    return one;
}

char *scan_name(const char *text, size_t length)
{
    char *name = must_alloc(3 * length + 1, 1);
    size_t used = 0;
    for (size_t i = 0; i < length;) {
        size_t size = shown_length((const unsigned char *)text + i, length - i);
        if (size == 0)
            used += (size_t)sprintf(name + used, "%%%02X", (unsigned char)text[i++]);
        for (size_t k = 0; k < size; k++)
            name[used++] = text[i++];
    }
    name[used] = '\0';
    return composed(name);
}

scan *scan_add(scan_source *source, char *path, char *name)
{
    source->scans = must_grow(source->scans, source->count + 1, sizeof *source->scans);
    scan *s = &source->scans[source->count++];
    *s = (scan){.path = path, .name = name};
    return s;
}

static char *name_of_file(const char *path)
{
    const char *name = file_name(path);
    return scan_name(name, volume_id_length(name));
}

/* ---- all scans below a folder ---- */

typedef struct walk {
    path_list scans, odd;
    size_t folders; /* that scans lie in, beside the first */
} walk;

static bool is_bids(const char *folder)
{
    path_list files = {0}, folders = {0};
    bool found = false;
    folder_list(folder, &files, &folders);
    for (size_t i = 0; i < folders.count; i++)
        found = found || strncmp(file_name(folders.items[i]), "sub-", 4) == 0;
    path_list_free(&files);
    path_list_free(&folders);
    return found;
}

static void take_files(walk *w, path_list *files, int floor)
{
    size_t before = w->scans.count;
    for (size_t i = 0; i < files->count; i++)
        if (is_scan_name(files->items[i]))
            path_list_add(&w->scans, must_copy(files->items[i]));
        else if (looks_like_scan(files->items[i]))
            path_list_add(&w->odd, must_copy(files->items[i]));
    w->folders += floor > 0 && w->scans.count > before;
}

/* Of a BIDS tree only the subjects' own folders, not what was derived from them. */
static bool walk_folder(walk *w, const char *folder, int floor)
{
    path_list files = {0}, folders = {0};
    if (!folder_list(folder, &files, &folders))
        return false;
    bool bids = floor == 0 && is_bids(folder);
    take_files(w, &files, floor);
    for (size_t i = 0; i < folders.count && floor < MOST_FLOORS; i++)
        if (!bids || strncmp(file_name(folders.items[i]), "sub-", 4) == 0)
            walk_folder(w, folders.items[i], floor + 1);
    path_list_free(&files);
    path_list_free(&folders);
    return true;
}

static void end_walk(walk *w, size_t *left_out)
{
    for (size_t i = 0; i < w->odd.count; i++)
        warn_not_taken(w->odd.items[i]);
    *left_out += w->odd.count;
    path_list_free(&w->odd);
    path_list_free(&w->scans);
}

/* ---- names of scans in folders below ---- */

/* The folders between `root` and the file, joined by '_': "s01_anat". Empty if there are none. */
static char *name_of_folders(const char *root, const char *path)
{
    const char *first = path + strlen(root);
    first += *first == '/';
    const char *last = file_name(path);
    char *name = scan_name(first, last > first ? (size_t)(last - first - 1) : 0);
    for (char *mark; (mark = strstr(name, "%2F"));) {
        *mark = '_';
        memmove(mark + 1, mark + 3, strlen(mark + 3) + 1);
    }
    return name;
}

/* The first of those folders. */
static char *name_of_first_folder(const char *root, const char *path)
{
    const char *first = path + strlen(root);
    first += *first == '/';
    size_t length = strcspn(first, "/");
    return first[length] ? scan_name(first, length) : must_copy("");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool all_differ(const scan_source *source)
{
    bool differ = true;
    char **names = must_alloc(source->count, sizeof *names);
    for (size_t i = 0; i < source->count; i++)
        names[i] = source->scans[i].name;
    qsort(names, source->count, sizeof *names, by_text);
    for (size_t i = 0; i < source->count; i++)
        differ = differ && *names[i] && (i == 0 || strcmp(names[i - 1], names[i]) != 0);
    free(names);
    return differ;
}

static void rename_all(scan_source *source, const char *root, char *(*name)(const char *, const char *))
{
    for (size_t i = 0; i < source->count; i++) {
        free(source->scans[i].name);
        source->scans[i].name = name(root, source->scans[i].path);
    }
}

/* The first folder, if each has one scan; else the file's name, if it is the only one; else all folders. */
static void name_by_folders(scan_source *source, const char *root)
{
    rename_all(source, root, name_of_first_folder);
    if (all_differ(source))
        return;
    for (size_t i = 0; i < source->count; i++) {
        free(source->scans[i].name);
        source->scans[i].name = name_of_file(source->scans[i].path);
    }
    if (!all_differ(source))
        rename_all(source, root, name_of_folders);
}

/* ---- FOLDER:END ---- */

static bool is_joint(char c)
{
    return c == '_' || c == '-' || c == '.';
}

/* Returns true if a scan's name ends in `end`; `length` becomes that of what is before it, 0 if there is
 * nothing. */
static bool ends_in(const char *path, const char *end, size_t *length)
{
    const char *name = file_name(path);
    size_t all = volume_id_length(name), tail = strlen(end);
    if (all < tail || strncmp(name + all - tail, end, tail) != 0)
        return false;
    *length = all == tail ? 0 : all - tail - 1;
    return all == tail || is_joint(name[all - tail - 1]);
}

/* Of a name of BIDS, "sub-01_ses-2_run-1", the length of subject and session; 0: it is none. */
static size_t bids_length(const char *name)
{
    if (strncmp(name, "sub-", 4) != 0)
        return 0;
    size_t length = strcspn(name, "_");
    if (strncmp(name + length, "_ses-", 5) == 0)
        length += 1 + strcspn(name + length + 1, "_");
    return length;
}

static int by_name_and_path(const void *a, const void *b)
{
    const scan *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : strcmp(one->path, other->path);
}

/* The scan of BIDS with the fewest further words, as run-1, stands for its subject and session. */
static void take_plainest(scan_source *source, size_t *left_out)
{
    size_t kept = 0;
    if (source->count)
        qsort(source->scans, source->count, sizeof *source->scans, by_name_and_path);
    for (size_t i = 0; i < source->count; i++) {
        scan *s = &source->scans[i];
        scan *before = kept ? &source->scans[kept - 1] : NULL;
        if (!before || strcmp(before->name, s->name) != 0) {
            source->scans[kept++] = *s;
            continue;
        }
        bool better = strlen(s->path) < strlen(before->path);
        warn("%s: is not taken: %s is of the same subject and session", better ? before->path : s->path,
             better ? s->path : before->path);
        ++*left_out;
        scan other = better ? *before : *s;
        *before = better ? *s : *before;
        free(other.path);
        free(other.name);
        free(other.person);
    }
    source->count = kept;
}

static void name_bids(scan *s)
{
    size_t length = bids_length(s->name);
    if (!length)
        return;
    s->name[length] = '\0';
    s->person = must_format("%.*s", (int)strcspn(s->name, "_"), s->name);
}

static void add_ending(scan_source *source, const char *root, const path_list *paths, const char *end)
{
    for (size_t i = 0; i < paths->count; i++) {
        size_t length;
        const char *path = paths->items[i];
        if (!ends_in(path, end, &length))
            continue;
        char *name = length ? scan_name(file_name(path), length) : name_of_first_folder(root, path);
        name_bids(scan_add(source, must_copy(path), name));
    }
}

/* The ends that names have there, such as "t1n, t2w": for a message. */
static char *ends_text(const path_list *paths)
{
    path_list ends = {0};
    for (size_t i = 0; i < paths->count && ends.count < 12; i++) {
        char *id = volume_id(paths->items[i]);
        char *end = id + strlen(id);
        while (end > id && !is_joint(end[-1]))
            end--;
        bool known = false;
        for (size_t k = 0; k < ends.count; k++)
            known = known || strcmp(ends.items[k], end) == 0;
        if (!known)
            path_list_add(&ends, must_copy(end));
        free(id);
    }
    char *text = must_copy("");
    for (size_t k = 0; k < ends.count; k++) {
        char *longer = must_format("%s%s%s", text, k ? ", " : "", ends.items[k]);
        free(text);
        text = longer;
    }
    path_list_free(&ends);
    return text;
}

static int no_such_end(const scan_source *source, const char *root, const char *end, const path_list *paths)
{
    char *text = ends_text(paths);
    int code =
        paths->count
            ? fail_with(EXIT_DATA,
                        "%s: no scan in %s has a name that ends in '%s'; the names there end in: %s",
                        source->name, root, end, text)
            : fail_with(EXIT_DATA, "%s: no scan is in %s and the folders below it", source->name, root);
    free(text);
    return code;
}

/* Drops what does not have this in its name. */
static void keep_with(path_list *paths, const char *text)
{
    size_t kept = 0;
    for (size_t i = 0; i < paths->count; i++)
        if (strstr(file_name(paths->items[i]), text))
            paths->items[kept++] = paths->items[i];
        else
            free(paths->items[i]);
    paths->count = kept;
}

static int find_ending(scan_source *source, const char *root, const char *end, size_t *left_out)
{
    walk w = {0};
    if (!walk_folder(&w, root, 0))
        return fail_errno(errno, "%s", root);
    add_ending(source, root, &w.scans, end);
    int code = source->count ? EXIT_OK : no_such_end(source, root, end, &w.scans);
    if (is_bids(root))
        take_plainest(source, left_out);
    keep_with(&w.odd, end); /* other kinds of files are expected here */
    end_walk(&w, left_out);
    return code;
}

/* ---- FOLDER ---- */

/* The suffix of BIDS that a contrast goes by, such as T1w for t1: one of those in the tree. */
static char *bids_suffix(const char *contrast, const path_list *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        char *id = volume_id(paths->items[i]);
        const char *suffix = strrchr(id, '_');
        size_t length = strlen(contrast);
        if (suffix && strncasecmp(suffix + 1, contrast, length) == 0 &&
            (!suffix[1 + length] || strcasecmp(suffix + 1 + length, "w") == 0)) {
            char *found = must_copy(suffix + 1);
            free(id);
            return found;
        }
        free(id);
    }
    return NULL;
}

static int find_bids(scan_source *source, const char *root, size_t *left_out)
{
    walk w = {0};
    walk_folder(&w, root, 0);
    char *suffix = bids_suffix(source->name, &w.scans);
    char *ends = ends_text(&w.scans);
    int code = suffix ? find_ending(source, root, suffix, left_out)
                      : fail_with(EXIT_DATA,
                                  "%s: no name in the BIDS tree %s ends as the contrast is called; say "
                                  "%s=%s:SUFFIX, with one of: %s",
                                  source->name, root, source->name, root, ends);
    free(suffix);
    free(ends);
    path_list_free(&w.odd);
    path_list_free(&w.scans);
    return code;
}

/* Length of a name before its last '_', '-' or '.'; 0: it has none. */
static size_t stem_length(const char *name)
{
    size_t length = strlen(name);
    while (length && !is_joint(name[length - 1]))
        length--;
    return length ? length - 1 : 0;
}

/* Returns true if each scan of the list, in the order of names, has a neighbour that is called like it but
 * for the end: several contrasts, or sessions, of each subject. */
static bool come_in_groups(const path_list *paths)
{
    bool all = paths->count > 3;
    for (size_t i = 0; i < paths->count && all; i++) {
        const char *name = file_name(paths->items[i]);
        char *id = must_format("%.*s", (int)volume_id_length(name), name);
        size_t stem = stem_length(id);
        free(id);
        bool before = i > 0 && strncmp(file_name(paths->items[i - 1]), name, stem + 1) == 0;
        bool after = i + 1 < paths->count && strncmp(file_name(paths->items[i + 1]), name, stem + 1) == 0;
        all = stem > 0 && (before || after);
    }
    return all;
}

static void warn_of_groups(const scan_source *source, const char *root, const path_list *paths)
{
    if (!come_in_groups(paths))
        return;
    char *ends = ends_text(paths);
    warn("%s: each scan in %s has others that are called like it but for the end (%s), and all are taken as "
         "%s; if they are of several contrasts, say %s=%s:END",
         source->name, root, ends, source->name, source->name, root);
    free(ends);
}

static int find_folder(scan_source *source, const char *root, size_t *left_out)
{
    walk w = {0};
    path_list files = {0}, folders = {0};
    if (!folder_list(root, &files, &folders))
        return fail_errno(errno, "%s", root);
    take_files(&w, &files, 0);
    bool below = w.scans.count == 0 && folders.count > 0;
    path_list_free(&files);
    path_list_free(&folders);
    if (below && is_bids(root)) {
        path_list_free(&w.odd);
        return find_bids(source, root, left_out);
    }
    if (below) {
        path_list_free(&w.odd); /* found again */
        walk_folder(&w, root, 0);
    }
    for (size_t i = 0; i < w.scans.count; i++)
        scan_add(source, must_copy(w.scans.items[i]), name_of_file(w.scans.items[i]));
    if (below && source->count) {
        name_by_folders(source, root);
        say("%s: %zu scans in %zu folders below %s", source->name, source->count, w.folders, root);
    }
    warn_of_groups(source, root, &w.scans);
    end_walk(&w, left_out);
    return source->count ? EXIT_OK
                         : fail_with(EXIT_DATA, "%s: no .nii or .nii.gz file is in %s%s", source->name, root,
                                     below ? " and the folders below it" : "");
}

/* ---- which form a place has ---- */

/* The colon of FOLDER:END, or NULL. */
static const char *end_mark(const char *place)
{
    const char *colon = strrchr(place, ':');
    if (!colon || !colon[1] || strchr(colon, '/'))
        return NULL;
    char *folder = must_format("%.*s", (int)(colon - place), place);
    bool is = is_folder(folder);
    free(folder);
    return is ? colon : NULL;
}

static int no_such_place(const char *name, const char *place)
{
    char *near = nearby_file(place);
    int code = fail_with(EXIT_DATA, "%s: there is no file or folder %s%s%s", name, place,
                         near ? "; there is " : "", near ? near : "");
    free(near);
    return code;
}

static int find_place(scan_source *source, size_t *left_out)
{
    const char *place = source->place;
    const char *colon = end_mark(place);
    if (is_folder(place))
        return find_folder(source, place, left_out);
    if (is_file(place)) {
        scan_add(source, must_copy(place), name_of_file(place));
        return EXIT_OK;
    }
    if (is_wildcard(place))
        return scan_pattern_find(source, left_out);
    if (!colon)
        return no_such_place(source->name, place);
    char *root = must_format("%.*s", (int)(colon - place), place);
    int code = find_ending(source, root, colon + 1, left_out);
    free(root);
    return code;
}

/* Behind any place "[N]" names one volume of each file. */
int scan_find(scan_source *source, size_t *left_out)
{
    size_t index = volume_index_length(source->place);
    if (!index)
        return find_place(source, left_out);
    char *whole = source->place, *number = must_copy(whole + strlen(whole) - index);
    source->place = must_format("%.*s", (int)(strlen(whole) - index), whole);
    int code = find_place(source, left_out);
    for (size_t i = 0; i < source->count; i++) {
        char *path = source->scans[i].path;
        source->scans[i].path = must_format("%s%s", path, number);
        free(path);
    }
    free(source->place);
    free(number);
    source->place = whole;
    return code;
}

char *scan_folder(const char *place)
{
    const char *colon = end_mark(place);
    if (is_folder(place))
        return must_copy(place);
    return colon ? must_format("%.*s", (int)(colon - place), place) : NULL;
}
