# SPDX-License-Identifier: Apache-2.0
"""Writes checkpoints in PyTorch's zip format without PyTorch, for tests of the converter."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import make_pickles as words
from samples import Array

_KINDS = {"<f2": "HalfStorage", "<f4": "FloatStorage", "<f8": "DoubleStorage", "<i8": "LongStorage"}


def write(path: Path, tensors: Mapping[str, Array]) -> None:
    items, data = {}, {}
    for index, (name, values) in enumerate(tensors.items()):
        values = np.ascontiguousarray(values)
        store = words.storage(str(index), values.size, kind="torch." + _KINDS[values.dtype.str])
        strides = tuple(step // values.itemsize for step in values.strides)
        items[name] = words.tensor(store, values.shape, strides)
        data[f"data/{index}"] = values.tobytes()
    path.write_bytes(words.archive(words.pickled(words.dictionary(**items)), data))
