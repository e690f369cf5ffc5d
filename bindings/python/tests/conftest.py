# SPDX-License-Identifier: Apache-2.0
"""What several tests need: one thread, a network that takes milliseconds, a training set of four small heads."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import slmt
from small import NANO, SIDE, head


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> None:
    """Programs that a shell starts in the background ignore Ctrl-C, and Python then has no handler for it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Where a test names no number of threads: those of a busy machine would wait for each other."""
    defaults = slmt.Context.__init__.__kwdefaults__
    assert defaults is not None and "threads" in defaults
    defaults["threads"] = 1
    slmt.default_context.cache_clear()


@pytest.fixture(scope="session")
def context() -> Iterator[slmt.Context]:
    with slmt.Context(threads=1) as made:
        yield made


@pytest.fixture
def model(context: slmt.Context) -> Iterator[slmt.Model]:
    with slmt.Model.create("slmt-net", NANO, seed=1, context=context) as made:
        made.preprocess = small_preprocess()
        yield made


@pytest.fixture(scope="session")
def training_set(context: slmt.Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contrasts t1, t2 and flair, which the second subject lacks; the fourth subject is for tests."""
    path = tmp_path_factory.mktemp("set") / "set.h5"
    with slmt.DatasetWriter(path, ["t1", "t2", "flair"], small_preprocess(), context=context) as writer:
        for subject in range(4):
            volumes = {name: head(subject, n) for n, name in enumerate(writer.contrasts) if (subject, n) != (1, 2)}
            writer.add(f"s{subject}", volumes, split="test" if subject == 3 else "train")
    return path


def small_preprocess() -> slmt.Preprocess:
    return slmt.Preprocess(crop_size=SIDE, slice_first=1, slice_count=6, image_size=SIDE)


@pytest.fixture
def slices() -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """Five slices."""
    return np.random.default_rng(3).random((5, SIDE, SIDE), np.float32)
