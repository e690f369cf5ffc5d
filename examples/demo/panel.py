#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the demo's pictures from its files: held-out slices beside their targets, and the loss curves.

Shows what the slmt command wrote; computes no figure that is reported."""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nibabel
import numpy as np

NOTE = "T2 targets are simulated from tissue maps. Research software. Not for diagnosis."


def read(path):
    return np.asarray(nibabel.load(path).dataobj, dtype=np.float32)


def normalised(volume):
    """A raw volume in [0, 1] as `slmt prepare` does it: percentiles of the head, then the maximum."""
    head = volume != volume[0, 0, 0]
    low, high = np.percentile(volume[head], [0.2, 99.8])
    volume = np.where(head, np.clip(volume, low, high), np.clip(volume, 0, None))
    return volume / volume.max()


def draw_row(axes, name, k, source, synthesized, target):
    pictures = [source[:, :, k], synthesized[:, :, k]]
    if target is not None:
        pictures += [target[:, :, k], np.abs(synthesized[:, :, k] - target[:, :, k])]
    for axis in axes:
        axis.axis("off")
    for column, (axis, picture) in enumerate(zip(axes, pictures)):
        axis.imshow(np.rot90(picture), vmin=0, vmax=0.3 if column == 3 else 1,
                    cmap="inferno" if column == 3 else "gray")
    if target is None:
        axes[2].text(0.5, 0.5, "no target:\na real scan\nof T1 alone", ha="center", va="center",
                     transform=axes[2].transAxes)
    axes[0].text(-0.04, 0.5, f"{name}\nslice {k}", ha="right", va="center", transform=axes[0].transAxes)


def draw_panel(args):
    rows = []
    for subject, k in args.slice:
        source, target = (normalised(read(args.subjects / c / f"{subject}.nii.gz")) for c in ("t1", "t2"))
        rows.append((subject, int(k), source, read(args.synthesized / f"{subject}.nii.gz"), target))
    for k in args.colin_slice:
        rows.append(("Colin-27", k, normalised(read(args.subjects / "colin27.nii.gz")),
                     read(args.synthesized / "colin27.nii.gz"), None))

    figure, axes = plt.subplots(len(rows), 4, figsize=(9, 2.5 * len(rows)), squeeze=False)
    for row, drawing in zip(axes, rows):
        draw_row(row, *drawing)
    for axis, title in zip(axes[0], ("source T1", "synthesized T2", "target T2", "absolute error, 0 to 0.3")):
        axis.set_title(title, fontsize=10)
    figure.text(0.5, 0.005, NOTE, ha="center", va="bottom", fontsize=8)
    figure.tight_layout(rect=(0.04, 0.02, 1, 1), pad=0.4)
    figure.savefig(args.out / "panel.png", dpi=110)


def read_losses(path):
    with path.open(encoding="utf-8") as lines:
        return [event for event in map(json.loads, lines) if event["event"] == "step"]


def draw_curve(axis, steps, key, label, window=10):
    """A loss over the steps, with its running mean."""
    values = np.array([step[key] for step in steps])
    if len(values) >= window:
        values = np.convolve(values, np.ones(window) / window, mode="valid")
    axis.semilogy(np.arange(len(steps) - len(values), len(steps)) + 1, values, label=label)


def draw_losses(args):
    pretrain = read_losses(args.out / "pretrain.jsonl")
    finetune = {"pre-trained encoder": read_losses(args.out / "finetune.jsonl"),
                "fresh encoder": read_losses(args.out / "fresh.jsonl")}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    draw_curve(left, pretrain, "reconstruction", "masked patches")
    draw_curve(left, pretrain, "edge", "edge map")
    left.set_title("pre-training (Edge-MAE)")
    for label, steps in finetune.items():
        draw_curve(right, steps, "l1", label)
    right.set_title("fine-tuning: mean |prediction - target|")
    for axis in (left, right):
        axis.set_xlabel("step (mean of 10)")
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    figure.tight_layout()
    figure.savefig(args.out / "losses.png", dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=pathlib.Path, required=True, help="what make_subjects.py wrote")
    parser.add_argument("--synthesized", type=pathlib.Path, required=True, help="what slmt synthesize wrote")
    parser.add_argument("--slice", nargs=2, action="append", default=[], metavar=("SUBJECT", "K"))
    parser.add_argument("--colin-slice", type=int, action="append", default=[], metavar="K")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the *.jsonl logs are here, pictures go here")
    args = parser.parse_args()
    draw_panel(args)
    draw_losses(args)


if __name__ == "__main__":
    main()
