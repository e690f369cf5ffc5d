# SPDX-License-Identifier: Apache-2.0
"""SLMT-Net in PyTorch, written from the published sizes (Li et al., IEEE TMI 2023), with the tensor names of checkpoints.

It is written to be fast there: attention is scaled_dot_product_attention, products are Linear layers, and what does not
depend on the input is computed once. Only what reaches an output is here."""

import torch
from torch import nn
from torch.nn import functional as F

IMAGE, PATCH, FINE_PATCH, WINDOW, STAGES = 256, 8, 4, 8, 4
WIDTH, DEPTH, HEADS, RATIO = 128, 12, 16, 4
DECODER_WIDTH, DECODER_DEPTH, DECODER_HEADS = 64, 8, 8
GENERATOR_HEADS = (8, 8, 16, 32)
MASK_RATIO = 0.7


def attend(q, k, v, bias=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class Attention(nn.Module):
    """Of all tokens among each other: [B,N,C]."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(attend(q, k, v).transpose(1, 2).reshape(b, n, c))


def position_index(window):
    """The row of the bias table for each pair of tokens of a window."""
    at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
    apart = at[:, :, None] - at[:, None, :] + window - 1
    return apart[0] * (2 * window - 1) + apart[1]


def shift_mask(grid, window, shift):
    """-100 between tokens of a window that were not neighbours before the roll: [windows, N, N]."""
    region = torch.zeros(grid, grid)
    cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, rows in enumerate(cuts):
        for j, columns in enumerate(cuts):
            region[rows, columns] = 3 * i + j
    of = windows(region[None, :, :, None], window).view(-1, window * window)
    return (of[:, None, :] != of[:, :, None]).float() * -100


def windows(x, window):
    """[B,H,W,C] -> [B * windows, window^2, C]"""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.transpose(2, 3).reshape(-1, window * window, c)


def merged(x, window, grid):
    c = x.shape[-1]
    x = x.view(-1, grid // window, grid // window, window, window, c)
    return x.transpose(2, 3).reshape(-1, grid, grid, c)


class WindowAttention(nn.Module):
    def __init__(self, width, heads, grid, shifted):
        super().__init__()
        self.heads, self.grid = heads, grid
        self.window = min(grid, WINDOW)
        self.shift = WINDOW // 2 if shifted and grid > WINDOW else 0
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * self.window - 1) ** 2, heads))
        self.register_buffer("index", position_index(self.window), persistent=False)
        if self.shift:
            self.register_buffer("mask", shift_mask(grid, self.window, self.shift), persistent=False)

    def bias(self):
        """[1 or windows, heads, N, N]"""
        bias = self.relative_position_bias_table[self.index].permute(2, 0, 1)[None]
        return bias + self.mask[:, None] if self.shift else bias

    def forward(self, x):
        b, n, c = x.shape
        x = x.view(b, self.grid, self.grid, c)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = windows(x, self.window)
        m = x.shape[1]
        q, k, v = self.qkv(x).view(-1, m, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.bias().to(q.dtype)
        if self.shift:
            bias = bias.repeat(b, 1, 1, 1)
        x = self.proj(attend(q, k, v, bias).transpose(1, 2).reshape(-1, m, c))
        x = merged(x, self.window, self.grid)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x.reshape(b, n, c)


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, RATIO * width)
        self.fc2 = nn.Linear(RATIO * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm block of a transformer around an attention."""

    def __init__(self, width, attention):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = attention
        self.mlp = Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def vit(width, depth, heads):
    return nn.ModuleList(Block(width, Attention(width, heads)) for _ in range(depth))


def swin(width, heads, grid):
    return nn.ModuleList(Block(width, WindowAttention(width, heads, grid, shifted)) for shifted in (False, True))


def patches(x, size):
    """[B,H,W] -> [B,N,size^2]"""
    b, h, w = x.shape
    return x.view(b, h // size, size, w // size, size).transpose(2, 3).reshape(b, -1, size * size)


class EdgeMae(nn.Module):
    def __init__(self):
        super().__init__()
        n = (IMAGE // PATCH) ** 2
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, WIDTH, PATCH, PATCH)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + n, WIDTH), requires_grad=False)
        self.blocks = vit(WIDTH, DEPTH, HEADS)
        self.norm = nn.LayerNorm(WIDTH)
        self.decoder_embed = nn.Linear(WIDTH, DECODER_WIDTH)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, DECODER_WIDTH))
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, 1 + n, DECODER_WIDTH), requires_grad=False)
        self.decoder_blocks = vit(DECODER_WIDTH, DECODER_DEPTH, DECODER_HEADS)
        self.rec_norm, self.edge_norm = nn.LayerNorm(DECODER_WIDTH), nn.LayerNorm(DECODER_WIDTH)
        self.rec_pred = nn.Linear(DECODER_WIDTH, PATCH * PATCH)
        self.edge_pred = nn.Linear(DECODER_WIDTH, PATCH * PATCH)
        sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        self.register_buffer("sobel", torch.stack([sobel, -sobel.t()])[:, None], persistent=False)

    def embed(self, images):
        proj = self.patch_embed["proj"]
        tokens = F.linear(patches(images, PATCH), proj.weight.flatten(1), proj.bias)
        return tokens + self.pos_embed[:, 1:]

    def encode(self, images):
        """The tokens after the embedding, after each block, and after the norm."""
        features = [self.embed(images)]
        for block in self.blocks:
            features.append(block(features[-1]))
        return [*features, self.norm(features[-1])]

    def edges(self, images):
        x = F.conv2d(F.pad(images[:, None], (1, 1, 1, 1), mode="replicate"), self.sobel)
        return x.square().sum(1).sqrt().clamp(max=1)

    def pretrain_loss(self, images):
        """A mask is drawn, the rest encoded, all patches and their edges are predicted."""
        b, n = images.shape[0], (IMAGE // PATCH) ** 2
        kept = int(n * (1 - MASK_RATIO))
        order = torch.rand(b, n).argsort(dim=1, stable=True)
        restore, keep = order.argsort(1), order[:, :kept]
        mask = (restore >= kept).float()

        def pick(x, index):
            return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[-1]))

        x = pick(self.embed(images), keep)
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(b, -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_embed(self.norm(x))
        full = torch.cat([x[:, 1:], self.mask_token.to(x.dtype).expand(b, n - kept, -1)], 1)
        x = torch.cat([x[:, :1], pick(full, restore)], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        x = x[:, 1:]
        side = IMAGE // PATCH
        weight = mask * (1 + F.avg_pool2d(mask.view(b, 1, side, side), 3, 1, 1).view(b, n)) / mask.sum()
        rec = torch.sigmoid(self.rec_pred(self.rec_norm(x))) - patches(images, PATCH)
        edge = torch.sigmoid(self.edge_pred(self.edge_norm(x))) - patches(self.edges(images), PATCH)
        return (weight * (10 * rec.square().mean(-1) + edge.square().mean(-1))).sum()


class Merging(nn.Module):
    def __init__(self, width, grid):
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        b, _, c = x.shape
        half = self.grid // 2
        x = x.view(b, half, 2, half, 2, c).permute(0, 1, 3, 4, 2, 5).reshape(b, half * half, 4 * c)
        return self.reduction(self.norm(x))


class Expand(nn.Module):
    def __init__(self, width, grid):
        super().__init__()
        self.grid = grid
        self.expand = nn.Linear(width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(width // 2)

    def forward(self, x):
        b, _, c = x.shape
        x = self.expand(x).view(b, self.grid, self.grid, 2, 2, c // 2).transpose(2, 3)
        return self.norm(x.reshape(b, 4 * self.grid * self.grid, c // 2))


class Stage(nn.Module):
    """Two Swin blocks, then half or twice the grid."""

    def __init__(self, width, heads, grid, up):
        super().__init__()
        self.blocks = swin(width, heads, grid)
        if up:
            self.upsample = Expand(width, grid)
        else:
            self.downsample = Merging(width, grid)
        self.up = up

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.upsample(x) if self.up else self.downsample(x)


class Fusion(nn.Module):
    """Dual-scale selective fusion: per pixel and per channel, the coarse or the fine branch."""

    def __init__(self, width, grid):
        super().__init__()
        self.grid = grid
        self.upconv = nn.ConvTranspose2d(width, width, 2, 2, groups=width)
        self.conv1, self.conv2 = nn.Conv2d(2 * width, 1, 1), nn.Conv2d(2 * width, 1, 1)

    def gated(self, a, x, conv):
        return a * torch.sigmoid(F.linear(torch.cat([a, x], -1), conv.weight.flatten(1), conv.bias))

    def forward(self, x, coarse, fine):
        b, n, c = coarse.shape
        half = self.grid // 2
        wide = self.upconv(coarse.transpose(1, 2).reshape(b, c, half, half)).flatten(2).transpose(1, 2)
        a1, a2 = self.gated(wide, x, self.conv1), self.gated(fine, x, self.conv2)
        choice = torch.softmax(torch.stack([a1.mean(1), a2.mean(1)]), 0)[:, :, None]
        return choice[0] * a1 + choice[1] * a2


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        coarse, fine, last = IMAGE // PATCH, IMAGE // FINE_PATCH, STAGES - 1
        width = [WIDTH << s for s in range(STAGES + 1)]
        heads = GENERATOR_HEADS
        self.layers1 = nn.ModuleList(Stage(width[s], heads[s], coarse >> s, False) for s in range(last))
        self.layers2 = nn.ModuleList(Stage(width[s], heads[s], fine >> s, False) for s in range(STAGES))
        self.norm2 = nn.LayerNorm(width[STAGES])
        ups = [Expand(width[STAGES], fine >> STAGES)]
        ups += [Stage(width[s + 1], heads[s], fine >> (s + 1), True) for s in reversed(range(last))]
        self.layers_up = nn.ModuleList(ups)
        self.fusion = nn.ModuleList(Fusion(width[s + 1], fine >> (s + 1)) for s in range(last))
        self.concat_back_dim = nn.ModuleList(nn.Linear(2 * width[s + 1], width[s + 1]) for s in reversed(range(last)))
        self.norm_up = nn.LayerNorm(WIDTH)
        self.to_img = nn.ModuleDict({"linear": nn.Linear(WIDTH, FINE_PATCH * FINE_PATCH)})

    def forward(self, tokens):
        b, n, c = tokens.shape
        side = IMAGE // PATCH
        wide = tokens.view(b, side, 1, side, 1, c).expand(-1, -1, 2, -1, 2, -1).reshape(b, 4 * n, c)
        skips1, skips2, x1, x2 = [], [], tokens, wide
        for stage in self.layers1:
            skips1.append(x1 := stage(x1))
        for stage in self.layers2:
            skips2.append(x2 := stage(x2))
        x = self.layers_up[0](self.norm2(x2))
        for k in range(1, STAGES):
            s = STAGES - 1 - k
            f = self.fusion[s](x, skips1[s], skips2[s])
            x = self.layers_up[k](self.concat_back_dim[k - 1](torch.cat([x, f], -1)))
        x = torch.sigmoid(self.to_img["linear"](self.norm_up(x)))
        grid = IMAGE // FINE_PATCH
        return x.view(b, grid, grid, FINE_PATCH, FINE_PATCH).transpose(2, 3).reshape(b, IMAGE, IMAGE)


class SlmtNet(nn.Module):
    """Synthesizes: [B,256,256] -> [B,256,256]."""

    def __init__(self):
        super().__init__()
        self.E, self.G = EdgeMae(), Generator()

    def forward(self, source):
        return self.G(self.E.encode(source)[-1])

    def finetune_loss(self, source, target, frozen):
        """10000 times the mean absolute difference, and that of the features of a frozen encoder."""
        made = self(source)
        with torch.no_grad():
            theirs = frozen.encode(target)[:-2]
        ours = frozen.encode(made)[:-2]
        return 10000 * (made - target).abs().mean() + sum((a - b).abs().mean() for a, b in zip(ours, theirs))


def load(network, tensors):
    """Takes the tensors of a libslmt model; each parameter of the network is among them."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.from_numpy(tensors[name]).reshape(parameter.shape))
