/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_values.c - looks for the first number that is not finite. */
#include "io/checkpoint_values.h"

#include <math.h>

#include "lib/half.h"

static uint64_t first_wrong(checkpoint_type type, uint64_t count, const void *values)
{
    uint64_t i = 0;
    if (type == CHECKPOINT_F32)
        while (i < count && isfinite(((const float *)values)[i]))
            i++;
    else if (type == CHECKPOINT_F64)
        while (i < count && isfinite(((const double *)values)[i]))
            i++;
    else if (type == CHECKPOINT_BF16 || type == CHECKPOINT_F16)
        while (i < count &&
               half_is_finite(type == CHECKPOINT_F16 ? BK_F16 : BK_BF16, ((const uint16_t *)values)[i]))
            i++;
    else
        return count;
    return i;
}

status checkpoint_check_finite(const char *label, const char *group, const char *name, checkpoint_type type,
                               uint64_t count, const void *values)
{
    uint64_t wrong = first_wrong(type, count, values);
    if (wrong == count)
        return OK;
    return fail(ERR_NONFINITE, "%s: /%s/%s: element %llu is not a finite number", label, group, name,
                (unsigned long long)wrong);
}
