/* SPDX-License-Identifier: Apache-2.0 */
/* exchanged.c - compares how the grey values of heads are distributed. */
#include "exchanged.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

/* Distances to the others after an exchange, over those as it is. On the scans of ten people the least of a
 * right subject was 2.1, and the largest of an exchanged one 0.44, of T2 beside T1 or FLAIR. */
static const double is_exchanged = 0.6, is_right = 1.2;

/* The subjects that have two contrasts, and the sums of the levels of either contrast. */
typedef struct group {
    size_t count;
    const likeness_entry **one, **other;
    double sum_of_one[LIKENESS_LEVELS], sum_of_other[LIKENESS_LEVELS];
    double *ratio;
} group;

static void add_levels(const likeness_entry *entry, double sum[LIKENESS_LEVELS])
{
    for (size_t level = 0; level < LIKENESS_LEVELS; level++)
        sum[level] += (double)entry->level[level];
}

/* The distance of an entry from the mean of the others, whose sum includes the subject's own entry. */
static double distance(const likeness_entry *entry, const double sum[LIKENESS_LEVELS],
                       const likeness_entry *own, size_t count)
{
    double distance = 0;
    for (size_t level = 0; level < LIKENESS_LEVELS; level++)
        distance += fabs((double)entry->level[level] -
                         (sum[level] - (double)own->level[level]) / (double)(count - 1));
    return distance;
}

static double ratio_of(const group *g, size_t i)
{
    const likeness_entry *one = g->one[i], *other = g->other[i];
    double own =
        distance(one, g->sum_of_one, one, g->count) + distance(other, g->sum_of_other, other, g->count);
    double exchanged =
        distance(one, g->sum_of_other, other, g->count) + distance(other, g->sum_of_one, one, g->count);
    return own > 0 ? exchanged / own : INFINITY;
}

/* Returns true if at least two thirds of the subjects are clearly right: then the two contrasts can be told
 * apart. */
static bool is_clear(const group *g)
{
    size_t right = 0;
    for (size_t i = 0; i < g->count; i++)
        right += g->ratio[i] > is_right;
    return 3 * right >= 2 * g->count;
}

static int warn_of_group(group *g)
{
    enum { LEAST = 4 };
    int code = EXIT_OK;
    if (g->count < LEAST)
        return EXIT_OK;
    for (size_t i = 0; i < g->count; i++)
        g->ratio[i] = ratio_of(g, i);
    bool clear = is_clear(g);
    for (size_t i = 0; i < g->count && clear && code == EXIT_OK; i++)
        if (g->ratio[i] < is_exchanged)
            code = warn(
                "%s: its %s looks like the %s of the other subjects, and its %s like their %s: are the two "
                "exchanged?",
                g->one[i]->subject, g->one[i]->contrast, g->other[i]->contrast, g->other[i]->contrast,
                g->one[i]->contrast);
    return code;
}

/* Returns the scan of entry i's subject in another contrast, behind it; NULL: it has none. */
static const likeness_entry *behind(const likeness_list *list, size_t i, const char *contrast)
{
    for (size_t k = i + 1; k < list->count && strcmp(list->items[k].subject, list->items[i].subject) == 0;
         k++)
        if (strcmp(list->items[k].contrast, contrast) == 0)
            return &list->items[k];
    return NULL;
}

static int compare(const likeness_list *list, const char *one, const char *other)
{
    group g = {.one = must_alloc(list->count, sizeof *g.one),
               .other = must_alloc(list->count, sizeof *g.other),
               .ratio = must_alloc(list->count, sizeof *g.ratio)};
    for (size_t i = 0; i < list->count; i++) {
        const likeness_entry *found =
            strcmp(list->items[i].contrast, one) == 0 ? behind(list, i, other) : NULL;
        if (!found)
            continue;
        add_levels(&list->items[i], g.sum_of_one);
        add_levels(found, g.sum_of_other);
        g.one[g.count] = &list->items[i];
        g.other[g.count++] = found;
    }
    int code = warn_of_group(&g);
    free(g.one);
    free(g.other);
    free(g.ratio);
    return code;
}

/* Returns true if entry i is the first of its contrast. */
static bool is_first(const likeness_list *list, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(list->items[k].contrast, list->items[i].contrast) == 0)
            return false;
    return true;
}

int exchanged_warn(const likeness_list *list)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < list->count; i++)
        for (size_t k = 0; k < list->count && code == EXIT_OK && is_first(list, i); k++)
            if (i != k && is_first(list, k))
                code = compare(list, list->items[i].contrast, list->items[k].contrast);
    return code;
}
