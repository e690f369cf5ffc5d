# SPDX-License-Identifier: Apache-2.0
"""Networks that take milliseconds, and heads to go with them."""

import numpy as np
from numpy.typing import NDArray

import slmt

SIDE = 32
NANO = {
    "image_size": SIDE, "mae_patch": 2, "patch": 1, "embed_dim": 8, "depth": 2, "num_heads": 2, "mlp_ratio": 2,
    "decoder_dim": 4, "decoder_depth": 1, "decoder_heads": 2,
    "generator_depths_0": 2, "generator_depths_1": 1, "generator_depths_2": 2, "generator_depths_3": 1,
    "generator_heads_0": 1, "generator_heads_1": 2, "generator_heads_2": 4, "generator_heads_3": 8, "window": 4,
}  # fmt: skip
SEQ2SEQ = {
    "ndims": 2, "channels": 3, "widths_0": 2, "widths_1": 3, "widths_2": 4, "lstm_width": 4, "residual_blocks": 2,
    "code_length": 3, "bank": 3,
}  # fmt: skip


def head_voxels(subject: int, contrast: int) -> NDArray[np.float32]:
    """[32][32][8], dark outside an ellipse."""
    x, y, z = np.meshgrid(np.arange(SIDE), np.arange(SIDE), np.arange(8), indexing="ij")
    inside = ((x - 16) / 13) ** 2 + ((y - 16) / 11) ** 2 < 1
    wave = 0.5 + 0.4 * np.sin(0.6 * x + subject + 0.3 * z) * np.cos(0.5 * y)
    value = (wave, 1 - 0.8 * wave, wave**2)[contrast]
    voxels: NDArray[np.float32] = (inside * (20 + 100 * value)).astype(np.float32)
    return voxels


def head(subject: int, contrast: int) -> slmt.Volume:
    return slmt.Volume(head_voxels(subject, contrast), np.diag([1.0, 1.0, 3.0, 1.0]))
