#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what seq2seq-toy --out wrote: the sequences of a held-out subject, every target from every source,
the maps of imaging differentiation, and the ranking beside that of an oracle.

    figures.py FOLDER [--subject K] [--out PNG]

Needs numpy and matplotlib (examples/demo/requirements.txt). Computes nothing that is reported."""

import argparse
import csv
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

SIDE, N = 32, 4
NAMES = ["s1: A", "s2: A, B", "s3: B, U", "s4: -s1"]
# A generator that makes all that its source shows and paints the rest as body (self excluded).
ORACLE = {"totipotency": [-0.35, 0.9, -0.2, -0.35], "differentiation": [-1.05, 0.47, 1.6, -1.04]}


def read_images(path):
    """[subjects] x ([N] sequences, [N][N] made, a row for each source, [N] maps)."""
    images = np.fromfile(path, dtype="<f4").reshape(-1, N + N * N + N, SIDE, SIDE)
    return images[:, :N], images[:, N:N + N * N].reshape(-1, N, N, SIDE, SIDE), images[:, N + N * N:]


def read_ranking(path):
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["self"] == "exclude"]
    return {key: [float(row[key]) for row in rows] for key in ORACLE}


def show(axis, image, title="", **how):
    axis.imshow(image, **how)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(title, fontsize=8)


def draw_bars(axis, found, oracle, title):
    place = np.arange(N)
    axis.bar(place - 0.2, found, 0.4, label="Seq2Seq")
    axis.bar(place + 0.2, oracle, 0.4, label="oracle", color="0.7")
    axis.axhline(0, color="k", linewidth=0.6)
    axis.set_xticks(place, ["s1", "s2", "s3", "s4"])
    axis.tick_params(axis="x", direction="in", pad=-12)
    axis.set_title(title, fontsize=9)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--subject", type=int, default=0, help="which of those in images.f32 (0)")
    parser.add_argument("--out", type=pathlib.Path, help="FOLDER/panel.png")
    args = parser.parse_args()
    truth, made, maps = (part[args.subject] for part in read_images(args.folder / "images.f32"))
    ranking = read_ranking(args.folder / "ranking.csv")

    figure = plt.figure(figsize=(9.5, 8.4))
    grid = figure.add_gridspec(6, 6, width_ratios=[1, 1, 1, 1, 0.25, 2.2], left=0.04, right=0.98, bottom=0.04,
                               top=0.92, wspace=0.06, hspace=0.3)
    grey = {"cmap": "gray", "vmin": -1, "vmax": 1}
    for t in range(N):
        show(figure.add_subplot(grid[0, t]), truth[t], NAMES[t], **grey)
        for s in range(N):
            axis = figure.add_subplot(grid[1 + s, t])
            show(axis, made[s, t], **grey)
            if t == 0:
                axis.set_ylabel(f"from s{s + 1}", fontsize=8)
        axis = figure.add_subplot(grid[5, t])
        show(axis, maps[t], f"$M_d$(s{t + 1}), 0 to 0.5", cmap="inferno", vmin=0, vmax=0.5)
    draw_bars(figure.add_subplot(grid[:3, 5]), ranking["totipotency"], ORACLE["totipotency"],
              "$C_t$: makes the others well")
    axis = figure.add_subplot(grid[3:, 5])
    draw_bars(axis, ranking["differentiation"], ORACLE["differentiation"], "$C_d$: is hard to make")
    axis.legend(fontsize=8)
    figure.suptitle(f"Simulated subject {args.subject}, held out. Top row: the truth.", fontsize=9)
    figure.savefig(args.out or args.folder / "panel.png", dpi=110)


if __name__ == "__main__":
    main()
