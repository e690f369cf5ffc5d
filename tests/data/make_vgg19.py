#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records vgg19.h5 with PyTorch (2.13.0 made the one beside this): a narrow VGG19 with average pools, as in
Han et al. 2024, the perceptual distances of two pairs of images, and their gradient. Needs torch, h5py."""
import sys

import h5py
import numpy as np
import torch
from torch import nn

WIDTH, SHAPE = 2, (2, 40, 52)  # 40 -> 20 -> 10 -> 5 -> 2: the last pool leaves a row out
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def features(width):
    """torchvision's vgg19().features[:30], its max pools replaced."""
    layers, inputs = [], 3
    for block, (factor, convs) in enumerate([(1, 2), (2, 2), (4, 4), (8, 4), (8, 1)]):
        if block:
            layers.append(nn.AvgPool2d(2, 2))
        for _ in range(convs):
            layers += [nn.Conv2d(inputs, factor * width, 3, padding=1), nn.ReLU()]
            inputs = factor * width
    return nn.Sequential(*layers)


def relus(net, grey):
    x = (grey / 2 + 0.5)[:, None].repeat(1, 3, 1, 1)
    x = (x - torch.tensor(MEAN, dtype=x.dtype)[:, None, None]) / torch.tensor(SD, dtype=x.dtype)[:, None, None]
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            yield x


def distance(net, a, b):
    return sum(((x - y) ** 2).mean(dim=(1, 2, 3)) for x, y in zip(relus(net, a), relus(net, b)))


def main(path):
    torch.manual_seed(19)
    net = features(WIDTH)
    assert [i for i, layer in enumerate(net) if isinstance(layer, nn.Conv2d)][-1] == 28
    for p in net.parameters():
        nn.init.normal_(p, 0, (2 / (p[0].numel() if p.dim() > 1 else 200)) ** 0.5)
    a, b = torch.rand(SHAPE) * 2 - 1, torch.rand(SHAPE) * 2 - 1
    results = {}
    for real in torch.float64, torch.float32:
        net.to(real)
        x = a.to(real, copy=True).requires_grad_()
        d = distance(net, x, b.to(real))
        d.sum().backward()
        results[real] = {"distance": d.detach().double().numpy(), "gradient": x.grad.double().numpy()}
    net.float()
    with h5py.File(path, "w") as f:
        f.attrs["width"] = WIDTH
        f.attrs["torch"] = str(torch.__version__)
        for name, p in net.state_dict().items():
            f["W/features." + name] = p.numpy()
        f["a"], f["b"] = a.numpy(), b.numpy()
        for name, x in results[torch.float64].items():
            f[name] = x
            f[name].attrs["torch_fp32_max_abs_err"] = np.abs(x - results[torch.float32][name]).max()


if __name__ == "__main__":
    main(sys.argv[1])
