/* SPDX-License-Identifier: Apache-2.0 */
/* card.c - a model's card: texts by key, in order of key. */
#include <ctype.h>
#include <string.h>

#include "core/model.h"

enum { CARD_KEY_MAX = 64, CARD_TEXT_MAX = 65000 };

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

status card_prepare(slmt_model *model, card_change *to, const char *key, const char *text)
{
    mem *m = &model->context->mem;
    void *list = model->card;
    card_field fresh = {NULL, NULL};
    TRY(check_card(key, text));
    if (strcmp(card_text(model, key), text ? text : "") == 0)
        return OK;
    status s = mem_resize(m, &list, model->n_card + (size_t)to->n + 1, sizeof *model->card);
    model->card = list;
    if (s == OK)
        s = mem_text(m, key, &fresh.key);
    if (s == OK && text && *text)
        s = mem_text(m, text, &fresh.text);
    to->field[to->n++] = fresh;
    return s;
}

/* There is room for one more. */
static void card_insert(slmt_model *model, card_field fresh)
{
    size_t index = 0;
    while (index < model->n_card && strcmp(model->card[index].key, fresh.key) < 0)
        index++;
    memmove(&model->card[index + 1], &model->card[index], (model->n_card - index) * sizeof *model->card);
    model->card[index] = fresh;
    model->n_card++;
}

void card_commit(slmt_model *model, card_change *change)
{
    for (int32_t i = 0; i < change->n; i++) {
        card_field *fresh = &change->field[i];
        int32_t old = card_find(model, fresh->key);
        if (old >= 0)
            card_remove(model, old);
        if (fresh->text)
            card_insert(model, *fresh);
        else
            mem_give(&model->context->mem, fresh->key);
    }
    change->n = 0;
}

void card_cancel(slmt_model *model, card_change *change)
{
    mem *m = &model->context->mem;
    for (int32_t i = 0; i < change->n; i++) {
        mem_give(m, change->field[i].key);
        mem_give(m, change->field[i].text);
    }
    change->n = 0;
    if (model->n_card == 0) {
        mem_give(m, model->card);
        model->card = NULL;
    }
}

status card_set(slmt_model *model, const char *key, const char *text)
{
    card_change change = {.n = 0};
    status s = card_prepare(model, &change, key, text);
    if (s == OK)
        card_commit(model, &change);
    else
        card_cancel(model, &change);
    return s;
}

void card_clear(slmt_model *model)
{
    while (model->n_card > 0)
        card_remove(model, (int32_t)model->n_card - 1);
    mem_give(&model->context->mem, model->card);
    model->card = NULL;
}
