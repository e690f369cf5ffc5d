# SPDX-License-Identifier: Apache-2.0
"""Seq2Seq's generator in PyTorch for one time point and one target sequence, written from the published sizes (Han et
al., Medical Image Analysis 92, 2024).

It is written to be fast there, as libslmt is: the kernels that follow from the target's code are folded once, and the
gates of a ConvLSTM that one time point does not need are left out."""

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, WIDTHS, RESIDUAL_BLOCKS, LSTM_LAYERS, CODE = 3, (64, 128, 256), 6, 3, 64
SLOPE = 0.2


class Conv(nn.Conv2d):
    """Between reflected edges, followed by an instance norm and a leaky ReLU of this slope; 1: none."""

    def __init__(self, inputs, outputs, kernel, stride=1, slope=SLOPE):
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, padding_mode="reflect")
        self.slope = slope

    def forward(self, x):
        x = F.instance_norm(super().forward(x))
        return x if self.slope == 1 else F.leaky_relu(x, self.slope)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = Conv(width, width, 3), Conv(width, width, 3, slope=1)

    def forward(self, x):
        return x + self.conv2(self.conv1(x))


class ConvLstm(nn.Module):
    """The first step of each layer: h = s(o) tanh(s(i) tanh(g))."""

    def __init__(self, width):
        super().__init__()
        self.cells = nn.ModuleList(nn.Conv2d(width, 3 * width, 3, padding=1) for _ in range(LSTM_LAYERS))

    def forward(self, x):
        for cell in self.cells:
            i, o, g = cell(x).chunk(3, 1)
            x = torch.sigmoid(o) * torch.tanh(torch.sigmoid(i) * torch.tanh(g))
        return x


class Seq2Seq(nn.Module):
    """[B,3,192,192] -> [B,3,192,192]"""

    def __init__(self):
        super().__init__()
        a, b, c = WIDTHS
        self.encoder = nn.Sequential(Conv(CHANNELS, a, 7), Conv(a, b, 3, 2), Conv(b, c, 3, 2))
        self.encoder_res = nn.Sequential(*(Residual(c) for _ in range(RESIDUAL_BLOCKS)))
        self.enc_convlstm, self.dec_convlstm = ConvLstm(c), ConvLstm(c)
        self.decoder_res = nn.Sequential(*(Residual(c) for _ in range(RESIDUAL_BLOCKS)))
        self.convs = nn.ModuleList([Conv(c, b, 3), Conv(b, a, 3)])
        self.conv_last = nn.Conv2d(a, CHANNELS, 7, 1, 3, padding_mode="reflect")

    def forward(self, x):
        x = self.enc_convlstm(self.encoder_res(self.encoder(x)))
        x = self.decoder_res(self.dec_convlstm(x))
        for conv in self.convs:
            x = conv(F.interpolate(x, scale_factor=2, mode="bilinear"))
        return torch.tanh(self.conv_last(x))


def load(network, tensors, sequence=0):
    """Takes the tensors of a libslmt model, with the kernels folded for one target sequence."""

    def tensor(name):
        return torch.from_numpy(tensors[name])

    def linear(name, x):
        return F.linear(x, tensor(name + ".weight"), tensor(name + ".bias"))

    style = F.leaky_relu(linear("style_fc.0", F.one_hot(torch.tensor(sequence), CODE).float()), SLOPE)

    def put(conv, weight, bias):
        conv.weight.copy_(weight)
        conv.bias.copy_(bias)

    def plain(conv, name):
        put(conv, tensor(name + ".weight"), tensor(name + ".bias"))

    def hyper(conv, name):
        put(conv, tensor(name + ".param") @ linear(name + ".fc", style), tensor(name + ".b") @ linear(name + ".fc_bias", style))

    def lstm(part, name):
        for i, cell in enumerate(part.cells):
            weight, bias = tensor(f"{name}.cell_list.{i}.conv.weight"), tensor(f"{name}.cell_list.{i}.conv.bias")
            width = bias.shape[0] // 4
            keep = torch.tensor([0, 2, 3])
            weight = weight.view(4, width, *weight.shape[1:])[keep, :, :width]  # of the input, not of h, which is 0
            put(cell, weight.reshape(3 * width, width, 3, 3), bias.view(4, width)[keep].flatten())

    with torch.no_grad():
        for i, conv in enumerate(network.encoder):
            plain(conv, f"encoder.conv.{i}.0")
        for i, block in enumerate(network.encoder_res):
            plain(block.conv1, f"encoder.res.{i}.conv_block.1")
            plain(block.conv2, f"encoder.res.{i}.conv_block.5")
        lstm(network.enc_convlstm, "enc_convlstm")
        lstm(network.dec_convlstm, "dec_convlstm")
        for i, block in enumerate(network.decoder_res):
            hyper(block.conv1, f"decoder.res.{i}.conv1")
            hyper(block.conv2, f"decoder.res.{i}.conv2")
        for i, conv in enumerate(network.convs):
            hyper(conv, f"decoder.convs.{i}")
        hyper(network.conv_last, "decoder.conv_last")
