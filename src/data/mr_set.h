/* SPDX-License-Identifier: Apache-2.0 */
/* mr_set.h - training sets of MR volumes: a record for each subject, a field of cropped slices for each
 * contrast, then a field for each kind of label map. The set's source records how the volumes were
 * preprocessed. */
#ifndef SLMT_DATA_MR_SET_H
#define SLMT_DATA_MR_SET_H

#include "core/dataset.h"
#include "core/geometry.h"
#include "data/intensity.h"
#include "io/dataset_file.h"
#include "slmt/model.h"

/* Writes the source and the contrasts' fields. ERR_ARGUMENT: p or a name is not allowed. */
status mr_set_start(dataset_file_writer *w, const slmt_preprocess *p, const char *const *contrasts,
                    size_t count);

/* Adds a field of label maps. ERR_ARGUMENT, ERR_STATE, ERR_MEMORY, ERR_LIMIT. */
status mr_set_add_labels(dataset_file_writer *w, const slmt_preprocess *p, const char *name);

/* Adds a volume, with dims and affine as in slmt_volume_create(), as the tensor of a field to the record that
 * has been begun; is_labels: as a label map. facts: as of preprocess_volume(), not of label maps. */
status mr_set_append(mem *m, dataset_file_writer *w, const slmt_preprocess *p, size_t field, int is_labels,
                     const int64_t dims[3], const double affine[16], const float *voxels,
                     intensity_facts *facts);

/* Writes the geometry of the record that has been begun. */
status mr_set_place(dataset_file_writer *w, const scan_geometry *one);

/* Returns 1 if the set was made from MR volumes. */
int mr_set_is(const dataset_file *f);

/* Checks such a set: its preprocessing, and that its fields are first contrasts and then label maps.
 * ERR_SCHEMA. */
status mr_set_read(const dataset_file *f, slmt_preprocess *p, size_t *contrasts);

/* Gathers the geometry of a split's records. g->volumes stays 0 if one has none. ERR_SCHEMA. */
status mr_set_geometry(const dataset_file *f, int32_t split, slmt_geometry *g);

/* Returns the number of a subject's slices in one contrast; 0 if the contrast is missing or an index is out
 * of range. */
size_t mr_set_slices(const slmt_dataset *d, size_t subject, size_t contrast);

/* Reads one existing slice, resized by the method SLMT_RESIZE_...: [image_size][image_size] in [0, 1].
 * ERR_CORRUPT. */
status mr_set_read_slice(slmt_dataset *d, size_t subject, size_t contrast, size_t slice, int32_t resize,
                         float *pixels);

#endif
