/* SPDX-License-Identifier: Apache-2.0 */
/* synthesize MODEL INPUT OUTPUT: the whole way from a NIfTI file of one contrast to one of another.
 * What a program that embeds libslmt needs at least; see docs/command.md for the full command. */
#include <slmt/slmt.h>

#include <stdio.h>

static slmt_status synthesize(slmt_context *context, const char *model_path, const char *input,
                              const char *output)
{
    slmt_model *model = NULL;
    slmt_session *session = NULL;
    slmt_volume *source = NULL, *target = NULL;
    slmt_status status = slmt_model_load(context, model_path, &model);
    if (status == SLMT_OK)
        status = slmt_session_create(model, NULL, NULL, 0, &session);
    if (status == SLMT_OK)
        status = slmt_volume_read(context, input, &source);
    if (status == SLMT_OK)
        status = slmt_synthesize_volume(session, source, &target);
    if (status == SLMT_OK)
        status = slmt_volume_write(target, output);
    if (status != SLMT_OK)
        fprintf(stderr, "synthesize: %s: %s\n", slmt_status_name(status), slmt_error_text());
    slmt_volume_free(target);
    slmt_volume_free(source);
    slmt_session_free(session);
    slmt_model_free(model);
    return status;
}

int main(int argc, char **argv)
{
    slmt_context *context = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: synthesize MODEL INPUT OUTPUT\n");
        return 2;
    }
    if (slmt_context_create(NULL, &context) != SLMT_OK) {
        fprintf(stderr, "synthesize: %s\n", slmt_error_text());
        return 1;
    }
    slmt_status status = synthesize(context, argv[1], argv[2], argv[3]);
    slmt_context_free(context);
    return status == SLMT_OK ? 0 : 1;
}
