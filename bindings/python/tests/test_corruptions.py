# SPDX-License-Identifier: Apache-2.0
"""Blurs, weather and elastic changes, against sums and loops written out here."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from slmt import _corruptions, robustness

pytest.importorskip("scipy")


class Fixed:
    """A generator whose uniform numbers are all the same."""

    def __init__(self, number: float) -> None:
        self.number = number

    def uniform(self, low: float, high: float) -> float:
        assert low <= self.number <= high
        return self.number


def image_of(seed: int, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def along(values: Any, line: Any, axis: int, border: str) -> Any:
    """The sum of a plane's neighbours along an axis with the weights of `line`; `border` is of numpy.pad."""
    half = len(line) // 2
    more: Any = [(half, half) if k == axis else (0, 0) for k in range(values.ndim)]
    padded: Any = np.pad
    wide = padded(values, more, border)
    return sum(w * wide.take(range(i, i + values.shape[axis]), axis) for i, w in enumerate(line))


def smoothed(values: Any, sds: tuple[float, ...], truncate: float, border: str) -> Any:
    for axis, sd in enumerate(sds):
        half = int(truncate * sd + 0.5)
        line = np.array([math.exp(-(i**2) / (2 * sd**2)) for i in range(-half, half + 1)])
        values = along(values, line / line.sum(), axis, border)
    return values


def test_a_sharp_disk_has_equal_weights() -> None:
    kernel = _corruptions.disk(3, 0.1)  # a Gaussian of sd 0.1 leaves e^-50 to the neighbours
    inside = [(y, x) for y in range(17) for x in range(17) if (y - 8) ** 2 + (x - 8) ** 2 <= 9]
    assert len(inside) == 29 and kernel.shape == (17, 17)
    for place in itertools.product(range(17), repeat=2):
        assert kernel[place] == pytest.approx(1 / 29 if place in inside else 0, abs=1e-15)


def test_the_edge_of_a_disk_is_smooth_and_wider_for_the_largest() -> None:
    side = math.exp(-1 / (2 * 0.5**2)) / (1 + 2 * math.exp(-1 / (2 * 0.5**2)))
    kernel = _corruptions.disk(6, 0.5)
    assert kernel[8, 15] == pytest.approx(kernel[8, 8] * side * (1 - 2 * side), rel=1e-12)  # one pixel out of the edge's tip
    assert kernel[8, 16] == 0
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    assert _corruptions.disk(10, 0.5).shape == (21, 21)


def test_defocus_is_the_sum_over_the_disk_with_a_mirrored_border() -> None:
    image, kernel = image_of(1, (20, 23)), _corruptions.disk(4, 0.5)
    made = robustness.defocus(image, 4, 0.5)
    wide = np.pad(image.astype(float), 8, "reflect")
    for y, x in ((0, 0), (19, 22), (3, 11), (10, 0)):
        assert made[y, x] == pytest.approx(np.sum(kernel * wide[y : y + 17, x : x + 17]), abs=1e-9)


def test_glass_smooths_changes_places_and_smooths() -> None:
    image, sd, reach, times = image_of(2, (12, 10)), 0.9, 2, 2
    made = robustness.glass(image, np.random.default_rng(5), sd, reach, times)
    first = (smoothed(image / 255.0, (sd, sd), 4, "edge") * 255).astype(np.uint8)
    shuffled, random = first.copy(), np.random.default_rng(5)
    for _ in range(times):
        moves = iter(random.integers(-2, 2, (8 * 6, 2)))
        for y in range(12 - 2, 2, -1):
            for x in range(10 - 2, 2, -1):
                across, down = next(moves)
                one, other = shuffled[y, x], shuffled[y + down, x + across]
                shuffled[y, x], shuffled[y + down, x + across] = other, one
    assert sorted(shuffled.ravel()) == sorted(first.ravel()) and np.any(shuffled != first)
    assert np.allclose(made, smoothed(shuffled / 255.0, (sd, sd), 4, "edge") * 255, rtol=0, atol=1e-9)


def test_the_pixels_of_colours_change_places_together() -> None:
    grey = image_of(3, (16, 16))
    made = [robustness.glass(image, np.random.default_rng(6), 0.7, 1, 2) for image in (grey, np.stack([grey] * 3, -1))]
    assert np.array_equal(made[1], np.stack([made[0]] * 3, -1))


@pytest.mark.parametrize("degrees", [0, 45, -45, 30])
def test_motion_is_the_mean_along_a_line(degrees: float) -> None:
    image, radius, sd = image_of(4, (30, 33)), 5, 3
    random: Any = Fixed(degrees)
    made = robustness.motion(image, random, radius, sd)
    weights = [math.exp(-(i**2) / (2 * sd**2)) for i in range(11)]
    for y, x in ((2, 3), (15, 20), (29, 32), (0, 31)):
        wanted = 0.0
        for i, weight in enumerate(weights):
            down = math.ceil(i * math.sin(math.radians(degrees)) - 0.5)
            across = math.ceil(i * math.cos(math.radians(degrees)) - 0.5)
            wanted += weight * image[min(max(y + down, 0), 29), min(max(x + across, 0), 32)]
        assert made[y, x] == pytest.approx(wanted / sum(weights), abs=1e-9)


def test_zoom_keeps_a_ramp_a_ramp_and_draws_it_out_from_the_middle() -> None:
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))
    made = robustness.zoom(ramp, 1.31, 0.1)
    lines = [np.arange(60.0)]
    for factor in (1, 1.1, 1.2, 1.3):
        width = math.ceil(60 / factor)
        out = round(width * factor)
        lines.append((60 - width) // 2 + np.arange(60) * (width - 1) / (out - 1))
    assert np.allclose(made, 4 * np.mean(lines, axis=0), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("mean", "flakes"), [(0.4, 0.0), (0.6, 0.6), (1.4, 1.0)])
def test_snow_pales_the_image_and_adds_flakes_twice(mean: float, flakes: float) -> None:
    image = image_of(7, (33, 40, 3))
    made = robustness.snow(image, np.random.default_rng(1), mean, 0, 2.5, 0.5, 4, 2, 0.7)
    x = image / 255
    grey = 0.299 * x[..., :1] + 0.587 * x[..., 1:2] + 0.114 * x[..., 2:]
    wanted = 0.7 * x + 0.3 * np.maximum(x, 1.5 * grey + 0.5) + 2 * round(flakes * 255) / 255
    assert np.allclose(made, 255 * np.clip(wanted, 0, 1), rtol=0, atol=1e-9)


def test_plasma_is_diamonds_and_squares_with_noise_that_falls() -> None:
    side, decay, random = 8, 1.7, np.random.default_rng(11)
    h, step, rough = np.zeros((side, side)), side, 100.0
    while step >= 2:
        half, n = step // 2, side // step
        places = [(y * step, x * step) for y in range(n) for x in range(n)]
        for down, across, around in (
            (half, half, ((-half, -half), (-half, half), (half, -half), (half, half))),
            (0, half, ((-half, 0), (half, 0), (0, -half), (0, half))),
            (half, 0, ((-half, 0), (half, 0), (0, -half), (0, half))),
        ):
            noise = rough * random.uniform(-rough, rough, n * n)
            new = []
            for (y, x), more in zip(places, noise, strict=True):
                y, x = y + down, x + across
                new.append((y, x, sum(h[(y + dy) % side, (x + dx) % side] for dy, dx in around) / 4 + more))
            for y, x, height in new:
                h[y, x] = height
        step, rough = half, rough / decay
    wanted = (h - h.min()) / (h.max() - h.min())
    assert np.allclose(_corruptions.plasma(side, decay, np.random.default_rng(11)), wanted, rtol=0, atol=1e-12)


def test_fog_adds_plasma_and_keeps_the_brightest() -> None:
    for shape in ((40, 50), (40, 50, 3)):
        image = image_of(8, shape)
        made = robustness.fog(image, np.random.default_rng(2), 1.5, 2)
        cloud = _corruptions.plasma(64, 2, np.random.default_rng(2))[:40, :50].reshape(40, 50, *(1,) * (len(shape) - 2))
        most = image.max() / 255
        assert np.allclose(made, 255 * (image / 255 + 1.5 * cloud) * most / (most + 1.5), rtol=0, atol=1e-9)


def test_frost_is_a_part_of_the_texture_over_a_part_of_the_image() -> None:
    image, texture = image_of(9, (20, 30)), image_of(10, (20, 30, 3))
    made = robustness.frosted(image, 3, texture)
    grey = 0.2989 * texture[..., 0] + 0.587 * texture[..., 1] + 0.114 * texture[..., 2]
    assert np.array_equal(made, np.clip(0.7 * image + 0.7 * grey, 0, 255).astype(np.uint8))
    larger = np.pad(texture, ((3, 2), (4, 0), (0, 0)))
    some = [robustness.frosted(np.stack([image] * 3, -1), 1, larger, np.random.default_rng(k)) for k in range(9)]
    assert len({one.tobytes() for one in some}) > 1
    with pytest.raises(ValueError, match="texture has"):
        robustness.frosted(image, 1, texture[1:])


def test_elastic_moves_pixels_by_a_smooth_field() -> None:
    image, strength = image_of(12, (60, 50)), 21.25
    made = robustness.elastic(image, strength, np.random.default_rng(3))
    random = np.random.default_rng(3)
    across, down = (smoothed(random.uniform(-0.3, 0.3, (60, 50)), (0.6, 0.5), 3, "symmetric") * strength for _ in range(2))
    assert np.abs(down).max() > 1.5
    wide = np.pad(image.astype(float), 8, "symmetric")
    for y, x in itertools.product((0, 7, 31, 59), (0, 5, 24, 49)):
        row, column = y + down[y, x] + 8, x + across[y, x] + 8
        r, c = int(row), int(column)
        t, u = row - r, column - c
        upper, lower = ((1 - u) * wide[r + k, c] + u * wide[r + k, c + 1] for k in range(2))
        wanted = (1 - t) * upper + t * lower
        assert made[y, x] == pytest.approx(wanted, abs=1e-6)


def test_each_severity_changes_an_image_more_than_the_one_before() -> None:
    y, x = np.mgrid[:64, :64]
    image = (110 + 60 * np.sin(x / 5) * np.cos(y / 7) + 40 * (np.hypot(x - 32, y - 30) < 14)).astype(np.uint8)
    for name in robustness.CORRUPTIONS:
        if name == "jpeg":
            pytest.importorskip("PIL")
        changes = []
        for severity in robustness.SEVERITIES:
            made = [robustness.corrupted(image, name, severity, np.random.default_rng(seed)) for seed in range(3)]
            changes.append(np.mean(np.abs(np.array(made, float) - image)))
        # By the published constants, glass lets pixels change places twice with the next ones, and then once with the next but
        # one; and snow has many small flakes, and then few large ones.
        rises = np.delete(np.diff(changes), {"glass": [0], "snow": [1]}.get(name, []))
        assert np.all(rises > 0), (name, changes)
