/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.c - counts from the set's index alone; one slice of each subject is read to see that two contrasts
 * are two images. */
#include "pairs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

static bool is_in(const slmt_dataset *set, size_t subject, int32_t split)
{
    return split == SLMT_SPLIT_ALL || slmt_dataset_subject_split(set, subject) == split;
}

static size_t slices_of_both(const slmt_dataset *set, size_t subject, size_t one, size_t other)
{
    size_t a = slmt_dataset_slice_count(set, subject, one);
    size_t b = slmt_dataset_slice_count(set, subject, other);
    return a < b ? a : b;
}

pair_total pairs_count(const slmt_dataset *set, size_t one, size_t other, int32_t split)
{
    pair_total count = {0};
    for (size_t i = 0; i < slmt_dataset_subject_count(set); i++) {
        size_t slices = is_in(set, i, split) ? slices_of_both(set, i, one, other) : 0;
        count.subjects += slices > 0;
        count.slices += slices;
    }
    return count;
}

int pairs_differ(const char *source, const char *target)
{
    return source && target && strcmp(source, target) == 0
               ? fail_with(EXIT_USAGE, "--source and --target are the same contrast, %s", source)
               : EXIT_OK;
}

/* ---- are they two images? ---- */

typedef struct images {
    slmt_dataset *set;
    size_t one, other, pixels;
    float *a, *b;
} images;

/* Reads a slice in both contrasts. What cannot be read is reported by those who need it. */
static bool read_both(const images *im, size_t subject, size_t slice)
{
    return slmt_dataset_read_slice(im->set, subject, im->one, slice, SLMT_RESIZE_BILINEAR, im->a) ==
               SLMT_OK &&
           slmt_dataset_read_slice(im->set, subject, im->other, slice, SLMT_RESIZE_BILINEAR, im->b) ==
               SLMT_OK;
}

static bool has_signal(const images *im)
{
    for (size_t i = 1; i < im->pixels; i++)
        if (im->a[i] != im->a[0])
            return true;
    return false;
}

/* Returns true if the slices of a subject are equal, bit for bit, from the middle one on: two contrasts
 * differ in the first that shows something. Slices that are empty in both say nothing. */
static bool is_one_image(const images *im, size_t subject)
{
    bool seen = false;
    size_t n = slices_of_both(im->set, subject, im->one, im->other);
    for (size_t k = 0; k < n; k++) {
        if (!read_both(im, subject, (n / 2 + k) % n) || memcmp(im->a, im->b, im->pixels * sizeof *im->a) != 0)
            return false;
        seen = seen || has_signal(im);
    }
    return seen;
}

static size_t count_equal(const images *im, const char **first)
{
    size_t equal = 0;
    for (size_t i = 0; i < slmt_dataset_subject_count(im->set); i++)
        if (slmt_dataset_subject_split(im->set, i) == SLMT_SPLIT_TRAIN &&
            slices_of_both(im->set, i, im->one, im->other) > 0 && is_one_image(im, i)) {
            *first = equal++ ? *first : slmt_dataset_subject(im->set, i);
        }
    return equal;
}

static int check_images(slmt_dataset *set, const char *path, size_t one, size_t other, size_t subjects)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    if (slmt_dataset_get_preprocess(set, &p) != SLMT_OK)
        return EXIT_OK;
    size_t pixels = (size_t)p.image_size * (size_t)p.image_size;
    const char *first = NULL;
    images im = {
        set, one, other, pixels, must_alloc(pixels, sizeof(float)), must_alloc(pixels, sizeof(float))};
    size_t equal = count_equal(&im, &first);
    free(im.a);
    free(im.b);
    const char *a = slmt_dataset_contrast(set, one), *b = slmt_dataset_contrast(set, other);
    if (equal == subjects)
        return fail_with(EXIT_USAGE, "%s: %s and %s are the same images in every training subject", path, a,
                         b);
    if (equal)
        warn("%s: %s and %s are the same image in %zu of %zu training subjects, the first is %s", path, a, b,
             equal, subjects, first);
    return EXIT_OK;
}

/* ---- before a training ---- */

static bool find_contrast(const slmt_dataset *set, const char *name, size_t *index)
{
    for (*index = 0; *index < slmt_dataset_contrast_count(set); ++*index)
        if (strcmp(slmt_dataset_contrast(set, *index), name) == 0)
            return true;
    return false;
}

static int no_pairs(const slmt_dataset *set, const char *path, size_t one, size_t other)
{
    const char *a = slmt_dataset_contrast(set, one), *b = slmt_dataset_contrast(set, other);
    size_t all = pairs_count(set, one, other, SLMT_SPLIT_ALL).subjects;
    return all ? fail_with(
                     EXIT_USAGE,
                     "%s: no training subject has both %s and %s, so that there is no pair to train on; "
                     "the %zu that have both are kept for testing",
                     path, a, b, all)
               : fail_with(
                     EXIT_USAGE,
                     "%s: no subject has both %s and %s, so that there is no pair; slmt info --all lists "
                     "the subjects",
                     path, a, b);
}

int pairs_check(slmt_dataset *set, const char *path, const char *source, const char *target)
{
    size_t one, other;
    int code = pairs_differ(source, target);
    if (code != EXIT_OK || !find_contrast(set, source, &one) || !find_contrast(set, target, &other))
        return code; /* the library says that a name is not there */
    pair_total count = pairs_count(set, one, other, SLMT_SPLIT_TRAIN);
    if (!count.subjects)
        return no_pairs(set, path, one, other);
    code = check_images(set, path, one, other, count.subjects);
    if (code == EXIT_OK)
        say("%s to %s: %zu training %s both, %zu pairs of slices", source, target, count.subjects,
            count.subjects == 1 ? "subject has" : "subjects have", count.slices);
    return code;
}

void pairs_say(const slmt_dataset *set)
{
    size_t contrasts = slmt_dataset_contrast_count(set);
    for (size_t i = 0; i < contrasts; i++)
        for (size_t k = i + 1; k < contrasts; k++) {
            pair_total all = pairs_count(set, i, k, SLMT_SPLIT_ALL);
            pair_total train = pairs_count(set, i, k, SLMT_SPLIT_TRAIN);
            say("%s and %s: %zu %s both, %zu pairs of slices; for training %zu, %zu pairs",
                slmt_dataset_contrast(set, i), slmt_dataset_contrast(set, k), all.subjects,
                all.subjects == 1 ? "subject has" : "subjects have", all.slices, train.subjects,
                train.slices);
        }
}
