/* SPDX-License-Identifier: Apache-2.0 */
/* trainer_file.h - a model with its training state in a checkpoint: /training, /training/moment1, ... */
#ifndef SLMT_TRAIN_TRAINER_FILE_H
#define SLMT_TRAIN_TRAINER_FILE_H

#include "train/trainer.h"

status trainer_save_path(const slmt_trainer *trainer, const char *path);

/* Reads a trainer. ERR_STATE: the file holds a model and no training state. */
status trainer_load_path(slmt_context *context, const char *path, slmt_trainer **out);

/* Tells where training was, without loading it. */
status trainer_peek_path(slmt_context *context, const char *path, slmt_checkpoint_info *info);

/* Counts the bytes of the tensors in such a file; HDF5 adds a little for each. */
uint64_t trainer_file_bytes(const slmt_trainer *trainer);

#endif
