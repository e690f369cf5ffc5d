/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

double schedule_rate(const slmt_trainer_config *c, double epoch)
{
    if (c->stage == SLMT_STAGE_PRETRAIN)
        return c->learning_rate * pow(c->decay_factor, floor(epoch / c->decay_epochs));
    if (epoch < c->warmup_epochs)
        return c->learning_rate * epoch / c->warmup_epochs;
    double rest = c->epochs - c->warmup_epochs;
    double part = rest > 0 ? (epoch - c->warmup_epochs) / rest : 1;
    if (part > 1)
        part = 1;
    return c->minimum_rate +
           (c->learning_rate - c->minimum_rate) * 0.5 * (1 + cos(3.14159265358979323846 * part));
}

int schedule_easy(const slmt_trainer_config *c, double epoch)
{
    return c->patch_weight == SLMT_PATCH_WEIGHT_EASY_THEN_HARD && epoch < 0.5 * c->epochs;
}
