#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows what Seq2Seq made of three contrasts: held-out slices in OUT/sequences.png, and the figures of `slmt rank`.

Draws and averages what the slmt command wrote; computes no figure of its own."""

import argparse
import csv
import pathlib
import statistics

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from panel import normalised, read

NAMES = {"t1": "T1", "t2": "T2", "flair": "FLAIR"}
PAIRS = (("t1", "t2"), ("t1", "flair"), ("t2", "t1"))  # the made ones that are shown
MAPPED = "flair"
NOTE = "T2 and FLAIR are simulated from tissue maps. Research software. Not for diagnosis."


def read_rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pictures_of(args, subject, k):
    """(title, slice, largest value drawn) of each column; None for the slice of a map that was not made."""
    columns = [(f"true {NAMES[c]}", normalised(read(args.subjects / c / f"{subject}.nii.gz"))[:, :, k], 1)
               for c in NAMES]
    columns += [(f"{NAMES[to]} from {NAMES[source]}",
                 read(args.out / f"{to}-from-{source}" / f"{subject}.nii.gz")[:, :, k], 1) for source, to in PAIRS]
    mapped = args.out / "map" / f"{subject}.nii.gz"
    return columns + [(f"M_d of {NAMES[MAPPED]},\n0 to 0.5", read(mapped)[:, :, k] if mapped.exists() else None, 0.5)]


def draw_panel(args):
    rows = [(subject, int(k), pictures_of(args, subject, int(k))) for subject, k in args.slice]
    figure, axes = plt.subplots(len(rows), len(rows[0][2]), figsize=(12.5, 2.2 * len(rows)), squeeze=False)
    for row, (subject, k, columns) in zip(axes, rows):
        for axis, (title, picture, top) in zip(row, columns):
            axis.axis("off")
            if picture is None:
                axis.text(0.5, 0.5, "not made", ha="center", va="center", transform=axis.transAxes)
            else:
                axis.imshow(np.rot90(picture), vmin=0, vmax=top, cmap="gray" if top == 1 else "inferno")
            if row[0] is axes[0, 0]:
                axis.set_title(title, fontsize=10)
        row[0].text(-0.04, 0.5, f"{subject}\nslice {k}", ha="right", va="center", transform=row[0].transAxes)
    figure.text(0.5, 0.005, NOTE, ha="center", va="bottom", fontsize=8)
    figure.tight_layout(rect=(0.02, 0.03, 1, 1), pad=0.4)
    figure.savefig(args.out.parent / "sequences.png", dpi=110)


def print_figures(folder):
    """PSNR of each pair, mean over the held-out subjects, and the ranking."""
    psnr = {}
    for row in read_rows(folder / "pairs.csv"):
        psnr.setdefault((row["source"], row["target"]), []).append(float(row["psnr"]))
    print("Seq2Seq, held-out subjects: PSNR of what is made, from")
    for target in NAMES:
        made = [f"{NAMES[source]} {statistics.mean(psnr[source, target]):.2f} dB"
                for source in NAMES if (source, target) in psnr]
        print(f"  {NAMES[target]:6} {', '.join(made)}")
    for row in read_rows(folder / "ranking.csv"):
        print(f"  {NAMES[row['sequence']]:6} C_t {float(row['c_t']):+.2f} (makes the others)"
              f"  C_d {float(row['c_d']):+.2f} (is hard to make)")
    print("  T2 and FLAIR are simulated: this ranking says nothing about patients.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=pathlib.Path, required=True, help="what make_subjects.py wrote")
    parser.add_argument("--out", type=pathlib.Path, required=True,
                        help="folder with pairs.csv, ranking.csv and the volumes made; the picture goes beside it")
    parser.add_argument("--slice", nargs=2, action="append", required=True, metavar=("SUBJECT", "K"))
    args = parser.parse_args()
    draw_panel(args)
    print_figures(args.out)


if __name__ == "__main__":
    main()
