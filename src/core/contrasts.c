/* SPDX-License-Identifier: Apache-2.0 */
/* contrasts.c - the names of the contrasts that a model tells apart, by index. */
#include <string.h>

#include "core/model.h"
#include "io/utf8.h"

enum { NAME_MOST = 64, LIST_BYTES = 1024 };

size_t contrasts_most(const slmt_model *model)
{
    int32_t k = number_with_role(model->method->options, SLMT_ROLE_CONTRASTS);
    return k < 0 ? 0 : (size_t)model->option[k];
}

int32_t contrast_index(const slmt_model *model, const char *name)
{
    for (size_t i = 0; i < model->n_contrasts; i++)
        if (strcmp(model->contrasts[i], name) == 0)
            return (int32_t)i;
    return -1;
}

const char *contrasts_text(const slmt_model *model, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < model->n_contrasts; i++) {
        size_t length = strlen(model->contrasts[i]);
        if (at + length + 3 > size)
            break;
        if (i > 0) {
            memcpy(text + at, ", ", 2);
            at += 2;
        }
        memcpy(text + at, model->contrasts[i], length + 1);
        at += length;
    }
    return text;
}

/* Lists of names are written with commas between them. */
static int name_is_good(const char *name)
{
    size_t length = strnlen(name, NAME_MOST + 1);
    return length >= 1 && length <= NAME_MOST && !memchr(name, ',', length) && utf8_printable(name, length);
}

static status check_names(const slmt_model *model, const char *const *names, size_t count)
{
    size_t most = contrasts_most(model);
    if (most == 0)
        return fail(ERR_UNSUPPORTED,
                    "models of %s tell no contrasts apart, so that they have no names for them",
                    model->method->name);
    if (count > most)
        return fail(ERR_ARGUMENT, "%zu names of contrasts are too many: the model tells %zu apart", count,
                    most);
    for (size_t i = 0; i < count; i++) {
        if (!names[i] || !name_is_good(names[i]))
            return fail(ERR_ARGUMENT,
                        "the name of contrast %zu must have 1 to %d bytes of UTF-8, and no comma or control "
                        "character",
                        i + 1, NAME_MOST);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return fail(ERR_ARGUMENT, "two contrasts are called %s", names[i]);
    }
    return OK;
}

void contrasts_clear(slmt_model *model)
{
    mem_give(&model->context->mem, model->contrasts);
    model->contrasts = NULL;
    model->n_contrasts = 0;
}

/* The pointers and the texts lie in one block. */
status contrasts_set(slmt_model *model, const char *const *names, size_t count)
{
    void *p = NULL;
    TRY(check_names(model, names, count));
    size_t bytes = count * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        bytes += strlen(names[i]) + 1;
    if (count > 0)
        TRY(mem_take(&model->context->mem, bytes, &p));
    char **list = p, *text = (char *)(list + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]) + 1;
        list[i] = memcpy(text, names[i], length);
        text += length;
    }
    contrasts_clear(model);
    model->contrasts = list;
    model->n_contrasts = count;
    return OK;
}

status contrasts_find(const slmt_model *model, const char *name, int32_t *index)
{
    char list[LIST_BYTES];
    *index = contrast_index(model, name);
    if (*index >= 0)
        return OK;
    if (model->n_contrasts == 0)
        return fail(ERR_NOT_FOUND, "the model makes several contrasts, and none of them has a name");
    return fail(ERR_NOT_FOUND, "the model makes no %s; it makes %s", name,
                contrasts_text(model, list, sizeof list));
}
