/* SPDX-License-Identifier: Apache-2.0 */
/** @file dataset.h
 *  Training sets: an HDF5 file of records, written once, streamed in training.
 *
 *  A set has fields (images, labels, boxes, vectors, ids, classes) and records. A record belongs to a split
 *  and to a group, such as a patient, and holds a tensor for each field, or for some of them. Sets of MR
 *  volumes are sets like any other; the calls at the end of this header show their contrasts, subjects and
 *  slices.
 *
 *  "One thread at a time" means one of the threads that use this set, or this writer. */
#ifndef SLMT_DATASET_H
#define SLMT_DATASET_H

#include "slmt/method.h"
#include "slmt/volume.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A training set open for reading. \since 0.1 */
typedef struct slmt_dataset slmt_dataset;

/** A training set being written. \since 0.1 */
typedef struct slmt_dataset_writer slmt_dataset_writer;

/** Parts of a set, by record. \since 0.1 */
enum {
    SLMT_SPLIT_ALL = 0,       /**< every record */
    SLMT_SPLIT_TRAIN = 1,     /**< those that are trained on */
    SLMT_SPLIT_TEST = 2,      /**< those kept for measuring, once, when nothing is chosen any more */
    SLMT_SPLIT_VALIDATION = 3 /**< those kept for choosing: when to stop, which settings, which model */
};

/** What the numbers of a field mean. \since 0.1 */
enum {
    SLMT_FIELD_IMAGE = 1,  /**< intensities; any type */
    SLMT_FIELD_LABELS = 2, /**< a class for each pixel; uint8 or int32 */
    SLMT_FIELD_BOXES = 3,  /**< corners of boxes, four numbers each; the last axis has extent 4 */
    SLMT_FIELD_VECTOR = 4, /**< numbers of any meaning; any type */
    SLMT_FIELD_IDS = 5,    /**< whom or what a row shows; uint8 or int32 */
    SLMT_FIELD_CLASSES = 6 /**< a class for each row; uint8 or int32 */
};

/** A field of a training set. \since 0.1 */
typedef struct slmt_field {
    uint32_t struct_size; /**< sizeof(slmt_field), set by the caller */
    int32_t kind;         /**< SLMT_FIELD_... */
    int32_t type;         /**< SLMT_TENSOR_... */
    int32_t rank;         /**< number of axes, 1 to 6 */
    int64_t dim[6];       /**< extents, outermost first; 0: the extent differs between records */
    const char *name;     /**< 1 to 64 letters, digits, '-', '_' */
    const char *axes; /**< a name for each axis, joined by commas: "slice,row,column". Axes of one name have
                           one extent within a record. */
    const char *classes; /**< of labels, ids and classes: "0=background,1=tumour", values rising, and no other
                              values occur; NULL or "": any values, without names */
} slmt_field;

/** A record of a training set. \since 0.1 */
typedef struct slmt_record {
    uint32_t struct_size; /**< sizeof(slmt_record), set by the caller */
    int32_t split;        /**< SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST or SLMT_SPLIT_VALIDATION */
    const char *id;    /**< 1 to 255 bytes of UTF-8 without '/', control characters, line separators and marks
                            of writing direction; not "." or ".." */
    const char *group; /**< the subject it was taken from; a name of the same form */
} slmt_record;

/**
 * Start writing a training set. Its fields are added next, then its records.
 *
 * @param context  not NULL
 * @param path     appears, whole, when slmt_dataset_writer_finish() succeeds. A file of HDF5 is replaced;
 * another one, such as a scan, is not (SLMT_ERR_IO), nor is a set that is open, in whatever context or
 * process (SLMT_ERR_ARGUMENT)
 * @param writer   receives the writer; the caller ends it with finish or cancel
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_create(slmt_context *context, const char *path,
                                                slmt_dataset_writer **writer);

/**
 * Add a field. Fields are numbered in the order in which they are added.
 *
 * @param writer  not NULL
 * @param field   what to add; copied
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (with the rule that the field breaks, or that there are 64 fields),
 *         SLMT_ERR_STATE (a record has been begun, or the set is one of MR volumes), SLMT_ERR_MEMORY,
 *         SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_add_field(slmt_dataset_writer *writer, const slmt_field *field);

/**
 * Begin a record. Its tensors are appended next; slmt_dataset_writer_end() completes it.
 *
 * @param writer  not NULL
 * @param record  an id that is new to the set, its group (NULL: the id) and its split
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the record before has not ended), SLMT_ERR_IO,
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_begin(slmt_dataset_writer *writer, const slmt_record *record);

/**
 * Append to the record's tensor of one field: the whole tensor at once, or some rows (along the first axis) a
 * call, so that a record may be larger than memory. A tensor of 0 rows says that there is nothing to be seen,
 * such as no box; a field that is never appended to is missing.
 *
 * @param writer  not NULL
 * @param field   number of the field
 * @param tensor  of the field's type; its extents but the first are the field's; compact; floats are finite,
 *                and values of a field with classes are among them. Its name is not looked at.
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (the record stays as it was), SLMT_ERR_NONFINITE, SLMT_ERR_STATE (no
 *         record has been begun), SLMT_ERR_IO, SLMT_ERR_MEMORY or SLMT_ERR_LIMIT (the record can then only be
 *         undone, after which the set is usable)
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_append(slmt_dataset_writer *writer, int32_t field,
                                                const slmt_tensor *tensor);

/**
 * Complete the record. If the record is not complete, the call fails and drops it: the set is as it was
 * before the record.
 *
 * @param writer  not NULL
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (no tensors, too few rows, axes of one name that differ),
 *         SLMT_ERR_STATE (no record has been begun), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_end(slmt_dataset_writer *writer);

/**
 * Drop the record that has been begun. If there is none, nothing happens.
 *
 * @param writer  not NULL
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (writer is NULL), SLMT_ERR_IO
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_undo(slmt_dataset_writer *writer);

/**
 * Finish the file and free the writer, also on failure.
 *
 * @param writer  not NULL; freed
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (writer is NULL), SLMT_ERR_STATE (a record has not ended, or
 *         there is no field), SLMT_ERR_IO
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_finish(slmt_dataset_writer *writer);

/**
 * Drop the unfinished file and free the writer.
 *
 * @param writer  may be NULL
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API void slmt_dataset_writer_cancel(slmt_dataset_writer *writer);

/**
 * Open a training set. Tensors are read when they are needed; the set may be larger than memory.
 *
 * @param context  not NULL
 * @param path     a file that slmt_dataset_writer_finish() wrote
 * @param dataset  receives the set; the caller frees it with slmt_dataset_free()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (no training set),
 *         SLMT_ERR_CORRUPT (a digest does not match, or the file is cut short), SLMT_ERR_SCHEMA (written or
 *         changed by another program: see slmt_file_import()), SLMT_ERR_VERSION (written by a newer library),
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads any thread; a set is used by one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_open(slmt_context *context, const char *path, slmt_dataset **dataset);

/**
 * Close a set.
 *
 * @param dataset  may be NULL
 * @threads any thread; no other thread may be using the set
 * \since 0.1
 */
SLMT_API void slmt_dataset_free(slmt_dataset *dataset);

/**
 * Number of fields.
 *
 * @param dataset  not NULL
 * @return 1 to 64
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_field_count(const slmt_dataset *dataset);

/**
 * Describe a field.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @param field    struct_size set by the caller; filled; its texts live with the set, none is NULL
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_field(const slmt_dataset *dataset, size_t index, slmt_field *field);

/**
 * Number of records.
 *
 * @param dataset  not NULL
 * @return how many, 0 if none was written
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_record_count(const slmt_dataset *dataset);

/**
 * Describe a record, in the order in which they were written.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @param record   struct_size set by the caller; filled; its texts live with the set
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_record(const slmt_dataset *dataset, size_t index, slmt_record *record);

/**
 * Shape of a record's tensor.
 *
 * @param dataset  not NULL
 * @param record   index of the record
 * @param field    index of the field
 * @param shape    receives as many extents as the field has axes; the first may be 0
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND (the record has no such tensor)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_shape(const slmt_dataset *dataset, size_t record, size_t field,
                                        int64_t shape[6]);

/**
 * Read rows of a record's tensor: [first, first + count) along its first axis. Nothing else is read.
 *
 * @param dataset  not NULL
 * @param record   index of the record
 * @param field    index of the field
 * @param first    first row
 * @param count    rows, 0 or more
 * @param tensor   where they go: of the field's type, of shape [count] and the other extents; its data is
 *                 written; its name is not looked at
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND (the record has no such tensor), SLMT_ERR_CORRUPT
 *         (floats that are not finite, values that are no class of the field, damage), SLMT_ERR_IO,
 *         SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_read(slmt_dataset *dataset, size_t record, size_t field, int64_t first,
                                       int64_t count, const slmt_tensor *tensor);

/**
 * What the set was made from.
 *
 * @param dataset  not NULL
 * @return "mr": volumes, by slmt_dataset_writer_create_mr(); "": records, by whoever wrote them
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_dataset_source(const slmt_dataset *dataset);

/**
 * Start writing a training set of MR volumes: a record for each subject; for each contrast a field of cropped
 * slices, "slice,row,column" in float32.
 *
 * @param context     not NULL
 * @param path        appears, whole, when slmt_dataset_writer_finish() succeeds; what it may replace:
 *                    slmt_dataset_writer_create()
 * @param preprocess  NULL for the defaults; recorded in the file
 * @param contrasts   count names, each 1 to 64 letters, digits, '-', '_'
 * @param count       1 to 64
 * @param writer      receives the writer; the caller ends it with finish or cancel
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_create_mr(slmt_context *context, const char *path,
                                                   const slmt_preprocess *preprocess,
                                                   const char *const *contrasts, size_t count,
                                                   slmt_dataset_writer **writer);

/**
 * Add a field of label maps to a set of MR volumes, before its first subject: "slice,row,column" in int32.
 * The labels that occur become the field's classes, each named as its number.
 *
 * @param writer  from slmt_dataset_writer_create_mr()
 * @param name    new to the set: 1 to 64 letters, digits, '-', '_'
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (there is a subject already, or the set is not one of
 *         MR volumes), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_add_labels(slmt_dataset_writer *writer, const char *name);

/**
 * Preprocess a subject's volumes and add them: reorient to axial slices, normalise each volume on its own,
 * crop, choose slices, resize. Label maps are reoriented, cropped and cut into slices alone: their values
 * stay.
 *
 * @param writer   from slmt_dataset_writer_create_mr()
 * @param subject  a name new to this set, of the form of slmt_record's id
 * @param volumes  one for each contrast, then one for each field of labels, NULL where missing; those present
 *                 have equal grids; labels are whole numbers from -2^24 to 2^24
 * @param split    SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST or SLMT_SPLIT_VALIDATION
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (grids differ, too few slices, a constant volume, a label
 *         that is not a whole number, ...; the set stays as it was and more subjects can be added),
 *         SLMT_ERR_STATE (the set is not one of MR volumes), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_add(slmt_dataset_writer *writer, const char *subject,
                                             const slmt_volume *const *volumes, int32_t split);

/**
 * Let the volumes of a set have voxels of different sizes, before its first subject. Without this call the
 * first subject decides the size, and subjects of another one are refused.
 *
 * @param writer  from slmt_dataset_writer_create_mr()
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the set is not one of MR volumes)
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_any_spacing(slmt_dataset_writer *writer);

/**
 * Sizes and places of the volumes of a set of MR volumes, one for each subject.
 *
 * @param dataset   not NULL
 * @param split     SLMT_SPLIT_ALL, or one part of the set
 * @param geometry  struct_size set by the caller; filled; `volumes` is 0 where the set does not know, as of
 *                  an older file, or the split has no subject
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the set was not made from MR volumes)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_geometry(const slmt_dataset *dataset, int32_t split,
                                           slmt_geometry *geometry);

/**
 * Preprocess a subject's volumes and add them, as slmt_dataset_writer_add() does, and say whose they are: two
 * sessions of one person are two subjects of one group.
 *
 * @param writer   from slmt_dataset_writer_create_mr()
 * @param subject  an id that is new to the set, its group (the person; NULL: the id) and its split
 * @param volumes  as for slmt_dataset_writer_add()
 * @return as slmt_dataset_writer_add()
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_writer_add_subject(slmt_dataset_writer *writer, const slmt_record *subject,
                                                     const slmt_volume *const *volumes);

/**
 * The preprocessing that the slices of a set of MR volumes went through.
 *
 * @param dataset     not NULL
 * @param preprocess  struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the set was not made from MR volumes)
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_get_preprocess(const slmt_dataset *dataset, slmt_preprocess *preprocess);

/**
 * Number of contrasts. They are the set's first fields.
 *
 * @param dataset  not NULL
 * @return 1 to 64; 0 if the set was not made from MR volumes
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_contrast_count(const slmt_dataset *dataset);

/**
 * Name of a contrast.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @return the name, which lives with the set; NULL past the last
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_dataset_contrast(const slmt_dataset *dataset, size_t index);

/**
 * Number of subjects. Each is a record of the same index.
 *
 * @param dataset  not NULL
 * @return how many, 0 if none was added
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_subject_count(const slmt_dataset *dataset);

/**
 * Name of a subject, in the order they were added.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @return the name, which lives with the set; NULL past the last
 * @threads any thread
 * \since 0.1
 */
SLMT_API const char *slmt_dataset_subject(const slmt_dataset *dataset, size_t index);

/**
 * Part of the set that a subject is in.
 *
 * @param dataset  not NULL
 * @param index    from 0
 * @return SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST or SLMT_SPLIT_VALIDATION; 0 past the last
 * @threads any thread
 * \since 0.1
 */
SLMT_API int32_t slmt_dataset_subject_split(const slmt_dataset *dataset, size_t index);

/**
 * Slices of a subject in one contrast.
 *
 * @param dataset   not NULL
 * @param subject   index of the subject
 * @param contrast  index of the contrast
 * @return how many; 0 where missing or out of range
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_dataset_slice_count(const slmt_dataset *dataset, size_t subject, size_t contrast);

/**
 * Read one slice of a set of MR volumes.
 *
 * @param dataset   not NULL
 * @param subject   index of the subject
 * @param contrast  index of the contrast
 * @param slice     below slmt_dataset_slice_count()
 * @param resize    SLMT_RESIZE_BILINEAR, or SLMT_RESIZE_NEAREST for a target as the reference makes it; the
 *                  file holds the cropped slice and resizing happens here
 * @param pixels    receives [image_size][image_size] float32 in [0, 1]
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND (the subject lacks the contrast), SLMT_ERR_IO,
 *         SLMT_ERR_CORRUPT (damage, or a value outside [0, 1]), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_read_slice(slmt_dataset *dataset, size_t subject, size_t contrast,
                                             size_t slice, int32_t resize, float *pixels);

/**
 * Cut a label map, such as a mask, as the volumes of a set were cut: reoriented, cropped, and of its slices
 * those that were taken. Values stay, and nothing is resized: the result lies on the pixels of the set's own
 * label maps.
 *
 * @param dataset  not NULL
 * @param volume   on the grid of the subject's volumes; labels as in slmt_dataset_writer_add()
 * @param slices   how many are expected: those of the subject
 * @param labels   receives [slices][crop_size][crop_size] int32
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT (another number of slices, a label that is not a whole number),
 *         SLMT_ERR_STATE (the set was not made from MR volumes), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT
 * @threads one thread at a time
 * \since 0.1
 */
SLMT_API slmt_status slmt_dataset_cut_labels(const slmt_dataset *dataset, const slmt_volume *volume,
                                             size_t slices, int32_t *labels);

#ifdef __cplusplus
}
#endif
#endif
