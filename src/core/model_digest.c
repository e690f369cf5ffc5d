/* SPDX-License-Identifier: Apache-2.0 */
/* model_digest.c - the digest of a model. */
#include "core/model_digest.h"

#include <string.h>

#include <nettle/sha2.h>

static void add(struct sha256_ctx *sha, const void *data, size_t size)
{
    sha256_update(sha, size, data);
}

static void add_text(struct sha256_ctx *sha, const char *text)
{
    add(sha, text, strlen(text) + 1);
}

static void add_tensor(struct sha256_ctx *sha, const slmt_model *model, int32_t k)
{
    const param *p = &model->params.list[k];
    add_text(sha, p->name);
    add(sha, p->shape.dim, (size_t)p->shape.rank * sizeof *p->shape.dim);
    add(sha, model_tensor(model, k), p->count * bk_dtype_size(p->shape.dtype));
}

status model_digest(const slmt_model *model, char hex[DIGEST_HEX])
{
    struct sha256_ctx sha;
    TRY(model_pull(model));
    sha256_init(&sha);
    add_text(&sha, model->method->name);
    add(&sha, model->option, (size_t)numbers_count(model->method->options) * sizeof *model->option);
    for (int32_t k = 0; k < model->params.n; k++)
        if (model->params.list[k].used)
            add_tensor(&sha, model, k);
    digest_finish(&sha, hex);
    return OK;
}
