# SPDX-License-Identifier: Apache-2.0
"""Volumes keep voxels and geometry, to and from files, nibabel and other packages; no view outlives its memory."""

import gc
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slmt
from samples import Array
from small import head, head_voxels

nibabel: Any = importlib.import_module("nibabel")  # which is typed in part
AFFINE = np.array([[0, -2, 0, 5], [1, 0, 0, -3], [0, 0, 3, 1], [0, 0, 0, 1]], np.float64)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_volume_has_the_voxels_and_the_affine_it_was_made_of(order: str) -> None:
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4, order="C")
    with slmt.Volume(np.array(voxels, order=order), AFFINE) as volume:  # type: ignore[call-overload]
        assert volume.shape == (2, 3, 4)
        assert np.array_equal(volume.voxels, voxels) and np.array_equal(volume.affine, AFFINE)


def test_a_written_volume_is_what_nibabel_reads(tmp_path: Path) -> None:
    head(0, 0).write(tmp_path / "head.nii.gz")
    image = nibabel.Nifti1Image.from_filename(tmp_path / "head.nii.gz")
    assert np.array_equal(image.get_fdata(), head_voxels(0, 0))
    assert np.array_equal(image.affine, np.diag([1.0, 1.0, 3.0, 1.0]))
    with slmt.Volume.read(tmp_path / "head.nii.gz") as volume:
        assert np.array_equal(volume.voxels, head_voxels(0, 0))


def test_nibabel_images_come_and_go_with_their_scaling() -> None:
    stored = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4, 1), AFFINE)
    stored.header.set_slope_inter(2, 1)
    image = nibabel.Nifti1Image.from_bytes(stored.to_bytes())
    volume = slmt.Volume.from_nibabel(image)
    assert np.array_equal(volume.voxels, image.get_fdata()[..., 0])
    back = volume.to_nibabel()
    assert np.array_equal(back.affine, AFFINE) and np.shares_memory(back.dataobj, volume.voxels)
    assert back.header.get_xyzt_units()[0] == "mm"


def test_views_keep_the_volume_alive_and_cannot_be_written() -> None:
    volume = head(1, 0)
    views: list[Array] = [volume.voxels, np.asarray(volume), np.asarray(volume)[::2]]
    del volume
    gc.collect()
    junk = [head(0, 1) for _ in range(20)]  # would be where freed memory was
    for view in views:
        assert np.array_equal(view, head_voxels(1, 0)[:: 32 // len(view)]) and not view.flags.writeable
    assert len(junk) == 20


def test_a_volume_is_not_closed_under_its_views() -> None:
    volume = head(1, 0)
    view = volume.voxels
    with pytest.raises(slmt.StateError, match="views"):
        volume.close()
    with volume:
        pass
    assert view[16, 16, 4] == head_voxels(1, 0)[16, 16, 4]
    del view
    volume.close()
    with pytest.raises(slmt.StateError, match="closed"):
        volume.shape  # noqa: B018


class Taker:
    """Hands a volume to from_dlpack() as another package would: with these arguments."""

    def __init__(self, volume: slmt.Volume, **how: Any) -> None:
        self._volume, self._how = volume, how

    def __dlpack__(self, **how: Any) -> Any:
        return self._volume.__dlpack__(**self._how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._volume.__dlpack_device__()


def test_packages_that_cannot_hold_to_read_only_get_a_copy_that_may_be_written() -> None:
    volume = head(0, 0)
    for how in ({}, {"copy": True}):
        copy = np.from_dlpack(Taker(volume, **how))
        assert np.array_equal(copy, volume.voxels) and not np.shares_memory(copy, volume.voxels)
    with pytest.raises(BufferError, match="read-only"):
        volume.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="CPU"):
        volume.__dlpack__(dl_device=(2, 0))
    assert np.array(volume, np.float64, copy=True).dtype == np.float64


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="DLPack 1.0 came with NumPy 2.1")
def test_packages_that_hold_to_read_only_see_the_very_voxels() -> None:
    volume = head(0, 0)
    view = np.from_dlpack(Taker(volume, max_version=(1, 0), copy=False))
    assert np.shares_memory(view, volume.voxels) and not view.flags.writeable


def test_closed_volumes_free_their_memory() -> None:
    with slmt.Context() as context:
        before = context.live_bytes
        volume = slmt.Volume(head_voxels(0, 0), context=context)
        assert context.live_bytes >= before + head_voxels(0, 0).nbytes
        del volume
        assert context.live_bytes == before


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 2, 2)])
def test_a_volume_has_three_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(slmt.ArgumentError, match=r"expected \[i, j, k\]"):
        slmt.Volume(np.zeros(shape, np.float32))
