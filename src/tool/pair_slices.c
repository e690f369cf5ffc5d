/* SPDX-License-Identifier: Apache-2.0 */
/* pair_slices.c - reads a subject's slices in two contrasts, and makes one from the other. */
#include "pair_slices.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "interrupt.h"
#include "must.h"
#include "tool.h"

size_t pair_slices_count(pair_of pair, size_t subject)
{
    size_t source = slmt_dataset_slice_count(pair.set, subject, pair.source),
           target = slmt_dataset_slice_count(pair.set, subject, pair.target);
    return source < target ? source : target;
}

int pair_slices_read(pair_of pair, size_t subject, size_t most, pair_slices *slices)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    slmt_status status = slmt_dataset_get_preprocess(pair.set, &p);
    size_t all = pair_slices_count(pair, subject), count = most && all > most ? most : all,
           first = (all - count) / 2;
    size_t side = (size_t)p.image_size, pixels = side * side;
    *slices = (pair_slices){.count = count,
                            .side = side,
                            .source = must_alloc(count * pixels, sizeof(float)),
                            .target = must_alloc(count * pixels, sizeof(float)),
                            .made = must_alloc(count * pixels, sizeof(float))};
    for (size_t i = 0; i < count && status == SLMT_OK; i++) {
        status = slmt_dataset_read_slice(pair.set, subject, pair.source, first + i, SLMT_RESIZE_BILINEAR,
                                         slices->source + i * pixels);
        if (status == SLMT_OK)
            status = slmt_dataset_read_slice(pair.set, subject, pair.target, first + i, p.target_resize,
                                             slices->target + i * pixels);
    }
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", slmt_dataset_subject(pair.set, subject));
}

void pair_slices_free(pair_slices *slices)
{
    free(slices->source);
    free(slices->target);
    free(slices->made);
    *slices = (pair_slices){0};
}

/* ---- what is made of them ---- */

int pair_slices_by_model(pair_slices *s, slmt_session *session)
{
    slmt_status status = s->count ? slmt_synthesize(session, s->source, s->count, s->made) : SLMT_OK;
    return status == SLMT_OK ? EXIT_OK : fail(status, "synthesis");
}

void pair_slices_by_source(pair_slices *s)
{
    memcpy(s->made, s->source, s->count * s->side * s->side * sizeof *s->made);
}

void pair_slices_by_map(pair_slices *s, const monotone_map *map)
{
    monotone_map_apply(map, s->source, s->count * s->side * s->side, s->made);
}

static int learn_from(pair_of pair, size_t subject, monotone_map *map)
{
    pair_slices s;
    int code = pair_slices_read(pair, subject, 0, &s);
    if (code == EXIT_OK)
        monotone_map_add(map, s.source, s.target, s.count * s.side * s.side);
    pair_slices_free(&s);
    return code == EXIT_OK && interrupted() ? fail_with(EXIT_INTERRUPTED, "interrupted") : code;
}

int pair_map_learn(pair_of pair, monotone_map *map, bool *found)
{
    int code = EXIT_OK;
    *map = (monotone_map){0};
    *found = false;
    for (size_t i = 0; i < slmt_dataset_subject_count(pair.set) && code == EXIT_OK; i++)
        if (slmt_dataset_subject_split(pair.set, i) == SLMT_SPLIT_TRAIN && pair_slices_count(pair, i) > 0)
            code = learn_from(pair, i, map);
    if (code == EXIT_OK)
        *found = monotone_map_fit(map);
    return code;
}
