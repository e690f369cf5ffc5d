# SPDX-License-Identifier: Apache-2.0
"""What all objects that stand for a handle of the C library have in common."""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from slmt._errors import StateError

_Self = TypeVar("_Self", bound="Handle")


class Handle:
    """Frees its handle when it is closed, leaves a `with` block, or is no longer used; whichever is first."""

    def __init__(self, pointer: Any, free: Callable[[Any], object]) -> None:
        self._handle = pointer
        self._free = weakref.finalize(self, free, pointer)
        self._free.atexit = False  # when Python ends, a daemon thread may still be in a call
        self._lock = threading.Lock()
        self._user: int | None = None  # the thread that is in a call

    @property
    def closed(self) -> bool:
        return not self._free.alive

    def close(self) -> None:
        """Frees the handle; the second time does nothing. Waits for a call that runs in another thread."""
        with self._alone():
            self._free()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def _pointer(self) -> Any:
        if self.closed:
            raise StateError(f"this {type(self).__name__} is closed")
        return self._handle

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One call at a time: other threads wait; a callback of this object's own call cannot and is refused."""
        me = threading.get_ident()
        if self._user == me:
            raise StateError(f"this {type(self).__name__} is in a call: its callback cannot use it")
        with self._lock:
            self._user = me
            try:
                yield
            finally:
                self._user = None
