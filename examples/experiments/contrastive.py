#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does contrastive pre-training help when one subject has labels? The method `contrastive` on drawn volumes.

A volume has twelve slices of 32 x 32 pixels: a body and two organs whose size and place follow the slice's place in the
volume, and whose brightness is another in each volume. The encoder is pre-trained on 24 volumes without labels (300 steps),
then four blocks of the decoder (200 steps), then the whole network learns the labels of the first volume (300 steps). Another
eight volumes are the test. Two figures are printed for each seed, and their means and standard deviations:

- neighbours: how often the nearest slice of another test volume, by the cosine of the encoder's features, is of the same
  quarter of its volume;
- Dice of the two organs in whole test volumes, of a random start and of the paper's proposal.

    contrastive.py                      three seeds: some minutes on two cores
    contrastive.py --seeds 1 random gr  a first look

It needs NumPy and the slmt package (bindings/python)."""

import argparse
import pathlib
import tempfile
import time

import numpy as np

import slmt

SIDE, SLICES, PARTS, TRAINED, TESTED = 32, 12, 4, 24, 8
OPTIONS = {"classes": "0=ground,1=left,2=right", "image_size": SIDE, "widths": [4, 8, 16, 16, 16, 16], "blocks": 4,
           "hidden": 128, "embedding": 32, "dense": 32}
CUT = {"crop": 20, "crop_first": 1, "crop_last": 10}
STEPS = {"global": 300, "local": 200, "finetune": 300}
# By name: settings of the global and of the local stage (None: the stage is left out), and whether labels are learned.
ARMS = {
    "random": (None, None, True),
    "gd + lr": ({"strategy": "gd"}, {"strategy": "lr"}, True),
    "gr": ({"strategy": "gr"}, None, False),
    "gd-minus": ({"strategy": "gd-minus"}, None, False),
}


def draw(random):
    """A volume [slices,side,side] and its labels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    row, column = 15.5 + random.uniform(-2, 2, 2)
    size = random.uniform(0.9, 1.1)
    bright = random.permutation([0.35, 0.6, 0.85]) + random.uniform(-0.08, 0.08, 3)
    image, labels = np.zeros((SLICES, SIDE, SIDE)), np.zeros((SLICES, SIDE, SIDE), np.int32)
    for z in range(SLICES):
        t = (z + random.uniform(-0.2, 0.2)) / (SLICES - 1)  # 0: the lowest slice
        body = ((y - row) / (9 + 4 * np.sin(np.pi * t))) ** 2 + ((x - column) / (8 + 4 * t)) ** 2 < size**2
        image[z][body] = bright[0]
        for k, side in enumerate((-1, 1)):
            radius = size * (2.2 + 2.2 * (t if k else 1 - t))
            place = row - 4 + 8 * (t if k else 1 - t), column + side * (4.5 - 1.5 * t)
            organ = np.hypot(y - place[0], (x - place[1]) * (1.4 if k else 1)) < radius
            image[z][organ] = bright[1 + k]
            labels[z][organ] = 1 + k
    return (image + random.normal(0, 0.04, image.shape)).clip(0, 1.5).astype(np.float32), labels


def write_set(path, volumes, context):
    """The first volume alone has labels."""
    axes, shape = ("slice", "row", "column"), (None, SIDE, SIDE)
    fields = [slmt.Field("t1", "image", np.float32, axes, shape), slmt.Field("organs", "labels", np.int32, axes, shape)]
    with slmt.RecordWriter(path, fields, context=context) as writer:
        for i, (image, labels) in enumerate(volumes):
            writer.add(f"volume{i}", {"t1": image} | ({"organs": labels} if i == 0 else {}))


def train(model, task, data, seed, **settings):
    steps = STEPS[task]
    with slmt.Trainer(model, task, seed=seed, steps=steps, epochs=1, **settings) as trainer:
        return trainer.run(data)


def neighbours(model, volumes):
    """The share of slices whose nearest one of another volume is of the same quarter."""
    images = np.concatenate([image for image, _ in volumes])[:, None]
    with slmt.Session(model, "encode", batch=len(images)) as session:
        features = session.run({"image": images})["features"]
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = features @ features.T
    volume, part = np.divmod(np.arange(len(images)), SLICES)
    near[volume[:, None] == volume[None]] = -2
    part = part // (SLICES // PARTS)
    return float(np.mean(part[near.argmax(1)] == part))


def dice(model, volumes):
    """The mean over volumes of the mean Dice of both organs."""
    scores = []
    with slmt.Session(model, "segment", batch=SLICES) as session:
        for image, truth in volumes:
            answer = session.run({"image": image[:, None]})["labels"]
            for k in (1, 2):
                both = np.sum((truth == k) & (answer == k))
                scores.append(2 * both / max(1, np.sum(truth == k) + np.sum(answer == k)))
    return float(np.mean(scores))


def run_arm(name, path, test, seed, context):
    """Returns the share of neighbours, and the Dice or NaN."""
    of_encoder, of_decoder, labels = ARMS[name]
    model = slmt.Model.create("contrastive", OPTIONS, seed=seed, context=context)
    data = slmt.Dataset(path, context=context)
    if of_encoder is not None:
        train(model, "global", data, seed, **CUT, **of_encoder)
    share = neighbours(model, test)
    if of_decoder is not None:
        train(model, "local", data, seed, **of_decoder)
    if not labels:
        return share, float("nan")
    train(model, "finetune", data, seed, bend=0.8)
    return share, dice(model, test)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs="*", default=list(ARMS), metavar="ARM", help=", ".join(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    context = slmt.Context(threads=given.threads)
    found = {name: [] for name in given.arms}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.seeds):
            random = np.random.default_rng(seed)
            path = pathlib.Path(folder) / f"set{seed}.h5"
            write_set(path, [draw(random) for _ in range(TRAINED)], context)
            test = [draw(random) for _ in range(TESTED)]
            for name in given.arms:
                began = time.perf_counter()
                found[name].append(run_arm(name, path, test, seed, context))
                share, score = found[name][-1]
                print(f"seed {seed}  {name:10} neighbours {share:.3f}  Dice {score:.3f}  "
                      f"{time.perf_counter() - began:.0f} s", flush=True)
    for name, figures in found.items():
        mean, sd = np.mean(figures, 0), np.std(figures, 0, ddof=1 if given.seeds > 1 else 0)
        print(f"{name:10} neighbours {mean[0]:.3f} +- {sd[0]:.3f}   Dice {mean[1]:.3f} +- {sd[1]:.3f}")


if __name__ == "__main__":
    main()
