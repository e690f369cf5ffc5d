# SPDX-License-Identifier: Apache-2.0
"""What the checkpoints of tests/fixtures hold; make_fixtures.py writes it, test_torchfile.py expects it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_RAMP = (np.arange(60) - 20).astype(np.float32) / 4  # exact in every type of 16 bits

DTYPES: dict[str, Array] = {
    "float16": _RAMP[:6].astype(np.float16).reshape(2, 3),
    "bfloat16": _RAMP[:6].reshape(3, 2),
    "float32": _RAMP[:6],
    "float64": _RAMP[:6].astype(np.float64) / 3,
    "int8": np.array([-128, 0, 127], np.int8),
    "uint8": np.array([0, 128, 255], np.uint8),
    "int16": np.array([-32768, 32767], np.int16),
    "int32": np.array([-(2**31), 2**31 - 1], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1], np.int64),
    "bool": np.array([True, False, True]),
    "complex64": np.array([1 - 2j, 3j], np.complex64),
}

# All of one storage but the last two.
STRIDED: dict[str, Array] = {
    "whole": _RAMP,
    "transposed": _RAMP.reshape(6, 10).T,
    "every_third": _RAMP[7:31:3],
    "block": _RAMP.reshape(3, 4, 5)[1:, 1:3, ::2],
    "one": _RAMP[17:18].reshape(()),
    "empty": np.empty((0, 4), np.float32),
    "parameter": np.ones(2, np.float32),
}

NESTED: dict[str, Array] = {"layer.weight": _RAMP[:4].reshape(2, 2), "layer.bias": _RAMP[4:6]}
