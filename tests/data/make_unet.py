#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records unet.h5 with PyTorch: the U-Net of src/methods/unet written a second time as a module, in each of its
norms and ways up, at even and odd sizes. A group for each case holds its options, its start weights W/,
source, target, what is made of the source (in training and, where they differ, in inference), the loss, every
gradient, and, after some steps of Adam on the same batch, the losses, the weights and the running statistics.
Results are of float64; torch_fp32_max_abs_err is what float32 makes of them. Needs torch, h5py."""
import copy
import sys

import h5py
import numpy as np
import torch
from torch import nn

STEPS, RATE = 3, 1e-2
# slices, width, depth, norm, upsampling, residual, batch, rows, columns, seed
CASES = {
    "instance": (3, 2, 3, "instance", "transposed", True, 2, 12, 16, 1),
    "instance_linear": (1, 3, 3, "instance", "linear", False, 1, 13, 18, 2),
    "batch": (1, 2, 4, "batch", "transposed", True, 2, 21, 13, 3),
    "none": (5, 2, 2, "none", "transposed", False, 2, 11, 12, 4),
    "none_linear": (3, 2, 3, "none", "linear", True, 1, 12, 15, 5),
}


class Block(nn.Module):
    """Two times 3x3 convolution, norm, ReLU."""

    def __init__(self, inputs, outputs, norm):
        super().__init__()
        self.norm = norm
        for i, channels in ((1, inputs), (2, outputs)):
            self.add_module(f"conv{i}", nn.Conv2d(channels, outputs, 3, padding=1, bias=norm == "none"))
            if norm == "instance":
                self.add_module(f"in{i}", nn.InstanceNorm2d(outputs, affine=True))
            elif norm == "batch":
                self.add_module(f"bn{i}", nn.BatchNorm2d(outputs))

    def forward(self, x):
        for i in 1, 2:
            x = getattr(self, f"conv{i}")(x)
            if self.norm != "none":
                x = getattr(self, f"in{i}" if self.norm == "instance" else f"bn{i}")(x)
            x = torch.relu(x)
        return x


class UNet(nn.Module):
    """Slices of one contrast [B,slices,H,W] -> the middle one in another contrast [B,H,W]."""

    def __init__(self, slices, width, depth, norm, upsampling, residual):
        super().__init__()
        self.depth, self.upsampling, self.residual = depth, upsampling, residual
        for i in range(1, depth + 1):
            inputs = slices if i == 1 else width << (i - 2)
            self.add_module(f"enc{i}", Block(inputs, width << (i - 1), norm))
        for i in range(depth - 1, 0, -1):
            fine, coarse = width << (i - 1), width << i
            up = nn.ConvTranspose2d(coarse, fine, 2, 2) if upsampling == "transposed" else nn.Conv2d(coarse, fine, 1)
            self.add_module(f"up{i}", up)
            self.add_module(f"dec{i}", Block(2 * fine, fine, norm))
        self.head = nn.Conv2d(width, 1, 1)

    def up(self, i, x, skip):
        x = getattr(self, f"up{i}")(x)
        if self.upsampling == "linear":
            return nn.functional.interpolate(x, skip.shape[2:], mode="bilinear", align_corners=False)
        return nn.functional.pad(x, (0, skip.shape[3] - x.shape[3], 0, skip.shape[2] - x.shape[2]))

    def forward(self, source):
        x, skips = source, []
        for i in range(1, self.depth + 1):
            x = getattr(self, f"enc{i}")(nn.functional.max_pool2d(x, 2) if i > 1 else x)
            skips.append(x)
        for i in range(self.depth - 1, 0, -1):
            skip = skips[i - 1]
            x = getattr(self, f"dec{i}")(torch.cat([skip, self.up(i, x, skip)], 1))
        made = self.head(x)[:, 0]
        return made + source[:, source.shape[1] // 2] if self.residual else made


def start(net, seed):
    """Weights that are exact in float32 and leave no norm at 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in net.named_parameters():
        scale = (2 / p[0].numel()) ** 0.5 if p.dim() > 1 else 0.1
        middle = 1 if ".in" in name and name.endswith("weight") or ".bn" in name and name.endswith("weight") else 0
        with torch.no_grad():
            p.copy_((middle + scale * torch.randn(p.shape, generator=generator)).float())


def results(net, source, target):
    """What float64 or float32 makes of a case, by path."""
    out = {}
    net.train()
    made = net(source)
    loss = (made - target).abs().mean()
    loss.backward()
    out["made"], out["l1"] = made.detach(), loss.detach()
    for name, p in net.named_parameters():
        out["grad/" + name] = p.grad.clone()
    if any("running" in name for name, _ in net.named_buffers()):
        net.eval()
        out["inferred"] = net(source).detach()
        net.train()
    for name, b in net.named_buffers():
        if "running" in name:
            out["running/" + name] = b.clone()
    return out


def run(net, source, target):
    out, losses = {}, []
    adam = torch.optim.Adam(net.parameters(), RATE)
    net.train()
    for _ in range(STEPS):
        adam.zero_grad()
        loss = (net(source) - target).abs().mean()
        loss.backward()
        losses.append(loss.detach())
        adam.step()
    out["losses"] = torch.stack(losses)
    for name, p in net.named_parameters():
        out["after/" + name] = p.detach()
    return out


def record(group, slices, width, depth, norm, upsampling, residual, batch, rows, columns, seed):
    net = UNet(slices, width, depth, norm, upsampling, residual).double()
    start(net, seed)
    generator = torch.Generator().manual_seed(100 + seed)
    source = torch.rand((batch, slices, rows, columns), generator=generator)
    target = torch.rand((batch, rows, columns), generator=generator)
    made = {}
    for real in torch.float64, torch.float32:
        x, y = source.to(real), target.to(real)
        made[real] = results(copy.deepcopy(net).to(real), x, y) | run(copy.deepcopy(net).to(real), x, y)
    for key, value in dict(slices=slices, width=width, depth=depth, residual=int(residual), batch=batch, rows=rows,
                           columns=columns, norm=("instance", "batch", "none").index(norm),
                           upsampling=("transposed", "linear").index(upsampling)).items():
        group.attrs[key] = value
    group["source"], group["target"] = source.numpy(), target.numpy()
    for name, p in net.named_parameters():
        group["W/" + name] = p.detach().float().numpy()
    for path, x in made[torch.float64].items():
        group[path] = x.float().numpy() if path.startswith("after/") else x.numpy()
        group[path].attrs["torch_fp32_max_abs_err"] = (x - made[torch.float32][path].double()).abs().max().item()


def main(path):
    torch.set_num_threads(1)
    with h5py.File(path, "w", libver=("v108", "v110")) as f:
        f.attrs["torch"] = str(torch.__version__)
        f.attrs["steps"], f.attrs["rate"] = STEPS, RATE
        for name, case in CASES.items():
            record(f.create_group(name), *case)


if __name__ == "__main__":
    main(sys.argv[1])
