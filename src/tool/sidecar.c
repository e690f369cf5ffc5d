/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON object. No time is kept: equal runs write equal bytes. */
#include "sidecar.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "paths.h"
#include "shown.h"
#include "tool.h"
#include "volume_name.h"
#include "whole_file.h"

static const char notice[] =
    "Synthetic image, computed from another one by a network. Research software: not for "
    "diagnosis.";
static const char maker[] = "libslmt";

enum { LARGEST_SIDECAR = 1 << 20 };

/* ---- texts that JSON takes ---- */

/* Bytes of the UTF-8 character that a text begins with; 0: of none. */
static size_t character_length(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t n = c[0] < 0x80 ? 1 : c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : c[0] >= 0xe0 && c[0] < 0xf0 ? 3 : 0;
    if (c[0] >= 0xf0 && c[0] < 0xf5)
        n = 4;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* A file's name need not be UTF-8; what is not becomes a question mark. The caller frees the text. */
static char *clean_text(const char *text)
{
    char *clean = must_copy(text);
    for (char *c = clean; *c;) {
        size_t n = character_length(c);
        if (n == 0)
            *c = '?';
        c += n > 0 ? n : 1;
    }
    return clean;
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    char *clean = clean_text(text);
    cJSON_AddStringToObject(object, name, clean);
    free(clean);
}

static int add_file(cJSON *object, const char *path)
{
    char digest[SLMT_DIGEST_SIZE];
    add_text(object, "file", path);
    slmt_status status = slmt_file_digest(path, digest, sizeof digest);
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    cJSON_AddStringToObject(object, "sha256", digest);
    return EXIT_OK;
}

/* ---- where it goes ---- */

char *sidecar_path(const char *result)
{
    char *id = volume_id(result);
    char *path = must_format("%.*s%s.json", (int)(file_name(result) - result), result, id);
    free(id);
    return path;
}

static bool is_sidecar(const char *text)
{
    cJSON *object = cJSON_Parse(text);
    const cJSON *software = cJSON_GetObjectItemCaseSensitive(object, "software");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(software, "name"));
    bool is = name && strcmp(name, maker) == 0;
    cJSON_Delete(object);
    return is;
}

int sidecar_may_replace(const char *path)
{
    char *text = whole_file(path, LARGEST_SIDECAR);
    if (!text && (errno == ENOENT || errno == ENAMETOOLONG)) /* the latter is told when it is written */
        return EXIT_OK;
    if (!text && errno != EFBIG)
        return fail_errno(errno, "%s", path);
    bool may = text && is_sidecar(text);
    free(text);
    if (may)
        return EXIT_OK;
    return fail_with(
        EXIT_USAGE,
        "%s: is there, and no sidecar of slmt: it would be replaced; give another --out, or --sidecar "
        "off",
        path);
}

/* ---- the facts of a run ---- */

static void add_model(cJSON *model, const slmt_model *m)
{
    cJSON_AddStringToObject(model, "method", slmt_model_method(m));
    cJSON *card = cJSON_AddObjectToObject(model, "card");
    for (size_t i = 0; *slmt_model_card_key(m, i); i++) {
        const char *key = slmt_model_card_key(m, i);
        add_text(card, key, slmt_model_card(m, key));
    }
}

static int add_software(cJSON *facts)
{
    slmt_build_info info = {.struct_size = sizeof info};
    slmt_status status = slmt_build_describe(&info);
    if (status != SLMT_OK)
        return fail(status, "build");
    cJSON *software = cJSON_AddObjectToObject(facts, "software");
    cJSON_AddStringToObject(software, "name", maker);
    cJSON_AddStringToObject(software, "version", info.version);
    cJSON_AddStringToObject(software, "commit", info.commit);
    cJSON_AddNumberToObject(software, "numerics_version", info.numerics);
    return EXIT_OK;
}

int sidecar_open(sidecar *s, slmt_session *session, const char *model_path, const char *to)
{
    const slmt_model *m = slmt_session_model(session);
    s->facts = cJSON_CreateObject();
    cJSON_AddStringToObject(s->facts, "notice", notice);
    cJSON_AddTrueToObject(s->facts, "synthetic");
    cJSON_AddTrueToObject(s->facts, "not_for_diagnosis");
    add_text(s->facts, "contrast", to ? to : slmt_model_card(m, "target_contrast"));
    cJSON *model = cJSON_AddObjectToObject(s->facts, "model");
    int code = add_file(model, model_path);
    add_model(model, m);
    if (code == EXIT_OK)
        code = add_software(s->facts);
    cJSON_AddObjectToObject(s->facts, "settings");
    return code;
}

void sidecar_set_number(sidecar *s, const char *name, double value)
{
    cJSON_AddNumberToObject(cJSON_GetObjectItemCaseSensitive(s->facts, "settings"), name, value);
}

void sidecar_set_text(sidecar *s, const char *name, const char *value)
{
    add_text(cJSON_GetObjectItemCaseSensitive(s->facts, "settings"), name, value);
}

void sidecar_close(sidecar *s)
{
    cJSON_Delete(s->facts);
    s->facts = NULL;
}

/* ---- writing ---- */

static int add_source(cJSON *object, const char *input, const char *from)
{
    char *number;
    char *file = volume_file(input, &number);
    cJSON *source = cJSON_AddObjectToObject(object, "source");
    int code = add_file(source, file);
    if (number)
        cJSON_AddNumberToObject(source, "volume", strtod(number, NULL));
    if (from && *from)
        add_text(source, "contrast", from);
    free(number);
    free(file);
    return code;
}

static void add_warnings(cJSON *object, size_t first)
{
    cJSON *list = cJSON_AddArrayToObject(object, "warnings");
    for (size_t i = first; i < warnings_so_far(); i++) {
        char *clean = clean_text(warning_text(i));
        cJSON_AddItemToArray(list, cJSON_CreateString(clean));
        free(clean);
    }
}

int sidecar_write(const sidecar *s, const char *input, const char *from, const char *result,
                  size_t first_warning)
{
    if (!s->facts)
        return EXIT_OK;
    char *path = sidecar_path(result);
    cJSON *object = cJSON_Duplicate(s->facts, 1);
    int code = add_source(object, input, from);
    if (code == EXIT_OK)
        code = add_file(cJSON_AddObjectToObject(object, "result"), result);
    add_warnings(object, first_warning);
    char *text = cJSON_Print(object);
    if (code == EXIT_OK && strlen(file_name(path)) > NAME_MAX)
        code = warn("%s: no sidecar is written: its name would be too long", result);
    else if (code == EXIT_OK && !write_whole_file(path, shown_lines(text)))
        code = fail_errno(errno, "%s", path);
    cJSON_free(text);
    cJSON_Delete(object);
    free(path);
    return code;
}
