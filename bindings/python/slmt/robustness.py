# SPDX-License-Identifier: Apache-2.0
"""How much a network that labels pixels loses on worse images: corruptions of five severities, and the figures of label
maps by image that go with them.

The corruptions are the fifteen of Hendrycks and Dietterich (ICLR 2019), with the constants of the package imagecorruptions:
noise (gaussian, shot, impulse), blurs (defocus, glass, motion, zoom), weather (snow, fog, brightness), contrast, elastic,
pixelate and jpeg. frosted() is the fifteenth, for which the caller has to bring photographs of frost. Blurs, snow and elastic
need SciPy, and jpeg needs Pillow."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slmt._corruptions import defocus as defocus
from slmt._corruptions import elastic as elastic
from slmt._corruptions import fog as fog
from slmt._corruptions import frost
from slmt._corruptions import glass as glass
from slmt._corruptions import motion as motion
from slmt._corruptions import snow as snow
from slmt._corruptions import zoom as zoom

Image = NDArray[np.uint8]
Values = NDArray[np.float64]
Random = np.random.Generator

SEVERITIES = (1, 2, 3, 4, 5)

# ---- corruptions ----


def gaussian(image: Image, c: float, normal: Values) -> Values:
    return np.clip(image / 255.0 + c * normal, 0, 1) * 255


def shot(image: Image, c: float, random: Random) -> Values:
    return np.asarray(np.clip(random.poisson(image / 255.0 * c) / c, 0, 1) * 255)


def impulse(image: Image, c: float, where: Values, which: Values) -> Values:
    """Pixels become white or black where `where` is at most c: white where `which` is at most 1/2."""
    return np.where(where <= c, np.where(which <= 0.5, 255.0, 0.0), image.astype(float))


def contrast(image: Image, c: float) -> Values:
    x = image / 255.0
    mean = x.mean(axis=(0, 1), keepdims=True)
    return np.asarray(np.clip((x - mean) * c + mean, 0, 1) * 255)


def brightness(image: Image, c: float) -> Values:
    """Adds c to the value of hue, saturation and value; of a grey image to the image."""
    x = image / 255.0
    if x.ndim == 2:
        return np.clip(x + c, 0, 1) * 255
    value = x.max(axis=-1, keepdims=True)
    brighter = np.clip(value + c, 0, 1)
    ratio = np.divide(x, value, out=np.ones_like(x), where=value > 0)  # what hue and saturation keep
    return np.asarray(ratio * brighter * 255)


def _boxes(n: int, out: int) -> list[slice]:
    """The pixels of n whose centres lie in (i s, (i + 1) s], s = n / out."""
    edges = [int(np.ceil(i * n / out - 0.5)) for i in range(out + 1)]
    starts = [edge + (edge + 0.5 <= i * n / out) for i, edge in enumerate(edges)]
    return [slice(starts[i], starts[i + 1]) for i in range(out)]


def _shrunk(image: Values, axis: int, out: int) -> Values:
    parts = [image.take(range(*box.indices(image.shape[axis])), axis).mean(axis) for box in _boxes(image.shape[axis], out)]
    return np.floor(np.stack(parts, axis) + 0.5)


def pixelate(image: Image, c: float) -> Image:
    """Means of boxes, columns first, and each of them repeated."""
    height, width = image.shape[:2]
    rows, columns = int(height * c), int(width * c)
    small = _shrunk(_shrunk(image.astype(float), 1, columns), 0, rows)
    y = np.floor((np.arange(height) + 0.5) * rows / height).astype(int)
    x = np.floor((np.arange(width) + 0.5) * columns / width).astype(int)
    return np.asarray(small[y][:, x], np.uint8)


def jpeg(image: Image, c: int) -> Image:
    """As stored by Pillow with this quality."""
    from PIL import Image as pillow

    file = io.BytesIO()
    pillow.fromarray(image).save(file, "JPEG", quality=int(c))
    return np.asarray(pillow.open(file))


@dataclass(frozen=True)
class Corruption:
    constants: tuple[Any, ...]  # of severity 1 to 5: a number, or several
    apply: Callable[[Image, Any, Random], Any]


CORRUPTIONS = {
    "gaussian": Corruption(
        (0.08, 0.12, 0.18, 0.26, 0.38), lambda image, c, random: gaussian(image, c, random.normal(size=image.shape))
    ),
    "shot": Corruption((60, 25, 12, 5, 3), shot),
    "impulse": Corruption(
        (0.03, 0.06, 0.09, 0.17, 0.27),
        lambda image, c, random: impulse(image, c, random.random(image.shape), random.random(image.shape)),
    ),
    "defocus": Corruption(
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), lambda image, c, random: defocus(image, *c)
    ),
    "glass": Corruption(
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        lambda image, c, random: glass(image, random, *c),
    ),
    "motion": Corruption(
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), lambda image, c, random: motion(image, random, *c)
    ),
    "zoom": Corruption(
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)), lambda image, c, random: zoom(image, *c)
    ),
    "snow": Corruption(
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        lambda image, c, random: snow(image, random, *c),
    ),
    "fog": Corruption(
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)), lambda image, c, random: fog(image, random, *c)
    ),
    "contrast": Corruption((0.4, 0.3, 0.2, 0.1, 0.05), lambda image, c, random: contrast(image, c)),
    "brightness": Corruption((0.1, 0.2, 0.3, 0.4, 0.5), lambda image, c, random: brightness(image, c)),
    "elastic": Corruption((12.5, 16.25, 21.25, 25, 30), elastic),
    "pixelate": Corruption((0.6, 0.5, 0.4, 0.3, 0.25), lambda image, c, random: pixelate(image, c)),
    "jpeg": Corruption((25, 18, 15, 10, 7), lambda image, c, random: jpeg(image, c)),
}


def corrupted(image: Image, name: str, severity: int, random: Random | None = None) -> Image:
    """The image [rows][columns] or [rows][columns][3], values 0 to 255, after a corruption; severity 0 leaves it."""
    if severity == 0:
        return image
    kind = CORRUPTIONS[name]
    made = kind.apply(image, kind.constants[severity - 1], random or np.random.default_rng())
    return np.asarray(made).astype(np.uint8)


FROST = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))


def frosted(image: Image, severity: int, texture: Image, random: Random | None = None) -> Image:
    """The image under a part of a photograph of frost [rows][columns][3], or without colours, which is at least as large."""
    if any(have < need for have, need in zip(texture.shape, image.shape[:2], strict=False)):
        raise ValueError(f"the texture has {texture.shape[:2]} pixels, the image {image.shape[:2]}")
    if severity == 0:
        return image
    return frost(image, random or np.random.default_rng(), texture, *FROST[severity - 1]).astype(np.uint8)


# ---- figures of label maps, by image ----


@dataclass(frozen=True)
class ImageScores:
    """Of each image and each class but the first: [images][classes - 1]."""

    dice: Values
    iou: Values
    precision: Values
    present: NDArray[np.bool_]  # whether truth or answer has the class

    @property
    def mean_dice(self) -> float:
        """Over images, then over classes. A class that neither truth nor answer has counts 1, which lifts it a lot where
        there are many classes; dice_present leaves such images out."""
        return float(self.dice.mean(axis=0).mean())

    @property
    def mean_iou(self) -> float:
        return float(self.iou.mean(axis=0).mean())

    @property
    def mean_precision(self) -> float:
        return float(self.precision.mean(axis=0).mean())

    @property
    def dice_present(self) -> Values:
        """Of each class, the mean over the images that have it; NaN: none has."""
        count = self.present.sum(axis=0)
        total = np.where(self.present, self.dice, 0).sum(axis=0)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def image_scores(truth: NDArray[Any], answer: NDArray[Any], classes: int) -> ImageScores:
    """Compares label maps [images][rows][columns] of whole numbers below `classes`, as the paper of paced-curriculum
    distillation does: Dice is (2 |A and B| + 1e-4) / (|A| + |B| + 1e-4), and 0/0 is 1."""

    def counted(mask: NDArray[Any]) -> Values:
        return np.asarray(mask.reshape(len(mask), -1).sum(axis=1), float)

    def ratio(a: Values, b: Values) -> Values:
        return np.where(b > 0, a / np.maximum(b, 1), 1.0)

    columns = []
    for k in range(1, classes):
        a, b, both = counted(truth == k), counted(answer == k), counted((truth == k) & (answer == k))
        columns.append(((2 * both + 1e-4) / (a + b + 1e-4), ratio(both, a + b - both), ratio(both, b), a + b > 0))
    dice, iou, precision, present = (np.stack(one, axis=1) for one in zip(*columns, strict=True))
    return ImageScores(dice, iou, precision, present.astype(bool))
