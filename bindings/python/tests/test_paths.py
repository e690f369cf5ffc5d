# SPDX-License-Identifier: Apache-2.0
"""Paths that C would cut short."""

import pathlib

import numpy as np
import pytest
import slmt


@pytest.mark.parametrize("path", ["model.h5\0.txt", "\0"])
def test_a_path_with_a_nul_is_refused(path: str) -> None:
    for read in (slmt.Model.load, slmt.Volume.read, slmt.Trainer.load, slmt.Dataset):
        with pytest.raises(ValueError, match="NUL"):
            read(path)


def test_a_scan_is_not_replaced_by_a_model(tmp_path: pathlib.Path) -> None:
    scan, model = tmp_path / "t1.nii.gz", slmt.Model.create("unet", {"preset": "tiny"})
    slmt.Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4)).write(scan)
    before = scan.read_bytes()
    with pytest.raises(slmt.FileError, match="is not replaced: it is a file compressed with gzip"):
        model.save(scan)
    with pytest.raises(slmt.FileError, match="is not replaced"):
        slmt.RecordWriter(scan, [slmt.Field("photo", "image", np.uint8, ("row", "column"), (None, None))])
    assert scan.read_bytes() == before


def test_what_is_no_volume_is_told() -> None:
    with pytest.raises(slmt.ArgumentError, match="ndarray: expected a Volume, a path or a nibabel image"):
        slmt.Volume.of(np.zeros((2, 3, 4)))
    with pytest.raises(TypeError, match=r"Model\.create\(method, options\) or Model\.load\(path\)"):
        slmt.Model("unet")
