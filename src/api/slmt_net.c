/* SPDX-License-Identifier: Apache-2.0 */
/* slmt_net.c - SLMT-Net's typed entry points: its models and its sessions. */
#include "methods/slmt_net/slmt_net.h"

#include <string.h>

#include "api/session.h"
#include "core/model.h"
#include "core/structs.h"
#include "slmt/slmt_net.h"

/* ---- models ---- */

static status read_preset(slmt_net_options *o, int32_t preset)
{
    double option[METHOD_NUMBERS];
    if (preset < SLMT_NET_PRESET_BASE || preset > SLMT_NET_PRESET_TINY)
        return fail(ERR_ARGUMENT,
                    "there is no preset %d; SLMT_NET_PRESET_BASE, _SMALL and _TINY are 0, 1 and 2", preset);
    method_preset(&method_slmt_net, preset, option);
    *o = slmt_net_options_of(option);
    o->struct_size = sizeof *o;
    return OK;
}

slmt_status slmt_net_options_init(slmt_net_options *options, int32_t preset)
{
    REQUIRE(options);
    return read_preset(options, preset);
}

slmt_status slmt_net_create(slmt_context *context, const slmt_net_options *options, uint64_t seed,
                            slmt_model **model)
{
    slmt_net_options o;
    double option[METHOD_NUMBERS];
    REQUIRE(context);
    REQUIRE(model);
    TRY(read_preset(&o, SLMT_NET_PRESET_BASE));
    if (options)
        TRY(struct_read(&o, sizeof o, options, "slmt_net_options"));
    numbers_write(method_slmt_net.options, &o, option);
    return model_fresh(context, &method_slmt_net, option, seed, model);
}

slmt_status slmt_net_get_options(const slmt_model *model, slmt_net_options *options)
{
    REQUIRE(model);
    REQUIRE(options);
    TRY(model_require_slmt_net(model, __func__));
    const slmt_net_options o = slmt_net_options_of(model->option);
    return struct_write(options, &o, sizeof o, "slmt_net_options");
}

/* ---- sessions ---- */

void slmt_net_session_config_init(slmt_net_session_config *config)
{
    if (config)
        *config = (slmt_net_session_config){.struct_size = sizeof *config, .batch = 1};
}

static status read_config(const slmt_net_session_config *given, slmt_net_session_config *c)
{
    slmt_net_session_config_init(c);
    if (given)
        TRY(struct_read(c, sizeof *c, given, "slmt_net_session_config"));
    if (c->batch < 1 || c->batch > 65536)
        return fail(ERR_ARGUMENT, "slmt_net_session_config.batch is %d, expected 1 to 65536", c->batch);
    return OK;
}

/* Makes the task of synthesis, with the batch of the configuration. */
static status synthesis(slmt_model *model, const slmt_net_session_config *given, slmt_net_session_config *c,
                        task *t)
{
    double batch;
    TRY(read_config(given, c));
    TRY(model_require_slmt_net(model, "slmt_net_session_create"));
    batch = c->batch;
    return task_init(t, model, task_named(model->method, "synthesize"), &batch);
}

slmt_status slmt_net_session_create(slmt_model *model, const slmt_net_session_config *config,
                                    slmt_session **session)
{
    slmt_net_session_config c;
    task t;
    REQUIRE(model);
    REQUIRE(session);
    TRY(synthesis(model, config, &c, &t));
    TRY(session_open(&t, session));
    return slmt_session_set_progress(*session, c.progress, c.progress_user);
}

slmt_status slmt_net_session_memory(slmt_model *model, const slmt_net_session_config *config, uint64_t *bytes)
{
    slmt_net_session_config c;
    task t;
    held_bytes held;
    REQUIRE(model);
    REQUIRE(bytes);
    TRY(synthesis(model, config, &c, &t));
    TRY(runner_count(&t, sizeof(slmt_session), &held));
    *bytes = held.all;
    return OK;
}
