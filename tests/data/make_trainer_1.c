/* SPDX-License-Identifier: Apache-2.0 */
/* make_trainer_1.c - how trainer_1.h5 was made: fine-tuning of a very small network on the reference backend,
 * saved after two steps. Compiled for and run with libslmt of revision e38e854, whose trainers knew Adam
 * alone. After two more steps it prints weights, which test_trainer_file compares with those of a trainer
 * that goes on from the file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "slmt/slmt.h"

enum { SIDE = 32, PIXELS = SIDE * SIDE };

static void must(slmt_status s)
{
    if (s == SLMT_OK)
        return;
    fprintf(stderr, "%s\n", slmt_error_text());
    exit(1);
}

static void step(slmt_trainer *trainer, int index)
{
    float source[PIXELS], target[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        source[i] = (float)((i * 7 + index * 3) % 11) / 11;
        target[i] = 1 - source[i];
    }
    must(slmt_finetune_step(trainer, source, target, 1e-3, NULL));
}

static void print(const slmt_model *model, const char *name, size_t count)
{
    float w[16];
    must(slmt_model_get_tensor(model, name, w, count));
    printf("%s", name);
    for (int i = 0; i < 4; i++)
        printf(" %.9g", w[i]);
    printf("\n");
}

int main(void)
{
    slmt_context_config config;
    slmt_context *context;
    slmt_model_options o;
    slmt_model *model;
    slmt_trainer_config t;
    slmt_trainer *trainer;
    slmt_context_config_init(&config);
    config.backend = SLMT_BACKEND_REFERENCE;
    config.threads = 1;
    must(slmt_context_create(&config, &context));
    must(slmt_model_options_init(&o, SLMT_PRESET_TINY));
    o.image_size = SIDE;
    o.mae_patch = 2;
    o.patch = 1;
    o.embed_dim = o.decoder_dim = 4;
    o.depth = o.decoder_depth = 1;
    o.num_heads = o.decoder_heads = 1;
    o.mlp_ratio = 1;
    o.window = 4;
    for (int i = 0; i < 4; i++)
        o.generator_depths[i] = o.generator_heads[i] = 1;
    must(slmt_model_create(context, &o, 5, &model));
    must(slmt_trainer_config_init(&t, SLMT_STAGE_FINETUNE));
    t.batch = 1;
    must(slmt_trainer_create(model, &t, &trainer));
    step(trainer, 0);
    step(trainer, 1);
    must(slmt_trainer_save(trainer, "trainer_1.h5"));
    step(trainer, 2);
    step(trainer, 3);
    print(model, "E.patch_embed.proj.weight", 4 * 4);
    print(model, "E.norm.bias", 4);
    print(model, "G.to_img.linear.weight", 4);
    print(model, "G.norm_up.weight", 4);
    slmt_trainer_free(trainer);
    slmt_model_free(model);
    slmt_context_free(context);
    return 0;
}
