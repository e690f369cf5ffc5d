/* SPDX-License-Identifier: Apache-2.0 */
#include "reasons.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "wording.h"

enum { MOST_NAMED = 10 };

/* The reason without the subject, which the library's messages begin with. */
static const char *without_subject(const char *subject, const char *text)
{
    char *head = must_format("subject %s: ", subject);
    const char *name = head + strlen("subject ");
    const char *rest = strncmp(text, head, strlen(head)) == 0   ? text + strlen(head)
                       : strncmp(text, name, strlen(name)) == 0 ? text + strlen(name)
                                                                : text;
    free(head);
    return rest;
}

static reason *find_reason(reasons *r, const char *text)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->items[i].text, text) == 0)
            return &r->items[i];
    r->items = must_grow(r->items, r->count + 1, sizeof *r->items);
    reason *new = &r->items[r->count++];
    *new = (reason){.text = must_copy(text), .more = must_copy("")};
    return new;
}

void reasons_add(reasons *r, const char *subject, const char *text)
{
    char *cause = for_users(without_subject(subject, text));
    reason *found = find_reason(r, cause);
    free(cause);
    if (found->count++ == 0) {
        complain("%s: left out: %s", subject, found->text);
        return;
    }
    if (found->count > MOST_NAMED + 1)
        return;
    char *longer = must_format("%s%s%s", found->more, *found->more ? ", " : "", subject);
    free(found->more);
    found->more = longer;
}

void reasons_end(reasons *r)
{
    for (size_t i = 0; i < r->count; i++) {
        reason *one = &r->items[i];
        if (one->count > 1)
            complain("left out for the same reason (%s): %zu more: %s%s", one->text, one->count - 1,
                     one->more, one->count > MOST_NAMED + 1 ? ", ..." : "");
        free(one->text);
        free(one->more);
    }
    free(r->items);
    *r = (reasons){0};
}
