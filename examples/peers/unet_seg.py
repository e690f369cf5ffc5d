# SPDX-License-Identifier: Apache-2.0
"""The U-Net that labels pixels in PyTorch, with convolutions that keep the size and batch norm, in two or three
dimensions (Ronneberger et al., MICCAI 2015; Cicek et al., MICCAI 2016)."""

import torch
from torch import nn
from torch.nn import functional as F

LEVELS, CLASSES = 5, 4
CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {2: F.max_pool2d, 3: F.max_pool3d}
LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


class Block(nn.Module):
    def __init__(self, axes, inputs, outputs):
        super().__init__()
        self.conv1 = CONVOLUTION[axes](inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = CONVOLUTION[axes](outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = NORM[axes](outputs), NORM[axes](outputs)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(x)), inplace=True)


class UnetSeg(nn.Module):
    """[B,1,S...] -> logits [B,4,S...]"""

    def __init__(self, axes, width):
        super().__init__()
        widths = [width << level for level in range(LEVELS)]
        self.axes = axes
        for level, w in enumerate(widths, 1):
            setattr(self, f"enc{level}", Block(axes, w // 2 if level > 1 else 1, w))
        for level, w in enumerate(widths[:-1], 1):
            setattr(self, f"up{level}", TRANSPOSED[axes](2 * w, w, 2, 2))
            setattr(self, f"dec{level}", Block(axes, 2 * w, w))
        self.head = CONVOLUTION[axes](width, CLASSES, 1)
        self.to(memory_format=LAST[axes])

    def forward(self, x):
        x = normalized(x).contiguous(memory_format=LAST[self.axes])
        skips = []
        for level in range(1, LEVELS + 1):
            x = getattr(self, f"enc{level}")(POOL[self.axes](x, 2) if level > 1 else x)
            skips.append(x)
        for level in range(LEVELS - 1, 0, -1):
            x = torch.cat([skips[level - 1], getattr(self, f"up{level}")(x)], 1)
            x = getattr(self, f"dec{level}")(x)
        return self.head(x)

    def labels(self, x):
        """The most probable class of each pixel, and the probability of each."""
        p = self(x).softmax(1)
        return p.argmax(1), p

    def loss(self, x, label):
        """Cross-entropy and Dice, as slmt train has them."""
        logits = self(x)
        space = tuple(range(2, logits.dim()))
        p, target = logits.softmax(1), F.one_hot(label, CLASSES).movedim(-1, 1)
        both, total = (p * target).sum(space), p.sum(space) + target.sum(space)
        return F.cross_entropy(logits, label) + (1 - (2 * both + 1e-5) / (total + 1e-5)).mean()


def normalized(x):
    """Each image with mean 0 and standard deviation 1 where it is not 0."""
    inside, space = x != 0, tuple(range(2, x.dim()))
    count = inside.sum(space, keepdim=True).clamp(min=1)
    off = (x - x.sum(space, keepdim=True) / count) * inside
    return off / (off.square().sum(space, keepdim=True) / count + 1e-8).sqrt()


def load(network, tensors):
    """Gives the network the weights of a slmt.Model by their names."""
    state = network.state_dict()
    for name, value in tensors.items():
        if name in state:
            state[name] = torch.from_numpy(value).reshape(state[name].shape)
    network.load_state_dict(state)
