# SPDX-License-Identifier: Apache-2.0
"""Finds the C library and hands out its functions. The first of these that is there is taken:

1. the file that the environment variable SLMT_LIBRARY names;
2. libslmt.so.0 in this folder, where a package brings it along;
3. libslmt.so.0 where the system's loader finds libraries."""

import ctypes
import os
import pathlib
from collections.abc import Sequence
from typing import Any

NAME = "libslmt.so.0"  # the ABI that _api.py was made for


def path() -> str:
    """What to load."""
    beside = pathlib.Path(__file__).parent / NAME
    return os.environ.get("SLMT_LIBRARY") or (str(beside) if beside.exists() else NAME)


def load() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(path())
    except OSError as problem:
        raise ImportError(
            f"libslmt cannot be loaded: {problem}. Install it, or name its file in SLMT_LIBRARY"
        ) from None


_loaded = load()


def bind(name: str, result: Any, arguments: Sequence[Any], doc: str) -> Any:
    """A function of the library, with its types and its manual."""
    try:
        function = getattr(_loaded, name)
    except AttributeError:
        raise ImportError(f"{_loaded._name} has no {name}: it is older than this module") from None
    function.restype, function.argtypes = result, arguments
    function.__name__, function.__doc__ = name, doc
    return function
