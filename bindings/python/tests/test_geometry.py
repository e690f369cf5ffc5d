# SPDX-License-Identifier: Apache-2.0
"""Voxel sizes and positions of scans, warnings, and NaN, from Python."""

import warnings
from pathlib import Path

import numpy as np
import pytest

import slmt
from small import SIDE, head_voxels

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])


def finer() -> slmt.Volume:
    """The first head, in voxels of half the size along i and j."""
    voxels = head_voxels(0, 0).repeat(2, 0).repeat(2, 1)
    return slmt.Volume(voxels, AFFINE @ np.diag([0.5, 0.5, 1, 1]))


@pytest.fixture
def taught(model: slmt.Model, training_set: Path) -> slmt.Model:
    """A model that knows the set's geometry."""
    model.geometry = slmt.Dataset(training_set).geometry("train")
    return model


def test_a_set_and_a_model_know_the_geometry_of_their_volumes(taught: slmt.Model, training_set: Path) -> None:
    known = slmt.Dataset(training_set).geometry()
    assert known is not None and known.volumes == 4
    assert known.spacing_least == known.spacing_most == (1.0, 1.0, 3.0)
    assert known.field_most == (SIDE, SIDE, 24.0)
    assert taught.geometry is not None and taught.geometry.volumes == 3  # those of the training
    taught.geometry = None
    assert taught.geometry is None


def test_a_volume_of_other_voxels_is_refused_or_resampled_onto_its_own_grid(taught: slmt.Model) -> None:
    with taught.session() as session, pytest.raises(slmt.ArgumentError, match="0.5 x 0.5 x 3 mm"):
        session.synthesize_volume(finer())
    with taught.session(spacing="resample") as session:
        made = session.synthesize_volume(finer())
    assert made.shape == finer().shape
    np.testing.assert_array_equal(made.affine, finer().affine)


def test_a_volume_is_resampled_and_labels_are_not_mixed() -> None:
    labels = finer().resample((1, 1, 3), labels=True)
    np.testing.assert_array_equal(labels.voxels[::-1, ::-1], head_voxels(0, 0))  # to the left, and to the back
    mixed = finer().resample((1, 1, 3))
    assert mixed.shape == labels.shape and abs(mixed.voxels.mean() - labels.voxels.mean()) < 0.01 * labels.voxels.mean()
    with pytest.raises(slmt.ArgumentError, match="spacing"):
        finer().resample((1, 0, 3))


def test_a_session_shows_a_volume_of_other_voxels_as_it_sees_it(taught: slmt.Model) -> None:
    with taught.session() as session, pytest.raises(slmt.ArgumentError, match="0.5 x 0.5 x 3 mm"):
        session.normalize(finer())
    with taught.session(spacing="resample") as session:
        seen = session.normalize(finer())
    assert seen.shape == finer().shape and 0.9 < seen.voxels.max() <= 1


def test_a_set_refuses_to_mix_voxel_sizes_unless_it_is_meant(tmp_path: Path, small: slmt.Preprocess) -> None:
    one = slmt.Volume(head_voxels(0, 0), AFFINE)
    with slmt.DatasetWriter(tmp_path / "set.h5", ["t1"], small) as writer:
        writer.add("a", {"t1": one})
        with pytest.raises(slmt.ArgumentError, match="b: its voxels are 0.5 x 0.5 x 3 mm"):
            writer.add("b", {"t1": finer()})
    with slmt.DatasetWriter(tmp_path / "set.h5", ["t1"], small, any_spacing=True) as writer:
        writer.add("a", {"t1": one})
        writer.add("b", {"t1": finer()})


@pytest.fixture
def small() -> slmt.Preprocess:
    return slmt.Preprocess(crop_size=SIDE, slice_first=1, slice_count=6, image_size=SIDE)


def test_warnings_of_the_library_are_those_of_python(model: slmt.Model) -> None:
    bright = head_voxels(0, 0)
    bright[bright == 0] = 32767
    volume = slmt.Volume(bright, AFFINE)
    with pytest.warns(slmt.Warning, match="the background is brighter than the head") as caught:
        model.normalize(volume)
    assert caught[0].filename == __file__  # the line that called the package
    with warnings.catch_warnings():
        warnings.simplefilter("error", slmt.Warning)
        with pytest.raises(slmt.Warning, match="brighter than the head"):
            model.normalize(volume)
    with pytest.warns(slmt.Warning):
        model.normalize(volume)


def test_nan_is_refused_or_becomes_the_background(tmp_path: Path) -> None:
    path = tmp_path / "nan.nii"
    slmt.Volume(head_voxels(0, 0), AFFINE).write(path)
    bytes_ = bytearray(path.read_bytes())
    voxels = np.frombuffer(bytes_, np.float32, offset=352)
    air = int((voxels == 0).sum())
    voxels[voxels == 0] = np.nan
    path.write_bytes(bytes_)
    with pytest.raises(slmt.NonFiniteError, match="NaN"):
        slmt.Volume.read(path)
    volume = slmt.Volume.read(path, context=slmt.Context(nan="zero"))
    assert volume.zeroed == air
    np.testing.assert_array_equal(volume.voxels, head_voxels(0, 0))
