#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the demo's figures from the CSV files of `slmt evaluate`: the network beside baselines, and beside
the same fine-tuning from a fresh encoder. One folder a seed."""

import csv
import pathlib
import statistics
import sys

NAMES = {
    "slmt-net": "SLMT-Net, pre-trained encoder",
    "fresh": "SLMT-Net, fresh encoder",
    "monotone-map": "best monotone map of intensities",
    "source": "the source itself",
}


def read_means(path):
    """{method: (psnr, ssim)}, means over the held-out subjects of the means over their slices."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["method"]: (float(row["psnr"]), float(row["ssim"]))
                for row in csv.DictReader(file) if row["level"] == "mean" and row["definition"] == "slice"}


def read_run(folder):
    means = read_means(folder / "evaluation.csv")
    means["fresh"] = read_means(folder / "evaluation-fresh.csv")["slmt-net"]
    return means


def spread(values):
    return f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""


def main():
    runs = [read_run(pathlib.Path(folder)) for folder in sys.argv[1:]]
    if not runs:
        sys.exit("usage: summary.py FOLDER...")
    print(f"Held-out subjects, mean{' and sd over ' + str(len(runs)) + ' seeds' if len(runs) > 1 else ''}"
          " (T2 is simulated; not for diagnosis)")
    psnr = {method: [run[method][0] for run in runs] for method in runs[0]}
    for method in sorted(psnr, key=lambda m: -statistics.mean(psnr[m])):
        ssim = statistics.mean(run[method][1] for run in runs)
        print(f"  {NAMES.get(method, method):34} PSNR {statistics.mean(psnr[method]):6.2f} dB"
              f"{spread(psnr[method]):9}  SSIM {ssim:.4f}")
    best = max(statistics.mean(values) for method, values in psnr.items() if method not in ("slmt-net", "fresh"))
    gain = [own - fresh for own, fresh in zip(psnr["slmt-net"], psnr["fresh"])]
    print(f"  above the better baseline: {statistics.mean(psnr['slmt-net']) - best:+.2f} dB")
    print(f"  what pre-training gave:    {statistics.mean(gain):+.2f} dB{spread(gain)}")


if __name__ == "__main__":
    main()
