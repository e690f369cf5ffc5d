# SPDX-License-Identifier: Apache-2.0
"""Do the compact networks that label pixels train as their PyTorch twins do? The losses of the first five steps.

Both sides begin with the weights that libslmt makes from a seed, loaded by name, and take five steps of Adam on the same
eight images (two, in three dimensions): a rate of 1e-3 that falls by a power of 0.9, cross-entropy and Dice, no dropout.
What is printed are the losses before each step, and the largest relative difference. It fails above 1e-4.

    first_losses.py                    all networks, a minute
    first_losses.py fcn8s vnet         some
    first_losses.py --record FILE      also writes PyTorch's losses: tests/data/first_losses.csv

Run it as examples/peers/run does: build/peers/bin/python with PYTHONPATH and SLMT_LIBRARY set."""

import argparse
import dataclasses
import sys
from collections.abc import Callable

import numpy as np
import slmt
import torch

import networks

STEPS, WITHIN = 5, 1e-4


@dataclasses.dataclass
class Case:
    network: str
    options: dict
    twin: Callable
    size: tuple  # batch, slices (0: none), rows, columns
    seed: int = 1


CASES = {
    "unet-seg": Case("unet-seg", {}, networks.NETWORKS["unet-seg"], (2, 0, 32, 32)),
    "unet-seg-3d": Case("unet-seg", {"axes": 3}, lambda: networks.UnetSeg(3, 16), (2, 16, 32, 32)),
    "attn-unet": Case("attn-unet", {}, networks.AttnUnet, (2, 0, 32, 32)),
    "vnet-2d": Case("vnet", {"axes": 2}, lambda: networks.Vnet(axes=2), (2, 0, 32, 32)),
    "vnet-3d": Case("vnet", {}, networks.Vnet, (2, 16, 32, 32)),
    "fcn8s": Case("fcn8s", {}, networks.Fcn8s, (2, 0, 32, 32)),
    "segnet": Case("segnet", {}, networks.Segnet, (2, 0, 32, 32)),
    "segnet-basic": Case("segnet-basic", {}, networks.SegnetBasic, (2, 0, 32, 32)),
    "fpn": Case("fpn", {}, networks.Fpn, (2, 0, 64, 64)),
    "pspnet": Case("pspnet", {}, networks.Pspnet, (8, 0, 33, 33)),
    "deeplabv3p": Case("deeplabv3p", {}, networks.Deeplabv3p, (8, 0, 32, 32)),
    "hrnet-s": Case("hrnet-s", {}, networks.HrnetS, (2, 0, 64, 64)),
}


def drawn(batch, slices, rows, columns):
    """Images [B,1,D,H,W] and their labels [B,D,H,W], by whole numbers, so that other programs draw the same."""
    b, d, r, c = np.ogrid[:batch, : max(slices, 1), :rows, :columns]
    labels = np.zeros(np.broadcast_shapes(b.shape, d.shape, r.shape, c.shape), np.int32)
    disc = (r - rows // 4 - b) ** 2 + (c - columns // 4) ** 2 + (d - slices // 2) ** 2
    away = (r - 2 * rows // 3) ** 2 + (c - columns // 2 - b) ** 2
    labels[np.broadcast_to(disc < (rows // 6) ** 2, labels.shape)] = 1
    square = (abs(r - rows // 4) < rows // 8) & (abs(c - 3 * columns // 4 + b) < columns // 8) & (d >= 0)
    labels[np.broadcast_to(square, labels.shape)] = 2
    ring = (away < (rows // 4) ** 2) & (away >= (rows // 8) ** 2) & (d >= 0)
    labels[np.broadcast_to(ring, labels.shape)] = 3
    noise = (r * r * 31 + c * c * 17 + r * c * 7 + b * 283 + d * 97) % 128
    return ((1 + labels) / 4 + noise / 256).astype(np.float32)[:, None], labels


def rate(step):
    return 1e-3 * (1 - step / 300) ** 0.9


def of_libslmt(case, x, labels):
    """The losses, and the weights to start from."""
    model = slmt.Model.create(case.network, {"classes": "0,1,2,3", **case.options}, seed=case.seed)
    start = {tensor: value.copy() for tensor, value in model.tensors.items()}
    batch, slices, rows, columns = case.size
    settings = {"batch": batch, "rows": rows, "columns": columns, "dropout": "off"}
    if case.network in ("vnet", "unet-seg"):  # which take volumes
        settings["slices"] = max(slices, 1)
    else:
        x, labels = x[:, :, 0], labels[:, 0]
    with slmt.Trainer(model, "train", **settings) as trainer:
        losses = [trainer.step({"image": x, "labels": labels}, rate(step)).total for step in range(STEPS)]
    return losses, start


def of_pytorch(case, start, x, labels, real):
    network = networks.without_dropout(case.twin())
    networks.load(network, start)
    network.to(real)
    if not case.size[1]:
        x, labels = x[:, :, 0], labels[:, 0]
    x, labels = torch.from_numpy(x).to(real), torch.from_numpy(labels).long()
    adam = torch.optim.Adam(network.parameters())
    losses = []
    for step in range(STEPS):
        adam.param_groups[0]["lr"] = rate(step)
        adam.zero_grad()
        loss = networks.loss(network, x, labels)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses


def compared(case):
    x, labels = drawn(*case.size)
    ours, start = of_libslmt(case, x, labels)
    return ours, of_pytorch(case, start, x, labels, torch.float32), of_pytorch(case, start, x, labels, torch.float64)


def apart(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def line(text, losses, end=""):
    return f"{text:22}" + "".join(f" {loss:.7f}" for loss in losses) + end


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--record", metavar="FILE", help="write PyTorch's losses in float64, as CSV")
    chosen = parser.parse_args()
    rows, worst = [], 0
    for name in chosen.cases:
        ours, theirs, exact = compared(CASES[name])
        print(line(f"{name}, libslmt", ours))
        print(line("  PyTorch, float32", theirs, f"  apart {apart(ours, theirs):.1e}"))
        print(line("  PyTorch, float64", exact, f"  apart {apart(ours, exact):.1e}"), flush=True)
        worst = max(worst, apart(ours, theirs))
        rows.append(f"{name}," + ",".join(f"{loss:.9f}" for loss in exact))
    if chosen.record:
        with open(chosen.record, "w") as file:
            file.write("case," + ",".join(f"loss{step}" for step in range(1, STEPS + 1)) + "\n")
            file.writelines(row + "\n" for row in rows)
    print(f"the largest difference is {worst:.1e}")
    sys.exit(worst > WITHIN)


if __name__ == "__main__":
    main()
