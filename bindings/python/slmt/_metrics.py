# SPDX-License-Identifier: Apache-2.0
"""Figures: agreement of images, and what errors of any-to-any synthesis tell of the sequences. All from any thread."""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slmt import _api
from slmt._arrays import ArrayIn, FloatArray, floats_at, given, taken
from slmt._context import choice
from slmt._errors import ArgumentError, check
from slmt._volume import Volume

_SELVES = {
    "exclude": _api.SLMT_SELF_EXCLUDE,
    "include": _api.SLMT_SELF_INCLUDE,
    "zscore-only": _api.SLMT_SELF_ZSCORE_ONLY,
}


_DEFINITIONS = {
    "volume": _api.SLMT_DEFINITION_VOLUME,
    "slice": _api.SLMT_DEFINITION_SLICE,
    "paper": _api.SLMT_DEFINITION_PAPER,
}


@dataclass(frozen=True)
class Metrics:
    """Agreement of two slices, or of two stacks of them, in [0, 1]. What is not defined is NaN."""

    psnr: float  # dB; at most 100, which is also that of equal images
    ssim: float  # 7x7 uniform window, data range 1
    ssim_range_2: float  # data range 2: only to compare with the paper
    nmse: float  # sum (p-t)^2 / sum t^2; NaN where t is all 0
    nmse_spectral: float  # with spectral norms: the paper's code
    mae: float  # mean |p-t|
    pixels: int  # compared
    slices: int  # in which a pixel was compared
    with_signal: int  # slices among them whose target has a compared pixel above 0.01

    @classmethod
    def _of(cls, m: _api.slmt_metrics) -> "Metrics":
        figures = (m.psnr, m.ssim, m.ssim_range_2, m.nmse, m.nmse_spectral, m.mae)
        return cls(*figures, m.pixels, m.slices, m.with_signal)


def _empty() -> _api.slmt_metrics:
    return _api.slmt_metrics(struct_size=ctypes.sizeof(_api.slmt_metrics))


def _fill(metrics: _api.slmt_metrics, made: FloatArray, truth: FloatArray, mask: NDArray[np.uint8] | None) -> None:
    where = None if mask is None else mask.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
    height, width = truth.shape
    check(_api.slmt_compare_masked(floats_at(made), floats_at(truth), where, height, width, metrics))


def _mask_of(mask: ArrayIn | None, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    where = None if mask is None else np.ascontiguousarray(np.asarray(mask) != 0, np.uint8)
    if where is not None and where.shape != shape:
        raise ArgumentError(f"mask has shape {where.shape}, expected {shape}")
    return where


def compare(prediction: ArrayIn, target: ArrayIn, mask: ArrayIn | None = None) -> Metrics:
    """Compares a slice with its target, both [height][width] in [0, 1], 7 pixels or more a side; with a mask, where it
    is not 0."""
    truth = taken(target, "target", shape=(None, None))
    made = taken(prediction, "prediction", shape=truth.shape)
    metrics = _empty()
    _fill(metrics, made, truth, _mask_of(mask, truth.shape))
    return Metrics._of(metrics)


def compare_volume(
    prediction: ArrayIn,
    target: ArrayIn,
    mask: ArrayIn | None = None,
    *,
    definition: Literal["volume", "slice", "paper"] = "volume",
) -> Metrics:
    """Compares the slices of a volume with their targets, both [slice][height][width] in [0, 1].

    definition: "volume" takes all pixels for one image, "slice" is the mean over the slices whose target has signal,
    "paper" the mean over all slices, as the code of the SLMT-Net paper has it."""
    truth = taken(target, "target", shape=(None, None, None))
    made = taken(prediction, "prediction", shape=truth.shape)
    where = _mask_of(mask, truth.shape)
    slices = (_api.slmt_metrics * len(truth))(*(_empty() for _ in truth))
    for index, one in enumerate(slices):
        _fill(one, made[index], truth[index], None if where is None else where[index])
    metrics = _empty()
    check(_api.slmt_metrics_combine(slices, len(slices), choice("definition", definition, _DEFINITIONS), metrics))
    return Metrics._of(metrics)


@dataclass(frozen=True)
class LabelScores:
    """Agreement of the voxels of one class with the truth. What is not defined is NaN."""

    truth: int  # voxels that have it in the truth
    answer: int  # voxels that have it in the labels that are judged
    both: int
    dice: float  # 2 both / (truth + answer)
    iou: float
    precision: float  # both / answer
    recall: float  # both / truth
    specificity: float  # of the voxels that have it not in the truth, those that have it not in the labels
    hausdorff95: float  # mm; infinite if one of the two is empty
    surface_distance: float  # mm, mean


def compare_labels(labels: Volume, truth: Volume, label: int) -> LabelScores:
    """Compares a label map, such as one of Session.segment_volume(), with the truth on the same grid, for one label."""
    scores = _api.slmt_label_scores(struct_size=ctypes.sizeof(_api.slmt_label_scores))
    check(_api.slmt_compare_labels(labels._pointer, truth._pointer, label, scores))
    return LabelScores(*(getattr(scores, field.name) for field in fields(LabelScores)))


@dataclass(frozen=True)
class PairScore:
    """How well one sequence of a subject was made from another. NaN: not taken."""

    source: int  # index of the sequence it was made from
    target: int  # index of the sequence that was made
    psnr: float = nan  # dB; more is better
    ssim: float = nan  # more is better
    lpips: float = nan  # less is better


@dataclass(frozen=True)
class Ranking:
    totipotency: NDArray[np.float64]  # [N] how well a sequence makes the others
    differentiation: NDArray[np.float64]  # [N] how hard it is to make
    agreement: NDArray[np.float64]  # [N][N] a row for each source


def rank_sequences(
    scores: Iterable[PairScore],
    sequences: int,
    *,
    self_pairs: Literal["exclude", "include", "zscore-only"] = "exclude",
) -> Ranking:
    """Ranks `sequences` (N) sequences by scores of pairs, in any order (Han et al. 2024, C_t and C_d)."""
    options = _api.slmt_ranking_options()
    _api.slmt_ranking_options_init(options)
    options.self = choice("self_pairs", self_pairs, _SELVES)
    rows = [_api.slmt_pair_score(0, s.source, s.target, 0, s.psnr, s.ssim, s.lpips) for s in scores]
    array = (_api.slmt_pair_score * len(rows))(*rows)
    results = [np.empty(shape) for shape in (sequences, sequences, (sequences, sequences))]
    pointers = [result.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for result in results]
    check(_api.slmt_rank_sequences(array, len(rows), sequences, options, *pointers))
    return Ranking(*results)


def differentiation_map(predictions: Sequence[ArrayIn], truth: ArrayIn, *, out: FloatArray | None = None) -> FloatArray:
    """Where an image holds what its sources lack: the mean over predictions of |prediction - truth|.

    predictions: each of truth's shape, any, made from another source. Returns float32 of that shape."""
    image = taken(truth, "truth")
    made = [taken(one, f"predictions[{index}]", shape=image.shape) for index, one in enumerate(predictions)]
    if not made:
        raise ArgumentError("there are no predictions")
    result = given(out, image.shape, "out")
    array = (ctypes.POINTER(ctypes.c_float) * len(made))(*(floats_at(one) for one in made))
    check(_api.slmt_differentiation_map(array, len(made), floats_at(image), image.size, floats_at(result)))
    return result
