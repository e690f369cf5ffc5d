/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - the optimisers by index and by name, and what they share. */
#include <string.h>

#include "core/training.h"
#include "lib/ops.h"
#include "train/optimizers/optimizer.h"

static const optimizer *const optimizers[] = {
    [OPTIMIZER_SGD] = &optimizer_sgd,
    [OPTIMIZER_ADAM] = &optimizer_adam,
    [OPTIMIZER_ADAMW] = &optimizer_adamw,
    [OPTIMIZER_LARS] = &optimizer_lars,
};

const optimizer *optimizer_at(int32_t index)
{
    return index >= 0 && index < (int32_t)(sizeof optimizers / sizeof *optimizers) ? optimizers[index] : NULL;
}

const optimizer *optimizer_named(const char *name)
{
    for (int32_t i = 0; optimizer_at(i); i++)
        if (strcmp(optimizers[i]->name, name) == 0)
            return optimizers[i];
    return NULL;
}

value decayed_gradient(const update_values *u)
{
    if (u->set->weight_decay == 0)
        return u->gradient;
    return op_add(u->g, u->gradient, op_affine(u->g, u->weight, u->set->weight_decay, 0));
}
