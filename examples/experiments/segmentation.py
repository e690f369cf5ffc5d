#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the networks that label pixels learn? Each is trained on eight drawn images until it should know them by heart.

The images show a disc, a square and a ring of similar brightness on a dark ground with noise, drawn anew for each seed. All
networks have their compact size and the recipe of docs/segmentation.md: Adam, a rate of 1e-3 that falls to 0 by a power of
0.9, cross-entropy and Dice, flips and quarter turns. What is printed is the mean Dice of the three shapes on the images
trained on, with running statistics, by seed.

    segmentation.py                              all networks, 300 steps, 128 x 128, three seeds: hours on two cores
    segmentation.py --side 64 --seeds 1 fcn8s    one of them, in a minute
    segmentation.py --peer --seeds 1 hrnet-s     PyTorch's twin of it, from the same weights on the same images

It needs NumPy and the slmt package (bindings/python), and --peer PyTorch (examples/peers)."""

import argparse
import os
import sys
import time

import numpy as np

import slmt

NETWORKS = ["unet-seg", "attn-unet", "vnet", "fcn8s", "segnet", "segnet-basic", "fpn", "pspnet", "deeplabv3p", "hrnet-s"]
VOLUMES = ["unet-seg", "attn-unet", "vnet"]  # whose arrays have slices
CLASSES = 4
BATCH = 8


def draw(side, random):
    """An image [side,side] of mean 0 and deviation 1, and its labels: 0 ground, 1 disc, 2 square, 3 ring."""
    y, x = np.mgrid[:side, :side] / side
    labels = np.zeros((side, side), np.int32)
    places = [(0.27, 0.27), (0.27, 0.73), (0.73, 0.27), (0.73, 0.73)]
    for label, k in enumerate(random.permutation(4)[:3], start=1):
        row, column = np.array(places[k]) + random.uniform(-0.06, 0.06, 2)
        size = random.uniform(0.11, 0.17)
        away = np.hypot(y - row, x - column)
        shapes = [away < size, np.maximum(abs(y - row), abs(x - column)) < size, (away < size) & (away > 0.55 * size)]
        labels[shapes[label - 1]] = label
    bright = np.array([0.2, 0.6, 0.7, 0.8])[labels] + random.normal(0, 0.08, labels.shape)
    return ((bright - bright.mean()) / bright.std()).astype(np.float32), labels


def turned(images, labels, random):
    """Each sample mirrored and turned at random."""
    images, labels = images.copy(), labels.copy()
    for i in range(len(images)):
        turns, flip = random.integers(4), random.integers(2)
        for array in (images, labels):
            changed = np.rot90(array[i], turns, (-2, -1))
            array[i] = changed[..., ::-1] if flip else changed
    return images, labels


def dice(truth, answer):
    """The mean Dice of the classes but the ground."""
    scores = [
        2 * np.sum((truth == k) & (answer == k)) / max(1, np.sum(truth == k) + np.sum(answer == k))
        for k in range(1, CLASSES)
    ]
    return float(np.mean(scores))


def rate(step, steps):
    return 1e-3 * (1 - step / steps) ** 0.9


def train(model, images, labels, steps, seed, random):
    """Returns the labels that the network gives to the images in the end."""
    sizes = {"rows": images.shape[2], "columns": images.shape[3]}
    if model.method in VOLUMES:  # of one slice
        images, labels, sizes = images[:, :, None], labels[:, None], sizes | {"slices": 1}
    with slmt.Trainer(model, "train", seed=seed, batch=BATCH, epochs=steps, **sizes) as trainer:
        for step in range(steps):
            some, theirs = turned(images, labels, random)
            trainer.step({"image": some, "labels": theirs}, rate(step, steps))
    with slmt.Session(model, "segment", batch=BATCH, **sizes) as session:
        return session.run({"image": images})["labels"]


def train_peer(model, images, labels, steps, seed, random):
    """The same by PyTorch, from the model's weights."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
    import networks
    import torch

    torch.manual_seed(seed)  # of dropout
    network = networks.NETWORKS[model.method](**({"axes": 2} if model.method == "vnet" else {}))
    networks.load(network, model.tensors)
    adam = torch.optim.Adam(network.parameters())
    for step in range(steps):
        some, theirs = turned(images, labels, random)
        adam.param_groups[0]["lr"] = rate(step, steps)
        adam.zero_grad()
        networks.loss(network, torch.from_numpy(some), torch.from_numpy(theirs).long()).backward()
        adam.step()
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(images)).argmax(1).numpy()


def measured(network, seed, given, context):
    """The Dice, and seconds of a step."""
    side = given.side + (network == "pspnet")  # 8 n + 1
    random = np.random.default_rng(seed)
    drawn = [draw(side, random) for _ in range(BATCH)]
    images = np.stack([image for image, _ in drawn])[:, None]
    labels = np.stack([label for _, label in drawn])
    options = {"classes": "0=ground,1=disc,2=square,3=ring"} | ({"axes": 2} if network in VOLUMES else {})
    model = slmt.Model.create(network, options, seed=seed, context=context)
    began = time.perf_counter()
    answer = (train_peer if given.peer else train)(model, images, labels, given.steps, seed, random)
    return dice(labels, answer.reshape(labels.shape)), (time.perf_counter() - began) / given.steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="store_true", help="train PyTorch's twins")
    given = parser.parse_args()
    context = slmt.Context(threads=given.threads)
    for network in given.networks:
        results = [measured(network, seed, given, context) for seed in range(given.seeds)]
        scores = " ".join(f"{score:.3f}" for score, _ in results)
        print(f"{network:14} Dice {scores}   {np.mean([seconds for _, seconds in results]):.3f} s a step", flush=True)


if __name__ == "__main__":
    main()
