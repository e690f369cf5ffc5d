# SPDX-License-Identifier: Apache-2.0
"""Corruptions and figures of label maps: against recorded results of the reference code where SLMT_PARITY_DIR, or
../shared/parity, has them, and by hand."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slmt import robustness

h5py = pytest.importorskip("h5py")
FOLDER = Path(os.environ.get("SLMT_PARITY_DIR", Path(__file__).resolve().parents[4] / "shared" / "parity"))


@pytest.fixture
def recorded() -> Iterator[Any]:
    if not (FOLDER / "pcd.h5").is_file():
        pytest.skip(f"{FOLDER / 'pcd.h5'} is not there")
    with h5py.File(FOLDER / "pcd.h5", "r") as file:
        yield file


def test_corruptions_equal_the_recorded_ones(recorded: Any) -> None:
    assert len(recorded["corrupt"]) > 0
    for group in recorded["corrupt"].values():
        image, normal = group["image"][()], group["normal"][()]
        where, which = group["uniform_a"][()], group["uniform_b"][()]
        constants = {name: tuple(map(float, values)) for name, values in group.attrs.items()}
        for name, wanted in constants.items():
            assert wanted == pytest.approx(robustness.CORRUPTIONS[name].constants)
        for i in range(5):
            made: dict[str, Any] = {
                "gaussian": robustness.gaussian(image, constants["gaussian"][i], normal),
                "impulse": robustness.impulse(image, constants["impulse"][i], where, which),
                "contrast": robustness.contrast(image, constants["contrast"][i]),
                "brightness": robustness.brightness(image, constants["brightness"][i]),
                "pixelate": robustness.pixelate(image, constants["pixelate"][i]),
            }
            for name, values in made.items():
                assert np.allclose(values, group[name][i], rtol=0, atol=0 if name == "pixelate" else 1e-9), name


def test_figures_equal_the_recorded_ones(recorded: Any) -> None:
    assert len(recorded["metrics"]) > 0
    for group in recorded["metrics"].values():
        scores = robustness.image_scores(group["truth"][()], group["pred"][()], int(group.attrs["C"]))
        for name in ("dice", "iou", "precision", "dice_present"):
            assert np.allclose(getattr(scores, name), group[name][()], rtol=0, atol=1e-12, equal_nan=True), name
        means = [scores.mean_dice, scores.mean_iou, scores.mean_precision]
        assert np.allclose(means, group["means"][()], rtol=0, atol=1e-12)


def test_each_corruption_keeps_the_form_of_an_image_and_is_repeatable() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (24, 36), np.uint8)
    for name in robustness.CORRUPTIONS:
        if name == "jpeg":
            pytest.importorskip("PIL")
        for image in (grey, np.stack([grey] * 3, axis=-1)):
            assert robustness.corrupted(image, name, 0) is image
            for severity in robustness.SEVERITIES:
                made = [robustness.corrupted(image, name, severity, np.random.default_rng(7)) for _ in range(2)]
                assert made[0].shape == image.shape and made[0].dtype == np.uint8
                assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], image)


def test_a_class_that_is_nowhere_counts_1_and_is_told_apart() -> None:
    truth = np.zeros((2, 4, 4), int)
    truth[0, :2] = 1
    answer = truth.copy()
    answer[0, 0] = 0
    scores = robustness.image_scores(truth, answer, 3)
    assert scores.dice[0, 0] == pytest.approx(2 / 3, abs=1e-4) and scores.dice[1, 0] == 1
    assert scores.iou[0, 0] == 0.5 and scores.precision[0, 0] == 1
    assert scores.dice_present[0] == pytest.approx(2 / 3, abs=1e-4) and np.isnan(scores.dice_present[1])
    assert scores.mean_dice == pytest.approx((5 / 6 + 1) / 2, abs=1e-4)
