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

/* Opens backend `name` from `path`, a directory that holds libslmt_NAME.so, or that file itself. No other
 * folder is searched, neither from the environment nor of the system. ERR_NOT_FOUND: there is no such file;
 * ERR_FORMAT: the file is not a plug-in; ERR_VERSION: it was built for another version of the contract;
 * ERR_UNSUPPORTED: it cannot be loaded on this machine, and the message states the loader's reason. */
status plugin_open(const char *name, const char *path, plugin *out);

/* Opens backend `name` from the folder of the object file that holds this library (libslmt.so, or a program
 * that is linked with it), else from the folder slmt in that one. Errors as plugin_open(). */
status plugin_open_beside(const char *name, plugin *out);

/* All devices that were opened with the backend must be closed first. */
void plugin_close(plugin *p);

#endif
