/* SPDX-License-Identifier: Apache-2.0 */
/* make_set_1.c - made set_1.h5, a training set of version 1, with libslmt of commit e38e854642d2, the last
 * one that wrote it: cc -Iinclude make_set_1.c -lslmt -lm; ./a.out set_1.h5. It does not compile with later
 * ones: the calls have other names. The contents are those of write_example() in tests/test_dataset.c. */
#include <stdio.h>
#include <stdlib.h>

#include "slmt/slmt.h"

enum { NX = 12, NY = 10, NZ = 7 };

static slmt_context *context;
static float voxels[NX * NY * NZ];

static void must(slmt_status s)
{
    if (s == SLMT_OK)
        return;
    fprintf(stderr, "%s\n", slmt_error_text());
    exit(1);
}

static slmt_volume *volume(int kind)
{
    static const int64_t grid[3] = {NX, NY, NZ};
    static const double lps[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_volume *v = NULL;
    for (int i = 0; i < NX * NY * NZ; i++)
        voxels[i] = i ? (float)((i * 37 + kind * 101) % 251) + 1.0f : 0.0f;
    if (kind >= 0)
        must(slmt_volume_create(context, grid, lps, voxels, &v));
    return v;
}

static void add(slmt_dataset_writer *w, const char *subject, int first, int second, int32_t split)
{
    slmt_volume *v[2] = {volume(first), volume(second)};
    must(slmt_dataset_writer_add(w, subject, (const slmt_volume *const *)v, split));
    slmt_volume_free(v[0]);
    slmt_volume_free(v[1]);
}

int main(int argc, char **argv)
{
    static const char *const contrasts[2] = {"T1", "T2-flair_x"};
    slmt_preprocess p;
    slmt_dataset_writer *w;
    if (argc != 2)
        return 2;
    must(slmt_context_create(NULL, &context));
    slmt_preprocess_init(&p);
    p.crop_size = 9;
    p.slice_first = 1;
    p.slice_count = 4;
    p.image_size = 16;
    must(slmt_dataset_writer_create(context, argv[1], &p, contrasts, 2, &w));
    add(w, "zoe.1", 1, 2, SLMT_SPLIT_TRAIN);
    add(w, "adam", 3, -1, SLMT_SPLIT_TEST);
    add(w, "a..b", -1, 4, SLMT_SPLIT_TRAIN);
    must(slmt_dataset_writer_finish(w));
    slmt_context_free(context);
    return 0;
}
