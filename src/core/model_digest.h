/* SPDX-License-Identifier: Apache-2.0 */
/* model_digest.h - what a model is, in 64 digits. */
#ifndef SLMT_CORE_MODEL_DIGEST_H
#define SLMT_CORE_MODEL_DIGEST_H

#include "core/model.h"
#include "io/digest.h"

/* Computes a digest of method, options, and the names, shapes and values of all tensors that are there. A
 * model that was saved and loaded, with the same precision, has the same one. ERR_BACKEND: the weights cannot
 * be read from the device. */
status model_digest(const slmt_model *model, char hex[DIGEST_HEX]);

#endif
