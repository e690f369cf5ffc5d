# SPDX-License-Identifier: Apache-2.0
"""Long calls: their callbacks into Python, what is raised there, ctrl-C, and bars of tqdm."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Union

from slmt import _api
from slmt._errors import check

Progress = Callable[[str, int, int], object]
"""Called with what is being done, units done, and units in all (0: unknown). False ends the call: Cancelled."""

ProgressLike = Union[bool, Progress, None]
"""True: a bar of tqdm. False, None: nothing."""


class Call:
    """One long call of the library.

    An exception in a callbackends the call and goes on from there. So does ctrl-C: Python would raise it at a
    callback's very start, where nothing catches it, so that while the call runs in the main thread it is taken down
    instead, and handed to the handler that was there once the library has returned."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._interrupt: tuple[int, FrameType | None] | None = None
        self._handler: Callable[[int, FrameType | None], Any] | None = None

    def __enter__(self) -> "Call":
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupt = number, frame

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._handler is None:
            return
        signal.signal(signal.SIGINT, self._handler)
        if self._interrupt is not None:
            try:
                self._handler(*self._interrupt)
            except BaseException as raised:
                raise raised from None

    def ask(self, function: Callable[[], object]) -> int:
        """Runs a callback's work. Returns what the callback returns: 1 ends the call."""
        try:
            stop = function() is False
        except BaseException as error:
            self._error = error
            stop = True
        return 1 if stop or self._interrupt is not None else 0

    def check(self, status: int) -> None:
        if self._error is not None:
            raise self._error
        check(status)


@contextmanager
def reporting(call: Call, progress: ProgressLike) -> Iterator[Any]:
    """The C callback for a progress function, as long as the block lasts. It is there without one too, for ctrl-C."""
    with _function(progress) as report:

        def called(user: int | None, stage: bytes, done: int, total: int) -> int:
            return call.ask(lambda: report(stage.decode(), done, total))

        yield _api.slmt_progress_fn(called)


@contextmanager
def _function(progress: ProgressLike) -> Iterator[Progress]:
    if callable(progress):
        yield progress
    elif progress:
        with bar() as update:
            yield lambda stage, done, total: update(stage, done, total, "")
    else:
        yield lambda stage, done, total: None


@contextmanager
def bar() -> Iterator[Callable[[str, int, int, str], None]]:
    """A bar of tqdm, made when its length is known. update(stage, done, total, text beside it)"""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm; or give a function") from None
    bars: list[Any] = []

    def update(stage: str, done: int, total: int, text: str) -> None:
        if not bars:
            bars.append(tqdm(total=total or None, desc=stage, initial=0))
        bars[0].set_postfix_str(text, refresh=False)
        bars[0].update(done - bars[0].n)

    try:
        yield update
    finally:
        for one in bars:
            one.close()
