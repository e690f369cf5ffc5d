/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.h - backends that are shared objects of their own, opened on demand. */
#ifndef SLMT_LIB_PLUGIN_H
#define SLMT_LIB_PLUGIN_H

#include "backends/backend.h"
#include "lib/status.h"

typedef struct plugin {
    const bk_backend *backend;
    void *object; /* of dlopen() */
} plugin;

/* Opens backend `name` from `path`, a directory that holds libslmt_NAME.so, or that file itself. Nothing else
 * is searched: neither the environment nor the system's folders. ERR_NOT_FOUND: no such file; ERR_FORMAT: it
 * is no plug-in; ERR_VERSION: it was built for another version of the contract; ERR_UNSUPPORTED: it cannot be
 * loaded on this machine, and the message has the loader's reason. */
status plugin_open(const char *name, const char *path, plugin *out);

/* Every device that was opened with the backend must be closed before. */
void plugin_close(plugin *p);

#endif
