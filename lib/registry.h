/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - the backends that are linked in, by name. */
#ifndef SLMT_LIB_REGISTRY_H
#define SLMT_LIB_REGISTRY_H

#include "backends/backend.h"

/* Returns NULL if there is no such backend, or it was built for another version of the contract. */
const bk_backend *backend_find(const char *name);

#endif
