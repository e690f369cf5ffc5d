/* SPDX-License-Identifier: Apache-2.0 */
/* paced.h - paced-curriculum distillation: the task that trains a network which labels pixels from its labels
 * and from a teacher, a network of the same kind that was trained before.
 *
 * Islam et al., "Paced-Curriculum Distillation with Prediction and Label Uncertainty for Image Segmentation",
 * IJCARS 2023. A pixel counts only where it is easy: where the teacher's calibrated probability of the
 * annotated class is at least a threshold, and the label is not near a boundary. The threshold falls to 0
 * during training. Each network of methods/segmentation has the task, by SEGMENT_TASKS(). */
#ifndef SLMT_METHODS_PACED_H
#define SLMT_METHODS_PACED_H

#include "core/method.h"

struct segment_network;
struct settling;

enum { PACED_ROWS_2d = TRAIN_SETTINGS + 23, PACED_ROWS_3d };
extern const number paced_rows_2d[PACED_ROWS_2d], paced_rows_3d[PACED_ROWS_3d];
extern const port paced_inputs_2d[4], paced_inputs_3d[4];
extern const port paced_outputs[5];
extern const trainer_state paced_states[1];
extern const feeding paced_feeding;

void paced_build(task_graph *t, const struct segment_network *f);
void paced_prepare(const task_step *s, const struct segment_network *f);

/* Finds the temperature of the scores and the thresholds to start from, where the settings do not give them.
 * Temperature: the smallest calibration error on pixels that are not trained on. Thresholds: pacing_start()
 * over every pixel of an epoch. */
status paced_settle(const struct settling *s);

/* The row of a method's table of tasks; d is 2d or 3d. */
#define PACED_TASK(d)                                                                                        \
    {                                                                                                        \
        .name = "distill",                                                                                   \
        .help = "train on crops of images, their label maps and a teacher's answers, easy pixels first",     \
        .trains = 1, .settings = {paced_rows_##d, PACED_ROWS_##d}, .inputs = {paced_inputs_##d, 4},          \
        .outputs = {paced_outputs, 5}, .build = network_distill, .prepare = network_prepare,                 \
        .states = paced_states, .n_states = 1, .feeding = &paced_feeding, .settle = paced_settle             \
    }

#endif
