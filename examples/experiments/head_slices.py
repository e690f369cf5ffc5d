# SPDX-License-Identifier: Apache-2.0
"""head_slices.py - slices of the demo's heads (examples/demo/make_subjects.py) with the tissues that they are known by, as
paced.py takes them. They are made once and kept in a folder."""

import pathlib
import sys

import numpy as np

from slmt import robustness

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "demo"))
import make_subjects

WHEEL = pathlib.Path(__file__).parents[2] / "build" / "download" / "nilearn-0.14.1-py3-none-any.whl"
SEED, FULL, SIDE = 1, 192, 96  # of the demo's heads; pixels of a side of a slice, and of what a network sees
# By the number of the head, as in the demo: two that are learnt from for each seed, one for validation, three for the test.
LABELLED, VALIDATION, TEST = ((0, 1), (2, 3), (4, 5)), (6,), (8, 9, 10)
SLICES = {"train": range(28, 76, 2), "validation": range(28, 76, 4), "test": range(28, 76, 12)}


def keep(path, arrays):
    """Writes a file that is there as a whole or not at all."""
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.rename(path)


def make_head(anatomy, number):
    """T1 and tissues [slices][192][192], values 0 to 255 and 0 to 3."""
    subject = make_subjects.make_subject(anatomy, SEED, number)
    t1, tissues = (np.moveaxis(subject[name], 2, 0) for name in ("t1", "tissues"))
    top, left = ((n - FULL) // 2 for n in t1.shape[1:])
    cut = np.s_[:, top : top + FULL, left : left + FULL]
    bright = np.percentile(t1[t1 > 0], 99.5)
    return np.clip(t1[cut] * (255 / bright), 0, 255).astype(np.uint8), tissues[cut].astype(np.uint8)


def make_heads(folder):
    """Makes heads.npz: t1_N and tissues_N of each head N."""
    _, anatomy = make_subjects.load_anatomy(WHEEL)
    arrays = {}
    for n in sorted({*sum(LABELLED, ()), *VALIDATION, *TEST}):
        arrays[f"t1_{n}"], arrays[f"tissues_{n}"] = make_head(anatomy, n)
    keep(folder / "heads.npz", arrays)


def smaller(slices):
    """Half as large, by the nearest pixel as in the published code."""
    return slices[..., :: FULL // SIDE, :: FULL // SIDE]


def slices_of(heads, numbers, part):
    """Images and label maps in full size: [slices of all heads][192][192]."""
    return tuple(np.concatenate([heads[f"{kind}_{n}"][list(SLICES[part])] for n in numbers]) for kind in ("t1", "tissues"))


def make_worse(folder, images):
    """Makes worse.npz: the test slices in half size after each corruption and severity, as NAME_SEVERITY."""
    worse = {}
    for name in robustness.CORRUPTIONS:
        random = np.random.default_rng(99)
        for severity in robustness.SEVERITIES:
            made = [smaller(robustness.corrupted(image, name, severity, random)) for image in images]
            worse[f"{name}_{severity}"] = np.stack(made)
    keep(folder / "worse.npz", worse)


def load(folder, seed):
    """Images and label maps by part, and the test images that were made worse, by corruption and severity."""
    if not (folder / "heads.npz").is_file():
        make_heads(folder)
    heads = np.load(folder / "heads.npz")
    numbers = {"train": LABELLED[seed % len(LABELLED)], "validation": VALIDATION, "test": TEST}
    full = {part: slices_of(heads, which, part) for part, which in numbers.items()}
    if not (folder / "worse.npz").is_file():
        make_worse(folder, full["test"][0])
    worse = np.load(folder / "worse.npz")
    parts = {part: (smaller(images), smaller(labels).astype(np.int32)) for part, (images, labels) in full.items()}
    names = [(name, severity) for name in robustness.CORRUPTIONS for severity in robustness.SEVERITIES]
    return parts, {(name, severity): worse[f"{name}_{severity}"] for name, severity in names}
