/* SPDX-License-Identifier: Apache-2.0 */
/* preprocess_rules.h - what a model keeps of its preprocessing: the fields' defaults and rules. The work
 * itself is data/preprocess.c's. */
#ifndef SLMT_CORE_PREPROCESS_RULES_H
#define SLMT_CORE_PREPROCESS_RULES_H

#include "lib/status.h"
#include "slmt/model.h"

enum { PREPROCESS_FIRST_MAX = 1 << 20 }; /* the largest first row, column or slice, and number of slices */

/* Fills in the paper's values for BraTS. */
void preprocess_defaults(slmt_preprocess *p);

/* Checks every field. ERR_ARGUMENT with the field and its rule. */
status preprocess_check(const slmt_preprocess *p);

#endif
