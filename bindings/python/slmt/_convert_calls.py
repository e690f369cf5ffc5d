# SPDX-License-Identifier: Apache-2.0
"""The few calls of the C library that convert.py makes: a model by name, its tensors, its card, its file.

The library is the one that SLMT_LIBRARY names, else one beside this file, else the system's."""

import ctypes
import os
from collections.abc import Mapping
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


class SlmtError(Exception):
    """A call failed. The text is the library's."""


class Tensor(NamedTuple):
    """A tensor that a model has, or may have."""

    shape: tuple[int, ...]
    used: bool  # False: the reference stores it and nothing reads it


class _Number(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_double)]


class _TensorInfo(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("rank", c_int32),
        ("dim", c_int64 * 6),
        ("name", c_char_p),
        ("used", c_int32),
        ("weights", c_int32),
    ]


_PREPROCESS: dict[str, type[c_int32] | type[c_double]] = {
    "crop_size": c_int32,
    "crop_x": c_int32,
    "crop_y": c_int32,
    "slice_first": c_int32,
    "slice_count": c_int32,
    "image_size": c_int32,
    "target_resize": c_int32,
    "low_percentile": c_double,
    "high_percentile": c_double,
    "scaling": c_int32,
}


class _Preprocess(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), *_PREPROCESS.items(), ("reserved", c_int32)]


_STATUS_CALLS = {
    "slmt_context_create": (c_void_p, POINTER(c_void_p)),
    "slmt_model_create_method": (c_void_p, c_char_p, POINTER(_Number), c_size_t, c_uint64, POINTER(c_void_p)),
    "slmt_model_load": (c_void_p, c_char_p, POINTER(c_void_p)),
    "slmt_model_save": (c_void_p, c_char_p),
    "slmt_model_option": (c_void_p, c_char_p, POINTER(c_double)),
    "slmt_model_tensor_info": (c_void_p, c_size_t, POINTER(_TensorInfo)),
    "slmt_model_get_tensor": (c_void_p, c_char_p, POINTER(c_float), c_size_t),
    "slmt_model_set_tensor": (c_void_p, c_char_p, POINTER(c_float), c_size_t),
    "slmt_model_get_preprocess": (c_void_p, POINTER(_Preprocess)),
    "slmt_model_set_preprocess": (c_void_p, POINTER(_Preprocess)),
    "slmt_model_set_card": (c_void_p, c_char_p, c_char_p),
}


def _open() -> ctypes.CDLL:
    beside = Path(__file__).with_name("libslmt.so")
    path = os.environ.get("SLMT_LIBRARY") or (str(beside) if beside.exists() else "libslmt.so")
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise SlmtError(f"libslmt cannot be opened: {error}; SLMT_LIBRARY may name its path") from error
    for name, arguments in _STATUS_CALLS.items():
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = c_int32
    for name in ("slmt_context_free", "slmt_model_free"):
        getattr(library, name).argtypes = (c_void_p,)
        getattr(library, name).restype = None
    library.slmt_model_tensor_count.argtypes = (c_void_p,)
    library.slmt_model_tensor_count.restype = c_size_t
    library.slmt_model_card.argtypes = (c_void_p, c_char_p)
    library.slmt_model_card.restype = c_char_p
    library.slmt_error_text.argtypes = ()
    library.slmt_error_text.restype = c_char_p
    library.slmt_preprocess_init.argtypes = (POINTER(_Preprocess),)
    library.slmt_preprocess_init.restype = None
    return library


class Model:
    """A model of any method. Made by create() or load(); a context manager that frees it."""

    def __init__(self, library: ctypes.CDLL, handle: c_void_p) -> None:
        self._library = library
        self._handle = handle

    @classmethod
    def create(cls, method: str, options: Mapping[str, float], seed: int = 0) -> "Model":
        """A model with fresh weights; options that are not named have their initial values."""
        numbers = (_Number * len(options))(*(_Number(name.encode(), value) for name, value in options.items()))
        return cls._make("slmt_model_create_method", method.encode(), numbers, len(options), seed)

    @classmethod
    def load(cls, path: str | Path) -> "Model":
        return cls._make("slmt_model_load", os.fsencode(path))

    @classmethod
    def _make(cls, function: str, *arguments: Any) -> "Model":
        library, context, handle = _open(), c_void_p(), c_void_p()
        _check(library, library.slmt_context_create(None, byref(context)))
        try:
            _check(library, getattr(library, function)(context, *arguments, byref(handle)))
        finally:
            library.slmt_context_free(context)  # the model keeps it alive
        return cls(library, handle)

    def _call(self, function: str, *arguments: Any) -> None:
        _check(self._library, getattr(self._library, function)(self._handle, *arguments))

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._library.slmt_model_free(self._handle)
        self._handle = c_void_p()

    def tensors(self) -> dict[str, Tensor]:
        """The model's tensors in its own order."""
        found, info = {}, _TensorInfo(struct_size=ctypes.sizeof(_TensorInfo))
        for index in range(self._library.slmt_model_tensor_count(self._handle)):
            self._call("slmt_model_tensor_info", index, byref(info))
            found[info.name.decode()] = Tensor(tuple(info.dim[: info.rank]), bool(info.used))
        return found

    def get(self, name: str) -> FloatArray:
        values = np.empty(self.tensors()[name].shape, np.float32)
        self._call("slmt_model_get_tensor", name.encode(), values.ctypes.data_as(POINTER(c_float)), values.size)
        return values

    def set(self, name: str, values: FloatArray) -> None:
        values = np.require(values, np.float32, ["C", "A"])
        self._call("slmt_model_set_tensor", name.encode(), values.ctypes.data_as(POINTER(c_float)), values.size)

    def option(self, name: str) -> float:
        value = c_double()
        self._call("slmt_model_option", name.encode(), byref(value))
        return value.value

    def preprocess(self) -> dict[str, float]:
        kept = self._preprocess()
        return {name: getattr(kept, name) for name in _PREPROCESS}

    def set_preprocess(self, changes: Mapping[str, float]) -> None:
        """Changes some fields of slmt_preprocess, by name."""
        kept = self._preprocess()
        for name, value in changes.items():
            if name not in _PREPROCESS:
                raise SlmtError(f"there is no preprocessing option {name}; there are {', '.join(_PREPROCESS)}")
            if _PREPROCESS[name] is c_int32 and value != int(value):
                raise SlmtError(f"preprocessing option {name} is {value:g}, must be a whole number")
            setattr(kept, name, int(value) if _PREPROCESS[name] is c_int32 else value)
        self._call("slmt_model_set_preprocess", byref(kept))

    def _preprocess(self) -> _Preprocess:
        kept = _Preprocess()
        self._library.slmt_preprocess_init(byref(kept))
        self._call("slmt_model_get_preprocess", byref(kept))
        return kept

    def card(self, key: str) -> str:
        text: bytes = self._library.slmt_model_card(self._handle, key.encode())
        return text.decode()

    def set_card(self, key: str, text: str) -> None:
        self._call("slmt_model_set_card", key.encode(), text.encode())

    def save(self, path: str | Path) -> None:
        """Written to a new file and renamed: at any moment `path` is the old file or the new one, whole."""
        self._call("slmt_model_save", os.fsencode(path))


def _check(library: ctypes.CDLL, status: int) -> None:
    if status != 0:
        raise SlmtError(library.slmt_error_text().decode(errors="replace"))
