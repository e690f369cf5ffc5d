/* SPDX-License-Identifier: Apache-2.0 */
/* model.h - what a model holds. */
#ifndef SLMT_CORE_MODEL_H
#define SLMT_CORE_MODEL_H

#include <pthread.h>

#include "core/context.h"
#include "core/method.h"
#include "lib/plan.h"
#include "slmt/model.h"

typedef struct card_field {
    char *key, *text;
} card_field;

struct slmt_model {
    uint64_t word; /* HANDLE_MODEL, first */
    _Atomic int64_t owners;
    slmt_context *context;
    const method *method;
    double option[METHOD_NUMBERS];
    params params;
    _Atomic uint64_t version; /* raised when weights change */
    void *weights;            /* params.bytes on the host; model_pull() makes them the present ones */
    void *on_device;          /* the same in the device's memory, by model_push(); or `weights` itself */
    uint64_t host_version, device_version; /* which version the two hold, if they are apart */
    pthread_mutex_t refresh;               /* while one is made from the other; of writer */
    plan *writer;   /* an update of the device's weights that was started and not finished, or NULL */
    float **unread; /* by tensor: values that a reference checkpoint stores and nothing reads, NULL where
                       absent */
    slmt_preprocess preprocess;
    slmt_geometry geometry; /* of the volumes it was trained on; volumes 0: not known */
    card_field *card;       /* in order of key */
    size_t n_card;
    char **contrasts; /* names by index, one block of memory; NULL: none */
    size_t n_contrasts;
};

/* Makes a model whose weights are zeros, and checks its options. `stored`: how a file has the matrices of
 * linear layers, for SLMT_WEIGHTS_STORED; else SLMT_WEIGHTS_FULL. */
status model_make(slmt_context *context, const method *method, const double *option, int32_t stored,
                  slmt_model **out);

/* Makes a model of float weights, drawn from the seed. */
status model_fresh(slmt_context *context, const method *method, const double *option, uint64_t seed,
                   slmt_model **model);

slmt_model *model_retain(slmt_model *model); /* NULL is allowed */

/* Gives one owner back; the last one frees the model. NULL is allowed. */
void model_release(slmt_model *model);

/* Returns the side of the model's images in pixels; 0: any. */
int32_t model_image_side(const slmt_model *model);

/* Takes over a preprocessing. ERR_ARGUMENT: a field breaks its rule, or the images are not the model's. */
status model_take_preprocess(slmt_model *model, const slmt_preprocess *p);
status model_check_preprocess(const slmt_model *model, const slmt_preprocess *p); /* changes nothing */

/* ERR_ARGUMENT: a number cannot be. */
status model_take_geometry(slmt_model *model, const slmt_geometry *g);

/* Checks that the model is of SLMT-Net, which the typed calls are for. ERR_STATE. */
status model_require_slmt_net(const slmt_model *model, const char *call);

/* Checks that every number fits the 16-bit type that it is to be stored in. ERR_ARGUMENT, naming the tensor.
 */
status model_check_narrow(const param *p, const float *values);

/* ---- weights ---- */

/* Takes zeros on the host, and room in the device's memory. */
status model_take_weights(slmt_model *model);
void model_give_weights(slmt_model *model);

/* Returns the weights of tensor k, on the host and for a plan. */
void *model_tensor(const slmt_model *model, int32_t k);
void *model_on_device(const slmt_model *model, int32_t k);

/* Refreshes the device's weights before a run, and the host's before they are read or written there. Any
 * thread. ERR_BACKEND: the device cannot be reached. */
status model_push(slmt_model *model);
status model_pull(const slmt_model *model);

/* Names the update that the device works on: model_push() finishes it, so that plans that start later read
 * what it wrote. model_push_behind() leaves this one alone, for a plan that starts after it. */
void model_set_writer(slmt_model *model, plan *writer);
status model_finish_writer(slmt_model *model, plan *writer); /* NULL is allowed */
status model_push_behind(slmt_model *model, const plan *writer);

/* Says that the weights were changed, on the host or by the device: the version rises. */
void model_host_wrote(slmt_model *model);
void model_device_wrote(slmt_model *model);

/* Reads and writes a tensor by name, as float32. ERR_NOT_FOUND; ERR_ARGUMENT: another count, or too large for
 * 16 bits; ERR_NONFINITE. */
status model_read_tensor(const slmt_model *model, const char *name, float *values, size_t count);
status model_write_tensor(slmt_model *model, const char *name, const float *values, size_t count);

/* ---- card ---- */

const char *card_text(const slmt_model *model, const char *key); /* "": none */

/* NULL or "" removes. ERR_ARGUMENT: key or text breaks its rule; ERR_MEMORY, ERR_LIMIT: nothing has changed.
 */
status card_set(slmt_model *model, const char *key, const char *text);
void card_clear(slmt_model *model);

/* A change of some fields that takes its memory first: prepare() adds a field, then commit() cannot fail, and
 * cancel() leaves the card as it is. */
enum { CARD_CHANGES = 2 };
typedef struct card_change {
    card_field field[CARD_CHANGES];
    int32_t n;
} card_change;
status card_prepare(slmt_model *model, card_change *to, const char *key, const char *text);
void card_commit(slmt_model *model, card_change *change);
void card_cancel(slmt_model *model, card_change *change);

/* ---- contrasts ---- */

/* Returns how many contrasts the model tells apart, at most; 0: it makes one, whose name is in the card. */
size_t contrasts_most(const slmt_model *model);

/* Replaces the names; 0 of them: none. ERR_UNSUPPORTED: the method tells none apart; ERR_ARGUMENT: too many,
 * a bad name, or one twice; ERR_MEMORY, ERR_LIMIT: nothing has changed. */
status contrasts_set(slmt_model *model, const char *const *names, size_t count);
void contrasts_clear(slmt_model *model);

/* Both find the index of a name: the first returns -1 if there is none, the second complains, with the names
 * that there are: ERR_NOT_FOUND. */
int32_t contrast_index(const slmt_model *model, const char *name);
status contrasts_find(const slmt_model *model, const char *name, int32_t *index);

/* Writes the names with ", " between them, as many as there is room for, and returns the text. */
const char *contrasts_text(const slmt_model *model, char *text, size_t size);

static inline bk_dtype model_real(const slmt_model *model)
{
    return model->params.real;
}

static inline bk_dtype tensor_type(const param *p)
{
    return (bk_dtype)p->shape.dtype;
}

#endif
