# SPDX-License-Identifier: Apache-2.0
"""Labels of scans: a network that labels pixels, on volumes of its own grid."""

from collections.abc import Iterator

import numpy as np
import pytest

import slmt
from conftest import small_preprocess
from small import SIDE, head

SMALL: dict[str, slmt.Value] = {"channels": 2, "width": 2, "classes": "0,1,4"}


@pytest.fixture(scope="module")
def session(context: slmt.Context) -> Iterator[slmt.Session]:
    model = slmt.Model.create("segnet-basic", SMALL, seed=1, context=context)
    model.preprocess = small_preprocess()
    with model.session("segment", rows=SIDE, columns=SIDE) as made:
        yield made


def test_a_scan_gets_the_label_of_its_most_probable_class(session: slmt.Session) -> None:
    scans = [head(0, 0), head(0, 1)]
    labels, probabilities = session.segment_volume(scans, probabilities=True)
    assert labels.shape == scans[0].shape and np.array_equal(labels.affine, scans[0].affine)
    assert set(np.unique(labels.voxels)) <= {0, 1, 4} and len(probabilities) == 3
    shares = np.stack([one.voxels for one in probabilities])
    assert np.allclose(shares.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(np.array([0, 1, 4])[shares.argmax(axis=0)], labels.voxels)
    assert np.all(labels.voxels[:, :, 0] == 0) and np.all(labels.voxels[:, :, 7] == 0)  # slices that are not taken


def test_how_it_labels_is_chosen_by_the_names_of_the_c_interface(session: slmt.Session) -> None:
    scans = (head(0, 0), head(0, 1))
    plain, mirrored = (session.segment_volume(scans, probabilities=True, mirror=flag)[1] for flag in (0, 1))
    assert not np.array_equal(plain[0].voxels, mirrored[0].voxels)
    with pytest.raises(slmt.ArgumentError, match="no mirrors among mirror, overlap"):
        session.segment_volume(scans, mirrors=1)
    with pytest.raises(slmt.ArgumentError, match="overlap"):
        session.segment_volume(scans, overlap=2)


def test_scans_that_the_network_does_not_take_are_refused(session: slmt.Session, model: slmt.Model) -> None:
    with pytest.raises(slmt.ArgumentError, match="2"):
        session.segment_volume(head(0, 0))
    with pytest.raises(slmt.ArgumentError, match="volume 1"):
        session.segment_volume([head(0, 0), slmt.Volume(np.asarray(head(0, 1))[1:], head(0, 1).affine)])
    with model.session() as other, pytest.raises(slmt.UnsupportedError):
        other.segment_volume(head(0, 0), probabilities=True)


def test_a_label_map_is_compared_with_the_truth() -> None:
    truth = np.zeros((8, 8, 4), np.float32)
    truth[2:6, 2:6] = 4
    labels = truth.copy()
    labels[2:4, 2:6] = 0  # half of it is missing
    scores = slmt.compare_labels(slmt.Volume(labels), slmt.Volume(truth), 4)
    assert (scores.truth, scores.answer, scores.both) == (64, 32, 32)
    assert scores.dice == pytest.approx(2 / 3) and scores.precision == 1 and scores.recall == 0.5
    assert scores.hausdorff95 == pytest.approx(2)
    with pytest.raises(slmt.ArgumentError):
        slmt.compare_labels(slmt.Volume(labels), slmt.Volume(truth[1:]), 4)
