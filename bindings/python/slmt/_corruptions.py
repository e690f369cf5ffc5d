# SPDX-License-Identifier: Apache-2.0
"""Corruptions that blur an image, cover it with weather or bend it; robustness.py has their constants. They need SciPy.

An image is uint8, [rows][columns] or [rows][columns][3]; what comes back has values of 0 to 255 that are not rounded. What
is drawn at random is drawn in a fixed order, which the comment of each function tells, so that equal generators make equal
images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Values = NDArray[np.float64]
Random = np.random.Generator

# Shares of red, green and blue: as OpenCV has them, and as the package's frost has.
GREY, GREY_OF_FROST = np.array([0.299, 0.587, 0.114]), np.array([0.2989, 0.587, 0.114])


def _scaled(values: Values) -> Values:
    return np.asarray(np.clip(values, 0, 1) * 255)


def _beside(plane: Values, image: NDArray[Any]) -> Values:
    """A plane [rows][columns], for arithmetic with an image that may have colours."""
    return plane if image.ndim == 2 else plane[..., None]


# ---- blurs ----


def disk(radius: int, sd: float) -> Values:
    """What a lens out of focus makes of a point: a disk of sum 1, whose edge a Gaussian of 3 x 3 pixels, or 5 x 5 for a
    radius above 8, makes smooth."""
    from scipy import ndimage

    reach, half = (8, 1) if radius <= 8 else (radius, 2)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel: Values = (x**2 + y**2 <= radius**2).astype(float)
    line = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sd**2))
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, line / line.sum(), axis, mode="mirror")
    return np.asarray(kernel / np.sum(x**2 + y**2 <= radius**2))


def defocus(image: Image, radius: int, sd: float) -> Values:
    from scipy import ndimage

    kernel = disk(radius, sd)
    return _scaled(ndimage.correlate(image / 255.0, kernel if image.ndim == 2 else kernel[..., None], mode="mirror"))


def _smoothed(values: Values, sd: float) -> Values:
    from scipy import ndimage

    axes = (sd, sd, 0)[: values.ndim]
    return np.asarray(ndimage.gaussian_filter(values, axes, mode="nearest"))


def glass(image: Image, random: Random, sd: float, reach: int, times: int) -> Values:
    """Smooths, lets pixels change places, and smooths again. Pixels are visited from the last to the first; each changes
    places with one at most `reach` away. Drawn are, for each time, the columns and the rows between both, pixel by pixel.

    The package imagecorruptions overwrites one of the two pixels by the other in a colour image, for want of a copy; here
    they change places."""
    made = (_smoothed(image / 255.0, sd) * 255).astype(np.uint8)
    rows, columns = image.shape[:2]
    places = [(y, x) for y in range(rows - reach, reach, -1) for x in range(columns - reach, reach, -1)]
    for _ in range(times):
        for here, (across, down) in zip(places, random.integers(-reach, reach, (len(places), 2)), strict=True):
            there = here[0] + down, here[1] + across
            made[here], made[there] = made[there], made[here].copy()
    return _scaled(_smoothed(made / 255.0, sd))


def _moved(values: Values, radius: int, sd: float, degrees: float) -> Values:
    """The mean of the image along a line of 2 radius + 1 pixels, with the weights of half a Gaussian. Beyond its border the
    image goes on as it ends."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sd**2))
    y, x = (np.arange(n) for n in values.shape[:2])
    made = np.zeros(values.shape)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        down, across = (np.ceil(step * f(np.deg2rad(degrees)) - 0.5).astype(int) for f in (np.sin, np.cos))
        made += weight * values[np.clip(y + down, 0, len(y) - 1)][:, np.clip(x + across, 0, len(x) - 1)]
    return made


def motion(image: Image, random: Random, radius: int, sd: float) -> Values:
    """Drawn is the direction, from -45 to 45 degrees."""
    return np.clip(_moved(image.astype(float), radius, sd, random.uniform(-45, 45)), 0, 255)


def _enlarged(values: Values, factor: float) -> Values:
    """The middle of an image, at least as large as the whole, by linear interpolation."""
    from scipy import ndimage

    rows, columns = values.shape[:2]
    high, wide = int(np.ceil(rows / factor)), int(np.ceil(columns / factor))
    top, left = (rows - high) // 2, (columns - wide) // 2
    factors = (factor, factor, 1)[: values.ndim]
    return np.asarray(ndimage.zoom(values[top : top + high, left : left + wide], factors, order=1, mode="nearest"))


def zoom(image: Image, last: float, step: float) -> Values:
    """The mean of the image and of enlargements by factors of 1 and up, `step` apart and below `last`."""
    x = image / 255.0
    rows, columns = image.shape[:2]
    factors = np.arange(1, last, step)
    return _scaled((x + sum(_enlarged(x, factor)[:rows, :columns] for factor in factors)) / (len(factors) + 1))


# ---- weather ----


def snow(
    image: Image, random: Random, mean: float, sd: float, size: float, least: float, radius: int, blur: float, part: float
) -> Values:
    """A paler image under flakes, which fall along a line. Drawn are the flakes, and the direction, from -135 to -45
    degrees."""
    x = image / 255.0
    flakes = _enlarged(random.normal(mean, sd, x.shape[:2]), size)
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    flakes = np.round(_moved(flakes, radius, blur, random.uniform(-135, -45)) * 255) / 255
    flakes = flakes[: x.shape[0], : x.shape[1]]
    grey = x if x.ndim == 2 else x @ GREY
    x = part * x + (1 - part) * np.maximum(x, _beside(grey * 1.5 + 0.5, x))
    return _scaled(x + _beside(flakes + np.rot90(flakes, 2), x))


def plasma(side: int, decay: float, random: Random) -> Values:
    """Heights [side][side] from 0 to 1 by the diamond-square algorithm; side is a power of 2, and the square's opposite
    edges meet. With each halving of the distance, what is drawn at random falls by decay^2. Drawn are, for each distance,
    the middles of squares, then those of horizontal edges, then those of vertical ones."""
    heights = np.zeros((side, side))
    step, rough = side, 100.0

    def mean(total: Values) -> Values:
        return total / 4 + rough * random.uniform(-rough, rough, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = mean(pairs + np.roll(pairs, -1, 1))
        middles = heights[half::step, half::step]
        heights[::step, half::step] = mean(middles + np.roll(middles, 1, 0) + corners + np.roll(corners, -1, 1))
        heights[half::step, ::step] = mean(middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 0))
        step, rough = half, rough / decay
    heights -= heights.min()
    return np.asarray(heights / heights.max())


def fog(image: Image, random: Random, amount: float, decay: float) -> Values:
    """Drawn is plasma() of the next power of 2."""
    x = image / 255.0
    rows, columns = image.shape[:2]
    cloud = plasma(1 << (max(rows, columns) - 1).bit_length(), decay, random)[:rows, :columns]
    most = x.max()
    return _scaled((x + amount * _beside(cloud, x)) * most / (most + amount))


def frost(image: Image, random: Random, texture: Image, part: float, amount: float) -> Values:
    """Drawn are the first row and the first column of the texture that are used."""
    rows, columns = image.shape[:2]
    top, left = random.integers(0, np.array(texture.shape[:2]) - (rows, columns) + 1)
    cut = texture[top : top + rows, left : left + columns].astype(float)
    if cut.ndim > image.ndim:
        cut = cut @ GREY_OF_FROST
    return np.clip(part * image + amount * (cut if cut.ndim == image.ndim else cut[..., None]), 0, 255)


# ---- elastic changes ----


def elastic(image: Image, strength: float, random: Random) -> Values:
    """Drawn is how far each pixel moves across, then how far down: at most `strength` times 1/200 of the rows, and then
    smoothed by a Gaussian of 1/100 of the image."""
    from scipy import ndimage

    rows, columns = image.shape[:2]
    most, sd = rows * 0.005, (rows * 0.01, columns * 0.01)
    across, down = (
        ndimage.gaussian_filter(random.uniform(-most, most, (rows, columns)), sd, mode="reflect", truncate=3) * strength
        for _ in range(2)
    )
    y, x = np.mgrid[:rows, :columns]
    planes = image[..., None] if image.ndim == 2 else image
    made = [
        ndimage.map_coordinates(planes[..., k] / 255.0, (y + down, x + across), order=1, mode="reflect")
        for k in range(planes.shape[-1])
    ]
    return _scaled(np.stack(made, axis=-1).reshape(image.shape))
