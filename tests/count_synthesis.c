/* SPDX-License-Identifier: Apache-2.0 */
/* count_synthesis.c - N syntheses of one slice by the tiny model on one thread, for scripts/check-instructions,
 * which counts their instructions. */
#include <stdio.h>
#include <stdlib.h>

#include "slmt/slmt.h"

static void need(slmt_status s)
{
    if (s == SLMT_OK)
        return;
    fprintf(stderr, "count_synthesis: %s\n", slmt_error_text());
    exit(1);
}

int main(int argc, char **argv)
{
    enum { SIDE = 128 };
    static float in[SIDE * SIDE], out[SIDE * SIDE];
    slmt_context_config c;
    slmt_context *context;
    slmt_model_options o;
    slmt_model *model;
    slmt_session *session;
    for (int i = 0; i < SIDE * SIDE; i++)
        in[i] = (float)(i * 37 % 101) / 101;
    slmt_context_config_init(&c);
    c.threads = 1;
    need(slmt_context_create(&c, &context));
    need(slmt_model_options_init(&o, SLMT_PRESET_TINY));
    need(slmt_model_create(context, &o, 1, &model));
    need(slmt_session_create(model, NULL, &session));
    for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--)
        need(slmt_synthesize(session, in, 1, out));
    slmt_session_free(session);
    slmt_model_free(model);
    slmt_context_free(context);
    return 0;
}
