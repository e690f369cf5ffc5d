# SPDX-License-Identifier: Apache-2.0
"""Arrays go in where they lie if their layout is the library's, else as a copy or not at all; results go into `out`."""

from typing import Any

import numpy as np
import pytest

import slmt
from samples import Array
from small import SIDE
from slmt._arrays import taken


class Foreign:
    """An array of another package: DLPack alone."""

    def __init__(self, array: Array, device: int = 1) -> None:
        self._array = array
        self._device = device

    def __dlpack__(self, **how: Any) -> Any:
        if self._device != 1:
            raise BufferError("not on the CPU")
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device, 0


def test_compact_float32_is_read_where_it_lies() -> None:
    array = np.ones((2, 3), np.float32)
    assert np.shares_memory(taken(array, "x"), array)
    assert np.shares_memory(taken(Foreign(array), "x"), array)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6).reshape(2, 3),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
        np.arange(12, dtype=np.float32).reshape(2, 6)[:, :3] * 1.0,
        [[0, 1, 2], [3, 4, 5]],
        Foreign(np.arange(6, dtype=np.float16).reshape(2, 3)),
    ],
)
def test_other_types_and_layouts_become_a_compact_copy(values: Any) -> None:
    array = taken(values, "x")
    assert array.dtype == np.float32 and array.flags.c_contiguous
    assert np.array_equal(array, np.asarray(values._array if isinstance(values, Foreign) else values))


@pytest.mark.parametrize(
    "values", [np.ones(2, np.complex64), np.array(["a"]), Foreign(np.ones(2, np.float32), device=2)]
)
def test_what_has_no_meaning_as_an_image_is_refused(values: Any) -> None:
    with pytest.raises(TypeError, match="source"):
        taken(values, "source")


def test_an_index_is_a_whole_number_within_int32() -> None:
    assert taken([1, 2], "i", np.int32).dtype == np.int32
    with pytest.raises(TypeError, match="float64"):
        taken([0.5], "i", np.int32)
    with pytest.raises(slmt.ArgumentError, match="beyond int32"):
        taken([1 << 40], "i", np.int32)


def test_results_go_into_out(model: slmt.Model, slices: Array) -> None:
    with model.session() as session:
        wanted = session.synthesize(slices)
        out = np.full_like(slices, 9)
        assert session.synthesize(slices, out=out) is out
    assert np.array_equal(out, wanted) and wanted.min() >= 0 and wanted.max() <= 1


@pytest.mark.parametrize(
    ("out", "problem", "text"),
    [
        (np.empty((5, SIDE, SIDE)), TypeError, "float64"),
        (np.empty((4, SIDE, SIDE), np.float32), slmt.ArgumentError, r"\[4, 32, 32\]"),
        (np.empty((SIDE, SIDE, 5), np.float32).T, slmt.ArgumentError, "C-contiguous"),
        (np.broadcast_to(np.float32(0), (5, SIDE, SIDE)), slmt.ArgumentError, "read-only"),
        ([0.0], TypeError, "list"),
    ],
)
def test_an_out_that_cannot_be_written_to_is_refused(
    out: Any, problem: type[Exception], text: str, model: slmt.Model, slices: Array
) -> None:
    with model.session() as session, pytest.raises(problem, match=text):
        session.synthesize(slices, out=out)
