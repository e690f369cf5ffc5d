/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - loads a backend from a shared object and refuses one that does not fit. */
#define _GNU_SOURCE
#include "lib/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *last_error(void)
{
    const char *reason = dlerror();
    return reason ? reason : "the loader reports no reason";
}

/* Checks a name, because it becomes part of a path. */
static status check_name(const char *name)
{
    size_t n = strlen(name), plain = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (n > 0 && n <= 64 && plain == n)
        return OK;
    return fail(ERR_ARGUMENT,
                "'%.64s' is not a valid name of a backend: expected 1 to 64 of a-z, 0-9, _ and -", name);
}

/* Finds the absolute path of the file, because the loader would search for a path without a slash. */
static status find_file(const char *name, const char *path, char file[PATH_MAX])
{
    struct stat st;
    char joined[PATH_MAX];
    if (stat(path, &st) != 0)
        return fail(ERR_NOT_FOUND, "backend %s: there is no %s", name, path);
    int n = S_ISDIR(st.st_mode) ? snprintf(joined, sizeof joined, "%s/libslmt_%s.so", path, name)
                                : snprintf(joined, sizeof joined, "%s", path);
    if (n < 0 || (size_t)n >= sizeof joined)
        return fail(ERR_ARGUMENT, "backend %s: the path of its plug-in is too long", name);
    if (!realpath(joined, file))
        return errno == ENOMEM ? fail_memory()
                               : fail(ERR_NOT_FOUND, "backend %s: there is no %s", name, joined);
    return OK;
}

/* The version is checked first, because other fields may differ in another version of the contract. */
static status check_backend(const char *name, const char *file, const bk_backend *b)
{
    if (!b)
        return fail(ERR_FORMAT, "backend %s: the function of %s returns no backend", name, file);
    if (b->api != BK_API)
        return fail(
            ERR_VERSION,
            "backend %s: %s was built for version %u of the backend contract, this library has version %d",
            name, file, (unsigned)b->api, BK_API);
    if (strcmp(b->name, name) != 0)
        return fail(ERR_FORMAT, "backend %s: %s holds backend %s", name, file, b->name);
    int memory = !!b->alloc + !!b->free + !!b->copy + !!b->look;
    int plans = !!b->load + !!b->unload + !!b->launch + !!b->wait;
    if ((memory != 0 && memory != 4) || (plans != 0 && plans != 4))
        return fail(ERR_FORMAT, "backend %s: %s offers some of the functions for %s and lacks others", name,
                    file, memory % 4 ? "memory" : "whole plans");
    return OK;
}

static status load(const char *name, const char *file, plugin *p)
{
    bk_plugin_entry entry;
    p->object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!p->object)
        return fail(ERR_UNSUPPORTED, "backend %s: cannot load %s: %s", name, file, last_error());
    void *symbol = dlsym(p->object, BK_PLUGIN_ENTRY);
    if (!symbol)
        return fail(ERR_FORMAT,
                    "backend %s: %s is not a plug-in of slmt: it has no function " BK_PLUGIN_ENTRY "()", name,
                    file);
    memcpy(&entry, &symbol, sizeof entry); /* C has no cast from an object pointer to a function pointer */
    p->backend = entry();
    return check_backend(name, file, p->backend);
}

status plugin_open(const char *name, const char *path, plugin *out)
{
    char file[PATH_MAX];
    *out = (plugin){NULL, NULL};
    TRY(check_name(name));
    TRY(find_file(name, path, file));
    status s = load(name, file, out);
    if (s != OK)
        plugin_close(out);
    return s;
}

static status find_own_folder(char folder[PATH_MAX])
{
    static const char here;
    Dl_info info;
    if (!dladdr(&here, &info) || !info.dli_fname || !realpath(info.dli_fname, folder))
        return fail(ERR_NOT_FOUND, "the loader does not know where this library lies");
    *strrchr(folder, '/') = '\0';
    return OK;
}

status plugin_open_beside(const char *name, plugin *out)
{
    static const char *const places[] = {"", "/slmt"};
    char folder[PATH_MAX], file[2 * PATH_MAX];
    struct stat st;
    *out = (plugin){NULL, NULL};
    TRY(check_name(name));
    TRY(find_own_folder(folder));
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(file, sizeof file, "%s%s/libslmt_%s.so", folder, places[i], name);
        if (stat(file, &st) == 0)
            return plugin_open(name, file, out);
    }
    return fail(ERR_NOT_FOUND, "backend %s: there is neither %s/libslmt_%s.so nor %s", name, folder, name,
                file);
}

void plugin_close(plugin *p)
{
    if (p->object)
        dlclose(p->object);
    *p = (plugin){NULL, NULL};
}
