/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_scans.c - names of scans: folders of any names, BIDS trees among them, and the places and patterns
 * that find scans in them.
 *
 * The input is text: a source ("t1=PLACE"), another one, a pattern of persons, then the files of a folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "scratch.h"
#include "src/tool/paths.h"
#include "src/tool/scans.h"
#include "src/tool/sidecar.h"
#include "src/tool/volume_name.h"

enum { MOST_BYTES = 1024, MOST_FILES = 24, MOST_DEPTH = 5 };

static void begin(void)
{
    scratch_enter();
    stderr = fopen("/dev/null", "w");
    if (!stderr)
        abort();
}

/* Paths that lead out of the folder are not made. */
static int stays_inside(const char *path)
{
    int depth = 0;
    for (const char *p = path; *p; p++)
        depth += *p == '/';
    return *path && *path != '/' && !strstr(path, "..") && depth <= MOST_DEPTH;
}

static void make_file(char *path)
{
    if (!stays_inside(path))
        return;
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *f = fopen(path, "wb"); /* may fail: a folder of that name, or a name that is too long */
    if (f)
        fclose(f);
}

static void derive_names(const char *path)
{
    char *volume, *file = volume_file(path, &volume), *result = volume_result("out", path, "_t2");
    char *beside = sidecar_path(result);
    free(volume);
    free(file);
    free(result);
    free(beside);
}

static void add_source(scans *s, const char *text)
{
    char reason[FIELD_REASON];
    const char *equals = text ? strchr(text, '=') : NULL;
    if (equals && stays_inside(equals + 1))
        scans_add(s, text, *text == 'l', reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static scans s;
    char text[MOST_BYTES + 1], *at = text, *path;
    if (size > MOST_BYTES)
        return 0;
    if (!*scratch_folder)
        begin();
    memcpy(text, bytes, size);
    text[size] = '\0';
    const char *one = strsep(&at, "\n"), *other = strsep(&at, "\n"), *person = strsep(&at, "\n");
    for (int i = 0; i < MOST_FILES && (path = strsep(&at, "\n")); i++) {
        derive_names(path);
        make_file(path);
    }
    memset(&s, 0, sizeof s);
    add_source(&s, one);
    add_source(&s, other);
    if (s.source_count > 0)
        scans_find(&s, person && *person ? person : NULL);
    scans_free(&s);
    scratch_empty();
    return 0;
}
