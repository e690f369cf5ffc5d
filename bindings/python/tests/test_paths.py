# SPDX-License-Identifier: Apache-2.0
"""Paths that C would cut short."""

import pytest
import slmt


@pytest.mark.parametrize("path", ["model.h5\0.txt", "\0"])
def test_a_path_with_a_nul_is_refused(path: str) -> None:
    for read in (slmt.Model.load, slmt.Volume.read, slmt.Trainer.load, slmt.Dataset):
        with pytest.raises(ValueError, match="NUL"):
            read(path)
