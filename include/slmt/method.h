/* SPDX-License-Identifier: Apache-2.0 */
/** @file method.h
 *  Methods: the networks that this library knows, described so that a program can use one for which it was
 *  not written.
 *
 *  A method has options (numbers that fix a network's size) and tasks: "synthesize", "train", ... A task has
 *  settings (numbers), inputs and outputs (tensors with names and axes). A model is made from a method's
 *  options; a session runs one task of a model, a trainer one that trains. The typed calls of SLMT-Net in
 *  slmt_net.h are the same thing with structs. */
#ifndef SLMT_METHOD_H
#define SLMT_METHOD_H

#include "slmt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A number with a name: an option of a method, or a setting of a task. The elements of a list are numbers of
 *  their own: NAME_0, NAME_1 and so on. A text is given behind its name: "NAME=TEXT". \since 0.1 */
typedef struct slmt_number {
    const char *name; /**< as in slmt_number_info; or "preset", see slmt_method_info */
    double value;     /**< of SLMT_NUMBER_CHOICE: the index of the choice; of SLMT_NUMBER_TEXT: not read */
} slmt_number;

/** Kinds of numbers. \since 0.1 */
enum {
    SLMT_NUMBER_WHOLE = 1,  /**< a whole number */
    SLMT_NUMBER_REAL = 2,   /**< a finite real number */
    SLMT_NUMBER_CHOICE = 3, /**< one of `choices` */
    SLMT_NUMBER_LIST = 4,   /**< `count` whole numbers */
    SLMT_NUMBER_TEXT = 5    /**< a text of at most `count` bytes that matches `pattern` */
};

/** What a number, an input or an output is for. By roles a program finds what it needs to set or to give,
 *  whatever a method calls it. No table has a role twice, except SLMT_ROLE_NONE. \since 0.1 */
enum {
    SLMT_ROLE_NONE = 0, /**< it concerns this method alone */

    SLMT_ROLE_BATCH = 1,     /**< number: samples that are computed together */
    SLMT_ROLE_SIDE = 2,      /**< number: rows of an image, which are as many as its columns */
    SLMT_ROLE_HEIGHT = 3,    /**< number: rows of an image */
    SLMT_ROLE_WIDTH = 4,     /**< number: columns of an image */
    SLMT_ROLE_DEPTH = 5,     /**< number: slices of an image that has three dimensions */
    SLMT_ROLE_CONTRASTS = 6, /**< number: contrasts that a model tells apart, at most; their names are those
                                  of slmt_model_contrast() */
    SLMT_ROLE_CROPS = 7,     /**< number: samples that a subject gives in an epoch */

    SLMT_ROLE_SOURCE = 16, /**< port: images to start from; their last two axes are rows and columns */
    SLMT_ROLE_TARGET = 17, /**< port: images to make, or as an input, images to learn to make; likewise */
    SLMT_ROLE_SOURCE_CONTRAST = 18, /**< port: index of the contrast that the source shows */
    SLMT_ROLE_TARGET_CONTRAST = 19, /**< port: index of the contrast to make */
    SLMT_ROLE_LABELS = 20,       /**< port: the class of each pixel, an index from 0; -1: it does not count */
    SLMT_ROLE_PROBABILITIES = 21 /**< port: the probability of each class at each pixel */
};

/** An option of a method, or a setting of a task. All texts live as long as the library. \since 0.1 */
typedef struct slmt_number_info {
    uint32_t struct_size; /**< sizeof(slmt_number_info), set by the caller */
    int32_t kind;         /**< SLMT_NUMBER_... */
    const char *name;     /**< lower case, words joined by '_' */
    const char *help;     /**< what it is, with its unit */
    const char *choices;  /**< names joined by '|'; "" for other kinds */
    double initial;       /**< the value if none is given; not of a list or a text */
    double low;           /**< smallest value, of a list: of an element; not of a text */
    double high;          /**< largest value */
    int32_t count;        /**< elements of a list, at most 8; bytes of a text, at most; 0 for other kinds */
    int32_t role;         /**< SLMT_ROLE_... */
    const char *list;    /**< the elements if none are given, "64,128,256", or the text; "" for other kinds */
    const char *pattern; /**< what the whole of a text matches, an extended regular expression of POSIX; ""
                            for other kinds */
} slmt_number_info;

/** Kinds of elements of a tensor. \since 0.1 */
enum {
    SLMT_TENSOR_FLOAT32 = 1, /**< float */
    SLMT_TENSOR_INT32 = 2,   /**< int32_t */
    SLMT_TENSOR_FLOAT16 = 3, /**< IEEE half precision, in a uint16_t; in training sets alone */
    SLMT_TENSOR_UINT8 = 4    /**< uint8_t; in training sets alone */
};

/** An input or an output of a task. \since 0.1 */
typedef struct slmt_port_info {
    uint32_t struct_size; /**< sizeof(slmt_port_info), set by the caller */
    int32_t type;         /**< SLMT_TENSOR_... */
    const char *name;     /**< lower case */
    const char *axes;     /**< names of the axes, outermost first: "batch,height,width" */
    const char *help;     /**< what it holds, with its range */
    int32_t role;         /**< SLMT_ROLE_... */
    int32_t batched;      /**< 1: its first axis counts samples, and may have any length; 0: all samples share
                               it, or it is a number that a step reports */
} slmt_port_info;

/** Which of two values of a metric is the better one. \since 0.1 */
enum {
    SLMT_METRIC_HIGHER = 1, /**< the higher one: an agreement */
    SLMT_METRIC_LOWER = -1  /**< the lower one: an error */
};

/** A figure that says how well outputs of a task agree with the truth. All texts live as long as the library.
 *  \since 0.1 */
typedef struct slmt_metric_info {
    uint32_t struct_size; /**< sizeof(slmt_metric_info), set by the caller */
    int32_t direction;    /**< SLMT_METRIC_HIGHER or SLMT_METRIC_LOWER */
    const char *name;     /**< lower case, words joined by '_': "ssim_range_2" */
    const char *title;    /**< as the head of a column: "SSIM range 2" */
    const char *unit;     /**< "dB"; "" if it has none */
    const char *help;     /**< its definition, with its source */
    int32_t decimals;     /**< digits after the point that a table shows */
    int32_t
        by_class; /**< 1: there is a value for each class of a label map, and their mean; 0: there is one */
} slmt_metric_info;

/** A tensor that the caller owns, described as in DLPack. Its fields are fixed for ever. \since 0.1 */
typedef struct slmt_tensor {
    const char *name;       /**< the port it is for */
    void *data;             /**< its first element; read only where it is an input */
    const int64_t *shape;   /**< rank extents; NULL where rank is 0 */
    const int64_t *strides; /**< rank strides in elements; NULL: compact and row-major, as they must be */
    int32_t rank;           /**< 0 to 6 */
    int32_t type;           /**< SLMT_TENSOR_... */
} slmt_tensor;

/** A task of a method. \since 0.1 */
typedef struct slmt_task_info {
    uint32_t struct_size;     /**< sizeof(slmt_task_info), set by the caller */
    int32_t trains;           /**< 1: for a trainer; 0: for a session */
    const char *name;         /**< "synthesize", "train", ... */
    const char *help;         /**< one sentence */
    int32_t settings;         /**< how many */
    int32_t inputs;           /**< how many */
    int32_t outputs;          /**< how many; of a task that trains, those without axes are what
                                   slmt_trainer_value() reports */
    int32_t metrics;          /**< how many; 0: no truth is defined for its outputs */
    const char *second_model; /**< what slmt_trainer_attach() calls the model that it learns from besides the
                                   samples, such as "teacher"; "": it learns from none */
} slmt_task_info;

/** A method. \since 0.1 */
typedef struct slmt_method_info {
    uint32_t struct_size; /**< sizeof(slmt_method_info), set by the caller */
    int32_t reserved;     /**< 0 */
    const char *name;     /**< "slmt-net", "seq2seq" */
    const char *title;    /**< one line */
    const char *source;   /**< the paper */
    int32_t options;      /**< how many */
    int32_t tasks;        /**< how many */
    const char *presets;  /**< sets of options by name, joined by '|'; "": none. The number "preset" among the
                               options of slmt_model_create() is the index of one: the options that are
                               not given are then its, not the defaults */
} slmt_method_info;

/**
 * Number of methods.
 *
 * @return how many this library knows
 * @threads any thread
 * \since 0.1
 */
SLMT_API size_t slmt_method_count(void);

/**
 * Describe a method.
 *
 * @param index  below slmt_method_count()
 * @param info   struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_method_describe(size_t index, slmt_method_info *info);

/**
 * Describe an option of a method.
 *
 * @param method  its name
 * @param index   from 0
 * @param info    struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method), SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_method_option(const char *method, size_t index, slmt_number_info *info);

/**
 * Describe a task of a method.
 *
 * @param method  its name
 * @param index   from 0
 * @param info    struct_size set by the caller; filled
 * @return as slmt_method_option()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_method_task(const char *method, size_t index, slmt_task_info *info);

/**
 * Describe a setting of a task.
 *
 * @param method  its name
 * @param task    its name
 * @param index   from 0
 * @param info    struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or task), SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_task_setting(const char *method, const char *task, size_t index,
                                       slmt_number_info *info);

/**
 * Describe an input of a task.
 *
 * @param method  its name
 * @param task    its name
 * @param index   from 0
 * @param info    struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or task), SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_task_input(const char *method, const char *task, size_t index,
                                     slmt_port_info *info);

/**
 * Describe an output of a task.
 *
 * @param method  its name
 * @param task    its name
 * @param index   from 0
 * @param info    struct_size set by the caller; filled
 * @return SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or task), SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_task_output(const char *method, const char *task, size_t index,
                                      slmt_port_info *info);

/**
 * Describe a metric by which a task is judged; the most telling one comes first.
 *
 * @param method  its name
 * @param task    its name
 * @param index   from 0
 * @param info    struct_size set by the caller; filled
 * @return as slmt_task_setting()
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_task_metric(const char *method, const char *task, size_t index,
                                      slmt_metric_info *info);

#ifdef __cplusplus
}
#endif
#endif
