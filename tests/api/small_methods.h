/* SPDX-License-Identifier: Apache-2.0 */
/* small_methods.h - every method with options and settings that make it small enough for milliseconds. */
#ifndef SLMT_TESTS_SMALL_METHODS_H
#define SLMT_TESTS_SMALL_METHODS_H

#include "tests/api/api_fixture.h"

enum { W = 32, AREA = W * W };

typedef struct small {
    const char *method;
    slmt_number options[20], settings[4];
    int n_options, n_settings;
} small;

static const small smalls[] = {
    {"slmt-net",
     {{"image_size", W},
      {"mae_patch", 2},
      {"patch", 1},
      {"embed_dim", 8},
      {"depth", 1},
      {"num_heads", 2},
      {"mlp_ratio", 1},
      {"decoder_dim", 8},
      {"decoder_depth", 1},
      {"decoder_heads", 2},
      {"window", 4},
      {"generator_depths_0", 1},
      {"generator_depths_1", 1},
      {"generator_depths_2", 1},
      {"generator_depths_3", 1},
      {"generator_heads_0", 2},
      {"generator_heads_1", 2},
      {"generator_heads_2", 2},
      {"generator_heads_3", 2}},
     {{"batch", 2}},
     19,
     1},
    {"seq2seq",
     {{"channels", 1},
      {"widths_0", 2},
      {"widths_1", 2},
      {"widths_2", 2},
      {"lstm_width", 2},
      {"bank", 2},
      {"code_length", 2},
      {"residual_blocks", 1}},
     {{"height", W}, {"width", W}, {"batch", 2}},
     8,
     3},
    {"unet", {{"image_size", W}, {"width", 2}}, {{"batch", 2}}, 2, 1},
    {"vgg19", {{"width", 1}}, {{"height", W}, {"width", W}, {"batch", 2}}, 1, 3},
};

static inline slmt_model *model_of(slmt_context *context, const small *s)
{
    slmt_model *model = NULL;
    slmt_preprocess p;
    GOOD(slmt_model_create(context, s->method, s->options, (size_t)s->n_options, 1, &model));
    slmt_preprocess_init(&p);
    p.crop_size = p.image_size = W;
    p.slice_first = p.slice_count = 0;
    GOOD(slmt_model_set_preprocess(model, &p));
    return model;
}

#endif
