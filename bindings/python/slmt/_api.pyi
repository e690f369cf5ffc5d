# SPDX-License-Identifier: Apache-2.0
# Made by scripts/generate-api from include/slmt/: change those.
from _ctypes import CFuncPtr, _CArgObject, _Pointer
from ctypes import (Array, Structure, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint8, c_uint32,
                    c_uint64, c_void_p)
from typing import Any, Final, TypeVar

_T = TypeVar("_T")
_In = _T | _Pointer[_T] | Array[_T] | _CArgObject | None  # what ctypes takes for a pointer to _T
_Address = c_void_p | _Pointer[Any] | Array[Any] | int | None

VERSION: Final = "0.1.0"
ABI: Final = 0
SLMT_OK: Final = 0
SLMT_ERR_ARGUMENT: Final = 100
SLMT_ERR_NONFINITE: Final = 101
SLMT_ERR_STATE: Final = 102
SLMT_ERR_MEMORY: Final = 200
SLMT_ERR_LIMIT: Final = 201
SLMT_ERR_IO: Final = 300
SLMT_ERR_NOT_FOUND: Final = 301
SLMT_ERR_CORRUPT: Final = 302
SLMT_ERR_FORMAT: Final = 303
SLMT_ERR_SCHEMA: Final = 400
SLMT_ERR_VERSION: Final = 401
SLMT_ERR_BACKEND: Final = 500
SLMT_ERR_UNSUPPORTED: Final = 501
SLMT_ERR_CANCELLED: Final = 600
SLMT_ERR_INTERNAL: Final = 900
SLMT_BACKEND_CPU: Final = 0
SLMT_BACKEND_REFERENCE: Final = 1
SLMT_BACKEND_CUDA: Final = 2
SLMT_FLOAT32: Final = 0
SLMT_FLOAT64: Final = 1
SLMT_WEIGHTS_FULL: Final = 0
SLMT_WEIGHTS_BFLOAT16: Final = 1
SLMT_WEIGHTS_FLOAT16: Final = 2
SLMT_WEIGHTS_STORED: Final = 3
SLMT_ARITHMETIC_FLOAT32: Final = 0
SLMT_ARITHMETIC_BFLOAT16: Final = 1
SLMT_MATRIX_AUTO: Final = 0
SLMT_MATRIX_ONEDNN: Final = 1
SLMT_MATRIX_OPENBLAS: Final = 2
SLMT_LOG_ERROR: Final = 0
SLMT_LOG_WARNING: Final = 1
SLMT_LOG_INFO: Final = 2
SLMT_LOG_DEBUG: Final = 3
SLMT_NAN_REFUSE: Final = 0
SLMT_NAN_ZERO: Final = 1
SLMT_NUMBER_WHOLE: Final = 1
SLMT_NUMBER_REAL: Final = 2
SLMT_NUMBER_CHOICE: Final = 3
SLMT_NUMBER_LIST: Final = 4
SLMT_NUMBER_TEXT: Final = 5
SLMT_ROLE_NONE: Final = 0
SLMT_ROLE_BATCH: Final = 1
SLMT_ROLE_SIDE: Final = 2
SLMT_ROLE_HEIGHT: Final = 3
SLMT_ROLE_WIDTH: Final = 4
SLMT_ROLE_DEPTH: Final = 5
SLMT_ROLE_CONTRASTS: Final = 6
SLMT_ROLE_CROPS: Final = 7
SLMT_ROLE_SOURCE: Final = 16
SLMT_ROLE_TARGET: Final = 17
SLMT_ROLE_SOURCE_CONTRAST: Final = 18
SLMT_ROLE_TARGET_CONTRAST: Final = 19
SLMT_ROLE_LABELS: Final = 20
SLMT_ROLE_PROBABILITIES: Final = 21
SLMT_TENSOR_FLOAT32: Final = 1
SLMT_TENSOR_INT32: Final = 2
SLMT_TENSOR_FLOAT16: Final = 3
SLMT_TENSOR_UINT8: Final = 4
SLMT_METRIC_HIGHER: Final = 1
SLMT_METRIC_LOWER: Final = -1
SLMT_RESIZE_BILINEAR: Final = 0
SLMT_RESIZE_NEAREST: Final = 1
SLMT_SCALE_PERCENTILES: Final = 0
SLMT_SCALE_TWICE_P99: Final = 1
SLMT_BACKGROUND_CORNER: Final = 0
SLMT_BACKGROUND_SURFACE: Final = 1
SLMT_CENTRE: Final = -1
SLMT_SPACING_REFUSE: Final = 0
SLMT_SPACING_RESAMPLE: Final = 1
SLMT_SPACING_ANY: Final = 2
SLMT_DEFINITION_VOLUME: Final = 1
SLMT_DEFINITION_SLICE: Final = 2
SLMT_DEFINITION_PAPER: Final = 3
SLMT_SPLIT_ALL: Final = 0
SLMT_SPLIT_TRAIN: Final = 1
SLMT_SPLIT_TEST: Final = 2
SLMT_SPLIT_VALIDATION: Final = 3
SLMT_FIELD_IMAGE: Final = 1
SLMT_FIELD_LABELS: Final = 2
SLMT_FIELD_BOXES: Final = 3
SLMT_FIELD_VECTOR: Final = 4
SLMT_FIELD_IDS: Final = 5
SLMT_FIELD_CLASSES: Final = 6
SLMT_SELF_EXCLUDE: Final = 0
SLMT_SELF_INCLUDE: Final = 1
SLMT_SELF_ZSCORE_ONLY: Final = 2
SLMT_RECOMPUTE_NOTHING: Final = 0
SLMT_RECOMPUTE_CHEAP: Final = 1
SLMT_RECOMPUTE_LINEAR: Final = 2
SLMT_NET_PRESET_BASE: Final = 0
SLMT_NET_PRESET_SMALL: Final = 1
SLMT_NET_PRESET_TINY: Final = 2
SLMT_NET_STAGE_PRETRAIN: Final = 1
SLMT_NET_STAGE_FINETUNE: Final = 2
SLMT_NET_PATCH_WEIGHT_HARD: Final = 0
SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD: Final = 1

slmt_status = c_int32

class slmt_progress_fn(CFuncPtr): ...

class slmt_context(Structure): ...

class slmt_log_fn(CFuncPtr): ...

class slmt_warning_fn(CFuncPtr): ...

class slmt_alloc_fn(CFuncPtr): ...

class slmt_free_fn(CFuncPtr): ...

class slmt_context_config(Structure):
    struct_size: int
    backend: int
    precision: int
    matrix: int
    threads: int
    log_level: int
    max_bytes: int
    alloc: slmt_alloc_fn
    free: slmt_free_fn
    alloc_user: int | None
    log: slmt_log_fn
    log_user: int | None
    weights: int
    arithmetic: int
    backend_name: bytes | None
    backend_path: bytes | None
    backend_options: bytes | None

class slmt_number(Structure):
    name: bytes | None
    value: float

class slmt_number_info(Structure):
    struct_size: int
    kind: int
    name: bytes | None
    help: bytes | None
    choices: bytes | None
    initial: float
    low: float
    high: float
    count: int
    role: int
    list: bytes | None
    pattern: bytes | None

class slmt_port_info(Structure):
    struct_size: int
    type: int
    name: bytes | None
    axes: bytes | None
    help: bytes | None
    role: int
    batched: int

class slmt_metric_info(Structure):
    struct_size: int
    direction: int
    name: bytes | None
    title: bytes | None
    unit: bytes | None
    help: bytes | None
    decimals: int
    by_class: int

class slmt_tensor(Structure):
    name: bytes | None
    data: int | None
    shape: _Pointer[c_int64]
    strides: _Pointer[c_int64]
    rank: int
    type: int

class slmt_task_info(Structure):
    struct_size: int
    trains: int
    name: bytes | None
    help: bytes | None
    settings: int
    inputs: int
    outputs: int
    metrics: int

class slmt_method_info(Structure):
    struct_size: int
    reserved: int
    name: bytes | None
    title: bytes | None
    source: bytes | None
    options: int
    tasks: int
    presets: bytes | None

class slmt_model(Structure): ...

class slmt_preprocess(Structure):
    struct_size: int
    crop_size: int
    crop_x: int
    crop_y: int
    slice_first: int
    slice_count: int
    image_size: int
    target_resize: int
    low_percentile: float
    high_percentile: float
    scaling: int
    background: int

class slmt_geometry(Structure):
    struct_size: int
    volumes: int
    spacing_least: Array[c_double]
    field_least: Array[c_double]
    head_least: Array[c_double]
    place_least: Array[c_double]
    part_least: float
    spacing_most: Array[c_double]
    field_most: Array[c_double]
    head_most: Array[c_double]
    place_most: Array[c_double]
    part_most: float

class slmt_tensor_info(Structure):
    struct_size: int
    rank: int
    dim: Array[c_int64]
    name: bytes | None
    used: int
    weights: int

class slmt_read_fn(CFuncPtr): ...

class slmt_volume(Structure): ...

class slmt_metrics(Structure):
    struct_size: int
    reserved: int
    psnr: float
    ssim: float
    ssim_range_2: float
    nmse: float
    nmse_spectral: float
    mae: float
    squares: float
    energy: float
    pixels: int
    windows: int
    slices: int
    with_signal: int

class slmt_dataset(Structure): ...

class slmt_dataset_writer(Structure): ...

class slmt_field(Structure):
    struct_size: int
    kind: int
    type: int
    rank: int
    dim: Array[c_int64]
    name: bytes | None
    axes: bytes | None
    classes: bytes | None

class slmt_record(Structure):
    struct_size: int
    split: int
    id: bytes | None
    group: bytes | None

class slmt_pair_score(Structure):
    subject: int
    source: int
    target: int
    reserved: int
    psnr: float
    ssim: float
    lpips: float

class slmt_ranking_options(Structure):
    struct_size: int
    self: int

class slmt_profile(Structure): ...

class slmt_profile_entry(Structure):
    struct_size: int
    backward: int
    op: bytes | None
    layer: bytes | None
    shape: bytes | None
    calls: int
    seconds: float
    flops: float

class slmt_session(Structure): ...

class slmt_segmentation(Structure):
    struct_size: int
    mirror: int
    overlap: float
    crf_steps: int
    crf_axes: int
    crf_near_weight: float
    crf_near_sd: float
    crf_weight: float
    crf_position_sd: float
    crf_intensity_sd: float

class slmt_label_scores(Structure):
    struct_size: int
    reserved: int
    truth: int
    answer: int
    both: int
    dice: float
    iou: float
    precision: float
    recall: float
    specificity: float
    hausdorff95: float
    surface_distance: float

class slmt_trainer(Structure): ...

class slmt_training_state(Structure):
    struct_size: int
    reserved: int
    step: int
    steps_in_epoch: int
    total_steps: int
    seed: int

class slmt_run_info(Structure):
    struct_size: int
    is_other_set: int
    samples: int
    samples_used: int
    records: int
    records_used: int
    steps_in_epoch: int
    total_steps: int
    checkpoint_bytes: int

class slmt_checkpoint_info(Structure):
    struct_size: int
    reserved: int
    task: bytes | None
    step: int
    steps_in_epoch: int
    total_steps: int

class slmt_step_fn(CFuncPtr): ...

class slmt_build_info(Structure):
    struct_size: int
    abi: int
    version: bytes | None
    commit: bytes | None
    compiler: bytes | None
    backends: bytes
    matrix: bytes
    cpu_level: bytes
    numerics: int
    reserved: int

class slmt_net_options(Structure):
    struct_size: int
    image_size: int
    mae_patch: int
    patch: int
    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: int
    decoder_dim: int
    decoder_depth: int
    decoder_heads: int
    generator_depths: Array[c_int32]
    generator_heads: Array[c_int32]
    window: int

class slmt_net_session_config(Structure):
    struct_size: int
    batch: int
    progress: slmt_progress_fn
    progress_user: int | None

class slmt_net_trainer_config(Structure):
    struct_size: int
    stage: int
    batch: int
    epochs: int
    seed: int
    patch_weight: int
    augment: int
    decay_epochs: int
    warmup_epochs: int
    decay_factor: float
    learning_rate: float
    minimum_rate: float
    beta1: float
    beta2: float
    epsilon: float
    mask_ratio: float
    rec_weight: float
    l1_weight: float
    data_rate: float
    recompute: int
    reserved: int

def slmt_status_name(status: int) -> bytes | None: ...
def slmt_constant_name(prefix: bytes | None, value: int) -> bytes | None: ...
def slmt_error_text() -> bytes | None: ...
def slmt_error_copy(buffer: _In[c_char], size: int) -> int: ...
def slmt_context_config_init(config: _In[slmt_context_config]) -> None: ...
def slmt_context_create(config: _In[slmt_context_config], context: _In[_Pointer[slmt_context]]) -> int: ...
def slmt_context_free(context: _In[slmt_context]) -> None: ...
def slmt_context_live_bytes(context: _In[slmt_context]) -> int: ...
def slmt_context_set_nan(context: _In[slmt_context], nan: int) -> int: ...
def slmt_context_set_warning(context: _In[slmt_context], warning: slmt_warning_fn | None, user: _Address) -> int: ...
def slmt_context_describe(context: _In[slmt_context]) -> bytes | None: ...
def slmt_method_count() -> int: ...
def slmt_method_describe(index: int, info: _In[slmt_method_info]) -> int: ...
def slmt_method_option(method: bytes | None, index: int, info: _In[slmt_number_info]) -> int: ...
def slmt_method_task(method: bytes | None, index: int, info: _In[slmt_task_info]) -> int: ...
def slmt_task_setting(method: bytes | None, task: bytes | None, index: int, info: _In[slmt_number_info]) -> int: ...
def slmt_task_input(method: bytes | None, task: bytes | None, index: int, info: _In[slmt_port_info]) -> int: ...
def slmt_task_output(method: bytes | None, task: bytes | None, index: int, info: _In[slmt_port_info]) -> int: ...
def slmt_task_metric(method: bytes | None, task: bytes | None, index: int, info: _In[slmt_metric_info]) -> int: ...
def slmt_preprocess_init(preprocess: _In[slmt_preprocess]) -> None: ...
def slmt_model_create(context: _In[slmt_context], method: bytes | None, options: _In[slmt_number], count: int, seed: int, model: _In[_Pointer[slmt_model]]) -> int: ...
def slmt_model_method(model: _In[slmt_model]) -> bytes | None: ...
def slmt_model_option(model: _In[slmt_model], name: bytes | None, value: _In[c_double]) -> int: ...
def slmt_model_option_text(model: _In[slmt_model], name: bytes | None) -> bytes | None: ...
def slmt_model_load(context: _In[slmt_context], path: bytes | None, model: _In[_Pointer[slmt_model]]) -> int: ...
def slmt_model_load_memory(context: _In[slmt_context], data: _Address, size: int, model: _In[_Pointer[slmt_model]]) -> int: ...
def slmt_model_load_callback(context: _In[slmt_context], read: slmt_read_fn | None, user: _Address, model: _In[_Pointer[slmt_model]]) -> int: ...
def slmt_model_save(model: _In[slmt_model], path: bytes | None) -> int: ...
def slmt_file_import(context: _In[slmt_context], path: bytes | None, out: bytes | None) -> int: ...
def slmt_model_retain(model: _In[slmt_model]) -> _Pointer[slmt_model]: ...
def slmt_model_free(model: _In[slmt_model]) -> None: ...
def slmt_model_get_preprocess(model: _In[slmt_model], preprocess: _In[slmt_preprocess]) -> int: ...
def slmt_model_set_preprocess(model: _In[slmt_model], preprocess: _In[slmt_preprocess]) -> int: ...
def slmt_model_get_geometry(model: _In[slmt_model], geometry: _In[slmt_geometry]) -> int: ...
def slmt_model_set_geometry(model: _In[slmt_model], geometry: _In[slmt_geometry]) -> int: ...
def slmt_model_tensor_count(model: _In[slmt_model]) -> int: ...
def slmt_model_tensor_info(model: _In[slmt_model], index: int, info: _In[slmt_tensor_info]) -> int: ...
def slmt_model_get_tensor(model: _In[slmt_model], name: bytes | None, values: _In[c_float], count: int) -> int: ...
def slmt_model_set_tensor(model: _In[slmt_model], name: bytes | None, values: _In[c_float], count: int) -> int: ...
def slmt_model_card(model: _In[slmt_model], key: bytes | None) -> bytes | None: ...
def slmt_model_card_key(model: _In[slmt_model], index: int) -> bytes | None: ...
def slmt_model_set_card(model: _In[slmt_model], key: bytes | None, text: bytes | None) -> int: ...
def slmt_model_contrast_count(model: _In[slmt_model]) -> int: ...
def slmt_model_contrast(model: _In[slmt_model], index: int) -> bytes | None: ...
def slmt_model_set_contrasts(model: _In[slmt_model], names: _In[c_char_p], count: int) -> int: ...
def slmt_volume_read(context: _In[slmt_context], path: bytes | None, volume: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_volume_from_nifti(context: _In[slmt_context], header: _Address, header_bytes: int, voxels: _Address, voxel_bytes: int, volume: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_volume_create(context: _In[slmt_context], dims: _In[c_int64], affine: _In[c_double], voxels: _In[c_float], volume: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_volume_like(source: _In[slmt_volume], voxels: _In[c_float], description: bytes | None, volume: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_volume_resample(volume: _In[slmt_volume], spacing: _In[c_double], resize: int, resampled: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_volume_free(volume: _In[slmt_volume]) -> None: ...
def slmt_volume_dims(volume: _In[slmt_volume], dims: _In[c_int64]) -> None: ...
def slmt_volume_affine(volume: _In[slmt_volume], affine: _In[c_double]) -> None: ...
def slmt_volume_zeroed(volume: _In[slmt_volume]) -> int: ...
def slmt_volume_voxels(volume: _In[slmt_volume]) -> _Pointer[c_float]: ...
def slmt_volume_geometry(volume: _In[slmt_volume], preprocess: _In[slmt_preprocess], geometry: _In[slmt_geometry]) -> int: ...
def slmt_volume_write(volume: _In[slmt_volume], path: bytes | None) -> int: ...
def slmt_volume_nifti_header(volume: _In[slmt_volume], header: _Address) -> int: ...
def slmt_compare(prediction: _In[c_float], target: _In[c_float], height: int, width: int, metrics: _In[slmt_metrics]) -> int: ...
def slmt_compare_masked(prediction: _In[c_float], target: _In[c_float], mask: _In[c_uint8], height: int, width: int, metrics: _In[slmt_metrics]) -> int: ...
def slmt_metrics_combine(slices: _In[slmt_metrics], count: int, definition: int, metrics: _In[slmt_metrics]) -> int: ...
def slmt_metrics_value(metrics: _In[slmt_metrics], name: bytes | None, value: _In[c_double]) -> int: ...
def slmt_dataset_writer_create(context: _In[slmt_context], path: bytes | None, writer: _In[_Pointer[slmt_dataset_writer]]) -> int: ...
def slmt_dataset_writer_add_field(writer: _In[slmt_dataset_writer], field: _In[slmt_field]) -> int: ...
def slmt_dataset_writer_begin(writer: _In[slmt_dataset_writer], record: _In[slmt_record]) -> int: ...
def slmt_dataset_writer_append(writer: _In[slmt_dataset_writer], field: int, tensor: _In[slmt_tensor]) -> int: ...
def slmt_dataset_writer_end(writer: _In[slmt_dataset_writer]) -> int: ...
def slmt_dataset_writer_undo(writer: _In[slmt_dataset_writer]) -> int: ...
def slmt_dataset_writer_finish(writer: _In[slmt_dataset_writer]) -> int: ...
def slmt_dataset_writer_cancel(writer: _In[slmt_dataset_writer]) -> None: ...
def slmt_dataset_open(context: _In[slmt_context], path: bytes | None, dataset: _In[_Pointer[slmt_dataset]]) -> int: ...
def slmt_dataset_free(dataset: _In[slmt_dataset]) -> None: ...
def slmt_dataset_field_count(dataset: _In[slmt_dataset]) -> int: ...
def slmt_dataset_field(dataset: _In[slmt_dataset], index: int, field: _In[slmt_field]) -> int: ...
def slmt_dataset_record_count(dataset: _In[slmt_dataset]) -> int: ...
def slmt_dataset_record(dataset: _In[slmt_dataset], index: int, record: _In[slmt_record]) -> int: ...
def slmt_dataset_shape(dataset: _In[slmt_dataset], record: int, field: int, shape: _In[c_int64]) -> int: ...
def slmt_dataset_read(dataset: _In[slmt_dataset], record: int, field: int, first: int, count: int, tensor: _In[slmt_tensor]) -> int: ...
def slmt_dataset_source(dataset: _In[slmt_dataset]) -> bytes | None: ...
def slmt_dataset_writer_create_mr(context: _In[slmt_context], path: bytes | None, preprocess: _In[slmt_preprocess], contrasts: _In[c_char_p], count: int, writer: _In[_Pointer[slmt_dataset_writer]]) -> int: ...
def slmt_dataset_writer_add_labels(writer: _In[slmt_dataset_writer], name: bytes | None) -> int: ...
def slmt_dataset_writer_add(writer: _In[slmt_dataset_writer], subject: bytes | None, volumes: _In[_Pointer[slmt_volume]], split: int) -> int: ...
def slmt_dataset_writer_any_spacing(writer: _In[slmt_dataset_writer]) -> int: ...
def slmt_dataset_geometry(dataset: _In[slmt_dataset], split: int, geometry: _In[slmt_geometry]) -> int: ...
def slmt_dataset_writer_add_subject(writer: _In[slmt_dataset_writer], subject: _In[slmt_record], volumes: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_dataset_get_preprocess(dataset: _In[slmt_dataset], preprocess: _In[slmt_preprocess]) -> int: ...
def slmt_dataset_contrast_count(dataset: _In[slmt_dataset]) -> int: ...
def slmt_dataset_contrast(dataset: _In[slmt_dataset], index: int) -> bytes | None: ...
def slmt_dataset_subject_count(dataset: _In[slmt_dataset]) -> int: ...
def slmt_dataset_subject(dataset: _In[slmt_dataset], index: int) -> bytes | None: ...
def slmt_dataset_subject_split(dataset: _In[slmt_dataset], index: int) -> int: ...
def slmt_dataset_slice_count(dataset: _In[slmt_dataset], subject: int, contrast: int) -> int: ...
def slmt_dataset_read_slice(dataset: _In[slmt_dataset], subject: int, contrast: int, slice: int, resize: int, pixels: _In[c_float]) -> int: ...
def slmt_dataset_cut_labels(dataset: _In[slmt_dataset], volume: _In[slmt_volume], slices: int, labels: _In[c_int32]) -> int: ...
def slmt_ranking_options_init(options: _In[slmt_ranking_options]) -> None: ...
def slmt_rank_sequences(scores: _In[slmt_pair_score], count: int, sequences: int, options: _In[slmt_ranking_options], totipotency: _In[c_double], differentiation: _In[c_double], agreement: _In[c_double]) -> int: ...
def slmt_differentiation_map(predictions: _In[_Pointer[c_float]], n: int, truth: _In[c_float], count: int, map: _In[c_float]) -> int: ...
def slmt_profile_create(context: _In[slmt_context], profile: _In[_Pointer[slmt_profile]]) -> int: ...
def slmt_profile_free(profile: _In[slmt_profile]) -> None: ...
def slmt_profile_clear(profile: _In[slmt_profile]) -> None: ...
def slmt_session_set_profile(session: _In[slmt_session], profile: _In[slmt_profile]) -> int: ...
def slmt_trainer_set_profile(trainer: _In[slmt_trainer], profile: _In[slmt_profile]) -> int: ...
def slmt_profile_entry_count(profile: _In[slmt_profile]) -> int: ...
def slmt_profile_entry_at(profile: _In[slmt_profile], index: int, entry: _In[slmt_profile_entry]) -> int: ...
def slmt_profile_write_trace(profile: _In[slmt_profile], path: bytes | None) -> int: ...
def slmt_session_create(model: _In[slmt_model], task: bytes | None, settings: _In[slmt_number], count: int, session: _In[_Pointer[slmt_session]]) -> int: ...
def slmt_session_memory(model: _In[slmt_model], task: bytes | None, settings: _In[slmt_number], count: int, bytes: _In[c_uint64]) -> int: ...
def slmt_session_free(session: _In[slmt_session]) -> None: ...
def slmt_session_model(session: _In[slmt_session]) -> _Pointer[slmt_model]: ...
def slmt_session_task(session: _In[slmt_session]) -> bytes | None: ...
def slmt_session_cancel(session: _In[slmt_session]) -> None: ...
def slmt_session_set_progress(session: _In[slmt_session], progress: slmt_progress_fn | None, user: _Address) -> int: ...
def slmt_session_set_spacing(session: _In[slmt_session], spacing: int) -> int: ...
def slmt_session_set_target(session: _In[slmt_session], contrast: bytes | None) -> int: ...
def slmt_synthesize(session: _In[slmt_session], source: _In[c_float], count: int, target: _In[c_float]) -> int: ...
def slmt_synthesize_volume(session: _In[slmt_session], source: _In[slmt_volume], target: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_normalize_volume(model: _In[slmt_model], source: _In[slmt_volume], normalized: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_session_normalize_volume(session: _In[slmt_session], source: _In[slmt_volume], normalized: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_session_shape(session: _In[slmt_session], name: bytes | None, shape: _In[c_int64], rank: _In[c_int32]) -> int: ...
def slmt_session_set(session: _In[slmt_session], input: _In[slmt_tensor]) -> int: ...
def slmt_session_run(session: _In[slmt_session], inputs: _In[slmt_tensor], n_inputs: int, outputs: _In[slmt_tensor], n_outputs: int) -> int: ...
def slmt_segmentation_init(how: _In[slmt_segmentation]) -> None: ...
def slmt_segment_volume(session: _In[slmt_session], sources: _In[_Pointer[slmt_volume]], n_sources: int, how: _In[slmt_segmentation], labels: _In[_Pointer[slmt_volume]], probabilities: _In[_Pointer[slmt_volume]]) -> int: ...
def slmt_segment_slices(session: _In[slmt_session], image: _In[c_float], size: _In[c_int64], spacing: _In[c_double], how: _In[slmt_segmentation], labels: _In[c_int32], probabilities: _In[c_float]) -> int: ...
def slmt_compare_labels(labels: _In[slmt_volume], truth: _In[slmt_volume], label: int, scores: _In[slmt_label_scores]) -> int: ...
def slmt_label_scores_of_counts(counts: _In[c_int64], classes: int, index: int, scores: _In[slmt_label_scores]) -> int: ...
def slmt_trainer_create(model: _In[slmt_model], task: bytes | None, settings: _In[slmt_number], count: int, seed: int, trainer: _In[_Pointer[slmt_trainer]]) -> int: ...
def slmt_trainer_memory(model: _In[slmt_model], task: bytes | None, settings: _In[slmt_number], count: int, bytes: _In[c_uint64]) -> int: ...
def slmt_trainer_task(trainer: _In[slmt_trainer]) -> bytes | None: ...
def slmt_trainer_setting(trainer: _In[slmt_trainer], name: bytes | None, value: _In[c_double]) -> int: ...
def slmt_trainer_setting_text(trainer: _In[slmt_trainer], name: bytes | None) -> bytes | None: ...
def slmt_trainer_shape(trainer: _In[slmt_trainer], name: bytes | None, shape: _In[c_int64], rank: _In[c_int32]) -> int: ...
def slmt_trainer_step(trainer: _In[slmt_trainer], inputs: _In[slmt_tensor], count: int, rate: float) -> int: ...
def slmt_trainer_attach(trainer: _In[slmt_trainer], name: bytes | None, model: _In[slmt_model]) -> int: ...
def slmt_trainer_value_count(trainer: _In[slmt_trainer]) -> int: ...
def slmt_trainer_value_name(trainer: _In[slmt_trainer], index: int) -> bytes | None: ...
def slmt_trainer_value(trainer: _In[slmt_trainer], name: bytes | None, value: _In[c_double]) -> int: ...
def slmt_trainer_free(trainer: _In[slmt_trainer]) -> None: ...
def slmt_trainer_model(trainer: _In[slmt_trainer]) -> _Pointer[slmt_model]: ...
def slmt_trainer_get_state(trainer: _In[slmt_trainer], state: _In[slmt_training_state]) -> int: ...
def slmt_trainer_cancel(trainer: _In[slmt_trainer]) -> None: ...
def slmt_trainer_run(trainer: _In[slmt_trainer], dataset: _In[slmt_dataset], source: bytes | None, target: bytes | None, max_steps: int, step: slmt_step_fn | None, user: _Address) -> int: ...
def slmt_trainer_describe_run(trainer: _In[slmt_trainer], dataset: _In[slmt_dataset], source: bytes | None, target: bytes | None, info: _In[slmt_run_info]) -> int: ...
def slmt_trainer_time_step(trainer: _In[slmt_trainer], seconds: _In[c_double]) -> int: ...
def slmt_trainer_save(trainer: _In[slmt_trainer], path: bytes | None) -> int: ...
def slmt_trainer_load(context: _In[slmt_context], path: bytes | None, trainer: _In[_Pointer[slmt_trainer]]) -> int: ...
def slmt_checkpoint_describe(context: _In[slmt_context], path: bytes | None, info: _In[slmt_checkpoint_info]) -> int: ...
def slmt_version() -> bytes | None: ...
def slmt_file_digest(path: bytes | None, digest: _In[c_char], size: int) -> int: ...
def slmt_build_describe(info: _In[slmt_build_info]) -> int: ...
def slmt_net_options_init(options: _In[slmt_net_options], preset: int) -> int: ...
def slmt_net_create(context: _In[slmt_context], options: _In[slmt_net_options], seed: int, model: _In[_Pointer[slmt_model]]) -> int: ...
def slmt_net_get_options(model: _In[slmt_model], options: _In[slmt_net_options]) -> int: ...
def slmt_net_session_config_init(config: _In[slmt_net_session_config]) -> None: ...
def slmt_net_session_memory(model: _In[slmt_model], config: _In[slmt_net_session_config], bytes: _In[c_uint64]) -> int: ...
def slmt_net_session_create(model: _In[slmt_model], config: _In[slmt_net_session_config], session: _In[_Pointer[slmt_session]]) -> int: ...
def slmt_net_trainer_config_init(config: _In[slmt_net_trainer_config], stage: int) -> int: ...
def slmt_net_trainer_memory(model: _In[slmt_model], config: _In[slmt_net_trainer_config], bytes: _In[c_uint64]) -> int: ...
def slmt_net_trainer_create(model: _In[slmt_model], config: _In[slmt_net_trainer_config], trainer: _In[_Pointer[slmt_trainer]]) -> int: ...
def slmt_net_trainer_get_config(trainer: _In[slmt_trainer], config: _In[slmt_net_trainer_config]) -> int: ...
def slmt_net_pretrain_step(trainer: _In[slmt_trainer], images: _In[c_float], rate: float) -> int: ...
def slmt_net_finetune_step(trainer: _In[slmt_trainer], source: _In[c_float], target: _In[c_float], rate: float) -> int: ...
