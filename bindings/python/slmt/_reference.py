# SPDX-License-Identifier: Apache-2.0
"""What the state_dicts of reference implementations hold: names as this library has them, and the options that the
shapes tell. Nothing here reads a file or calls the library."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Tensors = Mapping[str, Array]


class ConversionError(ValueError):
    """The tensors are not those of the method. The text names each of them."""


@dataclass
class Reference:
    """A checkpoint in the library's terms."""

    method: str
    tensors: dict[str, Array]
    options: Mapping[str, int | str]  # what the shapes tell
    untold: tuple[str, ...] = ()  # options that no shape tells
    preprocess: dict[str, float] = field(default_factory=dict)  # where the reference's is not the library's initial one
    may_lack: Callable[[str], bool] = lambda name: False  # tensors that then keep fresh values
    note: str = ""


class _Sizes:
    """Looks shapes up; what is missing is told in one error, with every name."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._problems: list[str] = []

    def dim(self, name: str, axis: int, rank: int) -> int:
        """Extent of a tensor along an axis; 1 after a problem."""
        shape = self.shape(name, (rank,))
        return shape[axis] if shape else 1

    def shape(self, name: str, ranks: tuple[int, ...]) -> tuple[int, ...]:
        if name not in self._tensors:
            self._problems.append(f"missing {name}")
        elif (shape := self._tensors[name].shape) and len(shape) in ranks and min(shape) > 0:
            return shape
        else:
            self._problems.append(f"{name} is {list(shape)}, expected {' or '.join(map(str, ranks))} axes")
        return ()

    def count(self, pattern: str) -> int:
        """How many different numbers stand where `pattern` has its group."""
        return len({found[1] for name in self._tensors if (found := re.match(pattern, name))})

    def check(self, what: str) -> None:
        if self._problems:
            raise ConversionError(f"not the tensors of {what}, which tell its sizes: " + "; ".join(self._problems))


def without(tensors: Tensors, ignored: str) -> dict[str, Array]:
    """The tensors whose names do not match a pattern."""
    return {name: values for name, values in tensors.items() if not re.search(ignored, name)}


def _prefixed(prefix: str, tensors: Tensors) -> dict[str, Array]:
    return {prefix + name: values for name, values in tensors.items()}


# ---- SLMT-Net ----

_BUFFERS = r"(^|\.)(relative_position_index|attn_mask)$"  # follow from the sizes
_ENCODER = r"^(patch_embed\.|cls_token$|pos_embed$|blocks\.|norm\.)"  # all that a fine-tuned E.pth has
_STAGES = 4


def slmt_net(edge_mae: Tensors, generator: Tensors | None) -> Reference:
    """An Edge-MAE (MAE.pth of pre-training, or E.pth of fine-tuning, which has no decoder), and a generator (G.pth)."""
    sizes = _Sizes(edge_mae)
    whole = not all(re.match(_ENCODER, name) for name in edge_mae)
    options = _encoder_options(sizes) | (_decoder_options(sizes) if whole else {})
    sizes.check("an Edge-MAE")
    tensors = _prefixed("E.", without(edge_mae, _BUFFERS))
    if generator is not None:
        sizes = _Sizes(generator)
        options |= _generator_options(sizes)
        sizes.check("a generator of MT-Net")
        tensors |= _prefixed("G.", without(generator, _BUFFERS))

    def may_lack(name: str) -> bool:
        part, _, rest = name.partition(".")
        return generator is None if part == "G" else not whole and not re.match(_ENCODER, rest)

    untold = ["num_heads"] + ([] if generator is not None else ["window"] + [f"generator_heads_{s}" for s in range(4)])
    untold += ["decoder_heads"] if whole else ["decoder_dim", "decoder_depth", "decoder_heads"]
    note = "this Edge-MAE has a decoder, so it is of pre-training; a generator belongs to the E.pth of its fine-tuning"
    note = note if whole and generator is not None else ""
    return Reference("slmt-net", tensors, options, tuple(untold), may_lack=may_lack, note=note)


def _encoder_options(sizes: _Sizes) -> dict[str, int]:
    width, _, patch, _ = sizes.shape("patch_embed.proj.weight", (4,)) or (1, 1, 1, 1)
    grid = math.isqrt(sizes.dim("pos_embed", 1, 3) - 1)
    return {
        "image_size": grid * patch,
        "mae_patch": patch,
        "patch": patch // 2,
        "embed_dim": width,
        "depth": sizes.count(r"blocks\.(\d+)\."),
        "mlp_ratio": sizes.dim("blocks.0.mlp.fc1.weight", 0, 2) // width,
    }


def _decoder_options(sizes: _Sizes) -> dict[str, int]:
    return {
        "decoder_dim": sizes.dim("decoder_embed.weight", 0, 2),
        "decoder_depth": sizes.count(r"decoder_blocks\.(\d+)\."),
    }


def _generator_options(sizes: _Sizes) -> dict[str, int]:
    """The fine branch tells: a table of biases has (2 window - 1)^2 rows and a column for each head."""
    options, window = {}, 1
    for s in range(_STAGES):
        rows, heads = sizes.shape(f"layers2.{s}.blocks.0.attn.relative_position_bias_table", (2,)) or (1, 1)
        options[f"generator_depths_{s}"] = sizes.count(rf"layers2\.{s}\.blocks\.(\d+)\.")
        options[f"generator_heads_{s}"] = heads
        window = max(window, (math.isqrt(rows) + 1) // 2)
    return options | {"window": window}


# ---- VGG19 ----

_VGG_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)  # up to relu5_1
_VGG_IGNORED = r"^(classifier\.|features\.(30|32|34)\.)"  # what follows is read by no loss


def vgg19(tensors: Tensors) -> Reference:
    """VGG19 as torchvision has it, without its classifier."""
    sizes = _Sizes(tensors)
    for n in _VGG_CONVOLUTIONS:
        sizes.shape(f"features.{n}.weight", (4,))
    width = sizes.dim("features.0.weight", 0, 4)
    sizes.check("VGG19")
    return Reference("vgg19", without(tensors, _VGG_IGNORED), {"width": width})


# ---- Seq2Seq ----

# BraTS as the reference cuts it: 192 x 192 in the middle, 128 slices, twice the 99th percentile is 1.
_SEQ2SEQ_PREPROCESS = {"crop_size": 192, "image_size": 192, "slice_first": 13, "slice_count": 128, "scaling": 1}


def seq2seq(tensors: Tensors) -> Reference:
    """The generator of Seq2Seq."""
    sizes = _Sizes(tensors)
    first = sizes.shape("encoder.conv.0.0.weight", (4, 5)) or (1,) * 4
    ndims = len(first) - 2
    options = {
        "ndims": ndims,
        "channels": first[1],
        "widths_0": first[0],
        "widths_1": sizes.dim("encoder.conv.1.0.weight", 0, ndims + 2),
        "widths_2": sizes.dim("encoder.conv.2.0.weight", 0, ndims + 2),
        "lstm_width": sizes.dim("enc_convlstm.cell_list.0.conv.weight", 0, ndims + 2) // 4,
        "residual_blocks": sizes.count(r"encoder\.res\.(\d+)\."),
        "code_length": sizes.dim("style_fc.0.weight", 0, 2),
        "bank": sizes.dim("decoder.conv_last.fc.weight", 0, 2),
    }
    sizes.check("a generator of Seq2Seq")
    return Reference("seq2seq", dict(tensors), options, preprocess=dict(_SEQ2SEQ_PREPROCESS))


# ---- U-Net ----

_UNET_NORMS = ("in1", "bn1")  # names behind enc1.conv1, by the option's index; neither: no norm
_UNET_COUNTERS = r"\.num_batches_tracked$"  # nothing reads them


def unet(tensors: Tensors) -> Reference:
    """A U-Net whose parts have the names of the library's: enc1.conv1, enc1.in1 or enc1.bn1, up1, dec1, head."""
    sizes = _Sizes(tensors)
    width, slices = sizes.dim("enc1.conv1.weight", 0, 4), sizes.dim("enc1.conv1.weight", 1, 4)
    norms = [index for index, name in enumerate(_UNET_NORMS) if f"enc1.{name}.weight" in tensors]
    up = sizes.shape("up1.weight", (4,)) or (1, 1, 2, 2)
    sizes.shape("head.weight", (4,))
    sizes.check("a U-Net")
    options = {
        "slices": slices,
        "width": width,
        "depth": sizes.count(r"enc(\d+)\."),
        "norm": norms[0] if norms else len(_UNET_NORMS),
        "upsampling": int(up[2:] == (1, 1)),
    }
    return Reference("unet", without(tensors, _UNET_COUNTERS), options, ("image_size", "residual"))


# ---- against the model ----


def problems(reference: Reference, wanted: Mapping[str, tuple[tuple[int, ...], bool]]) -> list[str]:
    """Each tensor that is missing, unexpected, of another shape or type, or not finite. wanted: shape, whether used."""
    found = [
        f"missing {name} {list(shape)}"
        for name, (shape, used) in wanted.items()
        if used and name not in reference.tensors and not reference.may_lack(name)
    ]
    for name, values in reference.tensors.items():
        if name not in wanted:
            found.append(f"unexpected {name} {list(values.shape)}")
        elif values.shape != wanted[name][0]:
            found.append(f"{name} is {list(values.shape)}, expected {list(wanted[name][0])}")
        elif values.dtype.kind != "f":
            found.append(f"{name} has elements of type {values.dtype}, expected floating-point numbers")
        elif not np.isfinite(as_float32(values)).all():
            found.append(f"{name} has elements that are not finite in float32")
    return found


def as_float32(values: Array) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


def fresh(reference: Reference, wanted: Iterable[str]) -> list[str]:
    """Names of tensors that the checkpoint may lack and does lack."""
    return [name for name in wanted if name not in reference.tensors and reference.may_lack(name)]
