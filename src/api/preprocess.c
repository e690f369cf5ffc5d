/* SPDX-License-Identifier: Apache-2.0 */
/* preprocess.c - the entry point that fills slmt_preprocess. */
#include "data/preprocess.h"

void slmt_preprocess_init(slmt_preprocess *preprocess)
{
    if (preprocess)
        preprocess_defaults(preprocess);
}
