/* SPDX-License-Identifier: Apache-2.0 */
/* import.c - entry point that reads a file of another HDF5 writer and saves it as one of this library. */
#include <string.h>

#include "core/dataset.h"
#include "core/model_file.h"
#include "core/structs.h"
#include "data/mr_set.h"
#include "io/dataset_format.h"
#include "io/hdf5_import.h"
#include "train/trainer.h"
#include "train/trainer_file.h"

/* ---- checkpoints ---- */

static status check_model(slmt_context *context, const char *file)
{
    slmt_model *model;
    TRY(model_load_path(context, file, &model));
    model_release(model);
    return OK;
}

static status check_checkpoint(slmt_context *context, const char *file)
{
    slmt_trainer *trainer;
    status s = trainer_load_path(context, file, &trainer);
    if (s == ERR_STATE) /* a model without training state */
        return check_model(context, file);
    if (s == OK)
        trainer_release(trainer);
    return s;
}

/* ---- training sets ---- */

static status check_rows(const dataset_file *f, size_t record, size_t field, mem *m)
{
    void *row;
    int64_t one[STORED_RANK_MAX];
    const int64_t *shape = dataset_file_shape(f, record, field);
    const slmt_field *info = dataset_file_field(f, field);
    if (!shape || shape[0] == 0)
        return OK;
    memcpy(one, shape, sizeof one);
    one[0] = 1;
    TRY(mem_take(m, (size_t)dataset_row_bytes(info, one), &row));
    status s = OK;
    for (int64_t i = 0; i < shape[0] && s == OK; i++)
        s = dataset_file_read(f, record, field, i, 1, row);
    mem_give(m, row);
    return s;
}

static status check_mr(const dataset_file *f)
{
    slmt_preprocess p;
    slmt_geometry g;
    size_t contrasts;
    TRY(mr_set_read(f, &p, &contrasts));
    return mr_set_geometry(f, SLMT_SPLIT_ALL, &g);
}

static status check_set(slmt_context *context, const char *file)
{
    dataset_file *f;
    TRY(dataset_file_open(&context->mem, file, &f));
    status s = mr_set_is(f) ? check_mr(f) : OK;
    for (size_t i = 0; i < dataset_file_records(f); i++)
        for (size_t k = 0; k < dataset_file_fields(f) && s == OK; k++)
            s = check_rows(f, i, k, &context->mem);
    dataset_file_close(f);
    return s;
}

/* ---- the entry point ---- */

static status check(void *user, hdf5_import_kind kind, const char *file)
{
    return kind == HDF5_IMPORT_SET ? check_set(user, file) : check_checkpoint(user, file);
}

slmt_status slmt_file_import(slmt_context *context, const char *path, const char *out)
{
    REQUIRE(context);
    REQUIRE(path);
    REQUIRE(out);
    TRY(open_sets_check(context, out));
    return hdf5_import(&context->mem, path, out, check, context);
}
