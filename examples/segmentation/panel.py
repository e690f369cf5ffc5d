#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws scans with the labels that a network gave them beside the true ones, and prints the mean Dice of each class.

Shows what `slmt segment` wrote; computes no figure but means over subjects."""

import argparse
import csv
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nibabel
import numpy as np

COLOURS = np.array([[0, 0, 0, 0], [0.2, 0.5, 1, 0.6], [0.2, 0.8, 0.3, 0.6], [1, 0.85, 0.3, 0.6]])
LESION = np.array([[0, 0, 0, 0], [1, 0.2, 0.2, 0.8]])


def read(path):
    """Voxels with x to the right and y to the front, whatever the file's order."""
    return np.asarray(nibabel.as_closest_canonical(nibabel.load(path)).dataobj)


def files(args, kind, subject):
    if kind == "tissues":
        subjects = args.folder / "subjects"
        return subjects / "t1" / f"{subject}.nii.gz", subjects / "tissues" / f"{subject}.nii.gz", COLOURS
    return args.data / f"{subject}_FLAIR.nii.gz", args.data / f"{subject}_lesions.nii.gz", LESION


def draw_row(axes, args, kind, subject, k):
    scan, truth, colours = files(args, kind, subject)
    picture = read(scan)[:, :, k]
    labels = [None, read(args.folder / kind / f"{subject}.nii.gz")[:, :, k], read(truth)[:, :, k]]
    for axis, label in zip(axes, labels):
        axis.imshow(np.rot90(picture), cmap="gray", vmax=np.percentile(picture, 99.8))
        if label is not None:
            axis.imshow(colours[np.rot90(label).astype(int)])
        axis.axis("off")
    axes[0].text(-0.04, 0.5, f"{subject}\nslice {k}", ha="right", va="center", transform=axes[0].transAxes)


def draw(args, rows):
    figure, axes = plt.subplots(len(rows), 3, figsize=(7.5, 2.7 * len(rows)), squeeze=False)
    for row, what in zip(axes, rows):
        draw_row(row, args, *what)
    for axis, title in zip(axes[0], ("scan", "labels by the network", "true labels")):
        axis.set_title(title, fontsize=10)
    figure.text(0.5, 0.004, "Research software. Not for diagnosis.", ha="center", va="bottom", fontsize=8)
    figure.tight_layout(rect=(0.05, 0.02, 1, 1), pad=0.4)
    figure.savefig(args.folder / "panel.png", dpi=110)


def print_means(folder, kind):
    scores = {}
    for path in sorted((folder / kind).glob("*.csv")):
        for row in csv.DictReader(path.open()):
            scores.setdefault(row["class"], []).append(float(row["dice"]))
    for name, values in scores.items():
        print(f"  {kind}, {name}: Dice {np.mean(values):.4f} over {len(values)} subjects held out")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="of the demo")
    parser.add_argument("--data", type=pathlib.Path, help="folder of the patients")
    parser.add_argument("--rows", nargs="+", required=True, help="KIND SUBJECT SLICE of each row")
    args = parser.parse_args()
    rows = [(kind, subject, int(k)) for kind, subject, k in zip(*[iter(args.rows)] * 3)]
    draw(args, rows)
    for kind in dict.fromkeys(kind for kind, _, _ in rows):
        print_means(args.folder, kind)


if __name__ == "__main__":
    main()
