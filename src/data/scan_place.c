/* SPDX-License-Identifier: Apache-2.0 */
/* scan_place.c - counts the head's voxels plane by plane, and compares a scan with those of the training. */
#include "data/scan_place.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/grid.h"

/* ---- measuring ---- */

typedef struct planes {
    uint64_t *count[3]; /* the head's voxels in each plane across x, y, z */
    uint64_t head, inside;
} planes;

static void count_planes(const orient *o, const preprocess_window *w, const float *voxels,
                         const background *back, planes *p)
{
    for (int64_t z = 0; z < o->dims[2]; z++)
        for (int64_t y = 0; y < o->dims[1]; y++) {
            int64_t row = o->corner + y * o->stride[1] + z * o->stride[2];
            for (int64_t x = 0; x < o->dims[0]; x++) {
                if (background_has(back, voxels[row + x * o->stride[0]]))
                    continue;
                const int64_t at[3] = {x, y, z};
                p->head++;
                p->inside += (uint64_t)preprocess_window_has(w, at);
                for (int a = 0; a < 3; a++)
                    p->count[a][at[a]]++;
            }
        }
}

/* The first plane and the one behind the last that have a hundredth of the fullest plane's voxels. */
static void find_extent(const uint64_t *count, int64_t n, int64_t *first, int64_t *end)
{
    uint64_t most = 1;
    for (int64_t i = 0; i < n; i++)
        most = count[i] > most ? count[i] : most;
    for (*first = 0; *first < n && count[*first] * 100 < most;)
        ++*first;
    for (*end = n; *end > *first && count[*end - 1] * 100 < most;)
        --*end;
}

static void place_head(const planes *p, const grid *g, const preprocess_window *w, scan_geometry *out)
{
    for (int a = 0; a < 3; a++) {
        int64_t first, end;
        find_extent(p->count[a], g->dims[a], &first, &end);
        double middle = 0.5 * (double)(first + end), wanted = (double)w->first[a] + 0.5 * (double)w->count[a];
        out->spacing[a] = g->spacing[a];
        out->field[a] = g->spacing[a] * (double)g->dims[a];
        out->head[a] = g->spacing[a] * (double)(end - first);
        out->place[a] = p->head ? g->spacing[a] * (middle - wanted) : 0;
    }
    out->part = p->head ? (double)p->inside / (double)p->head : 0;
}

status scan_place_measure(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                          const float *voxels, const background *back, scan_geometry *out)
{
    preprocess_window w;
    orient o = orient_from_affine(dims, affine);
    grid g = grid_of(dims, affine);
    planes found = {.head = 0};
    void *block;
    TRY(preprocess_window_of(p, dims, affine, &w));
    TRY(mem_zeros(m, (size_t)(o.dims[0] + o.dims[1] + o.dims[2]), sizeof(uint64_t), &block));
    found.count[0] = block;
    found.count[1] = found.count[0] + o.dims[0];
    found.count[2] = found.count[1] + o.dims[1];
    count_planes(&o, &w, voxels, back, &found);
    place_head(&found, &g, &w, out);
    mem_give(m, block);
    return OK;
}

/* ---- comparing ---- */

status scan_place_check_spacing(const slmt_geometry *training, const double spacing[3])
{
    char is[GEOMETRY_TEXT], was[GEOMETRY_TEXT];
    if (training->volumes == 0 || geometry_has_spacing(training, spacing))
        return OK;
    return fail(
        ERR_ARGUMENT,
        "its voxels are %s, those of the model's training %s (left-right x front-back x up): --resample "
        "makes the result through voxels of that size",
        geometry_text(spacing, spacing, is),
        geometry_text(training->spacing_least, training->spacing_most, was));
}

enum { NOTES = 800 };

/* Adds "NAME IS, in training WAS" where a size leaves the range by more than a factor. */
static void note_size(char notes[NOTES], const char *name, const double is[3], const double least[3],
                      const double most[3], double shorter, double longer)
{
    char one[GEOMETRY_TEXT], range[GEOMETRY_TEXT];
    size_t at = strlen(notes);
    int differs = 0;
    for (int a = 0; a < 3; a++)
        differs |= is[a] < shorter * least[a] || is[a] > longer * most[a];
    if (differs)
        snprintf(notes + at, NOTES - at, "%s%s %s, in training %s", at ? "; " : "", name,
                 geometry_text(is, is, one), geometry_text(least, most, range));
}

/* The head's middle may leave the range by 15 % of the head's size. */
static void note_place(char notes[NOTES], const slmt_geometry *t, const scan_geometry *scan)
{
    static const char *const side[3][2] = {
        {"to the right of", "to the left of"}, {"in front of", "behind"}, {"below", "above"}};
    for (int a = 0; a < 3; a++) {
        double slack = 0.15 * t->head_most[a], is = scan->place[a];
        size_t at = strlen(notes);
        if (is >= t->place_least[a] - slack && is <= t->place_most[a] + slack)
            continue;
        snprintf(notes + at, NOTES - at,
                 "%sthe head's middle lies %.3g mm %s the middle of %s, in training %.3g to %.3g mm",
                 at ? "; " : "", fabs(is), side[a][is > 0], a == 2 ? "the slices" : "the crop",
                 is > 0 ? t->place_least[a] : -t->place_most[a],
                 is > 0 ? t->place_most[a] : -t->place_least[a]);
    }
}

static void note_part(char notes[NOTES], const slmt_geometry *t, const scan_geometry *scan)
{
    size_t at = strlen(notes);
    if (scan->part < 0.75 * t->part_least)
        snprintf(notes + at, NOTES - at,
                 "%s%.0f %% of the head lies in crop and slices, in training %.0f to %.0f %%", at ? "; " : "",
                 100 * scan->part, 100 * t->part_least, 100 * t->part_most);
}

status scan_place_warn(const slmt_context *context, const slmt_geometry *t, const scan_geometry *scan)
{
    char notes[NOTES] = "";
    if (t->volumes == 0)
        return OK;
    note_size(notes, "its field of view is", scan->field, t->field_least, t->field_most, 0.9, 1.1);
    note_size(notes, "its head is", scan->head, t->head_least, t->head_most, 0.8, 1.25);
    note_place(notes, t, scan);
    note_part(notes, t, scan);
    return *notes ? context_warn(context, "the scan is unlike those of the model's training: %s", notes) : OK;
}
