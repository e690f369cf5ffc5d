/* SPDX-License-Identifier: Apache-2.0 */
/* own_set.h - a test group's own training set, in its own folder: written and opened before the tests, closed
 * and removed after them. */
#ifndef SLMT_TESTS_OWN_SET_H
#define SLMT_TESTS_OWN_SET_H

#include "slmt/slmt.h"
#include "tests/own_folder.h"

static char path[64];
static slmt_context *context; /* of one thread */
static slmt_dataset *set;

/* `write` writes the set to `path`. */
static inline int open_set(void **state, void (*write)(void))
{
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.threads = 1;
    if (enter_folder(state))
        return -1;
    snprintf(path, sizeof path, "%s/set.h5", folder);
    if (slmt_context_create(&config, &context) != SLMT_OK)
        return -1;
    write();
    return slmt_dataset_open(context, path, &set);
}

static inline int close_set(void **state)
{
    slmt_dataset_free(set);
    slmt_context_free(context);
    remove(path);
    return leave_folder(state);
}

#endif
