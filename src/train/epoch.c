/* SPDX-License-Identifier: Apache-2.0 */
#include "train/epoch.h"

#include <math.h>

#include "lib/random.h"

/* Calls for each example; items NULL: only counts. */
static uint64_t walk(const slmt_dataset *set, int32_t source, int32_t target, example *items, uint64_t room)
{
    uint64_t n = 0;
    size_t subjects = slmt_dataset_subject_count(set), contrasts = slmt_dataset_contrast_count(set);
    for (size_t s = 0; s < subjects; s++) {
        if (slmt_dataset_subject_split(set, s) != SLMT_SPLIT_TRAIN)
            continue;
        for (size_t c = 0; c < contrasts; c++) {
            if (source >= 0 && (size_t)source != c)
                continue;
            size_t slices = slmt_dataset_slice_count(set, s, c);
            if (target >= 0 && slmt_dataset_slice_count(set, s, (size_t)target) < slices)
                slices = slmt_dataset_slice_count(set, s, (size_t)target);
            for (size_t k = 0; k < slices; k++, n++)
                if (items && n < room)
                    items[n] = (example){(uint32_t)s, (uint32_t)k, (int32_t)c, target};
        }
    }
    return n;
}

status examples_open(example_list *list, mem *m, const slmt_dataset *set, int32_t source, int32_t target,
                     double data_rate)
{
    *list = (example_list){.mem = m, .epoch = UINT64_MAX};
    uint64_t all = walk(set, source, target, NULL, 0);
    uint64_t used = (uint64_t)floor((double)all * data_rate + 1e-9);
    if (used > UINT32_MAX)
        return fail(ERR_ARGUMENT, "the set has more than %u training slices", UINT32_MAX);
    void *p;
    TRY(mem_array(m, used ? used : 1, sizeof(example), &p));
    list->items = p;
    list->n = (uint32_t)used;
    status s = mem_array(m, used ? used : 1, sizeof(uint32_t), &p);
    if (s != OK) {
        examples_close(list);
        return s;
    }
    list->order = p;
    walk(set, source, target, list->items, used);
    return OK;
}

void examples_close(example_list *list)
{
    mem_give(list->mem, list->items);
    mem_give(list->mem, list->order);
    list->items = NULL;
    list->order = NULL;
}

const example *examples_at(example_list *list, uint64_t seed, uint64_t epoch, uint32_t index)
{
    if (list->epoch != epoch) {
        random_stream r = random_open(seed, random_purpose("order", epoch));
        random_permutation(&r, list->order, list->n);
        list->epoch = epoch;
    }
    return &list->items[list->order[index]];
}
