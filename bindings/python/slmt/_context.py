# SPDX-License-Identifier: Apache-2.0
"""Contexts: backend, threads, limits and log."""

import ctypes
import functools
import logging
import os
import sys
import warnings
from typing import Literal

from slmt import _api
from slmt._errors import ArgumentError, Warning, check, refused
from slmt._handle import Handle

_BACKENDS = {"cpu": _api.SLMT_BACKEND_CPU, "reference": _api.SLMT_BACKEND_REFERENCE, "cuda": _api.SLMT_BACKEND_CUDA}
_PRECISIONS = {"float32": _api.SLMT_FLOAT32, "float64": _api.SLMT_FLOAT64}
_MATRICES = {"auto": _api.SLMT_MATRIX_AUTO, "onednn": _api.SLMT_MATRIX_ONEDNN, "openblas": _api.SLMT_MATRIX_OPENBLAS}
WEIGHTS = {
    "full": _api.SLMT_WEIGHTS_FULL,
    "bf16": _api.SLMT_WEIGHTS_BFLOAT16,
    "f16": _api.SLMT_WEIGHTS_FLOAT16,
    "stored": _api.SLMT_WEIGHTS_STORED,
}
_ARITHMETIC = {
    "auto": _api.SLMT_ARITHMETIC_FLOAT32,
    "float32": _api.SLMT_ARITHMETIC_FLOAT32,
    "bf16": _api.SLMT_ARITHMETIC_BFLOAT16,
    "tf32": _api.SLMT_ARITHMETIC_TF32,
}
_NANS = {"refuse": _api.SLMT_NAN_REFUSE, "zero": _api.SLMT_NAN_ZERO}
_LEVELS = (
    (_api.SLMT_LOG_ERROR, logging.ERROR),
    (_api.SLMT_LOG_WARNING, logging.WARNING),
    (_api.SLMT_LOG_INFO, logging.INFO),
    (_api.SLMT_LOG_DEBUG, logging.DEBUG),
)


def choice(what: str, name: str, codes: dict[str, int]) -> int:
    if name not in codes:
        raise ArgumentError(f"{what} is '{name}', expected {' or '.join(codes)}")
    return codes[name]


class Context(Handle):
    """What everything else is made in. Other objects keep their context alive. Any number of threads may use it.

    threads: of a call; 0: the cores this process may run on. max_bytes: a hard limit on the library's memory; 0: none.
    weights: how models hold the matrices of linear layers; 16 bits synthesize and do not train.
    arithmetic: "bf16" rounds the factors of products to bfloat16, in synthesis and training, and "tf32", on cuda, to 10 bits
    of fraction; "auto" is "float32". backend_options: of cuda, such as "device=1,memory=8000000000". backend_path: where
    libslmt_cuda.so is, or its folder; None: the folder of the library. nan: what reading makes of voxels that are NaN: an error, or 0, the background. logger: receives the
    library's log, from `log_level` (of `logging`) on; on the thread whose call has something to say. Warnings of the
    library are issued as `warnings.warn(..., slmt.Warning)`; a filter that makes them errors ends the call."""

    def __init__(
        self,
        *,
        backend: Literal["cpu", "reference", "cuda"] = "cpu",
        precision: Literal["float32", "float64"] = "float32",
        matrix: Literal["auto", "onednn", "openblas"] = "auto",
        threads: int = 0,
        max_bytes: int = 0,
        weights: Literal["full", "bf16", "f16", "stored"] = "full",
        arithmetic: Literal["auto", "float32", "bf16", "tf32"] = "auto",
        backend_options: str = "",
        backend_path: str | os.PathLike[str] | None = None,
        nan: Literal["refuse", "zero"] = "refuse",
        logger: logging.Logger | None = None,
        log_level: int = logging.INFO,
    ) -> None:
        config = _api.slmt_context_config()
        _api.slmt_context_config_init(config)
        config.backend = choice("backend", backend, _BACKENDS)
        config.precision = choice("precision", precision, _PRECISIONS)
        config.matrix = choice("matrix", matrix, _MATRICES)
        config.weights = choice("weights", weights, WEIGHTS)
        config.arithmetic = choice("arithmetic", arithmetic, _ARITHMETIC)
        config.backend_options = backend_options.encode()
        config.backend_path = None if backend_path is None else os.fsencode(backend_path)
        config.threads = threads
        config.max_bytes = max_bytes
        config.log_level = max(code for code, level in _LEVELS if level >= min(log_level, logging.ERROR))
        config.log = _log_to(logger or logging.getLogger("slmt"))
        pointer = ctypes.POINTER(_api.slmt_context)()
        check(_api.slmt_context_create(config, pointer))
        super().__init__(pointer, _api.slmt_context_free)
        check(_api.slmt_context_set_warning(pointer, _WARNING, None))
        check(_api.slmt_context_set_nan(pointer, choice("nan", nan, _NANS)))

    @property
    def live_bytes(self) -> int:
        """Memory that the context and everything made in it hold now, in bytes."""
        return _api.slmt_context_live_bytes(self._pointer)

    @property
    def device_bytes(self) -> int:
        """How much of `live_bytes` is memory of a device, such as a graphics card."""
        return _api.slmt_context_device_bytes(self._pointer)

    def __repr__(self) -> str:
        if self.closed:
            return "<slmt.Context, closed>"
        return f"<slmt.Context {(_api.slmt_context_describe(self._pointer) or b'').decode()}>"


def _warn(user: int | None, text: bytes) -> int:
    try:
        warnings.warn(text.decode(errors="replace"), Warning, stacklevel=_depth())
    except BaseException as error:  # C is not unwound: its call ends, and then check() raises this
        refused.warning = error
        return 1
    return 0


def _depth() -> int:
    """How far above _warn() the code is that called this package."""
    here, depth, frame = os.path.dirname(__file__), 1, sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == here:
        depth, frame = depth + 1, frame.f_back
    return depth


_WARNING = _api.slmt_warning_fn(_warn)


@functools.cache  # kept for good, as loggers are: what was made in a context may outlive it
def _log_to(logger: logging.Logger) -> "_api.slmt_log_fn":
    levels = dict(_LEVELS)

    def log(user: int | None, level: int, line: bytes) -> None:
        logger.log(levels.get(level, logging.INFO), "%s", line.decode(errors="replace"))

    return _api.slmt_log_fn(log)


@functools.lru_cache(maxsize=1)
def default_context() -> Context:
    """The context of calls that are given none: all defaults, made at first need."""
    return Context()


def context_or_default(context: Context | None) -> Context:
    if context is not None:
        return context
    if default_context().closed:
        default_context.cache_clear()
    return default_context()
