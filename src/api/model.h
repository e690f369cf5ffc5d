/* SPDX-License-Identifier: Apache-2.0 */
/* model.h - what a model holds, for src/api and the files that save and load it. */
#ifndef SLMT_API_MODEL_H
#define SLMT_API_MODEL_H

#include "api/context.h"
#include "methods/slmt_net.h"

typedef struct card_field {
    char *key, *text;
} card_field;

struct slmt_model {
    _Atomic int64_t owners;
    slmt_context *context;
    slmt_net net;
    void *weights;  /* net.params.total reals */
    float **unread; /* by tensor: values that a reference checkpoint stores and nothing reads, NULL where
                       absent */
    slmt_preprocess preprocess;
    card_field *card; /* in order of key */
    size_t n_card;
};

/* A model whose weights are zeros; options are checked. */
status model_make(slmt_context *context, const slmt_model_options *options, slmt_model **out);

/* The weights of tensor k. */
void *model_tensor(const slmt_model *model, int32_t k);

static inline bk_dtype model_real(const slmt_model *model)
{
    return model->net.params.real;
}

#endif
