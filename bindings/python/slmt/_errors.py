# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one class for each status, each also of the built-in class that says the same, where there is one."""

import errno
import os
import threading

from slmt import _api


class Error(Exception):
    """A call failed. The text says what was wrong, where, and what was expected."""

    status: int = _api.SLMT_ERR_INTERNAL  # the library's number, SLMT_ERR_... of slmt/status.h

    @property
    def name(self) -> str:
        """The status by name, such as "SLMT_ERR_SCHEMA"."""
        return (_api.slmt_status_name(self.status) or b"").decode()

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError and OSError would add to it


class Warning(UserWarning):
    """A call went on, and its result may be wrong. The text says why."""


class ArgumentError(Error, ValueError):
    """An argument is out of range, of a wrong shape, or does not fit another."""

    status = _api.SLMT_ERR_ARGUMENT


class NonFiniteError(Error, ValueError):
    """An input, a loss or a gradient holds a NaN or an infinity."""

    status = _api.SLMT_ERR_NONFINITE


class StateError(Error, RuntimeError):
    """The object cannot do this, or not now: it is closed, busy, or of another kind."""

    status = _api.SLMT_ERR_STATE


class OutOfMemoryError(Error, MemoryError):
    """The allocator had none left."""

    status = _api.SLMT_ERR_MEMORY


class LimitError(Error, MemoryError):
    """The call would pass the context's max_bytes."""

    status = _api.SLMT_ERR_LIMIT


class FileError(Error, OSError):
    """Reading or writing failed. `filename` is the path where the call was given one."""

    status = _api.SLMT_ERR_IO


class NotFoundError(Error, KeyError):
    """There is no such task, setting, subject, contrast or tensor."""

    status = _api.SLMT_ERR_NOT_FOUND


class NoSuchFileError(NotFoundError, FileNotFoundError):
    """There is no such file. `filename` is its path."""


class CorruptError(Error, ValueError):
    """A file is damaged: its digest does not match, or it is cut short."""

    status = _api.SLMT_ERR_CORRUPT


class FormatError(Error, ValueError):
    """A file is not of the expected kind."""

    status = _api.SLMT_ERR_FORMAT


class SchemaError(Error, ValueError):
    """A tensor or attribute is missing, unexpected, or of another shape or type."""

    status = _api.SLMT_ERR_SCHEMA


class VersionError(Error, ValueError):
    """A file is of a newer version than this library."""

    status = _api.SLMT_ERR_VERSION


class BackendError(Error, RuntimeError):
    """A backend, or a library under it, failed."""

    status = _api.SLMT_ERR_BACKEND


class UnsupportedError(Error, RuntimeError):
    """Not in this build, on this machine, or on this backend."""

    status = _api.SLMT_ERR_UNSUPPORTED


class Cancelled(Error):
    """A progress function returned False, or cancel() was called."""

    status = _api.SLMT_ERR_CANCELLED


class InternalError(Error, RuntimeError):
    """A bug in the library; please report the text."""


_CLASSES: dict[int, type[Error]] = {
    kind.status: kind
    for kind in (ArgumentError, NonFiniteError, StateError, OutOfMemoryError, LimitError, FileError, NotFoundError,
                 CorruptError, FormatError, SchemaError, VersionError, BackendError, UnsupportedError, Cancelled,
                 InternalError)
}  # fmt: skip


def failure(status: int, text: str, path: str | os.PathLike[str] | None = None) -> Error:
    """The exception for a status. path: the file that the call was about."""
    kind = _CLASSES.get(status, Error)
    if path is not None and kind is NotFoundError:
        kind = NoSuchFileError
    problem = kind(text)
    problem.status = status
    if isinstance(problem, OSError) and path is not None:
        problem.filename = os.fspath(path)
        problem.errno = errno.ENOENT if isinstance(problem, FileNotFoundError) else errno.EIO
    return problem


refused = threading.local()  # refused.warning: what a filter of `warnings` made an error, until its call has ended


def check(status: int, path: str | os.PathLike[str] | None = None) -> None:
    """Raises what a status means; the text is that of this thread's last call."""
    warning = refused.__dict__.pop("warning", None)
    if warning is not None and status == _api.SLMT_ERR_CANCELLED:
        raise warning
    if status != _api.SLMT_OK:
        raise failure(status, (_api.slmt_error_text() or b"").decode(errors="replace"), path)
