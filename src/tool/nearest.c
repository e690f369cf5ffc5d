/* SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Row i of the table of distances, from the two rows before it. */
static void fill_row(const char *one, const char *other, size_t i, const size_t *before, const size_t *last,
                     size_t *row)
{
    size_t length = strlen(other);
    row[0] = i;
    for (size_t j = 1; j <= length; j++) {
        bool equal = same(one[i - 1], other[j - 1]);
        row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + !equal);
        if (i > 1 && j > 1 && same(one[i - 1], other[j - 2]) && same(one[i - 2], other[j - 1]))
            row[j] = least(row[j], before[j - 2] + 1);
    }
}

/* How many characters must be put in, taken out, replaced or swapped with their neighbour to make one text of
 * the other (optimal string alignment); small and capital letters count as equal. */
static size_t distance_of(const char *one, const char *other)
{
    size_t columns = strlen(other) + 1;
    size_t *rows = must_alloc(3 * columns, sizeof *rows);
    size_t *before = rows, *last = rows + columns, *row = rows + 2 * columns;
    for (size_t j = 0; j < columns; j++)
        last[j] = j;
    for (size_t i = 1; i <= strlen(one); i++) {
        fill_row(one, other, i, before, last, row);
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    size_t distance = last[columns - 1];
    free(rows);
    return distance;
}

nearest nearest_to(const char *asked)
{
    return (nearest){.asked = asked, .distance = strlen(asked) / 3 + 2};
}

void nearest_try(nearest *n, const char *word)
{
    size_t distance = distance_of(n->asked, word);
    if (distance >= n->distance || distance >= strlen(word))
        return;
    n->distance = distance;
    n->found = word;
}
