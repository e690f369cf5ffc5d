# SPDX-License-Identifier: Apache-2.0
"""Do the compact networks that label pixels train as their PyTorch twins do? The losses of the first five steps.

Both sides begin with the weights that libslmt makes from a seed, loaded by name, and take five steps of Adam on the same
few images: a rate of 1e-3 that falls by a power of 0.9, cross-entropy and Dice, no dropout. What is printed are the losses
before each step and the largest relative difference, in float64 (libslmt's backend "reference") and in float32 ("cpu"). It
fails above 1e-4 in float64. In float32 it only tells: there Adam turns a gradient below rounding into a step of full size,
and what follows depends on the order of sums; PyTorch's float32 is as far from its float64.

    first_losses.py                    all networks, a minute or two
    first_losses.py fcn8s vnet-3d      some
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
from unet_seg import UnetSeg

STEPS, SEED, WITHIN = 5, 1, 1e-4


@dataclasses.dataclass
class Case:
    method: str
    twin: Callable
    size: tuple  # batch, slices (0: none), rows, columns
    options: dict = dataclasses.field(default_factory=dict)


CASES = {
    "unet-seg": Case("unet-seg", networks.NETWORKS["unet-seg"], (4, 0, 16, 16)),
    "attn-unet": Case("attn-unet", networks.AttnUnet, (4, 0, 16, 16)),
    "vnet": Case("vnet", networks.Vnet, (2, 16, 16, 16)),
    "fcn8s": Case("fcn8s", networks.Fcn8s, (2, 0, 32, 32)),
    "segnet": Case("segnet", networks.Segnet, (2, 0, 32, 32)),
    "segnet-basic": Case("segnet-basic", networks.SegnetBasic, (2, 0, 16, 16)),
    "fpn": Case("fpn", networks.Fpn, (4, 0, 32, 32)),
    "pspnet": Case("pspnet", networks.Pspnet, (4, 0, 33, 33)),
    "deeplabv3p": Case("deeplabv3p", networks.Deeplabv3p, (4, 0, 32, 32)),
    "hrnet-s": Case("hrnet-s", networks.HrnetS, (2, 0, 64, 64)),
    # In their other number of dimensions; in three, a quarter as wide.
    "unet-seg-3d": Case("unet-seg", lambda: UnetSeg(3, 4), (2, 16, 16, 16), {"axes": 3, "width": 4}),
    "attn-unet-3d": Case("attn-unet", lambda: networks.AttnUnet(3, 4), (2, 16, 16, 16), {"axes": 3, "width": 4}),
    "vnet-2d": Case("vnet", lambda: networks.Vnet(2), (4, 0, 16, 16), {"axes": 2}),
}
VOLUMES = "unet-seg", "attn-unet", "vnet"  # whose arrays have slices


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


def of_libslmt(case, x, labels, context):
    """The losses, and the weights to start from."""
    options = {"classes": "0,1,2,3", **case.options}
    model = slmt.Model.create(case.method, options, seed=SEED, context=context)
    start = {tensor: value.copy() for tensor, value in model.tensors.items()}
    batch, slices, rows, columns = case.size
    settings = {"batch": batch, "rows": rows, "columns": columns, "dropout": "off"}
    if case.method in VOLUMES:
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


def compared(case, contexts):
    """Losses of libslmt and of PyTorch in float64, and in float32."""
    x, labels = drawn(*case.size)
    results = []
    for context, real in zip(contexts, (torch.float64, torch.float32)):
        ours, start = of_libslmt(case, x, labels, context)
        results += [ours, of_pytorch(case, start, x, labels, real)]
    return results


def row(name, case, losses):
    """A line of tests/data/first_losses.csv."""
    given = [name, case.method, case.options.get("axes", 0), case.options.get("width", 0), *case.size]
    return ",".join([*map(str, given), *(f"{loss:.12g}" for loss in losses)])


def apart(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--record", metavar="FILE", help="write PyTorch's losses in float64, as CSV")
    chosen = parser.parse_args()
    contexts = slmt.Context(backend="reference", precision="float64"), slmt.Context()
    rows, worst = [], 0
    for name in chosen.cases:
        exact, theirs, single, their_single = compared(CASES[name], contexts)
        for text, losses, other in (
            ("libslmt, float64", exact, theirs),
            ("PyTorch, float64", theirs, theirs),
            ("libslmt, float32", single, theirs),
            ("PyTorch, float32", their_single, theirs),
        ):
            numbers = " ".join(f"{loss:.7f}" for loss in losses)
            print(f"{name:13} {text}  {numbers}  {apart(losses, other):.0e} from PyTorch's float64", flush=True)
        worst = max(worst, apart(exact, theirs))
        rows.append(row(name, CASES[name], theirs))
    if chosen.record:
        with open(chosen.record, "w") as file:
            head = "case,method,axes,width,batch,slices,rows,columns"
            file.write("\n".join([head + "".join(f",loss{step}" for step in range(1, STEPS + 1)), *rows, ""]))
    print(f"in float64 the largest difference is {worst:.1e}")
    sys.exit(worst > WITHIN)


if __name__ == "__main__":
    main()
