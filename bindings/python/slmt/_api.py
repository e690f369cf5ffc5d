# SPDX-License-Identifier: Apache-2.0
# Made by scripts/generate-api from include/slmt/: change those.
"""The C interface of libslmt 0.1.0 as it is, through ctypes: constants, structs, callbacks, functions."""

from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t,
                    c_uint8, c_uint32, c_uint64, c_void_p)

from ._library import bind as _bind

VERSION = "0.1.0"
ABI = 0

# The status numbers, in ranges of a hundred by kind.
SLMT_OK = 0  # done
SLMT_ERR_ARGUMENT = 100  # an argument is NULL, out of range, or does not fit another
SLMT_ERR_NONFINITE = 101  # an input, a result, a loss or a gradient holds a NaN or an infinity
SLMT_ERR_STATE = 102  # the handle cannot do this (now)
SLMT_ERR_MEMORY = 200  # the allocator had none left
SLMT_ERR_LIMIT = 201  # the call would pass the context's max_bytes
SLMT_ERR_IO = 300  # reading or writing failed; the message has the system's reason
SLMT_ERR_NOT_FOUND = 301  # no such file, subject, contrast or tensor
SLMT_ERR_CORRUPT = 302  # the file is damaged: its digest does not match, or it is cut short
SLMT_ERR_FORMAT = 303  # the file is not of the expected kind
SLMT_ERR_SCHEMA = 400  # a tensor or attribute is missing, unexpected, or of another shape or type
SLMT_ERR_VERSION = 401  # the file or struct is of a newer version than this library
SLMT_ERR_BACKEND = 500  # a backend or a library under it failed
SLMT_ERR_UNSUPPORTED = 501  # not available in this build, on this machine, or on this backend
SLMT_ERR_CANCELLED = 600  # the progress callback, or a cancel call, asked to stop
SLMT_ERR_INTERNAL = 900  # a bug in the library; please report the message

# Backends.
SLMT_BACKEND_CPU = 0  # fast: own vector kernels, or oneDNN or OpenBLAS for products
SLMT_BACKEND_REFERENCE = 1  # plain loops: slow, simple, the truth the others are tested against
SLMT_BACKEND_CUDA = 2  # graphics cards, by the plug-in libslmt_cuda.so (docs/cuda.md)

# Arithmetic.
SLMT_FLOAT32 = 0  # float32
SLMT_FLOAT64 = 1  # float64: reference backend only

# How a model holds the matrices of its linear layers, nearly all of its memory; everything else is
# of the context's precision. They are rounded to the nearest value, and results are computed in float32
# from the rounded values. Models with 16-bit weights synthesize and do not train.
SLMT_WEIGHTS_FULL = 0  # in the context's precision
SLMT_WEIGHTS_BFLOAT16 = 1  # 8 bits of mantissa, float32's range
SLMT_WEIGHTS_FLOAT16 = 2  # IEEE binary16: 11 bits of mantissa; a weight beyond 65504 is an error
SLMT_WEIGHTS_STORED = 3  # as the file has them; of a new model SLMT_WEIGHTS_FULL

# What products of matrices, convolutions and attention may do with their factors, in synthesis and in
# training; sums stay float32. The reference backend has SLMT_ARITHMETIC_FLOAT32 alone.
SLMT_ARITHMETIC_FLOAT32 = 0  # take them as they are
SLMT_ARITHMETIC_BFLOAT16 = 1  # round them to bfloat16: the cpu backend needs AVX512-BF16 or AMX-BF16 for it, and does not have it with SLMT_MATRIX_OPENBLAS
SLMT_ARITHMETIC_TF32 = 2  # round them to 10 bits of fraction (TensorFloat-32): the cuda backend

# What computes matrix products and convolutions on the cpu backend.
SLMT_MATRIX_AUTO = 0  # on x86-64-v2 and later libslmt's own kernels, but for convolutions in groups of few channels, and in bfloat16 those on AMX-BF16; these, and everything on other processors, by oneDNN, or by OpenBLAS in a build without it
SLMT_MATRIX_ONEDNN = 1  # oneDNN
SLMT_MATRIX_OPENBLAS = 2  # OpenBLAS

# Log levels, most serious first.
SLMT_LOG_ERROR = 0  # a call failed, and why
SLMT_LOG_WARNING = 1  # the result is right, and something may still be wrong
SLMT_LOG_INFO = 2  # what was chosen or done
SLMT_LOG_DEBUG = 3  # for developers of the library

# How readers treat a NaN, which many programs write outside the brain.
SLMT_NAN_REFUSE = 0  # reading fails, and the message names the first one
SLMT_NAN_ZERO = 1  # it becomes 0, and slmt_volume_zeroed() counts it; infinities stay errors

# Kinds of numbers.
SLMT_NUMBER_WHOLE = 1  # a whole number
SLMT_NUMBER_REAL = 2  # a finite real number
SLMT_NUMBER_CHOICE = 3  # one of `choices`
SLMT_NUMBER_LIST = 4  # `count` whole numbers
SLMT_NUMBER_TEXT = 5  # a text of at most `count` bytes that matches `pattern`

# What a number, an input or an output is for. By roles a program finds what it needs to set or to give,
# whatever a method calls it. No table has a role twice, except SLMT_ROLE_NONE.
SLMT_ROLE_NONE = 0  # it concerns this method alone
SLMT_ROLE_BATCH = 1  # number: samples that are computed together
SLMT_ROLE_SIDE = 2  # number: rows of an image, which are as many as its columns
SLMT_ROLE_HEIGHT = 3  # number: rows of an image
SLMT_ROLE_WIDTH = 4  # number: columns of an image
SLMT_ROLE_DEPTH = 5  # number: slices of an image that has three dimensions
SLMT_ROLE_CONTRASTS = 6  # number: contrasts that a model tells apart, at most; their names are those of slmt_model_contrast()
SLMT_ROLE_CROPS = 7  # number: samples that a subject gives in an epoch
SLMT_ROLE_SOURCE = 16  # port: images to start from; their last two axes are rows and columns
SLMT_ROLE_TARGET = 17  # port: images to make, or as an input, images to learn to make; likewise
SLMT_ROLE_SOURCE_CONTRAST = 18  # port: index of the contrast that the source shows
SLMT_ROLE_TARGET_CONTRAST = 19  # port: index of the contrast to make
SLMT_ROLE_LABELS = 20  # port: the class of each pixel, an index from 0; -1: it does not count
SLMT_ROLE_PROBABILITIES = 21  # port: the probability of each class at each pixel

# Kinds of elements of a tensor.
SLMT_TENSOR_FLOAT32 = 1  # float
SLMT_TENSOR_INT32 = 2  # int32_t
SLMT_TENSOR_FLOAT16 = 3  # IEEE half precision, in a uint16_t; in training sets alone
SLMT_TENSOR_UINT8 = 4  # uint8_t; in training sets alone

# Which of two values of a metric is the better one.
SLMT_METRIC_HIGHER = 1  # the higher one: an agreement
SLMT_METRIC_LOWER = -1  # the lower one: an error

# Resampling.
SLMT_RESIZE_BILINEAR = 0  # half-pixel centres, no antialiasing
SLMT_RESIZE_NEAREST = 1  # source index floor(i * in / out)

# How a volume's intensities become 0 to 1.
SLMT_SCALE_PERCENTILES = 0  # the head clipped to two percentiles, over its maximum (Li et al. 2023)
SLMT_SCALE_TWICE_P99 = 1  # clipped to 0 and twice the 99th percentile of all voxels, over that (Han et al. 2024); the percentile fields are not used

# How the background of a volume is found, which is kept out of the range of intensities.
SLMT_BACKGROUND_CORNER = 0  # every voxel that equals the corner voxel; it is not clipped, so that a corner brighter than the head sets the range. Negative values become 0. The rule of files that name none
SLMT_BACKGROUND_SURFACE = 1

# Which slices of a volume.
SLMT_CENTRE = -1  # of a crop's first index: in the middle

# What is done with volumes whose voxels are not of the training's size.
SLMT_SPACING_REFUSE = 0  # the call fails, and the message names both sizes
SLMT_SPACING_RESAMPLE = 1  # they are resampled to the training's size, and the result back
SLMT_SPACING_ANY = 2  # they are taken as they are: crop and slices count their voxels

# By what definition the figures of slices become those of a subject. A slice has signal if its target holds
# a value above 0.01, a hundredth of the range of intensities.
SLMT_DEFINITION_VOLUME = 1  # all pixels of all slices are one image; SSIM: over the windows of the slices with signal; there is no spectral NMSE
SLMT_DEFINITION_SLICE = 2  # the mean over the slices with signal
SLMT_DEFINITION_PAPER = 3  # the mean over all slices, an NMSE of 0 where the target is all 0: the paper's code, whose figures grow with the number of such slices

# Parts of a set, by record.
SLMT_SPLIT_ALL = 0  # every record
SLMT_SPLIT_TRAIN = 1  # those that are trained on
SLMT_SPLIT_TEST = 2  # those kept for measuring, once, when nothing is chosen any more
SLMT_SPLIT_VALIDATION = 3  # those kept for choosing: when to stop, which settings, which model

# What the numbers of a field mean.
SLMT_FIELD_IMAGE = 1  # intensities; any type
SLMT_FIELD_LABELS = 2  # a class for each pixel; uint8 or int32
SLMT_FIELD_BOXES = 3  # corners of boxes, four numbers each; the last axis has extent 4
SLMT_FIELD_VECTOR = 4  # numbers of any meaning; any type
SLMT_FIELD_IDS = 5  # whom or what a row shows; uint8 or int32
SLMT_FIELD_CLASSES = 6  # a class for each row; uint8 or int32

# How rows are treated whose source is their target.
SLMT_SELF_EXCLUDE = 0  # as if they were not there (the code of the paper has none)
SLMT_SELF_INCLUDE = 1  # rows like all others
SLMT_SELF_ZSCORE_ONLY = 2  # in the means and deviations, not in the sums (the paper's table 3)

# What is computed again for the gradients instead of being kept, by growing time and falling memory.
SLMT_RECOMPUTE_NOTHING = 0  # everything is kept
SLMT_RECOMPUTE_CHEAP = 1  # activations, layer norms, copies, and the linear layers of a snapshot
SLMT_RECOMPUTE_LINEAR = 2  # and the linear layers before activations and attention

# Named sets of options.
SLMT_NET_PRESET_BASE = 0  # the paper's: image 256, width 128, depth 12; 2.5 M + 137 M parameters
SLMT_NET_PRESET_SMALL = 1  # image 256, width 48, depth 6
SLMT_NET_PRESET_TINY = 2  # image 128, width 32, depth 4: minutes on two cores

# Stages of training.
SLMT_NET_STAGE_PRETRAIN = 1  # Edge-MAE on single slices (section III-A)
SLMT_NET_STAGE_FINETUNE = 2  # MT-Net on pairs of slices (section III-B)

# How reconstruction errors of removed patches are weighted (section III-A).
SLMT_NET_PATCH_WEIGHT_HARD = 0  # 1 + the 3x3 mean of the mask, from the start (reference code)
SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD = 1


slmt_status = c_int32  # A status: SLMT_OK or one of the SLMT_ERR_ numbers.

# int32_t slmt_progress_fn(void *user, const char *stage, uint64_t done, uint64_t total)
# Progress of a long call.
#
# user: the pointer given with the callback
# stage: what is being done, such as "pre-train"; a static text
# done: units done so far
# total: units in all; 0 when unknown
#
# Returns: 0 to go on; anything else ends the call with SLMT_ERR_CANCELLED
#
# Threads: called on the thread that made the long call
slmt_progress_fn = CFUNCTYPE(c_int32, c_void_p, c_char_p, c_uint64, c_uint64)


class slmt_context(Structure):
    r"""A context. Made by slmt_context_create(). Every other handle keeps its context alive."""

# void slmt_log_fn(void *user, int32_t level, const char *text)
# Receives one line of log, without a line end.
#
# Threads: called on the thread whose call writes the line
slmt_log_fn = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)

# int32_t slmt_warning_fn(void *user, const char *text)
# Receives a warning: the call goes on and its result may be wrong, for instance because a scan differs
# from those that a model was trained on.
#
# user: the pointer given with the callback
# text: one sentence or more for the user of the program, without a line end; valid during the call
#
# Returns: 0 to go on; anything else ends the library's call with SLMT_ERR_CANCELLED and this text, and the
# call makes and writes nothing
#
# Threads: called on the thread whose call warns: on several threads at once if several use the context
slmt_warning_fn = CFUNCTYPE(c_int32, c_void_p, c_char_p)

# void *slmt_alloc_fn(void *user, size_t bytes)
# Returns at least `bytes` bytes aligned as malloc() aligns, or NULL. Called from any thread.
slmt_alloc_fn = CFUNCTYPE(c_void_p, c_void_p, c_size_t)

# void slmt_free_fn(void *user, void *pointer)
# Frees what the matching slmt_alloc_fn returned; never called with NULL.
slmt_free_fn = CFUNCTYPE(None, c_void_p, c_void_p)


class slmt_context_config(Structure):
    r"""What a context is made with. Fill with slmt_context_config_init(), then change fields."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_context_config), set by the init function
        ("backend", c_int32),  # SLMT_BACKEND_CPU
        ("precision", c_int32),  # SLMT_FLOAT32
        ("matrix", c_int32),  # SLMT_MATRIX_AUTO; cpu backend only
        ("threads", c_int32),  # threads a call may use, the calling one included; 0 (the default): the cores that this process may use, by its affinity and its CPU quota. They belong to the context, start with the first call that needs them, and sleep between calls
        ("log_level", c_int32),  # SLMT_LOG_WARNING: the least serious level that reaches `log`
        ("max_bytes", c_uint64),  # hard limit on memory taken through the context; 0: none
        ("alloc", slmt_alloc_fn),  # NULL: malloc(). Set both or neither
        ("free", slmt_free_fn),  # NULL: free()
        ("alloc_user", c_void_p),  # handed to alloc and free
        ("log", slmt_log_fn),  # NULL: silence
        ("log_user", c_void_p),  # handed to log
        ("weights", c_int32),  # SLMT_WEIGHTS_FULL; others only with precision SLMT_FLOAT32
        ("arithmetic", c_int32),  # SLMT_ARITHMETIC_FLOAT32
        ("backend_name", c_char_p),  # a backend by its name, instead of `backend`: "cpu", "reference", or a plug-in; NULL: none
        ("backend_path", c_char_p),  # where a plug-in is looked for: a directory that holds libslmt_NAME.so, or that file; NULL: nowhere, but for SLMT_BACKEND_CUDA the folder of this library and the folder slmt in it. Nothing else is searched
        ("backend_options", c_char_p),  # more options, in the backend's own words, such as "device=1,memory=8000000000" for cuda; NULL: none
    ]


class slmt_number(Structure):
    r"""A number with a name: an option of a method, or a setting of a task. The elements of a list are numbers of
    their own: NAME_0, NAME_1 and so on. A text is given behind its name: "NAME=TEXT"."""

    _fields_ = [
        ("name", c_char_p),  # as in slmt_number_info; or "preset", see slmt_method_info
        ("value", c_double),  # of SLMT_NUMBER_CHOICE: the index of the choice; of SLMT_NUMBER_TEXT: not read
    ]


class slmt_number_info(Structure):
    r"""An option of a method, or a setting of a task. All texts live as long as the library."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_number_info), set by the caller
        ("kind", c_int32),  # SLMT_NUMBER_...
        ("name", c_char_p),  # lower case, words joined by '_'
        ("help", c_char_p),  # what it is, with its unit
        ("choices", c_char_p),  # names joined by '|'; "" for other kinds
        ("initial", c_double),  # the value if none is given; not of a list or a text
        ("low", c_double),  # smallest value, of a list: of an element; not of a text
        ("high", c_double),  # largest value
        ("count", c_int32),  # elements of a list, at most 8; bytes of a text, at most; 0 for other kinds
        ("role", c_int32),  # SLMT_ROLE_...
        ("list", c_char_p),  # the elements if none are given, "64,128,256", or the text; "" for other kinds
        ("pattern", c_char_p),  # what the whole of a text matches, an extended regular expression of POSIX; "" for other kinds
    ]


class slmt_port_info(Structure):
    r"""An input or an output of a task."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_port_info), set by the caller
        ("type", c_int32),  # SLMT_TENSOR_...
        ("name", c_char_p),  # lower case
        ("axes", c_char_p),  # names of the axes, outermost first: "batch,height,width"
        ("help", c_char_p),  # what it holds, with its range
        ("role", c_int32),  # SLMT_ROLE_...
        ("batched", c_int32),  # 1: its first axis counts samples, and may have any length; 0: all samples share it, or it is a number that a step reports
    ]


class slmt_metric_info(Structure):
    r"""A figure that says how well outputs of a task agree with the truth. All texts live as long as the library."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_metric_info), set by the caller
        ("direction", c_int32),  # SLMT_METRIC_HIGHER or SLMT_METRIC_LOWER
        ("name", c_char_p),  # lower case, words joined by '_': "ssim_range_2"
        ("title", c_char_p),  # as the head of a column: "SSIM range 2"
        ("unit", c_char_p),  # "dB"; "" if it has none
        ("help", c_char_p),  # its definition, with its source
        ("decimals", c_int32),  # digits after the point that a table shows
        ("by_class", c_int32),  # 1: there is a value for each class of a label map, and their mean; 0: there is one
    ]


class slmt_tensor(Structure):
    r"""A tensor that the caller owns, described as in DLPack. Its fields are fixed for ever."""

    _fields_ = [
        ("name", c_char_p),  # the port it is for
        ("data", c_void_p),  # its first element; read only where it is an input
        ("shape", POINTER(c_int64)),  # rank extents; NULL where rank is 0
        ("strides", POINTER(c_int64)),  # rank strides in elements; NULL: compact and row-major, as they must be
        ("rank", c_int32),  # 0 to 6
        ("type", c_int32),  # SLMT_TENSOR_...
    ]


class slmt_task_info(Structure):
    r"""A task of a method."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_task_info), set by the caller
        ("trains", c_int32),  # 1: for a trainer; 0: for a session
        ("name", c_char_p),  # "synthesize", "train", ...
        ("help", c_char_p),  # one sentence
        ("settings", c_int32),  # how many
        ("inputs", c_int32),  # how many
        ("outputs", c_int32),  # how many; of a task that trains, those without axes are what slmt_trainer_value() reports
        ("metrics", c_int32),  # how many; 0: no truth is defined for its outputs
        ("second_model", c_char_p),  # what slmt_trainer_attach() calls the model that it learns from besides the samples, such as "teacher"; "": it learns from none
    ]


class slmt_method_info(Structure):
    r"""A method."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_method_info), set by the caller
        ("reserved", c_int32),  # 0
        ("name", c_char_p),  # "slmt-net", "seq2seq"
        ("title", c_char_p),  # one line
        ("source", c_char_p),  # the paper
        ("options", c_int32),  # how many
        ("tasks", c_int32),  # how many
        ("presets", c_char_p),  # sets of options by name, joined by '|'; "": none. The number "preset" among the options of slmt_model_create() is the index of one: the options that are not given are then its, not the defaults
    ]


class slmt_model(Structure):
    r"""A model: options and weights. Reference-counted; many sessions may share one."""


class slmt_preprocess(Structure):
    r"""How a volume becomes slices. Kept in training sets and checkpoints."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_preprocess)
        ("crop_size", c_int32),  # side of the square crop in voxels (200); smaller volumes are padded with 0
        ("crop_x", c_int32),  # first voxel of the crop along x (left), SLMT_CENTRE (default): middle
        ("crop_y", c_int32),  # first voxel of the crop along y (back), SLMT_CENTRE (default): middle
        ("slice_first", c_int32),  # first axial slice (50)
        ("slice_count", c_int32),  # number of slices (60); 0: all from slice_first on
        ("image_size", c_int32),  # slices are resized to this side (256)
        ("target_resize", c_int32),  # SLMT_RESIZE_BILINEAR, for fine-tuning targets (the reference: nearest)
        ("low_percentile", c_double),  # 0.2: intensities inside the head are clipped to these percentiles
        ("high_percentile", c_double),  # 99.8
        ("scaling", c_int32),  # SLMT_SCALE_PERCENTILES; how intensities become 0 to 1
        ("background", c_int32),  # SLMT_BACKGROUND_SURFACE; how the background is found
    ]


class slmt_geometry(Structure):
    r"""Sizes and places of volumes, in millimetres along x (to the left), y (to the back), z (up): of one volume,
    or the ranges of those in a training set, or that a model was trained on. Sizes are the same when they
    differ by 2 % at most. The head is what is not background."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_geometry), set by the caller
        ("volumes", c_int32),  # how many; 0: nothing is known, all other fields are 0
        ("spacing_least", c_double * 3),  # from the middle of a voxel to that of the next
        ("field_least", c_double * 3),  # field of view: number of voxels times spacing
        ("head_least", c_double * 3),  # size of the head
        ("place_least", c_double * 3),  # from the middle of crop and slices to the middle of the head
        ("part_least", c_double),  # part of the head's voxels that lies in crop and slices, 0 to 1
        ("spacing_most", c_double * 3),  # the same, the upper ends of the ranges
        ("field_most", c_double * 3),  # see field_least
        ("head_most", c_double * 3),  # see head_least
        ("place_most", c_double * 3),  # see place_least
        ("part_most", c_double),  # see part_least
    ]


class slmt_tensor_info(Structure):
    r"""One tensor of a model."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_tensor_info), set by the caller
        ("rank", c_int32),  # 1 to 6
        ("dim", c_int64 * 6),  # row-major extents; unused ones 0
        ("name", c_char_p),  # its name in files of the reference implementation, behind a prefix that tells a method's networks apart, such as "E." for SLMT-Net's encoder; lives as long as the model
        ("used", c_int32),  # 1; 0 for tensors that the reference stores and nothing reads
        ("weights", c_int32),  # how the model holds it: SLMT_WEIGHTS_FULL, _BFLOAT16 or _FLOAT16
    ]

# int64_t slmt_read_fn(void *user, void *buffer, size_t size)
# Reads up to `size` bytes of a file into `buffer`.
#
# Returns: bytes read, 0 at the end, a negative number on failure
slmt_read_fn = CFUNCTYPE(c_int64, c_void_p, c_void_p, c_size_t)


class slmt_volume(Structure):
    r"""A volume of float32 voxels with its geometry."""


class slmt_metrics(Structure):
    r"""Agreement of two slices, or of two stacks of them; intensities in [0, 1]. p is the prediction, t the
    target. A figure that is not defined is a NaN."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_metrics), set by the caller
        ("reserved", c_int32),  # 0
        ("psnr", c_double),  # 20 log10(1/sqrt(MSE)) in dB, at most 100, which is also that of equal images
        ("ssim", c_double),  # structural similarity, 7x7 uniform window, data range 1
        ("ssim_range_2", c_double),  # the same with data range 2: only to compare with the paper
        ("nmse", c_double),  # sum (p-t)^2 / sum t^2; NaN where t is all 0
        ("nmse_spectral", c_double),  # ||(p-t)^2||_2 / ||t^2||_2, spectral norms: the paper's code; NaN where t is all 0
        ("mae", c_double),  # mean |p-t|
        ("squares", c_double),  # sum (p-t)^2
        ("energy", c_double),  # sum t^2
        ("pixels", c_int64),  # compared: all of them, or those of the mask
        ("windows", c_int64),  # of SSIM: those that lie inside a slice and have their centre in the mask
        ("slices", c_int64),  # in which a pixel was compared
        ("with_signal", c_int64),  # slices among them whose target has signal: a compared pixel above 0.01
    ]


class slmt_dataset(Structure):
    r"""A training set open for reading."""


class slmt_dataset_writer(Structure):
    r"""A training set being written."""


class slmt_field(Structure):
    r"""A field of a training set."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_field), set by the caller
        ("kind", c_int32),  # SLMT_FIELD_...
        ("type", c_int32),  # SLMT_TENSOR_...
        ("rank", c_int32),  # number of axes, 1 to 6
        ("dim", c_int64 * 6),  # extents, outermost first; 0: the extent differs between records
        ("name", c_char_p),  # 1 to 64 letters, digits, '-', '_'
        ("axes", c_char_p),  # a name for each axis, joined by commas: "slice,row,column". Axes of one name have one extent within a record.
        ("classes", c_char_p),  # of labels, ids and classes: "0=background,1=tumour", values rising, and no other values occur; NULL or "": any values, without names
    ]


class slmt_record(Structure):
    r"""A record of a training set."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_record), set by the caller
        ("split", c_int32),  # SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST or SLMT_SPLIT_VALIDATION
        ("id", c_char_p),  # 1 to 255 bytes of UTF-8 without '/', control characters, line separators and marks of writing direction; not "." or ".."
        ("group", c_char_p),  # the subject it was taken from; a name of the same form
    ]


class slmt_pair_score(Structure):
    r"""How well one sequence of a subject was made from another. A NaN is a score that was not taken. The fields
    are fixed for ever."""

    _fields_ = [
        ("subject", c_int32),  # whose; for the caller's own use, ignored
        ("source", c_int32),  # index of the sequence it was made from
        ("target", c_int32),  # index of the sequence that was made
        ("reserved", c_int32),  # 0
        ("psnr", c_double),  # more is better; in dB, or in any unit linear in it
        ("ssim", c_double),  # more is better
        ("lpips", c_double),  # less is better
    ]


class slmt_ranking_options(Structure):
    r"""Options of a ranking. Fill with slmt_ranking_options_init()."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_ranking_options)
        ("self", c_int32),  # SLMT_SELF_EXCLUDE
    ]


class slmt_profile(Structure):
    r"""A profile. It is not synchronised: what it is given to must run on one thread at a time."""


class slmt_profile_entry(Structure):
    r"""Calls of one op with one shape for one layer, and the time of all of them together."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_profile_entry), set by the caller
        ("backward", c_int32),  # 1: the calls compute a gradient; 2: a forward value again, for a gradient
        ("op", c_char_p),  # "linear", "window_attention", ..., "adam"; a static text
        ("layer", c_char_p),  # "G.layers2.0.blocks.1.mlp.fc1"; "" where there is none
        ("shape", c_char_p),  # of the inputs: "[1,4096,128] [512,128]"; "" where there is none
        ("calls", c_uint64),  # how many
        ("seconds", c_double),  # all calls together
        ("flops", c_double),  # multiplications and additions in the matrix products of all calls
    ]


class slmt_session(Structure):
    r"""A session. Sessions that share a model are independent."""


class slmt_segmentation(Structure):
    r"""How a volume is labelled. Fill with slmt_segmentation_init()."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_segmentation), set by the init function
        ("mirror", c_int32),  # 0; 1: the mean of four runs, with rows and columns mirrored or not: slower, often a little better
        ("overlap", c_double),  # 0.5: the share of a window that the next one covers too, 0 to 0.9
        ("crf_steps", c_int32),  # 0: none; above: so many steps of a conditional random field refine the probabilities by the image, of 8 contrasts at most. 10 is usual
        ("crf_axes", c_int32),  # what the field sees: 2: each slice alone; 3: the volume; 0: what the network sees
        ("crf_near_weight", c_double),  # 3: weight of neighbours by distance alone
        ("crf_near_sd", c_double),  # 3: their standard deviation in mm
        ("crf_weight", c_double),  # 10: weight of voxels that are alike
        ("crf_position_sd", c_double),  # 80: standard deviation of their distance in mm
        ("crf_intensity_sd", c_double),  # 13: that of their intensities, counted from 0 to 255
        ("largest", c_int32),  # 0; 1: only the largest object of each class but the background is kept, and the others become background. The voxels of an object are joined by faces. Probabilities stay as they are
        ("reserved", c_int32),  # 0
    ]


class slmt_label_scores(Structure):
    r"""How well the voxels of one class agree with the truth: T are those that have it in the truth, A those that
    have it in the labels that are compared. A figure is NaN where it is 0/0."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_label_scores), set by the caller
        ("reserved", c_int32),  # 0
        ("truth", c_int64),  # voxels of T
        ("answer", c_int64),  # voxels of A
        ("both", c_int64),  # voxels of T and A
        ("dice", c_double),  # 2 |T and A| / (|T| + |A|)
        ("iou", c_double),  # |T and A| / |T or A|
        ("precision", c_double),  # |T and A| / |A|
        ("recall", c_double),  # |T and A| / |T|
        ("specificity", c_double),  # of the voxels outside T, the share outside A
        ("hausdorff95", c_double),  # mm: the 95th percentile of the distances from the surface of one to that of the other, of the worse direction; infinite if one alone is empty
        ("surface_distance", c_double),  # mm: the mean of those distances, both directions together
    ]


class slmt_trainer(Structure):
    r"""A trainer: a model it may write, optimiser, schedule, step, random state."""


class slmt_training_state(Structure):
    r"""Where training is."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_training_state), set by the caller
        ("reserved", c_int32),  # 0
        ("step", c_uint64),  # steps done
        ("steps_in_epoch", c_uint64),  # steps of an epoch on the set last run; 0 before
        ("total_steps", c_uint64),  # steps of the whole run on that set; 0 before
        ("seed", c_uint64),  # of slmt_trainer_create()
    ]


class slmt_run_info(Structure):
    r"""A run of a trainer over a set, described before it begins."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_run_info), set by the caller
        ("is_other_set", c_int32),  # 1: the trainer has learned from a set with other contents; moved and renamed sets are the same; 0 too where the trainer does not know
        ("samples", c_uint64),  # samples of an epoch, such as slices or pairs of them, that the set has
        ("samples_used", c_uint64),  # those that setting data_rate leaves: the first ones
        ("records", c_uint64),  # training records (subjects) with such samples
        ("records_used", c_uint64),  # those of the samples that are used
        ("steps_in_epoch", c_uint64),  # samples used / batch, rounded down
        ("total_steps", c_uint64),  # of all epochs
        ("checkpoint_bytes", c_uint64),  # tensors in a file of slmt_trainer_save(), which is a little larger
    ]


class slmt_checkpoint_info(Structure):
    r"""What a checkpoint says of its training."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_checkpoint_info), set by the caller
        ("reserved", c_int32),  # 0
        ("task", c_char_p),  # task that the file's trainer runs; "" for a model without training state; lives as long as the library
        ("step", c_uint64),  # steps done
        ("steps_in_epoch", c_uint64),  # of the set last run; 0: of none
        ("total_steps", c_uint64),  # likewise, of the whole run: more than `step` where it was stopped
    ]

# int32_t slmt_step_fn(void *user, slmt_trainer *trainer, const slmt_training_state *state)
# Called after each step of slmt_trainer_run(). slmt_trainer_value() gives what the step reports.
#
# Returns: 0 to go on; anything else ends the run with SLMT_ERR_CANCELLED, between steps
#
# Threads: called on the thread that called slmt_trainer_run()
slmt_step_fn = CFUNCTYPE(c_int32, c_void_p, POINTER(slmt_trainer), POINTER(slmt_training_state))


class slmt_build_info(Structure):
    r"""How the library that is loaded was built, and what it uses on this machine."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_build_info), set by the caller
        ("abi", c_int32),  # SLMT_ABI of the library
        ("version", c_char_p),  # as slmt_version()
        ("commit", c_char_p),  # the source's commit, with "-dirty" if it was changed since; "" where unknown
        ("compiler", c_char_p),  # such as "gcc 12.2.0"
        ("backends", c_char * 64),  # names joined by ", ": "cpu, reference"
        ("matrix", c_char * 64),  # libraries for matrix products: "oneDNN 2.6.3, OpenBLAS 0.3.21"
        ("cpu_level", c_char * 32),  # instructions that the cpu backend uses on this machine: "x86-64-v4"
        ("numerics", c_int32),  # changes when the same weights would give other numbers; kept in checkpoints as `numerics_version`
        ("reserved", c_int32),  # 0
    ]


class slmt_net_options(Structure):
    r"""Sizes of the networks. All are checked by slmt_net_create()."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_net_options)
        ("image_size", c_int32),  # height and width of a slice in pixels; a multiple of 16 mae_patch
        ("mae_patch", c_int32),  # encoder patch side in pixels (8); image_size is a multiple
        ("patch", c_int32),  # generator patch side in pixels (4); half of mae_patch
        ("embed_dim", c_int32),  # token width of encoder and generator (128); a multiple of 4
        ("depth", c_int32),  # encoder blocks (12)
        ("num_heads", c_int32),  # encoder heads (16); divides embed_dim
        ("mlp_ratio", c_int32),  # MLP width over token width (4)
        ("decoder_dim", c_int32),  # Edge-MAE decoder width (64); a multiple of 4
        ("decoder_depth", c_int32),  # Edge-MAE decoder blocks (8)
        ("decoder_heads", c_int32),  # Edge-MAE decoder heads (8); divides decoder_dim
        ("generator_depths", c_int32 * 4),  # Swin blocks of each stage, finest first (2,2,2,2)
        ("generator_heads", c_int32 * 4),  # heads of each stage, finest first (8,8,16,32)
        ("window", c_int32),  # window side in tokens (8)
    ]


class slmt_net_session_config(Structure):
    r"""What a session is made with. Fill with slmt_net_session_config_init()."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_net_session_config)
        ("batch", c_int32),  # slices computed together, at most: fewer where that is faster (1)
        ("progress", slmt_progress_fn),  # called after slices that were computed together; NULL: no calls
        ("progress_user", c_void_p),  # handed to progress
    ]


class slmt_net_trainer_config(Structure):
    r"""What a trainer is made with. Fill with slmt_net_trainer_config_init()."""

    _fields_ = [
        ("struct_size", c_uint32),  # sizeof(slmt_net_trainer_config)
        ("stage", c_int32),  # SLMT_NET_STAGE_...
        ("batch", c_int32),  # slices a step (20; 10)
        ("epochs", c_int32),  # passes over the training slices (100; 150)
        ("seed", c_uint64),  # 0; drives order, augmentation and masks
        ("patch_weight", c_int32),  # SLMT_NET_PATCH_WEIGHT_HARD (pre-training)
        ("augment", c_int32),  # 1; 0: slices as they are
        ("decay_epochs", c_int32),  # 50: pre-training's rate falls by decay_factor every so many epochs
        ("warmup_epochs", c_int32),  # 5: fine-tuning's rate rises linearly over so many epochs
        ("decay_factor", c_double),  # 0.1
        ("learning_rate", c_double),  # 3e-3; 1e-3
        ("minimum_rate", c_double),  # 1e-5: fine-tuning's cosine ends here
        ("beta1", c_double),  # Adam: 0.9; 0.9
        ("beta2", c_double),  # Adam: 0.95; 0.999
        ("epsilon", c_double),  # Adam: 1e-8
        ("mask_ratio", c_double),  # 0.7: part of the patches removed (pre-training)
        ("rec_weight", c_double),  # 10: weight of the reconstruction loss beside the edge loss (pre-training)
        ("l1_weight", c_double),  # 10000: weight of mean |error| beside feature consistency (fine-tuning)
        ("data_rate", c_double),  # 1; 0.7: part of the training slices that is used, the first ones
        ("recompute", c_int32),  # SLMT_RECOMPUTE_LINEAR; SLMT_RECOMPUTE_CHEAP: memory against time
        ("reserved", c_int32),  # 0
    ]


slmt_status_name = _bind(
    "slmt_status_name", c_char_p, [slmt_status],
    r"""const char *slmt_status_name(slmt_status status)

    The name of a status, such as "SLMT_ERR_SCHEMA".

    status: any number

    Returns: a static text; "SLMT_ERR_UNKNOWN" for a number that is no status

    Threads: any thread, any time

    Since 0.1.
    """)


slmt_constant_name = _bind(
    "slmt_constant_name", c_char_p, [c_char_p, c_int32],
    r"""const char *slmt_constant_name(const char *prefix, int32_t value)

    The name of a constant of this library, for logs and messages: slmt_constant_name("SLMT_SPLIT_", 2) is
    "SLMT_SPLIT_TEST".

    prefix: how the names of its enum begin, with "SLMT_" in front and "_" behind
    value: any number

    Returns: a static text; the empty one where no constant fits. Never NULL

    Threads: any thread, any time

    Since 0.1.
    """)


slmt_error_text = _bind(
    "slmt_error_text", c_char_p, [],
    r"""const char *slmt_error_text(void)

    The text of the last error of the calling thread: what was wrong, where, and what was expected.

    Returns: a text owned by the library, valid until the calling thread's next call into it; the empty
    text when nothing failed yet. Never NULL. Running out of memory is a static text.

    Threads: the text belongs to the calling thread

    Since 0.1.
    """)


slmt_error_copy = _bind(
    "slmt_error_copy", c_size_t, [POINTER(c_char), c_size_t],
    r"""size_t slmt_error_copy(char *buffer, size_t size)

    Copy the text of the calling thread's last error.

    buffer: receives the text, cut to size-1 bytes and ended by a zero; may be NULL if size is 0
    size: bytes in buffer

    Returns: the full length of the text in bytes, without the zero

    Threads: the text belongs to the calling thread

    Since 0.1.
    """)


slmt_context_config_init = _bind(
    "slmt_context_config_init", None, [POINTER(slmt_context_config)],
    r"""void slmt_context_config_init(slmt_context_config *config)

    Fill a configuration with the defaults named beside its fields.

    config: not NULL

    Threads: any thread

    Since 0.1.
    """)


slmt_context_create = _bind(
    "slmt_context_create", slmt_status, [POINTER(slmt_context_config), POINTER(POINTER(slmt_context))],
    r"""slmt_status slmt_context_create(const slmt_context_config *config, slmt_context **context)

    Make a context.

    config: NULL for the defaults; copied
    context: receives the context; the caller frees it with slmt_context_free()

    Returns: SLMT_OK, or
    SLMT_ERR_ARGUMENT    a pointer is NULL, a field is out of range (the message names it), or weights
                         of 16 bits are asked for in float64;
    SLMT_ERR_VERSION     struct_size is larger than this library knows and its tail is not zero, or
                         the plug-in was built for another version of the library;
    SLMT_ERR_UNSUPPORTED the backend, precision or matrix library is not in this build, the backend
                         does not know an option, or the machine lacks what it needs (the message
                         says what);
    SLMT_ERR_NOT_FOUND   there is no backend of this name, or no plug-in at backend_path;
    SLMT_ERR_FORMAT      the file is no plug-in, or holds another backend;
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread; a context may be used by many threads at once

    Since 0.1.
    """)


slmt_context_free = _bind(
    "slmt_context_free", None, [POINTER(slmt_context)],
    r"""void slmt_context_free(slmt_context *context)

    Give a context back. Handles made in it stay valid and keep it alive until they are freed.

    context: may be NULL

    Threads: any thread; no other thread may be using this pointer

    Since 0.1.
    """)


slmt_context_live_bytes = _bind(
    "slmt_context_live_bytes", c_uint64, [POINTER(slmt_context)],
    r"""uint64_t slmt_context_live_bytes(const slmt_context *context)

    Memory that the context and everything made in it hold now.

    Counts what goes through the context's allocator, and tensors in memory of a device. What oneDNN and
    niftiio take for themselves while they work is not in it.

    context: not NULL

    Returns: bytes

    Threads: any thread

    Since 0.1.
    """)


slmt_context_device_bytes = _bind(
    "slmt_context_device_bytes", c_uint64, [POINTER(slmt_context)],
    r"""uint64_t slmt_context_device_bytes(const slmt_context *context)

    How much of slmt_context_live_bytes() is memory of a device, such as a graphics card: the tensors.

    context: not NULL

    Returns: bytes; 0 on a backend that works on the host's memory

    Threads: any thread

    Since 0.1.
    """)


slmt_context_set_nan = _bind(
    "slmt_context_set_nan", slmt_status, [POINTER(slmt_context), c_int32],
    r"""slmt_status slmt_context_set_nan(slmt_context *context, int32_t nan)

    Choose what slmt_volume_read() and slmt_volume_from_nifti() do with voxels that are NaN. A new context
    refuses them.

    context: not NULL
    nan: SLMT_NAN_REFUSE or SLMT_NAN_ZERO

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: while no other thread uses the context

    Since 0.1.
    """)


slmt_context_set_warning = _bind(
    "slmt_context_set_warning", slmt_status, [POINTER(slmt_context), slmt_warning_fn, c_void_p],
    r"""slmt_status slmt_context_set_warning(slmt_context *context, slmt_warning_fn warning, void *user)

    Choose what receives the warnings of a context and of all handles made in it. Without a callback they go
    to the context's log with the level SLMT_LOG_WARNING; the library prints nothing by itself.

    context: not NULL
    warning: NULL: none
    user: handed to warning; must stay valid while the callback is set

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: while no other thread uses the context

    Since 0.1.
    """)


slmt_context_describe = _bind(
    "slmt_context_describe", c_char_p, [POINTER(slmt_context)],
    r"""const char *slmt_context_describe(const slmt_context *context)

    What the context computes with, such as "cpu: x86-64-v4, own products, oneDNN 2.6.3".

    context: not NULL

    Returns: a text that lives as long as the context

    Threads: any thread

    Since 0.1.
    """)


slmt_method_count = _bind(
    "slmt_method_count", c_size_t, [],
    r"""size_t slmt_method_count(void)

    Number of methods.

    Returns: how many this library knows

    Threads: any thread

    Since 0.1.
    """)


slmt_method_describe = _bind(
    "slmt_method_describe", slmt_status, [c_size_t, POINTER(slmt_method_info)],
    r"""slmt_status slmt_method_describe(size_t index, slmt_method_info *info)

    Describe a method.

    index: below slmt_method_count()
    info: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_method_option = _bind(
    "slmt_method_option", slmt_status, [c_char_p, c_size_t, POINTER(slmt_number_info)],
    r"""slmt_status slmt_method_option(const char *method, size_t index, slmt_number_info *info)

    Describe an option of a method.

    method: its name
    index: from 0
    info: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method), SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_method_task = _bind(
    "slmt_method_task", slmt_status, [c_char_p, c_size_t, POINTER(slmt_task_info)],
    r"""slmt_status slmt_method_task(const char *method, size_t index, slmt_task_info *info)

    Describe a task of a method.

    method: its name
    index: from 0
    info: struct_size set by the caller; filled

    Returns: as slmt_method_option()

    Threads: any thread

    Since 0.1.
    """)


slmt_task_setting = _bind(
    "slmt_task_setting", slmt_status, [c_char_p, c_char_p, c_size_t, POINTER(slmt_number_info)],
    r"""slmt_status slmt_task_setting(const char *method, const char *task, size_t index, slmt_number_info *info)

    Describe a setting of a task.

    method: its name
    task: its name
    index: from 0
    info: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or task), SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_task_input = _bind(
    "slmt_task_input", slmt_status, [c_char_p, c_char_p, c_size_t, POINTER(slmt_port_info)],
    r"""slmt_status slmt_task_input(const char *method, const char *task, size_t index, slmt_port_info *info)

    Describe an input of a task.

    method: its name
    task: its name
    index: from 0
    info: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or task), SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_task_output = _bind(
    "slmt_task_output", slmt_status, [c_char_p, c_char_p, c_size_t, POINTER(slmt_port_info)],
    r"""slmt_status slmt_task_output(const char *method, const char *task, size_t index, slmt_port_info *info)

    Describe an output of a task.

    method: its name
    task: its name
    index: from 0
    info: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or task), SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_task_metric = _bind(
    "slmt_task_metric", slmt_status, [c_char_p, c_char_p, c_size_t, POINTER(slmt_metric_info)],
    r"""slmt_status slmt_task_metric(const char *method, const char *task, size_t index, slmt_metric_info *info)

    Describe a metric by which a task is judged; the most telling one comes first.

    method: its name
    task: its name
    index: from 0
    info: struct_size set by the caller; filled

    Returns: as slmt_task_setting()

    Threads: any thread

    Since 0.1.
    """)


slmt_preprocess_init = _bind(
    "slmt_preprocess_init", None, [POINTER(slmt_preprocess)],
    r"""void slmt_preprocess_init(slmt_preprocess *preprocess)

    Fill preprocessing with the paper's BraTS values, the defaults named beside the fields.

    preprocess: not NULL

    Threads: any thread

    Since 0.1.
    """)


slmt_model_create = _bind(
    "slmt_model_create", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(slmt_number), c_size_t, c_uint64, POINTER(POINTER(slmt_model))],
    r"""slmt_status slmt_model_create(slmt_context *context, const char *method, const slmt_number *options, size_t count, uint64_t seed, slmt_model **model)

    Make a model of any method with fresh weights.

    context: not NULL
    method: its name, see slmt_method_describe()
    options: count options by name; those not named have their initial values. NULL if count is 0
    count: options given, 0 or more
    seed: equal seeds give equal weights, whatever backend and threads
    model: receives the model; the caller frees it with slmt_model_free()

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such method or option), SLMT_ERR_ARGUMENT (the message names
    the option and its rule), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_model_method = _bind(
    "slmt_model_method", c_char_p, [POINTER(slmt_model)],
    r"""const char *slmt_model_method(const slmt_model *model)

    Name of a model's method.

    model: not NULL

    Returns: the name, which lives as long as the library

    Threads: any thread

    Since 0.1.
    """)


slmt_model_option = _bind(
    "slmt_model_option", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(c_double)],
    r"""slmt_status slmt_model_option(const slmt_model *model, const char *name, double *value)

    Read one option of a model.

    model: not NULL
    name: as in slmt_number_info
    value: receives it

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_model_option_text = _bind(
    "slmt_model_option_text", c_char_p, [POINTER(slmt_model), c_char_p],
    r"""const char *slmt_model_option_text(const slmt_model *model, const char *name)

    Read one of a model's options that is a text.

    model: not NULL
    name: as in slmt_number_info

    Returns: the text, which lives as long as the model; NULL: the method has no text of this name

    Threads: any thread

    Since 0.1.
    """)


slmt_model_load = _bind(
    "slmt_model_load", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(POINTER(slmt_model))],
    r"""slmt_status slmt_model_load(slmt_context *context, const char *path, slmt_model **model)

    Load a model from a checkpoint file. The file is not trusted: its SHA-256 is checked before
    anything in it is parsed, then every name, shape, type and value. Matrices of linear layers that are
    stored in another type than the context's `weights` are converted, one after the other.

    context: not NULL
    path: a file written by slmt_model_save() or slmt_trainer_save()
    model: receives the model; the caller frees it with slmt_model_free()

    Returns: SLMT_OK, or
    SLMT_ERR_ARGUMENT  also: a weight is too large for the context's 16-bit type (the message names
                       it);
    SLMT_ERR_NOT_FOUND, SLMT_ERR_IO;
    SLMT_ERR_FORMAT    not a libslmt checkpoint;
    SLMT_ERR_CORRUPT   the digest does not match, or the file is cut short;
    SLMT_ERR_VERSION   written by a newer library;
    SLMT_ERR_SCHEMA    tensors missing, unexpected, of another shape or type (the message lists
                       names), or a method that this build does not have;
    SLMT_ERR_NONFINITE a weight is a NaN or an infinity;
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_model_load_memory = _bind(
    "slmt_model_load_memory", slmt_status, [POINTER(slmt_context), c_void_p, c_size_t, POINTER(POINTER(slmt_model))],
    r"""slmt_status slmt_model_load_memory(slmt_context *context, const void *data, size_t size, slmt_model **model)

    Load a model from a checkpoint held in memory.

    context: not NULL
    data: the file's bytes; not modified, not kept
    size: their number
    model: receives the model; the caller frees it with slmt_model_free()

    Returns: as slmt_model_load()

    Threads: any thread

    Since 0.1.
    """)


slmt_model_load_callback = _bind(
    "slmt_model_load_callback", slmt_status, [POINTER(slmt_context), slmt_read_fn, c_void_p, POINTER(POINTER(slmt_model))],
    r"""slmt_status slmt_model_load_callback(slmt_context *context, slmt_read_fn read, void *user, slmt_model **model)

    Load a model from whatever a callback reads.

    context: not NULL
    read: called until it returns 0, or until the bytes can be no checkpoint
    user: handed to read
    model: receives the model; the caller frees it with slmt_model_free()

    Returns: as slmt_model_load(), and SLMT_ERR_IO where read fails

    Threads: any thread; read is called on the calling thread

    Since 0.1.
    """)


slmt_model_save = _bind(
    "slmt_model_save", slmt_status, [POINTER(slmt_model), c_char_p],
    r"""slmt_status slmt_model_save(const slmt_model *model, const char *path)

    Save a model: options, weights (in 16 bits where the model holds them so), preprocessing and card.
    Written to a new file beside `path`, synced, and renamed over it: at any moment `path` is the old
    file or the new one, whole.

    model: not NULL
    path: a file of HDF5 or an empty one is replaced, another one, such as a scan, is not

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also where path is a training set that is open anywhere),
    SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread, while no trainer is changing the model

    Since 0.1.
    """)


slmt_file_import = _bind(
    "slmt_file_import", slmt_status, [POINTER(slmt_context), c_char_p, c_char_p],
    r"""slmt_status slmt_file_import(slmt_context *context, const char *path, const char *out)

    Save a checkpoint or a training set again that another program, such as h5py or h5repack, has written or
    changed, and that this library therefore refuses. All groups, attributes and tensors are copied. The new
    file is loaded, or opened and read to its end, before it takes its place.

    HDF5 reads the file, and HDF5 is not made for hostile files: such a file can end the process. Call this
    function in a process of its own, with limits, as `slmt convert --import` does. It is the only function
    that needs HDF5; a library that was built with SLMT_IMPORT=OFF does without.

    context: not NULL; a checkpoint is loaded with its computing type
    path: the file to read. Training sets of version 1 cannot be imported
    out: replaced if it exists, may be path

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also where out is a training set that is open anywhere),
    SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (HDF5 cannot read it), SLMT_ERR_SCHEMA (it holds
    what no file of this library does), SLMT_ERR_UNSUPPORTED (a build without HDF5), SLMT_ERR_MEMORY,
    SLMT_ERR_LIMIT, or as slmt_trainer_load(),
    slmt_model_load() or slmt_dataset_read()

    Threads: any thread; another import waits while it reads

    Since 0.1.
    """)


slmt_model_retain = _bind(
    "slmt_model_retain", POINTER(slmt_model), [POINTER(slmt_model)],
    r"""slmt_model *slmt_model_retain(slmt_model *model)

    Add an owner to a model.

    model: not NULL

    Returns: model

    Threads: any thread

    Since 0.1.
    """)


slmt_model_free = _bind(
    "slmt_model_free", None, [POINTER(slmt_model)],
    r"""void slmt_model_free(slmt_model *model)

    Give up ownership of a model; its last owner frees it.

    model: may be NULL

    Threads: any thread

    Since 0.1.
    """)


slmt_model_get_preprocess = _bind(
    "slmt_model_get_preprocess", slmt_status, [POINTER(slmt_model), POINTER(slmt_preprocess)],
    r"""slmt_status slmt_model_get_preprocess(const slmt_model *model, slmt_preprocess *preprocess)

    Read the preprocessing kept with a model.

    model: not NULL
    preprocess: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_model_set_preprocess = _bind(
    "slmt_model_set_preprocess", slmt_status, [POINTER(slmt_model), POINTER(slmt_preprocess)],
    r"""slmt_status slmt_model_set_preprocess(slmt_model *model, const slmt_preprocess *preprocess)

    Replace the preprocessing kept with a model.

    model: not NULL
    preprocess: copied

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT: a field is out of range, or image_size is not the model's

    Threads: while nothing else uses the model

    Since 0.1.
    """)


slmt_model_get_geometry = _bind(
    "slmt_model_get_geometry", slmt_status, [POINTER(slmt_model), POINTER(slmt_geometry)],
    r"""slmt_status slmt_model_get_geometry(const slmt_model *model, slmt_geometry *geometry)

    Sizes and places of the volumes that a model was trained on. slmt_trainer_run() takes them from its
    training set, whose test and validation parts do not count.

    model: not NULL
    geometry: struct_size set by the caller; filled; `volumes` is 0 where the model does not know

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread, while no trainer is changing the model

    Since 0.1.
    """)


slmt_model_set_geometry = _bind(
    "slmt_model_set_geometry", slmt_status, [POINTER(slmt_model), POINTER(slmt_geometry)],
    r"""slmt_status slmt_model_set_geometry(slmt_model *model, const slmt_geometry *geometry)

    Replace what a model knows about the volumes that it was trained on. Converters use this.

    model: not NULL
    geometry: copied; NULL, or `volumes` 0: nothing is known

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT: a number is not finite, a size is not above 0, or a range is empty

    Threads: while nothing else uses the model

    Since 0.1.
    """)


slmt_model_tensor_count = _bind(
    "slmt_model_tensor_count", c_size_t, [POINTER(slmt_model)],
    r"""size_t slmt_model_tensor_count(const slmt_model *model)

    Number of tensors, used and unused.

    model: not NULL

    Returns: how many

    Threads: any thread

    Since 0.1.
    """)


slmt_model_tensor_info = _bind(
    "slmt_model_tensor_info", slmt_status, [POINTER(slmt_model), c_size_t, POINTER(slmt_tensor_info)],
    r"""slmt_status slmt_model_tensor_info(const slmt_model *model, size_t index, slmt_tensor_info *info)

    Describe tensor `index`.

    model: not NULL
    index: below slmt_model_tensor_count()
    info: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_model_get_tensor = _bind(
    "slmt_model_get_tensor", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(c_float), c_size_t],
    r"""slmt_status slmt_model_get_tensor(const slmt_model *model, const char *name, float *values, size_t count)

    Copy a tensor out, widened where the model holds it in 16 bits.

    model: not NULL
    name: as in slmt_tensor_info
    values: receives count float32, row-major
    count: the tensor's number of elements

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT (another count is expected)

    Threads: any thread, while no trainer is changing the model

    Since 0.1.
    """)


slmt_model_set_tensor = _bind(
    "slmt_model_set_tensor", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(c_float), c_size_t],
    r"""slmt_status slmt_model_set_tensor(slmt_model *model, const char *name, const float *values, size_t count)

    Replace a tensor's values, as a converter does. They are rounded where the model holds it in 16 bits.

    model: not NULL
    name: as in slmt_tensor_info
    values: count float32, row-major, finite
    count: the tensor's number of elements

    Returns: as slmt_model_get_tensor(), SLMT_ERR_NONFINITE, and SLMT_ERR_ARGUMENT also where a value is too
    large for the 16-bit type (nothing is changed)

    Threads: while nothing else uses the model

    Since 0.1.
    """)


slmt_model_card = _bind(
    "slmt_model_card", c_char_p, [POINTER(slmt_model), c_char_p],
    r"""const char *slmt_model_card(const slmt_model *model, const char *key)

    Read a field of the model card, free text kept in the checkpoint.

    model: not NULL
    key: "name", "data", "intended_use", "source_contrast", "target_contrast", "training" or any of up
        to 64 letters, digits and underscores

    Returns: the text, valid until the field is set again or the model freed; "" when unset

    Threads: any thread

    Since 0.1.
    """)


slmt_model_card_key = _bind(
    "slmt_model_card_key", c_char_p, [POINTER(slmt_model), c_size_t],
    r"""const char *slmt_model_card_key(const slmt_model *model, size_t index)

    The key of a field of the model card, in the order of the keys.

    model: not NULL
    index: from 0

    Returns: the key, valid until a field is set or the model freed; "" past the last one

    Threads: any thread

    Since 0.1.
    """)


slmt_model_set_card = _bind(
    "slmt_model_set_card", slmt_status, [POINTER(slmt_model), c_char_p, c_char_p],
    r"""slmt_status slmt_model_set_card(slmt_model *model, const char *key, const char *text)

    Set a field of the model card.

    model: not NULL
    key: as slmt_model_card()
    text: at most 65000 bytes of UTF-8; NULL or "" removes the field

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: while nothing else uses the model

    Since 0.1.
    """)


slmt_model_contrast_count = _bind(
    "slmt_model_contrast_count", c_size_t, [POINTER(slmt_model)],
    r"""size_t slmt_model_contrast_count(const slmt_model *model)

    Number of the names that a model has for the contrasts that it tells apart: those of the first training set
    it learned from, or what slmt_model_set_contrasts() gave it.

    model: not NULL

    Returns: how many; 0 where the method makes one contrast, or the contrasts have no names yet

    Threads: any thread

    Since 0.1.
    """)


slmt_model_contrast = _bind(
    "slmt_model_contrast", c_char_p, [POINTER(slmt_model), c_size_t],
    r"""const char *slmt_model_contrast(const slmt_model *model, size_t index)

    Name of the contrast that index `index` means to inputs of SLMT_ROLE_SOURCE_CONTRAST and
    SLMT_ROLE_TARGET_CONTRAST.

    model: not NULL
    index: from 0

    Returns: the name, valid until the names are set again or the model freed; "" past the last one

    Threads: any thread

    Since 0.1.
    """)


slmt_model_set_contrasts = _bind(
    "slmt_model_set_contrasts", slmt_status, [POINTER(slmt_model), POINTER(c_char_p), c_size_t],
    r"""slmt_status slmt_model_set_contrasts(slmt_model *model, const char *const *names, size_t count)

    Replace the names of the contrasts that a model tells apart, as a converter does.

    model: not NULL
    names: count names in the order of their indices, each of 1 to 64 bytes without a comma, none
        twice; may be NULL if count is 0
    count: at most the option of SLMT_ROLE_CONTRASTS; 0 takes the names away

    Returns: SLMT_OK, or SLMT_ERR_UNSUPPORTED (the method makes one contrast), SLMT_ERR_ARGUMENT,
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT: nothing is changed

    Threads: while nothing else uses the model

    Since 0.1.
    """)


slmt_volume_read = _bind(
    "slmt_volume_read", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_volume_read(slmt_context *context, const char *path, slmt_volume **volume)

    Read a scan: NIfTI-1, NIfTI-2 (.nii, .nii.gz, .hdr/.img) or FreeSurfer's MGH (.mgh, .mgz), of integers or
    floats of up to 64 bits, scaling applied. The bytes decide what a file is; its name matters for pairs
    alone. Trailing axes of length 1 are dropped. A file of several volumes needs the number of one behind its
    name, from 0 on, as in "scan.nii.gz[2]"; a file of just that name comes first.

    The affine is that of the sform, else of the qform, else the spacing alone, with x to the right; lengths in
    metres or micrometres are turned into millimetres. The call warns if the file gives no orientation or no
    spacing, if its forms contradict each other, and if it does not count in millimetres.

    context: not NULL
    path: the file
    volume: receives the volume; the caller frees it with slmt_volume_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (no scan: the
    message says what it is; not scalar, several volumes), SLMT_ERR_CORRUPT (damaged, cut short),
    SLMT_ERR_NONFINITE (a NaN, an infinity, a number beyond float32), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT,
    SLMT_ERR_CANCELLED (a warning was not accepted)

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_from_nifti = _bind(
    "slmt_volume_from_nifti", slmt_status, [POINTER(slmt_context), c_void_p, c_size_t, c_void_p, c_size_t, POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_volume_from_nifti(slmt_context *context, const void *header, size_t header_bytes, const void *voxels, size_t voxel_bytes, slmt_volume **volume)

    Read a scan from memory by the rules of slmt_volume_read(): a NIfTI header as another library holds it, and
    its voxels. This call interprets the header; for slmt_volume_create() a program would have to do that
    itself.

    context: not NULL
    header: NIfTI-1 (348 bytes) or NIfTI-2 (540 bytes), in either byte order, for one volume; what
        it says of their place in a file does not count
    header_bytes: bytes of it, at least as many
    voxels: what the header promises, of its type and byte order, i fastest; copied
    voxel_bytes: bytes of them
    volume: receives the volume; the caller frees it with slmt_volume_free()

    Returns: as slmt_volume_read(), and SLMT_ERR_ARGUMENT if voxel_bytes is not what the header promises

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_create = _bind(
    "slmt_volume_create", slmt_status, [POINTER(slmt_context), POINTER(c_int64), POINTER(c_double), POINTER(c_float), POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_volume_create(slmt_context *context, const int64_t dims[3], const double *affine, const float *voxels, slmt_volume **volume)

    Make a volume from an array.

    context: not NULL
    dims: voxels along i, j, k; each at least 1
    affine: 16 numbers, row-major 4x4: voxel index (i,j,k,1) to patient millimetres, NIfTI's convention
        (x to the right, y to the front, z up); NULL: 1 mm voxels, no rotation
    voxels: dims[0]*dims[1]*dims[2] float32, i fastest; copied; finite
    volume: receives the volume; the caller frees it with slmt_volume_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also: the affine is singular), SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY,
    SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_like = _bind(
    "slmt_volume_like", slmt_status, [POINTER(slmt_volume), POINTER(c_float), c_char_p, POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_volume_like(const slmt_volume *source, const float *voxels, const char *description, slmt_volume **volume)

    Make a volume of other voxels on the grid of another volume. The new volume has the geometry and units of
    the source, and nothing that described its values.

    source: not NULL
    voxels: as many float32 as source has, i fastest; copied; finite
    description: what they are, for the header's description; cut with "libslmt VERSION: " in front of
        it to 79 bytes. NULL: nothing is said
    volume: receives the volume, of source's context; the caller frees it with slmt_volume_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_resample = _bind(
    "slmt_volume_resample", slmt_status, [POINTER(slmt_volume), POINTER(c_double), c_int32, POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_volume_resample(const slmt_volume *volume, const double spacing[3], int32_t resize, slmt_volume **resampled)

    Make a volume of another voxel size over the same field of view: its middle stays from left to right and
    from front to back, and its lower end from bottom to top, as crops and slices are counted. Values are
    interpolated linearly between centres; a voxel that is larger than the old ones is the mean over its width.

    volume: not NULL; not modified
    spacing: millimetres from the middle of a voxel to that of the next, from left to right, from
        front to back and upwards; above 0
    resize: SLMT_RESIZE_BILINEAR, or SLMT_RESIZE_NEAREST for label maps: the nearest old voxel's
        value
    resampled: receives a volume whose axes go to the left, to the back and up; the caller frees it with
        slmt_volume_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also: there would be too many voxels), SLMT_ERR_MEMORY,
    SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_free = _bind(
    "slmt_volume_free", None, [POINTER(slmt_volume)],
    r"""void slmt_volume_free(slmt_volume *volume)

    Free a volume.

    volume: may be NULL

    Threads: any thread; no other thread may be using the volume

    Since 0.1.
    """)


slmt_volume_dims = _bind(
    "slmt_volume_dims", None, [POINTER(slmt_volume), POINTER(c_int64)],
    r"""void slmt_volume_dims(const slmt_volume *volume, int64_t dims[3])

    Voxels along i, j, k.

    volume: NULL: zeros
    dims: receives three numbers

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_affine = _bind(
    "slmt_volume_affine", None, [POINTER(slmt_volume), POINTER(c_double)],
    r"""void slmt_volume_affine(const slmt_volume *volume, double affine[16])

    The affine, as in slmt_volume_create().

    volume: NULL: zeros
    affine: receives 16 numbers

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_zeroed = _bind(
    "slmt_volume_zeroed", c_uint64, [POINTER(slmt_volume)],
    r"""uint64_t slmt_volume_zeroed(const slmt_volume *volume)

    Voxels that were NaN in the file and became 0 (slmt_context_set_nan()).

    volume: NULL: 0

    Returns: how many; 0 of a volume that was not read

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_voxels = _bind(
    "slmt_volume_voxels", POINTER(c_float), [POINTER(slmt_volume)],
    r"""const float *slmt_volume_voxels(const slmt_volume *volume)

    The voxels, i fastest.

    volume: NULL: no voxels

    Returns: an array that lives with the volume, or NULL

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_geometry = _bind(
    "slmt_volume_geometry", slmt_status, [POINTER(slmt_volume), POINTER(slmt_preprocess), POINTER(slmt_geometry)],
    r"""slmt_status slmt_volume_geometry(const slmt_volume *volume, const slmt_preprocess *preprocess, slmt_geometry *geometry)

    Measure a volume: size of its voxels, field of view, its head, and how that lies to crop and slices.

    volume: not NULL
    preprocess: crop and slices; NULL for the defaults
    geometry: struct_size set by the caller; filled, as of one volume

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also: too few slices), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_write = _bind(
    "slmt_volume_write", slmt_status, [POINTER(slmt_volume), c_char_p],
    r"""slmt_status slmt_volume_write(const slmt_volume *volume, const char *path)

    Write a volume as float32 NIfTI-1, the labels of slmt_segment_volume() as integers of 16 bits, or of 32
    where those are too few; gzip-compressed if the name ends in .gz. Written beside `path` and
    renamed over it. A volume that was read from a file keeps that file's header with its extensions. One that
    was made from such a volume has its geometry and units, and nothing that spoke of the old values: no
    display range, intent, slice timing, names or extensions; its description says what it is, and of a
    synthesized one that it is synthetic and not for diagnosis.

    volume: not NULL
    path: ends in .nii or .nii.gz; replaced if it exists

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (the name ends in neither .nii nor .nii.gz, or is that of a
    training set that is open anywhere), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_volume_nifti_header = _bind(
    "slmt_volume_nifti_header", slmt_status, [POINTER(slmt_volume), c_void_p],
    r"""slmt_status slmt_volume_nifti_header(const slmt_volume *volume, void *header)

    The NIfTI-1 header that slmt_volume_write() would write, in this machine's byte order and without
    extensions.

    volume: not NULL
    header: receives 348 bytes

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also: an axis is longer than NIfTI-1 can say)

    Threads: any thread

    Since 0.1.
    """)


slmt_compare = _bind(
    "slmt_compare", slmt_status, [POINTER(c_float), POINTER(c_float), c_size_t, c_size_t, POINTER(slmt_metrics)],
    r"""slmt_status slmt_compare(const float *prediction, const float *target, size_t height, size_t width, slmt_metrics *metrics)

    Compare a slice with its target. Works in memory of malloc(), which no context counts.

    prediction: [height][width] float32
    target: [height][width] float32
    height,width: pixels, each at least 7
    metrics: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE, SLMT_ERR_MEMORY

    Threads: any thread

    Source: Wang et al. 2004 (SSIM); Li et al., IEEE TMI 2023, section IV

    Since 0.1.
    """)


slmt_compare_masked = _bind(
    "slmt_compare_masked", slmt_status, [POINTER(c_float), POINTER(c_float), POINTER(c_uint8), c_size_t, c_size_t, POINTER(slmt_metrics)],
    r"""slmt_status slmt_compare_masked(const float *prediction, const float *target, const uint8_t *mask, size_t height, size_t width, slmt_metrics *metrics)

    Compare a slice with its target inside a mask. PSNR, NMSE and MAE are those of the pixels in the mask, SSIM
    is the mean over the windows whose centre is in it, and for the spectral norm both images are 0 outside.

    prediction: [height][width] float32
    target: [height][width] float32
    mask: [height][width], not 0 where pixels count; NULL: everywhere
    height,width: pixels, each at least 7
    metrics: struct_size set by the caller; filled. With an empty mask all figures are NaN and all
        numbers 0

    Returns: as slmt_compare()

    Threads: any thread

    Since 0.1.
    """)


slmt_metrics_combine = _bind(
    "slmt_metrics_combine", slmt_status, [POINTER(slmt_metrics), c_size_t, c_int32, POINTER(slmt_metrics)],
    r"""slmt_status slmt_metrics_combine(const slmt_metrics *slices, size_t count, int32_t definition, slmt_metrics *metrics)

    The figures of a stack of slices, such as a subject's, from those of its slices.

    Slices without a compared pixel do not count. With SLMT_DEFINITION_SLICE and _PAPER a figure that a slice
    lacks is left out of its mean. A volume whose target has no signal at all has no SSIM and no NMSE, and no
    figures by slice: its error says nothing of a synthesis.

    slices: count results of slmt_compare() or slmt_compare_masked(); the struct_size of all is
        sizeof(slmt_metrics)
    count: at least 1
    definition: SLMT_DEFINITION_...
    metrics: struct_size set by the caller; filled: numbers and sums are those of all slices

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_metrics_value = _bind(
    "slmt_metrics_value", slmt_status, [POINTER(slmt_metrics), c_char_p, POINTER(c_double)],
    r"""slmt_status slmt_metrics_value(const slmt_metrics *metrics, const char *name, double *value)

    One of the figures by the name that slmt_task_metric() lists it under: the name of the field.

    metrics: filled by slmt_compare()
    name: "psnr", "ssim", ...
    value: receives it

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (slmt_compare() gives no such figure), SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_writer_create = _bind(
    "slmt_dataset_writer_create", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(POINTER(slmt_dataset_writer))],
    r"""slmt_status slmt_dataset_writer_create(slmt_context *context, const char *path, slmt_dataset_writer **writer)

    Start writing a training set. Its fields are added next, then its records.

    context: not NULL
    path: appears, whole, when slmt_dataset_writer_finish() succeeds. A file of HDF5 is replaced;
        another one, such as a scan, is not (SLMT_ERR_IO), nor is a set that is open, in whatever context or
        process (SLMT_ERR_ARGUMENT)
    writer: receives the writer; the caller ends it with finish or cancel

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_add_field = _bind(
    "slmt_dataset_writer_add_field", slmt_status, [POINTER(slmt_dataset_writer), POINTER(slmt_field)],
    r"""slmt_status slmt_dataset_writer_add_field(slmt_dataset_writer *writer, const slmt_field *field)

    Add a field. Fields are numbered in the order in which they are added.

    writer: not NULL
    field: what to add; copied

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (with the rule that the field breaks, or that there are 64 fields),
    SLMT_ERR_STATE (a record has been begun, or the set is one of MR volumes), SLMT_ERR_MEMORY,
    SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_begin = _bind(
    "slmt_dataset_writer_begin", slmt_status, [POINTER(slmt_dataset_writer), POINTER(slmt_record)],
    r"""slmt_status slmt_dataset_writer_begin(slmt_dataset_writer *writer, const slmt_record *record)

    Begin a record. Its tensors are appended next; slmt_dataset_writer_end() completes it.

    writer: not NULL
    record: an id that is new to the set, its group (NULL: the id) and its split

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the record before has not ended), SLMT_ERR_IO,
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_append = _bind(
    "slmt_dataset_writer_append", slmt_status, [POINTER(slmt_dataset_writer), c_int32, POINTER(slmt_tensor)],
    r"""slmt_status slmt_dataset_writer_append(slmt_dataset_writer *writer, int32_t field, const slmt_tensor *tensor)

    Append to the record's tensor of one field: the whole tensor at once, or some rows (along the first axis) a
    call, so that a record may be larger than memory. A tensor of 0 rows says that there is nothing to be seen,
    such as no box; a field that is never appended to is missing.

    writer: not NULL
    field: number of the field
    tensor: of the field's type; its extents but the first are the field's; compact; floats are finite,
        and values of a field with classes are among them. Its name is not looked at.

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (the record stays as it was), SLMT_ERR_NONFINITE, SLMT_ERR_STATE (no
    record has been begun), SLMT_ERR_IO, SLMT_ERR_MEMORY or SLMT_ERR_LIMIT (the record can then only be
    undone, after which the set is usable)

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_end = _bind(
    "slmt_dataset_writer_end", slmt_status, [POINTER(slmt_dataset_writer)],
    r"""slmt_status slmt_dataset_writer_end(slmt_dataset_writer *writer)

    Complete the record. If the record is not complete, the call fails and drops it: the set is as it was
    before the record.

    writer: not NULL

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (no tensors, too few rows, axes of one name that differ),
    SLMT_ERR_STATE (no record has been begun), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_undo = _bind(
    "slmt_dataset_writer_undo", slmt_status, [POINTER(slmt_dataset_writer)],
    r"""slmt_status slmt_dataset_writer_undo(slmt_dataset_writer *writer)

    Drop the record that has been begun. If there is none, nothing happens.

    writer: not NULL

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (writer is NULL), SLMT_ERR_IO

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_finish = _bind(
    "slmt_dataset_writer_finish", slmt_status, [POINTER(slmt_dataset_writer)],
    r"""slmt_status slmt_dataset_writer_finish(slmt_dataset_writer *writer)

    Finish the file and free the writer, also on failure.

    writer: not NULL; freed

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (writer is NULL), SLMT_ERR_STATE (a record has not ended, or
    there is no field), SLMT_ERR_IO

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_cancel = _bind(
    "slmt_dataset_writer_cancel", None, [POINTER(slmt_dataset_writer)],
    r"""void slmt_dataset_writer_cancel(slmt_dataset_writer *writer)

    Drop the unfinished file and free the writer.

    writer: may be NULL

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_open = _bind(
    "slmt_dataset_open", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(POINTER(slmt_dataset))],
    r"""slmt_status slmt_dataset_open(slmt_context *context, const char *path, slmt_dataset **dataset)

    Open a training set. Tensors are read when they are needed; the set may be larger than memory.

    context: not NULL
    path: a file that slmt_dataset_writer_finish() wrote
    dataset: receives the set; the caller frees it with slmt_dataset_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO, SLMT_ERR_FORMAT (no training set),
    SLMT_ERR_CORRUPT (a digest does not match, or the file is cut short), SLMT_ERR_SCHEMA (written or
    changed by another program: see slmt_file_import()), SLMT_ERR_VERSION (written by a newer library),
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread; a set is used by one thread at a time

    Since 0.1.
    """)


slmt_dataset_free = _bind(
    "slmt_dataset_free", None, [POINTER(slmt_dataset)],
    r"""void slmt_dataset_free(slmt_dataset *dataset)

    Close a set.

    dataset: may be NULL

    Threads: any thread; no other thread may be using the set

    Since 0.1.
    """)


slmt_dataset_field_count = _bind(
    "slmt_dataset_field_count", c_size_t, [POINTER(slmt_dataset)],
    r"""size_t slmt_dataset_field_count(const slmt_dataset *dataset)

    Number of fields.

    dataset: not NULL

    Returns: 1 to 64

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_field = _bind(
    "slmt_dataset_field", slmt_status, [POINTER(slmt_dataset), c_size_t, POINTER(slmt_field)],
    r"""slmt_status slmt_dataset_field(const slmt_dataset *dataset, size_t index, slmt_field *field)

    Describe a field.

    dataset: not NULL
    index: from 0
    field: struct_size set by the caller; filled; its texts live with the set, none is NULL

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_record_count = _bind(
    "slmt_dataset_record_count", c_size_t, [POINTER(slmt_dataset)],
    r"""size_t slmt_dataset_record_count(const slmt_dataset *dataset)

    Number of records.

    dataset: not NULL

    Returns: how many, 0 if none was written

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_record = _bind(
    "slmt_dataset_record", slmt_status, [POINTER(slmt_dataset), c_size_t, POINTER(slmt_record)],
    r"""slmt_status slmt_dataset_record(const slmt_dataset *dataset, size_t index, slmt_record *record)

    Describe a record, in the order in which they were written.

    dataset: not NULL
    index: from 0
    record: struct_size set by the caller; filled; its texts live with the set

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_shape = _bind(
    "slmt_dataset_shape", slmt_status, [POINTER(slmt_dataset), c_size_t, c_size_t, POINTER(c_int64)],
    r"""slmt_status slmt_dataset_shape(const slmt_dataset *dataset, size_t record, size_t field, int64_t shape[6])

    Shape of a record's tensor.

    dataset: not NULL
    record: index of the record
    field: index of the field
    shape: receives as many extents as the field has axes; the first may be 0

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND (the record has no such tensor)

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_read = _bind(
    "slmt_dataset_read", slmt_status, [POINTER(slmt_dataset), c_size_t, c_size_t, c_int64, c_int64, POINTER(slmt_tensor)],
    r"""slmt_status slmt_dataset_read(slmt_dataset *dataset, size_t record, size_t field, int64_t first, int64_t count, const slmt_tensor *tensor)

    Read rows of a record's tensor: [first, first + count) along its first axis. Nothing else is read.

    dataset: not NULL
    record: index of the record
    field: index of the field
    first: first row
    count: rows, 0 or more
    tensor: where they go: of the field's type, of shape [count] and the other extents; its data is
        written; its name is not looked at

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND (the record has no such tensor), SLMT_ERR_CORRUPT
    (floats that are not finite, values that are no class of the field, damage), SLMT_ERR_IO,
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_source = _bind(
    "slmt_dataset_source", c_char_p, [POINTER(slmt_dataset)],
    r"""const char *slmt_dataset_source(const slmt_dataset *dataset)

    What the set was made from.

    dataset: not NULL

    Returns: "mr": volumes, by slmt_dataset_writer_create_mr(); "": records, by whoever wrote them

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_writer_create_mr = _bind(
    "slmt_dataset_writer_create_mr", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(slmt_preprocess), POINTER(c_char_p), c_size_t, POINTER(POINTER(slmt_dataset_writer))],
    r"""slmt_status slmt_dataset_writer_create_mr(slmt_context *context, const char *path, const slmt_preprocess *preprocess, const char *const *contrasts, size_t count, slmt_dataset_writer **writer)

    Start writing a training set of MR volumes: a record for each subject; for each contrast a field of cropped
    slices, "slice,row,column" in float32.

    context: not NULL
    path: appears, whole, when slmt_dataset_writer_finish() succeeds; what it may replace:
        slmt_dataset_writer_create()
    preprocess: NULL for the defaults; recorded in the file
    contrasts: count names, each 1 to 64 letters, digits, '-', '_'
    count: 1 to 64
    writer: receives the writer; the caller ends it with finish or cancel

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_add_labels = _bind(
    "slmt_dataset_writer_add_labels", slmt_status, [POINTER(slmt_dataset_writer), c_char_p],
    r"""slmt_status slmt_dataset_writer_add_labels(slmt_dataset_writer *writer, const char *name)

    Add a field of label maps to a set of MR volumes, before its first subject: "slice,row,column" in int32.
    The labels that occur become the field's classes, each named as its number.

    writer: from slmt_dataset_writer_create_mr()
    name: new to the set: 1 to 64 letters, digits, '-', '_'

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (there is a subject already, or the set is not one of
    MR volumes), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_add = _bind(
    "slmt_dataset_writer_add", slmt_status, [POINTER(slmt_dataset_writer), c_char_p, POINTER(POINTER(slmt_volume)), c_int32],
    r"""slmt_status slmt_dataset_writer_add(slmt_dataset_writer *writer, const char *subject, const slmt_volume *const *volumes, int32_t split)

    Preprocess a subject's volumes and add them: reorient to axial slices, normalise each volume on its own,
    crop, choose slices, resize. Label maps are reoriented, cropped and cut into slices alone: their values
    stay.

    writer: from slmt_dataset_writer_create_mr()
    subject: a name new to this set, of the form of slmt_record's id
    volumes: one for each contrast, then one for each field of labels, NULL where missing; those present
        have equal grids; labels are whole numbers from -2^24 to 2^24
    split: SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST or SLMT_SPLIT_VALIDATION

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (grids differ, too few slices, a constant volume, a label
    that is not a whole number, ...; the set stays as it was and more subjects can be added),
    SLMT_ERR_STATE (the set is not one of MR volumes), SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_writer_any_spacing = _bind(
    "slmt_dataset_writer_any_spacing", slmt_status, [POINTER(slmt_dataset_writer)],
    r"""slmt_status slmt_dataset_writer_any_spacing(slmt_dataset_writer *writer)

    Let the volumes of a set have voxels of different sizes, before its first subject. Without this call the
    first subject decides the size, and subjects of another one are refused.

    writer: from slmt_dataset_writer_create_mr()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the set is not one of MR volumes)

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_geometry = _bind(
    "slmt_dataset_geometry", slmt_status, [POINTER(slmt_dataset), c_int32, POINTER(slmt_geometry)],
    r"""slmt_status slmt_dataset_geometry(const slmt_dataset *dataset, int32_t split, slmt_geometry *geometry)

    Sizes and places of the volumes of a set of MR volumes, one for each subject.

    dataset: not NULL
    split: SLMT_SPLIT_ALL, or one part of the set
    geometry: struct_size set by the caller; filled; `volumes` is 0 where the set does not know, as of
        an older file, or the split has no subject

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the set was not made from MR volumes)

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_writer_add_subject = _bind(
    "slmt_dataset_writer_add_subject", slmt_status, [POINTER(slmt_dataset_writer), POINTER(slmt_record), POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_dataset_writer_add_subject(slmt_dataset_writer *writer, const slmt_record *subject, const slmt_volume *const *volumes)

    Preprocess a subject's volumes and add them, as slmt_dataset_writer_add() does, and say whose they are: two
    sessions of one person are two subjects of one group.

    writer: from slmt_dataset_writer_create_mr()
    subject: an id that is new to the set, its group (the person; NULL: the id) and its split
    volumes: as for slmt_dataset_writer_add()

    Returns: as slmt_dataset_writer_add()

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_get_preprocess = _bind(
    "slmt_dataset_get_preprocess", slmt_status, [POINTER(slmt_dataset), POINTER(slmt_preprocess)],
    r"""slmt_status slmt_dataset_get_preprocess(const slmt_dataset *dataset, slmt_preprocess *preprocess)

    The preprocessing that the slices of a set of MR volumes went through.

    dataset: not NULL
    preprocess: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the set was not made from MR volumes)

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_contrast_count = _bind(
    "slmt_dataset_contrast_count", c_size_t, [POINTER(slmt_dataset)],
    r"""size_t slmt_dataset_contrast_count(const slmt_dataset *dataset)

    Number of contrasts. They are the set's first fields.

    dataset: not NULL

    Returns: 1 to 64; 0 if the set was not made from MR volumes

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_contrast = _bind(
    "slmt_dataset_contrast", c_char_p, [POINTER(slmt_dataset), c_size_t],
    r"""const char *slmt_dataset_contrast(const slmt_dataset *dataset, size_t index)

    Name of a contrast.

    dataset: not NULL
    index: from 0

    Returns: the name, which lives with the set; NULL past the last

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_subject_count = _bind(
    "slmt_dataset_subject_count", c_size_t, [POINTER(slmt_dataset)],
    r"""size_t slmt_dataset_subject_count(const slmt_dataset *dataset)

    Number of subjects. Each is a record of the same index.

    dataset: not NULL

    Returns: how many, 0 if none was added

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_subject = _bind(
    "slmt_dataset_subject", c_char_p, [POINTER(slmt_dataset), c_size_t],
    r"""const char *slmt_dataset_subject(const slmt_dataset *dataset, size_t index)

    Name of a subject, in the order they were added.

    dataset: not NULL
    index: from 0

    Returns: the name, which lives with the set; NULL past the last

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_subject_split = _bind(
    "slmt_dataset_subject_split", c_int32, [POINTER(slmt_dataset), c_size_t],
    r"""int32_t slmt_dataset_subject_split(const slmt_dataset *dataset, size_t index)

    Part of the set that a subject is in.

    dataset: not NULL
    index: from 0

    Returns: SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST or SLMT_SPLIT_VALIDATION; 0 past the last

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_slice_count = _bind(
    "slmt_dataset_slice_count", c_size_t, [POINTER(slmt_dataset), c_size_t, c_size_t],
    r"""size_t slmt_dataset_slice_count(const slmt_dataset *dataset, size_t subject, size_t contrast)

    Slices of a subject in one contrast.

    dataset: not NULL
    subject: index of the subject
    contrast: index of the contrast

    Returns: how many; 0 where missing or out of range

    Threads: any thread

    Since 0.1.
    """)


slmt_dataset_read_slice = _bind(
    "slmt_dataset_read_slice", slmt_status, [POINTER(slmt_dataset), c_size_t, c_size_t, c_size_t, c_int32, POINTER(c_float)],
    r"""slmt_status slmt_dataset_read_slice(slmt_dataset *dataset, size_t subject, size_t contrast, size_t slice, int32_t resize, float *pixels)

    Read one slice of a set of MR volumes.

    dataset: not NULL
    subject: index of the subject
    contrast: index of the contrast
    slice: below slmt_dataset_slice_count()
    resize: SLMT_RESIZE_BILINEAR, or SLMT_RESIZE_NEAREST for a target as the reference makes it; the
        file holds the cropped slice and resizing happens here
    pixels: receives [image_size][image_size] float32 in [0, 1]

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND (the subject lacks the contrast), SLMT_ERR_IO,
    SLMT_ERR_CORRUPT (damage, or a value outside [0, 1]), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_dataset_cut_labels = _bind(
    "slmt_dataset_cut_labels", slmt_status, [POINTER(slmt_dataset), POINTER(slmt_volume), c_size_t, POINTER(c_int32)],
    r"""slmt_status slmt_dataset_cut_labels(const slmt_dataset *dataset, const slmt_volume *volume, size_t slices, int32_t *labels)

    Cut a label map, such as a mask, as the volumes of a set were cut: reoriented, cropped, and of its slices
    those that were taken. Values stay, and nothing is resized: the result lies on the pixels of the set's own
    label maps.

    dataset: not NULL
    volume: on the grid of the subject's volumes; labels as in slmt_dataset_writer_add()
    slices: how many are expected: those of the subject
    labels: receives [slices][crop_size][crop_size] int32

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (another number of slices, a label that is not a whole number),
    SLMT_ERR_STATE (the set was not made from MR volumes), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread at a time

    Since 0.1.
    """)


slmt_ranking_options_init = _bind(
    "slmt_ranking_options_init", None, [POINTER(slmt_ranking_options)],
    r"""void slmt_ranking_options_init(slmt_ranking_options *options)

    Fill options with the defaults named beside the fields.

    options: not NULL

    Threads: any thread

    Since 0.1.
    """)


slmt_rank_sequences = _bind(
    "slmt_rank_sequences", slmt_status, [POINTER(slmt_pair_score), c_size_t, c_size_t, POINTER(slmt_ranking_options), POINTER(c_double), POINTER(c_double), POINTER(c_double)],
    r"""slmt_status slmt_rank_sequences(const slmt_pair_score *scores, size_t count, size_t sequences, const slmt_ranking_options *options, double *totipotency, double *differentiation, double *agreement)

    Rank sequences by how well they make the others, and by how badly the others make them.

    For each metric q the scores of all rows have a mean and a (population) deviation; of the mean q_ij over
    the rows of source i and target j, z_q(i,j) = (q_ij - mean) / (deviation + 1e-9). Then
    A_ij = z_psnr + z_ssim - z_lpips. NaN are skipped; a metric adds 0 to pairs that have no score of it, and A
    is 0 for pairs without a row. With N sequences, whatever `self` is,

        totipotency(i)     =  1/N sum_j A_ij    how well i makes the others
        differentiation(i) = -1/N sum_j A_ji    how hard i is to make

    Most is first in both. With as many rows for each pair the A_ij of all rows sum to 0.

    scores: count rows in any order; not modified
    count: at least 1, also after `self` took rows from the sums
    sequences: N, at least 1
    options: NULL for the defaults
    totipotency: [N], written
    differentiation: [N], written
    agreement: [N][N], A with a row for each source, written; may be NULL

    Returns: SLMT_OK, or
    SLMT_ERR_ARGUMENT  a pointer is NULL, no row is left, an index is not below N (the message names
                       the row), `self` is none of SLMT_SELF_...;
    SLMT_ERR_NONFINITE a score is an infinity (the message names it: bound it as slmt_compare() does),
                       or scores are too large for their squares;
    SLMT_ERR_VERSION, SLMT_ERR_MEMORY. Nothing is written where it fails

    Threads: any thread

    Source: Han et al., Medical Image Analysis 92 (2024) 103044, C_t and C_d

    Since 0.1.
    """)


slmt_differentiation_map = _bind(
    "slmt_differentiation_map", slmt_status, [POINTER(POINTER(c_float)), c_size_t, POINTER(c_float), c_size_t, POINTER(c_float)],
    r"""slmt_status slmt_differentiation_map(const float *const *predictions, size_t n, const float *truth, size_t count, float *map)

    Imaging-differentiation map: where an image holds what its sources lack.

        map[k] = 1/n sum_s |predictions[s][k] - truth[k]|

    The paper's code takes a prediction from each sequence, the image itself included. Leave that one out to
    see what the others cannot make.

    predictions: n pointers to [count] float32, each made from another source; not modified
    n: at least 1
    truth: [count] float32; not modified
    count: pixels, at least 1
    map: [count] float32, written; may not overlap the others

    Returns: SLMT_OK, or
    SLMT_ERR_ARGUMENT  a pointer is NULL, n or count is 0, map overlaps another array;
    SLMT_ERR_NONFINITE an image holds a NaN or an infinity (the message names the first). Nothing is
                       written where it fails

    Threads: any thread

    Source: Han et al., Medical Image Analysis 92 (2024) 103044, M_d

    Since 0.1.
    """)


slmt_profile_create = _bind(
    "slmt_profile_create", slmt_status, [POINTER(slmt_context), POINTER(POINTER(slmt_profile))],
    r"""slmt_status slmt_profile_create(slmt_context *context, slmt_profile **profile)

    Make a profile, which has recorded nothing yet.

    context: not NULL
    profile: receives the profile; the caller frees it with slmt_profile_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_profile_free = _bind(
    "slmt_profile_free", None, [POINTER(slmt_profile)],
    r"""void slmt_profile_free(slmt_profile *profile)

    Free a profile, or give up the caller's share of it while sessions or trainers hold it.

    profile: may be NULL

    Threads: as a run of what it is given to

    Since 0.1.
    """)


slmt_profile_clear = _bind(
    "slmt_profile_clear", None, [POINTER(slmt_profile)],
    r"""void slmt_profile_clear(slmt_profile *profile)

    Forget all calls; time starts at 0 again.

    profile: not NULL

    Threads: as a run of what it is given to

    Since 0.1.
    """)


slmt_session_set_profile = _bind(
    "slmt_session_set_profile", slmt_status, [POINTER(slmt_session), POINTER(slmt_profile)],
    r"""slmt_status slmt_session_set_profile(struct slmt_session *session, slmt_profile *profile)

    Record the calls of a session from now on. This allocates room for an entry for each layer, and later 24
    bytes for the event of each call. After 2^20 events, calls are counted, but they are not in the trace.

    session: not NULL
    profile: kept alive by the session; NULL: calls are recorded no longer

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT (the session is as before)

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_trainer_set_profile = _bind(
    "slmt_trainer_set_profile", slmt_status, [POINTER(slmt_trainer), POINTER(slmt_profile)],
    r"""slmt_status slmt_trainer_set_profile(struct slmt_trainer *trainer, slmt_profile *profile)

    Record the calls of a trainer's steps from now on, those of the optimiser ("adam") included.

    trainer: not NULL
    profile: as slmt_session_set_profile()

    Returns: as slmt_session_set_profile()

    Threads: one thread per trainer at a time

    Since 0.1.
    """)


slmt_profile_entry_count = _bind(
    "slmt_profile_entry_count", c_size_t, [POINTER(slmt_profile)],
    r"""size_t slmt_profile_entry_count(const slmt_profile *profile)

    Number of entries.

    profile: may be NULL: 0

    Returns: how many

    Threads: as a run of what it is given to

    Since 0.1.
    """)


slmt_profile_entry_at = _bind(
    "slmt_profile_entry_at", slmt_status, [POINTER(slmt_profile), c_size_t, POINTER(slmt_profile_entry)],
    r"""slmt_status slmt_profile_entry_at(const slmt_profile *profile, size_t index, slmt_profile_entry *entry)

    One entry, in the order of first use.

    profile: not NULL
    index: below slmt_profile_entry_count()
    entry: receives the entry; its texts live until the profile is next given away, or freed

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: as a run of what it is given to

    Since 0.1.
    """)


slmt_profile_write_trace = _bind(
    "slmt_profile_write_trace", slmt_status, [POINTER(slmt_profile), c_char_p],
    r"""slmt_status slmt_profile_write_trace(const slmt_profile *profile, const char *path)

    Write all calls as a trace in Chrome's JSON format (chrome://tracing, ui.perfetto.dev), atomically.

    profile: not NULL
    path: replaced if it exists

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also where path is a training set that is open anywhere),
    SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: as a run of what it is given to

    Source: Trace Event Format, "complete" events

    Since 0.1.
    """)


slmt_session_create = _bind(
    "slmt_session_create", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(slmt_number), c_size_t, POINTER(POINTER(slmt_session))],
    r"""slmt_status slmt_session_create(slmt_model *model, const char *task, const slmt_number *settings, size_t count, slmt_session **session)

    Make a session for a task of any method: build and plan the network for the settings and take the memory.

    model: kept alive by the session; not to be trained while there are sessions of it
    task: its name, see slmt_method_task(); one that does not train. NULL: the one with an output of
        SLMT_ROLE_TARGET, which all methods call "synthesize"
    settings: count settings by name; those not named have their initial values. NULL if count is 0
    count: settings given, 0 or more
    session: receives the session; the caller frees it with slmt_session_free()

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such task or setting), SLMT_ERR_STATE (a task that trains, or
    that reads tensors which are trained elsewhere and were never set), SLMT_ERR_ARGUMENT,
    SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_session_memory = _bind(
    "slmt_session_memory", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(slmt_number), c_size_t, POINTER(c_uint64)],
    r"""slmt_status slmt_session_memory(slmt_model *model, const char *task, const slmt_number *settings, size_t count, uint64_t *bytes)

    Bytes that a session holds through the context's allocator and in memory of a device, exactly. While it is
    made, planning holds a little more for a moment (well below 1 MB for a small network): a max_bytes cut to
    the last byte may refuse it.

    model: not NULL
    task: as slmt_session_create()
    settings: likewise
    count: likewise
    bytes: receives the number

    Returns: as slmt_session_create()

    Threads: any thread

    Since 0.1.
    """)


slmt_session_device_memory = _bind(
    "slmt_session_device_memory", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(slmt_number), c_size_t, POINTER(c_uint64)],
    r"""slmt_status slmt_session_device_memory(slmt_model *model, const char *task, const slmt_number *settings, size_t count, uint64_t *bytes)

    How much of slmt_session_memory() is memory of a device, such as a graphics card. The weights, which the
    sessions of a model share there, are not in it.

    model: not NULL
    task: as slmt_session_create()
    settings: likewise
    count: likewise
    bytes: receives the number; 0 on a backend that works on the host's memory

    Returns: as slmt_session_create()

    Threads: any thread

    Since 0.1.
    """)


slmt_session_free = _bind(
    "slmt_session_free", None, [POINTER(slmt_session)],
    r"""void slmt_session_free(slmt_session *session)

    Free a session.

    session: may be NULL; no call may be running on it

    Threads: any thread

    Since 0.1.
    """)


slmt_session_model = _bind(
    "slmt_session_model", POINTER(slmt_model), [POINTER(slmt_session)],
    r"""slmt_model *slmt_session_model(slmt_session *session)

    The model that a session runs.

    session: not NULL

    Returns: the model, which lives as long as the session; retain it to keep it longer

    Threads: any thread

    Since 0.1.
    """)


slmt_session_task = _bind(
    "slmt_session_task", c_char_p, [POINTER(slmt_session)],
    r"""const char *slmt_session_task(const slmt_session *session)

    Name of the task that a session runs.

    session: not NULL

    Returns: the name, which lives as long as the library

    Threads: any thread

    Since 0.1.
    """)


slmt_session_cancel = _bind(
    "slmt_session_cancel", None, [POINTER(slmt_session)],
    r"""void slmt_session_cancel(slmt_session *session)

    Ask the call that is running on a session to stop: it returns SLMT_ERR_CANCELLED at the next layer. With no
    call running, the next one stops.

    session: not NULL

    Threads: any thread, any time before the session is freed

    Since 0.1.
    """)


slmt_session_set_progress = _bind(
    "slmt_session_set_progress", slmt_status, [POINTER(slmt_session), slmt_progress_fn, c_void_p],
    r"""slmt_status slmt_session_set_progress(slmt_session *session, slmt_progress_fn progress, void *user)

    Have a session call back from now on.

    session: not NULL
    progress: called after samples that were computed together; NULL: no calls
    user: handed to progress

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_session_set_spacing = _bind(
    "slmt_session_set_spacing", slmt_status, [POINTER(slmt_session), c_int32],
    r"""slmt_status slmt_session_set_spacing(slmt_session *session, int32_t spacing)

    Choose what slmt_synthesize_volume() makes of volumes whose voxels are not of the size that the model was
    trained on. A new session refuses them. A model that does not know that size takes any volume, and the
    first call says so in a warning.

    session: not NULL
    spacing: SLMT_SPACING_REFUSE, SLMT_SPACING_RESAMPLE or SLMT_SPACING_ANY

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_session_set_target = _bind(
    "slmt_session_set_target", slmt_status, [POINTER(slmt_session), c_char_p],
    r"""slmt_status slmt_session_set_target(slmt_session *session, const char *contrast)

    Choose the contrast that slmt_synthesize() and slmt_synthesize_volume() make from now on, by its name.

    A model that tells several contrasts apart makes the one that has this name (slmt_model_contrast()); a
    model that makes one only must have been trained for it, as field "target_contrast" of its card says.

    session: not NULL
    contrast: its name

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (the model does not make it; the message says what it makes),
    SLMT_ERR_ARGUMENT

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_synthesize = _bind(
    "slmt_synthesize", slmt_status, [POINTER(slmt_session), POINTER(c_float), c_size_t, POINTER(c_float)],
    r"""slmt_status slmt_synthesize(slmt_session *session, const float *source, size_t count, float *target)

    Synthesize target-contrast slices from source-contrast slices.

    The session may be of any method whose task takes slices. The task "synthesize" of seq2seq must be told
    first which sequence to make (slmt_session_set()).

    With SLMT-Net each slice stands alone, and the call allocates nothing unless the session has a profile.
    With SLMT_MATRIX_ONEDNN, oneDNN takes some small blocks from malloc() and frees them; if malloc() fails
    there, the call returns SLMT_ERR_MEMORY, and the next call works. Seq2Seq takes the slices for neighbours
    in one volume, from bottom to top. In 2D it makes each slice with the slices beside it, in 3D it makes
    blocks of `depth` slices; the first and the last slice are repeated if a neighbour is missing. It allocates
    memory for one run, and frees it.

    A slice's result does not depend on earlier calls, and with SLMT-Net it does not depend on the other slices
    of the call. On a processor with AVX2 and without AVX-512 the latter does not hold with SLMT_MATRIX_ONEDNN,
    whose kernels may round a row differently at another place of the batch.

    session: of a task that takes slices; its images are height x width (SLMT-Net: image_size, both)
    source: [count][height][width] float32 in [0, 1], row-major; not modified
    count: number of slices, at least 1; need not be a multiple of the session's batch
    target: [count][height][width] float32, written in [0, 1]; may not overlap source

    Returns: SLMT_OK, or
    SLMT_ERR_ARGUMENT    a pointer is NULL, count is 0, the arrays overlap;
    SLMT_ERR_NONFINITE   source holds a NaN or an infinity (the message names the first): target is
                         untouched. Or the result holds some, because the network overflows (the
                         message says how many, and where the first is): target is not usable;
    SLMT_ERR_UNSUPPORTED the task takes no slices, or not with its options and settings;
    SLMT_ERR_STATE       a shared input was not set, or another thread is in a call of the session;
    SLMT_ERR_CANCELLED   target is undefined; SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND

    Threads: one thread per session at a time

    Source: the paper of the method, as slmt_method_info names it; of SLMT-Net section III-B (MT-UNet)

    Since 0.1.
    """)


slmt_synthesize_volume = _bind(
    "slmt_synthesize_volume", slmt_status, [POINTER(slmt_session), POINTER(slmt_volume), POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_synthesize_volume(slmt_session *session, const slmt_volume *source, slmt_volume **target)

    Synthesize a whole volume: reorient, normalise, crop, resize with the model's preprocessing, synthesize,
    and bring the result back to the source's own grid, where everything outside crop and slice range is 0.

    Voxels must be of the size that the model was trained on, or slmt_session_set_spacing() says what to do. A
    volume that lies otherwise than those of the training, whose slices are empty, or whose result is 0 in most
    of the head gives a warning (slmt_context_set_warning()).

    The slices are synthesized as by slmt_synthesize(). The session's height and width must be those of the
    model's preprocessing.

    session: as slmt_synthesize()
    source: a raw volume of the source contrast, any orientation
    target: receives a volume on the same grid with values in [0, 1]; the caller frees it

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (a constant volume, too few slices, another image size, voxels of
    another size), SLMT_ERR_NONFINITE (the result holds a NaN or an infinity: no volume is made),
    SLMT_ERR_UNSUPPORTED (the task takes no slices), SLMT_ERR_STATE (a shared input was not set),
    SLMT_ERR_CANCELLED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_normalize_volume = _bind(
    "slmt_normalize_volume", slmt_status, [POINTER(slmt_model), POINTER(slmt_volume), POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_normalize_volume(const slmt_model *model, const slmt_volume *source, slmt_volume **normalized)

    The volume as a model sees it: what slmt_synthesize_volume() would give if the network changed nothing.

    model: not NULL
    source: a raw volume, any orientation
    normalized: receives a volume on the source's grid with values in [0, 1]; the caller frees it

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (a constant volume, too few slices, voxels of another size than the
    training's), SLMT_ERR_NONFINITE, SLMT_ERR_CANCELLED (a warning was refused), SLMT_ERR_MEMORY,
    SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_session_normalize_volume = _bind(
    "slmt_session_normalize_volume", slmt_status, [POINTER(slmt_session), POINTER(slmt_volume), POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_session_normalize_volume(slmt_session *session, const slmt_volume *source, slmt_volume **normalized)

    The volume as a session's model sees it, as by slmt_normalize_volume(). If its voxels are not of the
    training's size, the volume is treated as slmt_session_set_spacing() says.

    session: not NULL
    source: a raw volume, any orientation
    normalized: receives a volume on the source's grid with values in [0, 1]; the caller frees it

    Returns: as slmt_normalize_volume()

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_session_shape = _bind(
    "slmt_session_shape", slmt_status, [POINTER(slmt_session), c_char_p, POINTER(c_int64), POINTER(c_int32)],
    r"""slmt_status slmt_session_shape(const slmt_session *session, const char *name, int64_t shape[6], int32_t *rank)

    The shape of an input or output under the session's settings.

    session: not NULL
    name: of the input or output
    shape: receives 6 extents, unused ones 0; the first of a batched one is the batch setting
    rank: receives their number

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_session_set = _bind(
    "slmt_session_set", slmt_status, [POINTER(slmt_session), POINTER(slmt_tensor)],
    r"""slmt_status slmt_session_set(slmt_session *session, const slmt_tensor *input)

    Set an input that all samples share, such as the sequence to make, for slmt_synthesize() and
    slmt_synthesize_volume().

    session: not NULL
    input: as in slmt_session_run()

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such shared input), SLMT_ERR_ARGUMENT, SLMT_ERR_NONFINITE

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_session_run = _bind(
    "slmt_session_run", slmt_status, [POINTER(slmt_session), POINTER(slmt_tensor), c_size_t, POINTER(slmt_tensor), c_size_t],
    r"""slmt_status slmt_session_run(slmt_session *session, const slmt_tensor *inputs, size_t n_inputs, const slmt_tensor *outputs, size_t n_outputs)

    Run the session's task. Allocates nothing, unless the session has a profile; as slmt_synthesize() says,
    oneDNN takes small blocks for itself where it is asked for.

    session: not NULL
    inputs: n_inputs tensors, one for each input of the task, in any order; compact and row-major,
        not modified. The first axis of batched ones may have any length, the same for all
    n_inputs: inputs given
    outputs: n_outputs tensors, one for each output, likewise; written. None may overlap an input
    n_outputs: outputs given

    Returns: SLMT_OK, or
    SLMT_ERR_ARGUMENT  one is missing, or of another type or shape than the message says;
    SLMT_ERR_NOT_FOUND one is for no input or output of the task;
    SLMT_ERR_NONFINITE an input holds a NaN or an infinity: nothing was written. Or an output does
                       (the message names it, the number of such elements and the first one);
    SLMT_ERR_CANCELLED outputs are undefined; SLMT_ERR_BACKEND

    Threads: one thread per session at a time

    Since 0.1.
    """)


slmt_segmentation_init = _bind(
    "slmt_segmentation_init", None, [POINTER(slmt_segmentation)],
    r"""void slmt_segmentation_init(slmt_segmentation *how)

    The defaults: windows that overlap by half, no mirroring, no random field, all objects.

    how: filled; NULL: nothing happens

    Threads: any thread

    Since 0.1.
    """)


slmt_segment_volume = _bind(
    "slmt_segment_volume", slmt_status, [POINTER(slmt_session), POINTER(POINTER(slmt_volume)), c_size_t, POINTER(slmt_segmentation), POINTER(POINTER(slmt_volume)), POINTER(POINTER(slmt_volume))],
    r"""slmt_status slmt_segment_volume(slmt_session *session, const slmt_volume *const *sources, size_t n_sources, const slmt_segmentation *how, slmt_volume **labels, slmt_volume **probabilities)

    Label a whole volume: bring each contrast to crops as the training set had them (of its crop_size; only for
    models with an option image_size are they resized to it, as in their training), run the network on windows
    of the session's size, put their probabilities together, and give each voxel of the scan's own grid the
    value of its most probable class.

    Windows overlap; a probability counts most where it is in the middle of its window (a Gaussian whose
    standard deviation is an eighth of the window). Where the model's slices are smaller than a window, zeros
    are put behind them. Networks of slices take each slice alone. Outside crop and slices of the model's
    preprocessing the first class, the background, is certain.

    session: of task "segment"; its settings rows and columns (and slices) are the window: best
        those of the training, which the command takes. Its batch need not be above 1
    sources: n_sources raw volumes of any orientation on one grid, in the order of
        slmt_model_contrast()
    n_sources: as many as the model's option `channels`
    how: NULL: the defaults
    labels: receives a volume on the grid of sources[0], of the values that option `classes`
        names; slmt_volume_write() writes it as integers. The caller frees it with
        slmt_volume_free()
    probabilities: NULL, or receives a volume for each class in the order of `classes`, from 0 to 1; the
        caller frees each with slmt_volume_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (another number of volumes, grids that differ, voxels of another size
    than the training's, a constant volume), SLMT_ERR_UNSUPPORTED (the session's task labels nothing),
    SLMT_ERR_NONFINITE (the network overflows), SLMT_ERR_CANCELLED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT,
    SLMT_ERR_BACKEND; on an error nothing is made

    Threads: one thread per session at a time

    Source: the windows and their weights: Isensee et al., Nature Methods 18 (2021), section "Inference"

    Since 0.1.
    """)


slmt_segment_slices = _bind(
    "slmt_segment_slices", slmt_status, [POINTER(slmt_session), POINTER(c_float), POINTER(c_int64), POINTER(c_double), POINTER(slmt_segmentation), POINTER(c_int32), POINTER(c_float)],
    r"""slmt_status slmt_segment_slices(slmt_session *session, const float *image, const int64_t size[3], const double spacing[3], const slmt_segmentation *how, int32_t *labels, float *probabilities)

    Label slices that are prepared already, such as those that slmt_dataset_read() gives of a training set:
    what slmt_segment_volume() does between a scan and its label map. Slices of the training's crop_size are
    resized for models with an option image_size, and their probabilities back; others are not.

    session: of task "segment"
    image: [channels][size[0]][size[1]][size[2]] float32, row-major: the slices of each
        contrast, in the order of slmt_model_contrast(), with intensities as in the training,
        which for sets of MR volumes are in [0, 1]; not modified
    size: slices, rows and columns, each at least 1
    spacing: mm from a slice to the next, from a row, from a column: for the random field; NULL: 1
    how: NULL: the defaults
    labels: [size[0]][size[1]][size[2]] int32: receives values of the option `classes`
    probabilities: NULL, or [classes][size[0]][size[1]][size[2]] float32: receives numbers from 0 to 1

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_UNSUPPORTED (the session's task labels nothing),
    SLMT_ERR_NONFINITE (the image has, or the network makes, what is no number), SLMT_ERR_CANCELLED,
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT, SLMT_ERR_BACKEND; on an error labels and probabilities are
    undefined

    Threads: one thread per session at a time

    Source: as slmt_segment_volume(); the random field: Kraehenbuehl and Koltun, NIPS 24 (2011)

    Since 0.1.
    """)


slmt_compare_labels = _bind(
    "slmt_compare_labels", slmt_status, [POINTER(slmt_volume), POINTER(slmt_volume), c_int32, POINTER(slmt_label_scores)],
    r"""slmt_status slmt_compare_labels(const slmt_volume *labels, const slmt_volume *truth, int32_t label, slmt_label_scores *scores)

    Compare a label map with the truth, for one of its labels.

    labels: what is judged, such as the labels of slmt_segment_volume()
    truth: on the same grid
    label: value of the class
    scores: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also: grids that differ), SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Source: Reinke et al., Nature Methods 21 (2024), for the definitions

    Since 0.1.
    """)


slmt_label_scores_of_counts = _bind(
    "slmt_label_scores_of_counts", slmt_status, [POINTER(c_int64), c_size_t, c_size_t, POINTER(slmt_label_scores)],
    r"""slmt_status slmt_label_scores_of_counts(const int64_t *counts, size_t classes, size_t index, slmt_label_scores *scores)

    The figures of one class that follow from counts of voxels, such as those of all subjects together: all but
    the distances of the surfaces, which are NaN.

    counts: [classes][classes], a row for each class of the truth: how many of its voxels have each
        class in the labels
    classes: 1 to 64
    index: of the class, below `classes`
    scores: struct_size set by the caller; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also: a count below 0)

    Threads: any thread

    Source: Reinke et al., Nature Methods 21 (2024), for the definitions

    Since 0.1.
    """)


slmt_trainer_create = _bind(
    "slmt_trainer_create", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(slmt_number), c_size_t, c_uint64, POINTER(POINTER(slmt_trainer))],
    r"""slmt_status slmt_trainer_create(slmt_model *model, const char *task, const slmt_number *settings, size_t count, uint64_t seed, slmt_trainer **trainer)

    Make a trainer for a task of any method.

    model: kept alive by the trainer, changed by its steps
    task: its name, see slmt_method_task(); one that trains
    settings: count settings by name; those not named have their initial values. NULL if count is 0
    count: settings given, 0 or more
    seed: drives order, augmentation and whatever else is random
    trainer: receives the trainer; the caller frees it with slmt_trainer_free()

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (no such task or setting), SLMT_ERR_STATE (a task that does not
    train, or reads tensors that are trained elsewhere and were never set), SLMT_ERR_ARGUMENT,
    SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_memory = _bind(
    "slmt_trainer_memory", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(slmt_number), c_size_t, POINTER(c_uint64)],
    r"""slmt_status slmt_trainer_memory(slmt_model *model, const char *task, const slmt_number *settings, size_t count, uint64_t *bytes)

    Bytes that a trainer holds, exactly; see slmt_session_memory().

    model: not NULL
    task: as slmt_trainer_create()
    settings: likewise
    count: likewise
    bytes: receives the number

    Returns: as slmt_trainer_create()

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_device_memory = _bind(
    "slmt_trainer_device_memory", slmt_status, [POINTER(slmt_model), c_char_p, POINTER(slmt_number), c_size_t, POINTER(c_uint64)],
    r"""slmt_status slmt_trainer_device_memory(slmt_model *model, const char *task, const slmt_number *settings, size_t count, uint64_t *bytes)

    How much of slmt_trainer_memory() is memory of a device; see slmt_session_device_memory().

    model: not NULL
    task: as slmt_trainer_create()
    settings: likewise
    count: likewise
    bytes: receives the number; 0 on a backend that works on the host's memory

    Returns: as slmt_trainer_create()

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_task = _bind(
    "slmt_trainer_task", c_char_p, [POINTER(slmt_trainer)],
    r"""const char *slmt_trainer_task(const slmt_trainer *trainer)

    Name of the task that a trainer runs.

    trainer: not NULL

    Returns: the name, which lives as long as the library

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_setting = _bind(
    "slmt_trainer_setting", slmt_status, [POINTER(slmt_trainer), c_char_p, POINTER(c_double)],
    r"""slmt_status slmt_trainer_setting(const slmt_trainer *trainer, const char *name, double *value)

    Read one of a trainer's settings.

    trainer: not NULL
    name: as in slmt_number_info
    value: receives it

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_setting_text = _bind(
    "slmt_trainer_setting_text", c_char_p, [POINTER(slmt_trainer), c_char_p],
    r"""const char *slmt_trainer_setting_text(const slmt_trainer *trainer, const char *name)

    Read one of a trainer's settings that is a text.

    trainer: not NULL
    name: as in slmt_number_info

    Returns: the text, which lives as long as the trainer; NULL: the task has no text of this name

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_shape = _bind(
    "slmt_trainer_shape", slmt_status, [POINTER(slmt_trainer), c_char_p, POINTER(c_int64), POINTER(c_int32)],
    r"""slmt_status slmt_trainer_shape(const slmt_trainer *trainer, const char *name, int64_t shape[6], int32_t *rank)

    The shape of an input under the trainer's settings.

    trainer: not NULL
    name: of the input
    shape: receives 6 extents, unused ones 0; the first of a batched one is the batch setting
    rank: receives their number

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_step = _bind(
    "slmt_trainer_step", slmt_status, [POINTER(slmt_trainer), POINTER(slmt_tensor), c_size_t, c_double],
    r"""slmt_status slmt_trainer_step(slmt_trainer *trainer, const slmt_tensor *inputs, size_t count, double rate)

    One step of any task that trains, at a given learning rate.

    trainer: not NULL
    inputs: count tensors, one for each input of the task, in any order, with as many samples as the
        batch setting says; see slmt_session_run()
    count: inputs given
    rate: learning rate, at least 0

    Returns: as slmt_session_run(), and SLMT_ERR_STATE: a model is to be attached first; SLMT_ERR_NONFINITE also
    where a loss or a gradient is not finite. On every error the weights are as before

    Threads: one thread per trainer at a time; do not use its model elsewhere meanwhile

    Since 0.1.
    """)


slmt_trainer_attach = _bind(
    "slmt_trainer_attach", slmt_status, [POINTER(slmt_trainer), c_char_p, POINTER(slmt_model)],
    r"""slmt_status slmt_trainer_attach(slmt_trainer *trainer, const char *name, slmt_model *model)

    Attach a second model to a task that reads one: a teacher, or whatever the task names. The trainer keeps
    the model and does not change it. The trainer's checkpoint holds only a digest of that model, so that the
    caller attaches the same model again after slmt_trainer_load().

    trainer: not NULL
    name: as the task calls it
    model: of the same method, with the same options and precision; takes the place of the one before

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND (the task reads no such model), SLMT_ERR_ARGUMENT (another method,
    other shapes, the model that is trained itself, or another one than the loaded trainer's)

    Threads: one thread per trainer at a time; no thread may change the model from then on

    Since 0.1.
    """)


slmt_trainer_value_count = _bind(
    "slmt_trainer_value_count", c_size_t, [POINTER(slmt_trainer)],
    r"""size_t slmt_trainer_value_count(const slmt_trainer *trainer)

    Number of values that a step reports: the task's outputs that are single numbers, in their order, then
    "learning_rate". Of a task with one graph the last output is what is minimised.

    trainer: not NULL

    Returns: how many

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_value_name = _bind(
    "slmt_trainer_value_name", c_char_p, [POINTER(slmt_trainer), c_size_t],
    r"""const char *slmt_trainer_value_name(const slmt_trainer *trainer, size_t index)

    Name of a value.

    trainer: not NULL
    index: below slmt_trainer_value_count()

    Returns: the name, which lives as long as the library; "" past the end

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_value = _bind(
    "slmt_trainer_value", slmt_status, [POINTER(slmt_trainer), c_char_p, POINTER(c_double)],
    r"""slmt_status slmt_trainer_value(const slmt_trainer *trainer, const char *name, double *value)

    Read a value of the last step that succeeded: a loss before the update of that step, or its learning rate.

    trainer: not NULL
    name: as slmt_trainer_value_name()
    value: receives it

    Returns: SLMT_OK, or SLMT_ERR_NOT_FOUND, SLMT_ERR_STATE (no step since the trainer was made or loaded),
    SLMT_ERR_ARGUMENT

    Threads: one thread per trainer at a time; also inside slmt_step_fn

    Since 0.1.
    """)


slmt_trainer_free = _bind(
    "slmt_trainer_free", None, [POINTER(slmt_trainer)],
    r"""void slmt_trainer_free(slmt_trainer *trainer)

    Free a trainer; the model stays.

    trainer: may be NULL

    Threads: any thread; no other thread may be using the trainer

    Since 0.1.
    """)


slmt_trainer_model = _bind(
    "slmt_trainer_model", POINTER(slmt_model), [POINTER(slmt_trainer)],
    r"""slmt_model *slmt_trainer_model(slmt_trainer *trainer)

    The trainer's model; borrowed. Between two steps (between runs, or in slmt_step_fn) sessions of it may be
    made and run, to validate what was learned so far; they see the weights of the last step, change nothing of
    the run, and are freed before the next step.

    trainer: not NULL

    Returns: the model, which lives at least as long as the trainer

    Threads: any thread

    Since 0.1.
    """)


slmt_trainer_get_state = _bind(
    "slmt_trainer_get_state", slmt_status, [POINTER(slmt_trainer), POINTER(slmt_training_state)],
    r"""slmt_status slmt_trainer_get_state(const slmt_trainer *trainer, slmt_training_state *state)

    Tell how far the training has come.

    trainer: not NULL
    state: struct_size set; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: one thread per trainer at a time

    Since 0.1.
    """)


slmt_trainer_cancel = _bind(
    "slmt_trainer_cancel", None, [POINTER(slmt_trainer)],
    r"""void slmt_trainer_cancel(slmt_trainer *trainer)

    Ask the call that is running on a trainer to stop, as slmt_session_cancel() does. The running step is
    dropped as a whole, and the trainer is as it was before that step.

    trainer: not NULL

    Threads: any thread, any time before the trainer is freed

    Since 0.1.
    """)


slmt_trainer_run = _bind(
    "slmt_trainer_run", slmt_status, [POINTER(slmt_trainer), POINTER(slmt_dataset), c_char_p, c_char_p, c_uint64, slmt_step_fn, c_void_p],
    r"""slmt_status slmt_trainer_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source, const char *target, uint64_t max_steps, slmt_step_fn step, void *user)

    Train on a set: from where the trainer is to the end of its schedule, or for max_steps steps. After the
    first step the model has the set's preprocessing, because it learns from slices that were made so. Its card
    then names the contrasts: "source_contrast" and "target_contrast", or without a target "TASK_contrast".

    The task decides what a sample is. SLMT-Net's pre-training uses every slice of the training subjects in the
    named contrast, or in all contrasts; its fine-tuning and the U-Net's training use the slices that have both
    contrasts. Seq2Seq draws its contrasts itself. A task that labels pixels takes all contrasts of the set, or
    the named one where the model has one channel. Order, augmentation and masks depend on the seed and the
    step alone.

    trainer: not NULL
    dataset: not NULL
    source: name of the contrast to start from; NULL: all contrasts of the set, or those that the
        task draws
    target: name of the contrast to make; NULL for a task that does not learn from named pairs
    max_steps: 0: to the end of the schedule
    step: called after each step; may be NULL
    user: handed to step

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (image sizes differ, fewer slices than a batch, a contrast that the
            task takes is not named, one that it does not take is named, or one contrast is named as both),
            SLMT_ERR_NOT_FOUND (no such contrast), SLMT_ERR_UNSUPPORTED (the task takes no sets),
            SLMT_ERR_STATE (the set is of another kind than the task takes, or a model is to be attached
    first), SLMT_ERR_CANCELLED, and as slmt_trainer_step() and slmt_dataset_read_slice()

    Threads: one thread per trainer and set at a time

    Since 0.1.
    """)


slmt_trainer_describe_run = _bind(
    "slmt_trainer_describe_run", slmt_status, [POINTER(slmt_trainer), POINTER(slmt_dataset), c_char_p, c_char_p, POINTER(slmt_run_info)],
    r"""slmt_status slmt_trainer_describe_run(slmt_trainer *trainer, slmt_dataset *dataset, const char *source, const char *target, slmt_run_info *info)

    Describe the run that slmt_trainer_run() would begin with the same arguments, and fail where it would fail.
    The trainer stays as it is.

    trainer: not NULL
    dataset: not NULL
    source: as slmt_trainer_run()
    target: likewise
    info: struct_size set; filled

    Returns: as slmt_trainer_run() before its first step

    Threads: one thread per trainer and set at a time

    Since 0.1.
    """)


slmt_trainer_time_step = _bind(
    "slmt_trainer_time_step", slmt_status, [POINTER(slmt_trainer), POINTER(c_double)],
    r"""slmt_status slmt_trainer_time_step(slmt_trainer *trainer, double *seconds)

    Measure how long a step takes: compute the task's graphs once, on inputs of zeros, and drop the results.
    Weights and training state stay as they are. Left out are reading the samples and the optimiser, a few per
    cent, and graphs that a step of the task's own runs more than once.

    trainer: not NULL
    seconds: receives the time

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (a model is to be attached first), SLMT_ERR_BACKEND

    Threads: one thread per trainer at a time; do not use its model elsewhere meanwhile

    Since 0.1.
    """)


slmt_trainer_save = _bind(
    "slmt_trainer_save", slmt_status, [POINTER(slmt_trainer), c_char_p],
    r"""slmt_status slmt_trainer_save(const slmt_trainer *trainer, const char *path)

    Save model and training state in one checkpoint, atomically. slmt_model_load() reads its model,
    slmt_trainer_load() all of it.

    trainer: not NULL
    path: a file of HDF5 or an empty one is replaced, another one, such as a scan, is not

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (also where path is a training set that is open anywhere),
    SLMT_ERR_IO, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: one thread per trainer at a time

    Since 0.1.
    """)


slmt_trainer_load = _bind(
    "slmt_trainer_load", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(POINTER(slmt_trainer))],
    r"""slmt_status slmt_trainer_load(slmt_context *context, const char *path, slmt_trainer **trainer)

    Load a checkpoint written by slmt_trainer_save() and go on where it stopped.

    context: not NULL
    path: the file
    trainer: receives a trainer with a new model, see slmt_trainer_model()

    Returns: as slmt_model_load(), and SLMT_ERR_STATE: the file holds a model and no training state;
    SLMT_ERR_UNSUPPORTED: the context's weights are of 16 bits, which cannot be trained

    Threads: any thread

    Since 0.1.
    """)


slmt_checkpoint_describe = _bind(
    "slmt_checkpoint_describe", slmt_status, [POINTER(slmt_context), c_char_p, POINTER(slmt_checkpoint_info)],
    r"""slmt_status slmt_checkpoint_describe(slmt_context *context, const char *path, slmt_checkpoint_info *info)

    Tell how far the training of a checkpoint has come, without the memory and the time of
    slmt_trainer_load().

    context: not NULL
    path: the file
    info: struct_size set; filled

    Returns: as slmt_model_load()

    Threads: any thread

    Since 0.1.
    """)


slmt_version = _bind(
    "slmt_version", c_char_p, [],
    r"""const char *slmt_version(void)

    The release number of the library that is loaded, such as "0.1.0".

    Returns: a static text; never NULL

    Threads: any thread, any time

    Since 0.1.
    """)


slmt_file_digest = _bind(
    "slmt_file_digest", slmt_status, [c_char_p, POINTER(c_char), c_size_t],
    r"""slmt_status slmt_file_digest(const char *path, char *digest, size_t size)

    The SHA-256 of a file, as `sha256sum` prints it: to tell which model or scan a result came from.

    path: the file
    digest: receives lower-case hexadecimal digits, ended by a zero
    size: bytes in digest, at least SLMT_DIGEST_SIZE

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO

    Threads: any thread

    Since 0.1.
    """)


slmt_build_describe = _bind(
    "slmt_build_describe", slmt_status, [POINTER(slmt_build_info)],
    r"""slmt_status slmt_build_describe(slmt_build_info *info)

    Describe the library that is loaded. Opens each backend for a moment, to ask it.

    info: struct_size set by the caller; filled. Its pointers are to static texts

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT

    Threads: any thread

    Since 0.1.
    """)


slmt_net_options_init = _bind(
    "slmt_net_options_init", slmt_status, [POINTER(slmt_net_options), c_int32],
    r"""slmt_status slmt_net_options_init(slmt_net_options *options, int32_t preset)

    Fill options with a preset.

    options: not NULL
    preset: SLMT_NET_PRESET_...

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT: options is NULL, no such preset

    Threads: any thread

    Since 0.1.
    """)


slmt_net_create = _bind(
    "slmt_net_create", slmt_status, [POINTER(slmt_context), POINTER(slmt_net_options), c_uint64, POINTER(POINTER(slmt_model))],
    r"""slmt_status slmt_net_create(slmt_context *context, const slmt_net_options *options, uint64_t seed, slmt_model **model)

    Make a model with fresh weights.

    Linear and patch-projection weights of the Edge-MAE are Xavier uniform, cls and mask tokens
    N(0, 0.02), generator weights and bias tables N(0, 0.02) truncated at two standard deviations,
    LayerNorm 1 and 0, biases 0, position tables fixed sine-cosine.

    context: not NULL
    options: NULL for SLMT_NET_PRESET_BASE
    seed: equal seeds give equal weights, whatever backend and threads
    model: receives the model; the caller frees it with slmt_model_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT (the message names the option and its rule), SLMT_ERR_VERSION,
    SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Source: sections III-A and III-B

    Since 0.1.
    """)


slmt_net_get_options = _bind(
    "slmt_net_get_options", slmt_status, [POINTER(slmt_model), POINTER(slmt_net_options)],
    r"""slmt_status slmt_net_get_options(const slmt_model *model, slmt_net_options *options)

    Read the options of a model of SLMT-Net.

    model: not NULL
    options: struct_size set by the caller (an init function does); filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (the model is of another method)

    Threads: any thread

    Since 0.1.
    """)


slmt_net_session_config_init = _bind(
    "slmt_net_session_config_init", None, [POINTER(slmt_net_session_config)],
    r"""void slmt_net_session_config_init(slmt_net_session_config *config)

    Fill a configuration with the defaults named beside its fields.

    config: not NULL

    Threads: any thread

    Since 0.1.
    """)


slmt_net_session_memory = _bind(
    "slmt_net_session_memory", slmt_status, [POINTER(slmt_model), POINTER(slmt_net_session_config), POINTER(c_uint64)],
    r"""slmt_status slmt_net_session_memory(slmt_model *model, const slmt_net_session_config *config, uint64_t *bytes)

    Bytes that a session holds through the context's allocator, exactly. While it is made, planning holds a
    little more for a moment (well below 1 MB for a small network): a max_bytes cut to the last byte may refuse
    it.

    model: not NULL
    config: NULL for the defaults
    bytes: receives the number

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_MEMORY (planning itself takes a little)

    Threads: any thread

    Since 0.1.
    """)


slmt_net_session_create = _bind(
    "slmt_net_session_create", slmt_status, [POINTER(slmt_model), POINTER(slmt_net_session_config), POINTER(POINTER(slmt_session))],
    r"""slmt_status slmt_net_session_create(slmt_model *model, const slmt_net_session_config *config, slmt_session **session)

    Make a session: build and plan the network for the batch size and take the memory.

    model: kept alive by the session; not to be trained while sessions use it
    config: NULL for the defaults
    session: receives the session; the caller frees it with slmt_session_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_net_trainer_config_init = _bind(
    "slmt_net_trainer_config_init", slmt_status, [POINTER(slmt_net_trainer_config), c_int32],
    r"""slmt_status slmt_net_trainer_config_init(slmt_net_trainer_config *config, int32_t stage)

    Fill a configuration with the paper's values for a stage (named beside the fields: pre-training;
    fine-tuning).

    config: not NULL
    stage: SLMT_NET_STAGE_...

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT: config is NULL or there is no such stage

    Threads: any thread

    Since 0.1.
    """)


slmt_net_trainer_memory = _bind(
    "slmt_net_trainer_memory", slmt_status, [POINTER(slmt_model), POINTER(slmt_net_trainer_config), POINTER(c_uint64)],
    r"""slmt_status slmt_net_trainer_memory(slmt_model *model, const slmt_net_trainer_config *config, uint64_t *bytes)

    Bytes that a trainer holds, exactly; see slmt_net_session_memory().

    model: not NULL
    config: not NULL
    bytes: receives the number

    Returns: as slmt_net_trainer_create()

    Threads: any thread

    Since 0.1.
    """)


slmt_net_trainer_create = _bind(
    "slmt_net_trainer_create", slmt_status, [POINTER(slmt_model), POINTER(slmt_net_trainer_config), POINTER(POINTER(slmt_trainer))],
    r"""slmt_status slmt_net_trainer_create(slmt_model *model, const slmt_net_trainer_config *config, slmt_trainer **trainer)

    Make a trainer. For fine-tuning, a snapshot of the encoder as it is now becomes the teacher of feature
    consistency.

    model: kept alive by the trainer, changed by its steps
    config: not NULL
    trainer: receives the trainer; the caller frees it with slmt_trainer_free()

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_UNSUPPORTED, SLMT_ERR_MEMORY, SLMT_ERR_LIMIT

    Threads: any thread

    Since 0.1.
    """)


slmt_net_trainer_get_config = _bind(
    "slmt_net_trainer_get_config", slmt_status, [POINTER(slmt_trainer), POINTER(slmt_net_trainer_config)],
    r"""slmt_status slmt_net_trainer_get_config(const slmt_trainer *trainer, slmt_net_trainer_config *config)

    Read the configuration of a trainer of SLMT-Net.

    trainer: not NULL
    config: struct_size set; filled

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (a trainer of another method)

    Threads: one thread per trainer at a time

    Since 0.1.
    """)


slmt_net_pretrain_step = _bind(
    "slmt_net_pretrain_step", slmt_status, [POINTER(slmt_trainer), POINTER(c_float), c_double],
    r"""slmt_status slmt_net_pretrain_step(slmt_trainer *trainer, const float *images, double rate)

    One pre-training step at a given learning rate: no augmentation, masks drawn from the trainer's random
    state.

    trainer: of SLMT_NET_STAGE_PRETRAIN
    images: [batch][image_size][image_size] float32 in [0, 1]
    rate: learning rate, at least 0

    Returns: SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_STATE (another stage), SLMT_ERR_NONFINITE (input, a loss
    or a gradient: the weights are as before), SLMT_ERR_CANCELLED (likewise), SLMT_ERR_BACKEND

    Threads: one thread per trainer at a time; do not use its model elsewhere meanwhile

    Source: Li et al., section III-A

    Since 0.1.
    """)


slmt_net_finetune_step = _bind(
    "slmt_net_finetune_step", slmt_status, [POINTER(slmt_trainer), POINTER(c_float), POINTER(c_float), c_double],
    r"""slmt_status slmt_net_finetune_step(slmt_trainer *trainer, const float *source, const float *target, double rate)

    One fine-tuning step at a given learning rate: no augmentation.

    trainer: of SLMT_NET_STAGE_FINETUNE
    source: [batch][image_size][image_size] float32 in [0, 1]
    target: likewise
    rate: as slmt_net_pretrain_step()

    Returns: as slmt_net_pretrain_step()

    Threads: as slmt_net_pretrain_step()

    Source: Li et al., section III-B

    Since 0.1.
    """)
