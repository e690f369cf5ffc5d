/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.c - how the samples of an epoch become steps. */
#include "data/sampler/epoch.h"

#include "slmt/trainer.h"

uint64_t samples_together(const feed *f)
{
    return (uint64_t)f->at.setting[TRAIN_BATCH] * (uint64_t)f->ranks;
}

status epoch_open(feed *f, uint64_t n, uint32_t **order)
{
    void *p;
    f->steps_in_epoch = n / samples_together(f);
    if (f->steps_in_epoch == 0 || n > UINT32_MAX)
        return fail(ERR_ARGUMENT, "the training set gives %llu samples an epoch, a batch needs %d",
                    (unsigned long long)n, (int)samples_together(f));
    TRY(mem_array(f->mem, n, sizeof(uint32_t), &p));
    *order = p;
    return OK;
}
