/* SPDX-License-Identifier: Apache-2.0 */
/* likeness_list.c - finds the scans that may be the same picture by a few sums, and compares those whole.
 *
 * Each sum adds all blocks of a likeness, half of them with the other sign. Where two likenesses agree, so do
 * all their sums, within the difference that likeness_is_same() allows. Scans of different heads differ by
 * more in nearly every sum. The first sums divide the scans into cells as wide as twice that difference, so
 * that a scan finds those like it in two cells along each sum. */
#include "likeness_list.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "must.h"
#include "new_file.h"
#include "tool.h"

enum { SUMS = LIKENESS_SUMS, ALONG = 8, CELLS = 1 << ALONG };

static const uint32_t none = UINT32_MAX;

/* By how much sums of likenesses that agree can differ. The deviations of all blocks add up to at most
 * LIKENESS_BLOCKS; a thousandth more is for rounding. */
static const double reach = 1.001 * likeness_difference * LIKENESS_BLOCKS;

/* ---- sums and cells ---- */

/* Mixes the bits of a number (the last part of SplitMix64, by Steele, Lea and Flood, 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void add_up(const likeness *l, float sum[SUMS])
{
    double all[SUMS] = {0};
    for (size_t i = 0; i < LIKENESS_BLOCKS; i++) {
        uint64_t signs = mix((i + 1) * 0x9e3779b97f4a7c15u);
        for (int k = 0; k < SUMS; k++)
            all[k] += signs >> k & 1 ? (double)l->block[i] : -(double)l->block[i];
    }
    for (int k = 0; k < SUMS; k++)
        sum[k] = (float)all[k];
}

static uint64_t hash_kind(const char *contrast, const int64_t size[3])
{
    uint64_t hash = 0;
    for (; *contrast; contrast++)
        hash = mix(hash + (unsigned char)*contrast + 1);
    for (int r = 0; r < 3; r++)
        hash = mix(hash + (uint64_t)size[r]);
    return hash;
}

/* The cell of the sums, each moved by `shift`, and by one cell more where `up` has its bit. */
static uint64_t cell_of(uint64_t kind, const float sum[SUMS], double shift, unsigned up)
{
    uint64_t hash = kind;
    for (int k = 0; k < ALONG; k++) {
        int64_t at = (int64_t)floor((sum[k] + shift) / (2 * reach));
        hash = mix(hash + (uint64_t)at + (up >> k & 1));
    }
    return hash;
}

/* ---- chains ---- */

static void chain(likeness_list *list, uint32_t index)
{
    likeness_entry *e = &list->items[index];
    uint32_t *head = &list->heads[e->cell & (list->head_count - 1)];
    e->next = *head;
    *head = index;
}

static void grow(likeness_list *list)
{
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    if (list->count < list->head_count)
        return;
    list->head_count = list->head_count ? 2 * list->head_count : 64;
    list->heads = must_grow(list->heads, list->head_count, sizeof *list->heads);
    for (size_t i = 0; i < list->head_count; i++)
        list->heads[i] = none;
    for (size_t i = 0; i < list->count; i++)
        chain(list, (uint32_t)i);
}

static bool may_agree(const likeness_entry *a, const likeness_entry *b)
{
    if (strcmp(a->contrast, b->contrast) != 0 || memcmp(a->size, b->size, sizeof a->size) != 0)
        return false;
    for (int k = 0; k < SUMS; k++)
        if (fabs((double)a->sum[k] - (double)b->sum[k]) > reach)
            return false;
    return true;
}

/* The first entry from `from` on that may agree with one, or none. */
static uint32_t next_candidate(const likeness_list *list, const likeness_entry *one,
                               const uint64_t cells[CELLS], uint32_t from)
{
    uint32_t first = none;
    for (int c = 0; c < CELLS && list->head_count; c++)
        for (uint32_t i = list->heads[cells[c] & (list->head_count - 1)]; i != none; i = list->items[i].next)
            if (list->items[i].cell == cells[c] && i >= from && i < first && may_agree(&list->items[i], one))
                first = i;
    return first;
}

/* ---- the file ---- */

static off_t place_of(size_t index)
{
    return (off_t)(index * sizeof(likeness));
}

static bool read_whole(int fd, size_t index, likeness *l)
{
    for (size_t at = 0; at < sizeof *l;) {
        ssize_t n = pread(fd, (char *)l + at, sizeof *l - at, place_of(index) + (off_t)at);
        if (n == 0)
            errno = EIO;
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_whole(int fd, size_t index, const likeness *l)
{
    for (size_t at = 0; at < sizeof *l;) {
        ssize_t n = pwrite(fd, (const char *)l + at, sizeof *l - at, place_of(index) + (off_t)at);
        if (n == 0)
            errno = EIO;
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static int store(likeness_list *list, const likeness *l)
{
    if (list->fd < 0)
        list->fd = nameless_file(list->beside);
    if (list->fd < 0 || !write_whole(list->fd, list->count, l))
        return fail_errno(errno, "a file beside %s, to find scans that are there twice", list->beside);
    return EXIT_OK;
}

/* ---- the list ---- */

/* The first earlier scan that is the same picture; *same is NULL where there is none. */
static int find_same(const likeness_list *list, const likeness_entry *one, uint64_t kind, const likeness *l,
                     const likeness_entry **same)
{
    likeness earlier;
    uint64_t cells[CELLS];
    for (unsigned c = 0; c < CELLS; c++)
        cells[c] = cell_of(kind, one->sum, -reach, c);
    for (uint32_t i = 0; (i = next_candidate(list, one, cells, i)) != none; i++) {
        if (!read_whole(list->fd, i, &earlier))
            return fail_errno(errno, "a file beside %s, to find scans that are there twice", list->beside);
        if (likeness_is_same(&earlier, l)) {
            *same = &list->items[i];
            break;
        }
    }
    return EXIT_OK;
}

static int warn_same(const likeness_entry *one, const likeness_entry *same)
{
    const char *advice = strcmp(same->person, one->person) != 0
                             ? ": if it is one person under two names, say so (--person), or leave one out"
                             : "";
    return warn("%s: its %s is the same picture as that of %s%s", one->subject, one->contrast, same->subject,
                advice);
}

void likeness_list_begin(likeness_list *list, const char *path)
{
    *list = (likeness_list){.beside = must_copy(path), .fd = -1};
}

int likeness_list_add(likeness_list *list, const char *subject, const char *person, const char *contrast,
                      const likeness *l)
{
    const likeness_entry *same = NULL;
    uint64_t kind = hash_kind(contrast, l->size);
    grow(list);
    likeness_entry *one = &list->items[list->count];
    *one =
        (likeness_entry){.subject = (char *)subject, .person = (char *)person, .contrast = (char *)contrast};
    memcpy(one->size, l->size, sizeof one->size);
    memcpy(one->level, l->level, sizeof one->level);
    add_up(l, one->sum);
    one->cell = cell_of(kind, one->sum, 0, 0);
    int code = find_same(list, one, kind, l, &same);
    if (code == EXIT_OK)
        code = store(list, l);
    if (code != EXIT_OK)
        return code;
    one->subject = must_copy(subject);
    one->person = must_copy(person);
    one->contrast = must_copy(contrast);
    chain(list, (uint32_t)list->count++);
    return same ? warn_same(one, same) : EXIT_OK;
}

void likeness_list_free(likeness_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].subject);
        free(list->items[i].person);
        free(list->items[i].contrast);
    }
    free(list->items);
    free(list->heads);
    if (list->beside && list->fd >= 0)
        close(list->fd);
    free(list->beside);
    *list = (likeness_list){0};
}
