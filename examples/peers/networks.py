# SPDX-License-Identifier: Apache-2.0
"""The compact networks that label pixels in PyTorch, with libslmt's names of tensors: twins to compare with.

Each is written from its paper, or from the authors' repository where that differs, and takes images [B,1,S...] to logits
[B,4,S...]. A network with an auxiliary head, pspnet, also returns that head's logits in training. unet_seg.py has the
U-Net."""

import functools

import torch
from torch import nn
from torch.nn import functional as F

from unet_seg import CLASSES, CONVOLUTION, NORM, POOL, TRANSPOSED, Block, UnetSeg, normalized

LINEAR = {2: "bilinear", 3: "trilinear"}


# ---- parts ----


class ConvNorm(nn.Module):
    """A convolution that keeps the size at stride 1, and its batch norm."""

    def __init__(self, inputs, outputs, kernel=1, stride=1, dilation=1, bias=False, axes=2):
        super().__init__()
        self.conv = CONVOLUTION[axes](inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=bias)
        self.bn = NORM[axes](outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class ConvNormRelu(ConvNorm):
    def forward(self, x):
        return F.relu(super().forward(x))


def pair(inputs, outputs, kernel, stride=1, relu=True):
    """The same with the names .0 and .1."""
    parts = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*parts, nn.ReLU()) if relu else nn.Sequential(*parts)


def resized(x, size, corners=False):
    return F.interpolate(x, size, mode=LINEAR[x.dim() - 2], align_corners=corners)


def padded(x, multiple):
    """Zeros behind x, to a multiple along each axis."""
    return F.pad(x, [end for n in reversed(x.shape[2:]) for end in (0, -n % multiple)])


def cropped(x, like):
    return x[(..., *(slice(n) for n in like.shape[2:]))]


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1, dilation=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        if stride > 1 or inputs != outputs:
            self.downsample = pair(inputs, outputs, 1, stride, relu=False)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class Bottleneck(nn.Module):
    def __init__(self, inputs, inner):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner)
        if inputs != 4 * inner:
            self.downsample = pair(inputs, 4 * inner, 1, relu=False)

    def forward(self, x):
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(self.bn3(self.conv3(y)) + (self.downsample(x) if hasattr(self, "downsample") else x))


class Backbone(nn.Module):
    """ResNet-18 of another width (He et al. 2016); a stride above the output stride becomes a dilation."""

    def __init__(self, width, output_stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        before = width
        for stage in range(1, 5):
            full, channels = 2 << stage, width << (stage - 1)
            stride = 2 if stage > 1 and full <= output_stride else 1
            dilation = max(1, full // output_stride)
            blocks = BasicBlock(before, channels, stride, dilation), BasicBlock(channels, channels, 1, dilation)
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            before = channels

    def forward(self, x):
        """The four stages."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        stages = []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            stages.append(x)
        return stages


# ---- encoders and decoders ----


class Gate(nn.Module):
    """Weights a skip connection by what lies below it."""

    def __init__(self, axes, channels, signal):
        super().__init__()
        convolution = CONVOLUTION[axes]
        self.theta = convolution(channels, channels, 2, 2, bias=False)
        self.phi, self.psi = convolution(signal, channels, 1), convolution(channels, 1, 1)
        self.w = ConvNorm(channels, channels, bias=True, axes=axes)
        self.combine = ConvNormRelu(channels, channels, bias=True, axes=axes)

    def forward(self, x, signal):
        theta = self.theta(x)
        a = self.psi(F.relu(theta + resized(self.phi(signal), theta.shape[2:]))).sigmoid()
        return self.combine(self.w(x * resized(a, x.shape[2:])))


class AttnUnet(nn.Module):
    """Oktay et al., Attention U-Net, MIDL 2018."""

    def __init__(self, axes=2, width=16):
        super().__init__()
        self.pool = POOL[axes]
        for level in range(1, 6):
            w = width << (level - 1)
            setattr(self, f"enc{level}", Block(axes, w // 2 if level > 1 else 1, w))
        self.gating = ConvNormRelu(w, w, axes=axes)
        for level in range(1, 5):
            w = width << (level - 1)
            if level > 1:
                setattr(self, f"att{level}", Gate(axes, w, 2 * w))
            setattr(self, f"up{level}", TRANSPOSED[axes](2 * w, w, 2, 2))
            setattr(self, f"dec{level}", Block(axes, 2 * w, w))
        self.head = CONVOLUTION[axes](width, CLASSES, 1)

    def forward(self, x):
        x = normalized(x)
        skips = [None]
        for level in range(1, 6):
            x = getattr(self, f"enc{level}")(self.pool(x, 2) if level > 1 else x)
            skips.append(x)
        signal = self.gating(x)
        for level in range(4, 0, -1):
            skip = skips[level]
            if level > 1:
                skip = getattr(self, f"att{level}")(skip, signal)
            up = getattr(self, f"up{level}")(x)
            up = F.pad(up, [end for n, m in zip(reversed(skip.shape[2:]), reversed(up.shape[2:])) for end in (0, n - m)])
            x = signal = getattr(self, f"dec{level}")(torch.cat([skip, up], 1))
        return self.head(x)


class VnetLayer(ConvNorm):
    """Convolution, norm and PReLU."""

    def __init__(self, inputs, outputs, axes):
        super().__init__(inputs, outputs, 3, bias=True, axes=axes)
        self.act = nn.PReLU(outputs)

    def forward(self, x):
        return self.act(super().forward(x))


class VnetStage(nn.Module):
    """Goes down or up, then adds what some convolutions make of it."""

    def __init__(self, convolution, inputs, outputs, joined, count, axes):
        super().__init__()
        self.conv, self.bn, self.act = convolution(inputs, outputs, 2, 2), NORM[axes](outputs), nn.PReLU(outputs)
        self.ops = nn.Sequential(*(VnetLayer(joined, joined, axes) for _ in range(count)))
        self.act2 = nn.PReLU(joined)

    def forward(self, x, skip=None):
        x = self.act(self.bn(self.conv(x)))
        x = x if skip is None else torch.cat([x, skip], 1)
        return self.act2(self.ops(x) + x)


class Vnet(nn.Module):
    """Milletari et al., V-Net, 3DV 2016."""

    def __init__(self, axes=3, width=8):
        super().__init__()
        self.width = width
        self.inp, self.inp_act = ConvNorm(1, width, 3, bias=True, axes=axes), nn.PReLU(width)
        for stage, (down, up) in enumerate(zip((2, 3, 3, 3), (1, 2, 3, 3)), 1):
            w = width << stage
            setattr(self, f"down{stage}", VnetStage(CONVOLUTION[axes], w // 2, w, w, down, axes))
            below = w if stage == 4 else 2 * w
            setattr(self, f"up{stage}", VnetStage(TRANSPOSED[axes], below, w // 2, w, up, axes))
        self.out, self.head = VnetLayer(2 * width, CLASSES, axes), CONVOLUTION[axes](CLASSES, CLASSES, 1)

    def forward(self, x):
        given = normalized(x)
        x = padded(given, 16)
        stages = [self.inp_act(self.inp(x) + x.expand(-1, self.width, *x.shape[2:]))]
        for stage in range(1, 5):
            stages.append(getattr(self, f"down{stage}")(stages[-1]))
        x = stages.pop()
        for stage in range(4, 0, -1):
            x = getattr(self, f"up{stage}")(x, stages[stage - 1])
        return cropped(self.head(self.out(x)), given)


class Fcn8s(nn.Module):
    """Long et al., Fully Convolutional Networks, CVPR 2015, with paddings that keep the size."""

    def __init__(self, width=16, hidden=256):
        super().__init__()
        widths = [1, width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.counts = (2, 2, 3, 3, 3)
        for stage, count in enumerate(self.counts, 1):
            for i in range(1, count + 1):
                inputs = widths[stage - 1] if i == 1 else widths[stage]
                setattr(self, f"conv{stage}_{i}", nn.Conv2d(inputs, widths[stage], 3, padding=1))
        self.fc6, self.fc7 = nn.Conv2d(8 * width, hidden, 7, padding=3), nn.Conv2d(hidden, hidden, 1)
        self.drop6, self.drop7 = nn.Dropout(0.5), nn.Dropout(0.5)
        self.score_fr = nn.Conv2d(hidden, CLASSES, 1)
        self.score_pool3, self.score_pool4 = nn.Conv2d(4 * width, CLASSES, 1), nn.Conv2d(8 * width, CLASSES, 1)
        for name, times in ("upscore2", 2), ("upscore_pool4", 2), ("upscore8", 8):
            setattr(self, name, nn.ConvTranspose2d(CLASSES, CLASSES, 2 * times, times, times // 2, bias=False))

    def forward(self, x):
        given = normalized(x)
        x, pools = padded(given, 32), []
        for stage, count in enumerate(self.counts, 1):
            for i in range(1, count + 1):
                x = F.relu(getattr(self, f"conv{stage}_{i}")(x))
            x = F.max_pool2d(x, 2)
            pools.append(x)
        x = self.drop7(F.relu(self.fc7(self.drop6(F.relu(self.fc6(x))))))
        x = self.upscore2(self.score_fr(x)) + self.score_pool4(pools[3])
        x = self.upscore_pool4(x) + self.score_pool3(pools[2])
        return cropped(self.upscore8(x), given)


class Segnet(nn.Module):
    """Badrinarayanan et al., SegNet, PAMI 2017."""

    def __init__(self, width=16):
        super().__init__()
        widths = [1, width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.counts = (2, 2, 3, 3, 3)
        for stage, count in enumerate(self.counts, 1):
            w = widths[stage]
            for i in range(1, count + 1):
                setattr(self, f"enc{stage}_{i}", ConvNormRelu(widths[stage - 1] if i == 1 else w, w, 3, bias=True))
                if i < count or stage > 1:
                    last = widths[stage - 1] if i == count else w
                    setattr(self, f"dec{stage}_{i}", ConvNormRelu(w, last, 3, bias=True))
        self.dec1_2 = nn.Conv2d(width, CLASSES, 3, padding=1)

    def forward(self, x):
        x, kept = normalized(x), []
        for stage, count in enumerate(self.counts, 1):
            for i in range(1, count + 1):
                x = getattr(self, f"enc{stage}_{i}")(x)
            size = x.shape
            x, index = F.max_pool2d(x, 2, return_indices=True)
            kept.append((index, size))
        for stage in range(5, 0, -1):
            index, size = kept[stage - 1]
            x = F.max_unpool2d(x, index, 2, output_size=size)
            for i in range(1, self.counts[stage - 1] + 1):
                x = getattr(self, f"dec{stage}_{i}")(x)
        return x


class SegnetBasic(nn.Module):
    """The small variant of the first version of that paper."""

    def __init__(self, width=32):
        super().__init__()
        self.norm = nn.LocalResponseNorm(5, 1e-4, 0.75)
        for stage in range(1, 5):
            setattr(self, f"enc{stage}", ConvNormRelu(width if stage > 1 else 1, width, 7, bias=True))
            setattr(self, f"dec{stage}", ConvNorm(width, width, 7, bias=True))
        self.head = nn.Conv2d(width, CLASSES, 1)

    def forward(self, x):
        given = normalized(x)
        x, kept = self.norm(padded(given, 16)), []
        for stage in range(1, 5):
            x = getattr(self, f"enc{stage}")(x)
            x, index = F.max_pool2d(x, 2, return_indices=True)
            kept.append(index)
        for stage in range(4, 0, -1):
            x = getattr(self, f"dec{stage}")(F.max_unpool2d(x, kept[stage - 1], 2))
        return cropped(self.head(x), given)


# ---- pyramids and dilation ----


class FpnLayer(nn.Module):
    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.conv, self.gn = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(groups, outputs)

    def forward(self, x):
        return F.relu(self.gn(self.conv(x)))


class Fpn(nn.Module):
    """The semantic branch of Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019."""

    def __init__(self, width=16, pyramid=64, branch=32, groups=8):
        super().__init__()
        self.backbone = Backbone(width, 32)
        for level in range(2, 6):
            setattr(self, f"lateral{level}", nn.Conv2d(width << (level - 2), pyramid, 1))
            setattr(self, f"output{level}", nn.Conv2d(pyramid, pyramid, 3, padding=1))
            layers = (FpnLayer(branch if j else pyramid, branch, groups) for j in range(max(1, level - 2)))
            setattr(self, f"branch{level}", nn.Sequential(*layers))
        self.predictor = nn.Conv2d(branch, CLASSES, 1)

    def forward(self, x):
        given = normalized(x)
        x = padded(given, 32)
        size, stages = x.shape[2:], self.backbone(x)
        below = total = None
        for level in range(5, 1, -1):
            lateral = getattr(self, f"lateral{level}")(stages[level - 2])
            below = lateral if below is None else lateral + F.interpolate(below, lateral.shape[2:], mode="nearest")
            y = getattr(self, f"output{level}")(below)
            for layer in getattr(self, f"branch{level}"):
                y = layer(y)
                y = F.interpolate(y, scale_factor=2, mode="bilinear") if level > 2 else y
            total = y if total is None else total + y
        return cropped(resized(self.predictor(total), size), given)


class PspHead(ConvNormRelu):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, 3)
        self.drop, self.head = nn.Dropout2d(0.1), nn.Conv2d(outputs, CLASSES, 1)

    def forward(self, x):
        return self.head(self.drop(super().forward(x)))


class Pspnet(nn.Module):
    """Zhao et al., Pyramid Scene Parsing Network, CVPR 2017."""

    def __init__(self, width=16, hidden=64, auxiliary=32):
        super().__init__()
        last = 8 * width
        self.backbone = Backbone(width, 8)
        self.ppm = nn.ModuleList(ConvNormRelu(last, last // 4) for _ in range(4))
        self.cls, self.aux = PspHead(2 * last, hidden), PspHead(last // 2, auxiliary)

    def forward(self, x):
        x = normalized(x)
        size, (_, _, third, last) = x.shape[2:], self.backbone(x)
        pools = [
            resized(layer(F.adaptive_avg_pool2d(last, bins)), last.shape[2:], corners=True)
            for layer, bins in zip(self.ppm, (1, 2, 3, 6))
        ]
        logits = resized(self.cls(torch.cat([last, *pools], 1)), size, corners=True)
        return (logits, resized(self.aux(third), size, corners=True)) if self.training else logits


class Deeplabv3p(nn.Module):
    """Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018; convolutions that are not separable."""

    def __init__(self, width=16, atrous=64, low=12):
        super().__init__()
        last = 8 * width
        self.backbone = Backbone(width, 16)
        kernels = (ConvNormRelu(last, atrous, 3, dilation=rate) for rate in (6, 12, 18))
        self.aspp = nn.ModuleList([ConvNormRelu(last, atrous), *kernels])
        self.pool, self.project = ConvNormRelu(last, atrous), ConvNormRelu(5 * atrous, atrous)
        self.drop = nn.Dropout(0.1)
        self.low = ConvNormRelu(width, low)
        self.dec1, self.dec2 = ConvNormRelu(atrous + low, atrous, 3), ConvNormRelu(atrous, atrous, 3)
        self.head = nn.Conv2d(atrous, CLASSES, 1)

    def forward(self, x):
        x = normalized(x)
        size, (first, _, _, last) = x.shape[2:], self.backbone(x)
        mean = self.pool(F.adaptive_avg_pool2d(last, 1)).expand(-1, -1, *last.shape[2:])
        deep = self.drop(self.project(torch.cat([*(layer(last) for layer in self.aspp), mean], 1)))
        x = self.dec2(self.dec1(torch.cat([resized(deep, first.shape[2:]), self.low(first)], 1)))
        return resized(self.head(x), size)


# ---- high resolution ----


class HrModule(nn.Module):
    """Two blocks in each branch, then each branch gets the sum of all."""

    def __init__(self, widths):
        super().__init__()
        count = len(widths)
        self.branches = nn.ModuleList(nn.Sequential(BasicBlock(w, w), BasicBlock(w, w)) for w in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self.passage(widths, j, i) for j in range(count)) for i in range(count)
        )

    @staticmethod
    def passage(widths, source, target):
        """What brings one branch to the grid of another; to a finer one, the rest is enlarging."""
        if source >= target:
            return pair(widths[source], widths[target], 1, relu=False) if source > target else nn.Identity()
        halvings = [pair(widths[source], widths[source], 3, 2) for _ in range(target - source - 1)]
        return nn.Sequential(*halvings, pair(widths[source], widths[target], 3, 2, relu=False))

    def forward(self, branches):
        branches = [blocks(x) for blocks, x in zip(self.branches, branches)]
        fused = []
        for target, row in zip(branches, self.fuse_layers):
            moved = [passage(x) for passage, x in zip(row, branches)]
            moved = [x if x.shape == target.shape else resized(x, target.shape[2:]) for x in moved]
            fused.append(F.relu(functools.reduce(torch.add, moved)))
        return fused


class HrnetS(nn.Module):
    """Wang et al., Deep High-Resolution Representation Learning, PAMI 2021: W18-small-v1."""

    def __init__(self, width=16, stem=64, first=32):
        super().__init__()
        widths = [width << branch for branch in range(4)]
        self.conv1, self.bn1 = nn.Conv2d(1, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem)
        self.conv2, self.bn2 = nn.Conv2d(stem, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem)
        self.layer1 = nn.Sequential(Bottleneck(stem, first))
        new = nn.Sequential(pair(4 * first, widths[1], 3, 2))
        self.transition1 = nn.ModuleList([pair(4 * first, width, 3), new])
        for stage in range(2, 5):
            if stage > 2:
                new = nn.Sequential(pair(widths[stage - 2], widths[stage - 1], 3, 2))
                setattr(self, f"transition{stage - 1}", nn.ModuleList([*(nn.Identity() for _ in range(stage - 1)), new]))
            setattr(self, f"stage{stage}", nn.Sequential(HrModule(widths[:stage])))
        parts = nn.Conv2d(15 * width, 15 * width, 1), nn.BatchNorm2d(15 * width)
        self.last_layer = nn.Sequential(*parts, nn.ReLU(), nn.Conv2d(15 * width, CLASSES, 1))

    def forward(self, x):
        x = normalized(x)
        size = x.shape[2:]
        x = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        branches = [self.layer1(x)]
        for stage in range(2, 5):
            passages = getattr(self, f"transition{stage - 1}")
            kept = [passage(branch) for passage, branch in zip(passages, branches)]
            branches = getattr(self, f"stage{stage}")([*kept, passages[-1](branches[-1])])
        finest = branches[0].shape[2:]
        joined = torch.cat([branches[0], *(resized(branch, finest) for branch in branches[1:])], 1)
        return resized(self.last_layer(joined), size)


NETWORKS = {
    "unet-seg": functools.partial(UnetSeg, 2, 16),
    "attn-unet": AttnUnet,
    "vnet": Vnet,
    "fcn8s": Fcn8s,
    "segnet": Segnet,
    "segnet-basic": SegnetBasic,
    "fpn": Fpn,
    "pspnet": Pspnet,
    "deeplabv3p": Deeplabv3p,
    "hrnet-s": HrnetS,
}


def load(network, tensors):
    """Gives the network the weights of a slmt.Model, which must have the same names and shapes."""
    state = {name: x for name, x in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    apart = state.keys() ^ tensors.keys()
    apart |= {name for name in state.keys() & tensors.keys() if state[name].shape != tensors[name].shape}
    if apart:
        raise ValueError(f"other names or shapes: {', '.join(sorted(apart))}")
    network.load_state_dict({name: torch.from_numpy(tensors[name].copy()) for name in state}, strict=False)


def without_dropout(network):
    for part in network.modules():
        if isinstance(part, (nn.Dropout, nn.Dropout2d)):
            part.p = 0.0
    return network


def losses(logits, label):
    """Cross-entropy and 1 - Dice, as slmt train has them."""
    space = tuple(range(2, logits.dim()))
    p, target = logits.softmax(1), F.one_hot(label, CLASSES).movedim(-1, 1)
    both, total = (p * target).sum(space), p.sum(space) + target.sum(space)
    return F.cross_entropy(logits, label), (1 - (2 * both + 1e-5) / (total + 1e-5)).mean()


def loss(network, x, label):
    """In training: the sum of both, and 0.4 times that of the auxiliary head."""
    made = network(x)
    if not isinstance(made, tuple):
        return sum(losses(made, label))
    return sum(losses(made[0], label)) + 0.4 * sum(losses(made[1], label))
