/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - the records of a profile. */
#include "lib/profile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/graph.h"
#include "lib/ops/rules.h"

double profile_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void profile_init(profile *p, mem *m)
{
    *p = (profile){.mem = m, .origin = profile_clock()};
}

void profile_clear(profile *p)
{
    for (int32_t i = 0; i < p->n_entries; i++) {
        p->entries[i].calls = 0;
        p->entries[i].seconds = 0;
    }
    p->n_events = 0;
    p->lost = 0;
    p->origin = profile_clock();
}

void profile_close(profile *p)
{
    mem_give(p->mem, p->entries);
    mem_give(p->mem, p->events);
    *p = (profile){.mem = p->mem};
}

/* ---- entries ---- */

/* Multiplications and additions in a call's matrix products, by definition: linear layers, products,
 * convolutions, the two products of attention and the four of its gradient. 0 for every other op. */
static double flops_of(const bk_call *c)
{
    const op_rule *rule = op_rules[c->op];
    return rule->flops ? rule->flops(c) : 0;
}

static void write_shapes(const bk_call *c, char text[PROFILE_TEXT_MAX])
{
    size_t at = 0;
    char one[128];
    text[0] = '\0';
    for (int32_t i = 0; i < c->n_in; i++) {
        const char *shape = shape_text(&c->in[i].shape, one);
        size_t length = strlen(shape);
        if (at + length + 2 > PROFILE_TEXT_MAX)
            return;
        at += (size_t)snprintf(text + at, PROFILE_TEXT_MAX - at, "%s%s", i ? " " : "", shape);
    }
}

static int alike(const profile_entry *a, const profile_entry *b)
{
    return strcmp(a->op, b->op) == 0 && a->backward == b->backward && strcmp(a->layer, b->layer) == 0 &&
           strcmp(a->shape, b->shape) == 0;
}

static status find_or_add(profile *p, const profile_entry *wanted, int32_t *entry)
{
    for (int32_t i = 0; i < p->n_entries; i++)
        if (alike(&p->entries[i], wanted)) {
            *entry = i;
            return OK;
        }
    if (p->n_entries == p->cap_entries) {
        int32_t more = p->cap_entries ? 2 * p->cap_entries : 256;
        void *entries = p->entries;
        TRY(mem_resize(p->mem, &entries, (size_t)more, sizeof(profile_entry)));
        p->entries = entries;
        p->cap_entries = more;
    }
    p->entries[p->n_entries] = *wanted;
    *entry = p->n_entries++;
    return OK;
}

status profile_entry_of(profile *p, const bk_call *call, const char *layer, int backward, int32_t *entry)
{
    profile_entry e = {.op = op_rules[call->op]->name, .backward = backward, .flops = flops_of(call)};
    snprintf(e.layer, sizeof e.layer, "%s", layer);
    write_shapes(call, e.shape);
    return find_or_add(p, &e, entry);
}

/* ---- events ---- */

static int room_for_event(profile *p)
{
    if (p->n_events < p->cap_events)
        return 1;
    int32_t more = p->cap_events ? 2 * p->cap_events : 4096;
    void *events = p->events;
    if (p->cap_events == PROFILE_EVENTS_MAX ||
        mem_resize(p->mem, &events, (size_t)more, sizeof(profile_event)) != OK)
        return 0;
    p->events = events;
    p->cap_events = more;
    return 1;
}

void profile_add(profile *p, int32_t entry, double start)
{
    double seconds = profile_clock() - start;
    p->entries[entry].calls++;
    p->entries[entry].seconds += seconds;
    if (room_for_event(p))
        p->events[p->n_events++] = (profile_event){entry, start - p->origin, seconds};
    else
        p->lost++;
}
