/* SPDX-License-Identifier: Apache-2.0 */
/* card.c - a model's card: texts by key, in order of key. */
#include <ctype.h>
#include <string.h>

#include "core/model.h"

enum { CARD_KEY_MAX = 64, CARD_TEXT_MAX = 65535 };

static int32_t card_find(const slmt_model *model, const char *key)
{
    for (size_t i = 0; i < model->n_card; i++)
        if (strcmp(model->card[i].key, key) == 0)
            return (int32_t)i;
    return -1;
}

const char *card_text(const slmt_model *model, const char *key)
{
    int32_t i = card_find(model, key);
    return i < 0 ? "" : model->card[i].text;
}

static status check_card(const char *key, const char *text)
{
    size_t n = strlen(key);
    if (n < 1 || n > CARD_KEY_MAX)
        return fail(ERR_ARGUMENT, "a card key has 1 to %d characters, not %zu", CARD_KEY_MAX, n);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)key[i]) && key[i] != '_')
            return fail(ERR_ARGUMENT, "card key '%s': only letters, digits and underscores", key);
    if (text && strlen(text) > CARD_TEXT_MAX)
        return fail(ERR_ARGUMENT, "card field %s has %zu bytes, at most %d fit", key, strlen(text),
                    CARD_TEXT_MAX);
    return OK;
}

static void card_remove(slmt_model *model, int32_t i)
{
    mem_give(&model->context->mem, model->card[i].key);
    mem_give(&model->context->mem, model->card[i].text);
    memmove(&model->card[i], &model->card[i + 1], (model->n_card - (size_t)i - 1) * sizeof *model->card);
    model->n_card--;
}

/* Makes room and both copies first, so that a failure changes nothing. */
static status card_insert(slmt_model *model, const char *key, const char *text)
{
    mem *m = &model->context->mem;
    void *list = model->card;
    char *k = NULL, *t = NULL;
    status s = mem_resize(m, &list, model->n_card + 1, sizeof *model->card);
    model->card = list;
    if (s == OK)
        s = mem_text(m, key, &k);
    if (s == OK)
        s = mem_text(m, text, &t);
    if (s != OK) {
        mem_give(m, k);
        return s;
    }
    int32_t old = card_find(model, key);
    if (old >= 0)
        card_remove(model, old);
    size_t place = 0;
    while (place < model->n_card && strcmp(model->card[place].key, key) < 0)
        place++;
    memmove(&model->card[place + 1], &model->card[place], (model->n_card - place) * sizeof *model->card);
    model->card[place] = (card_field){k, t};
    model->n_card++;
    return OK;
}

status card_set(slmt_model *model, const char *key, const char *text)
{
    TRY(check_card(key, text));
    if (text && *text)
        return card_insert(model, key, text);
    int32_t i = card_find(model, key);
    if (i >= 0)
        card_remove(model, i);
    return OK;
}

void card_clear(slmt_model *model)
{
    while (model->n_card > 0)
        card_remove(model, (int32_t)model->n_card - 1);
    mem_give(&model->context->mem, model->card);
    model->card = NULL;
}
