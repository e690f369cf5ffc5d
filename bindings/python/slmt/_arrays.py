# SPDX-License-Identifier: Apache-2.0
"""Arrays on their way in and out.

In: a C-contiguous array of the wanted type (float32, or int32 for indices) is read where it lies. Anything else that
NumPy takes, and anything on the CPU with `__dlpack__`, is taken too; it is copied if its layout or type is another, and
refused if its kind is (complex numbers, texts, fractions for an index).

Out: a new array, or `out`, which must have the very layout: it is written, never a copy of it."""

from collections.abc import Mapping, Sequence
from ctypes import POINTER, c_float, c_int64, cast
from typing import Any, Protocol, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slmt import _api
from slmt._errors import ArgumentError

FloatArray = NDArray[np.float32]
AnyArray = NDArray[Any]
Shape = tuple[int, ...]


class SupportsDLPack(Protocol):
    """Arrays of other packages: PyTorch, CuPy, JAX, ..."""

    def __dlpack__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> Any: ...


ArrayIn = Union[ArrayLike, SupportsDLPack]

TYPES: dict[int, type[Any]] = {_api.SLMT_TENSOR_FLOAT32: np.float32, _api.SLMT_TENSOR_INT32: np.int32}

SET_TYPES: dict[int, type[Any]] = TYPES | {_api.SLMT_TENSOR_FLOAT16: np.float16, _api.SLMT_TENSOR_UINT8: np.uint8}
"""Those of fields of training sets."""


def taken(
    values: ArrayIn, what: str, kind: type[Any] = np.float32, shape: Sequence[int | None] | None = None
) -> AnyArray:
    """The values as a compact array of `kind`. shape: as it must be; None: an axis of any length."""
    array = as_numpy(values, what)
    if not np.can_cast(array.dtype, kind, "same_kind"):
        raise TypeError(f"{what} holds {array.dtype}, expected {np.dtype(kind)}")
    if shape is not None and not fits(array.shape, shape):
        raise ArgumentError(f"{what} is {list(array.shape)}, expected {expected(shape)}")
    compact = np.require(array, kind, ["C", "A"])
    if kind in (np.int32, np.uint8) and array.dtype != kind and not np.array_equal(compact, array):
        raise ArgumentError(f"{what} holds numbers beyond {np.dtype(kind)}")
    return compact


def as_numpy(values: Any, what: str) -> AnyArray:
    """The values as an array of whatever type and layout they have."""
    if isinstance(values, np.ndarray) or not hasattr(values, "__dlpack__"):
        return np.asarray(values)
    try:
        return np.asarray(np.from_dlpack(values))
    except (BufferError, RuntimeError) as problem:
        if tuple(values.__dlpack_device__())[0] == 1 and hasattr(values, "__array__"):
            return np.asarray(values)  # such as read-only memory, of which older DLPack cannot tell
        raise TypeError(f"{what} cannot be read through DLPack: {problem}. It must lie on the CPU") from problem


def fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def expected(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("any" if length is None else str(length) for length in shape) + "]"


def given(out: AnyArray | None, shape: Shape, what: str, kind: type[Any] = np.float32) -> AnyArray:
    """Where results go: `out`, if it can take them, or a new array."""
    if out is None:
        return np.empty(shape, kind)
    if not isinstance(out, np.ndarray) or out.dtype != kind or not out.dtype.isnative:
        raise TypeError(f"{what} is {getattr(out, 'dtype', type(out).__name__)}, expected an array of {np.dtype(kind)}")
    if out.shape != shape or not out.flags.c_contiguous or not out.flags.aligned or not out.flags.writeable:
        raise ArgumentError(
            f"{what} is {list(out.shape)} with strides {out.strides}{'' if out.flags.writeable else ', read-only'}, "
            f"expected {list(shape)}, C-contiguous and writable"
        )
    return out


def floats_at(array: AnyArray) -> Any:
    """A pointer to float32."""
    return array.ctypes.data_as(POINTER(c_float))


class Tensors:
    """Arrays by name as slmt_tensor[]. Lives as long as the call."""

    def __init__(self, arrays: Mapping[str, AnyArray]) -> None:
        self._arrays = list(arrays.values())
        self._shapes = [(c_int64 * array.ndim)(*array.shape) for array in self._arrays]
        self.count = len(self._arrays)
        self.array = (_api.slmt_tensor * self.count)()
        for tensor, name, array, shape in zip(self.array, arrays, self._arrays, self._shapes, strict=True):
            tensor.name = name.encode()
            tensor.data = array.ctypes.data
            tensor.rank = array.ndim
            tensor.shape = cast(shape, POINTER(c_int64))
            tensor.type = next(code for code, kind in SET_TYPES.items() if array.dtype == kind)
