# SPDX-License-Identifier: Apache-2.0
"""Turns PyTorch checkpoints of reference implementations into model files of libslmt.

    python -m slmt.convert E.pth G.pth model.h5                      SLMT-Net (MT-Net), as fine-tuned
    python -m slmt.convert --edge-mae MAE.pth pre.h5                 its Edge-MAE alone, to fine-tune from
    python -m slmt.convert --seq2seq ckpt_best.pth any.h5            Seq2Seq
    python -m slmt.convert --unet net.pth unet.h5                    U-Net, by the names of the library's
    python -m slmt.convert --vgg19 vgg19-dcbb9e9d.pth vgg19.h5       VGG19, as torchvision has it
    python -m slmt.convert --network fpn resnet18.pth fpn.h5         a network that labels pixels, or its backbone

Nothing is written unless every tensor has its place, its shape and finite values."""

import argparse
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from slmt import _reference, torchfile
from slmt._errors import Error
from slmt._model import Model
from slmt._reference import ConversionError, Reference, Tensors
from slmt._reference_labels import NETWORKS, labels

_KINDS: dict[str, tuple[tuple[str, ...], Callable[[Sequence[Tensors]], Reference]]] = {
    "slmt-net": (("Edge-MAE", "generator"), lambda files: _reference.slmt_net(files[0], files[1])),
    "edge-mae": (("Edge-MAE",), lambda files: _reference.slmt_net(files[0], None)),
    "seq2seq": (("generator",), lambda files: _reference.seq2seq(files[0])),
    "unet": (("U-Net",), lambda files: _reference.unet(files[0])),
    "vgg19": (("VGG19",), lambda files: _reference.vgg19(files[0])),
}


def _network(method: str) -> Callable[[Sequence[Tensors]], Reference]:
    return lambda files: labels(method, files[0])


_KINDS |= {name: ((name,), _network(name)) for name in NETWORKS}


def convert(
    kind: str,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    options: Mapping[str, float | str] | None = None,
    preprocess: dict[str, float] | None = None,
    card: dict[str, str] | None = None,
    contrasts: Sequence[str] = (),
    key: str | None = None,
    reader: torchfile.Reader = "auto",
) -> list[str]:
    """Converts checkpoints of a kind ("slmt-net", "edge-mae", "seq2seq", "unet", "vgg19", or a network that labels
    pixels, such as "fcn8s") into a model file.

    options and preprocess overrule what shapes and papers tell; card holds texts by field, contrasts the names of
    those that a seq2seq tells apart, by index; key names the dictionary of tensors where a file has several. Returns lines that say what was done and what was assumed.

    Raises ConversionError (the tensors are not those of the method; the text names each), torchfile.TorchFileError
    (a file cannot be read), slmt.Error (the library refuses an option or cannot write), OSError."""
    parts, understand = _KINDS[kind]
    if len(inputs) != len(parts):
        raise ConversionError(f"{kind} is made of {len(parts)} files ({', '.join(parts)}), {len(inputs)} were given")
    _check_output(Path(output), [Path(path) for path in inputs])
    sources = "\n".join(f"{Path(path).name} sha256 {_sha256(path)}" for path in inputs)
    reference = understand([torchfile.state_dict(path, key=key, reader=reader) for path in inputs])
    with Model.create(reference.method, {**reference.options, **(options or {})}) as model:
        report = _fill(model, reference, options or {})
        model.preprocess = model.preprocess.changed({**reference.preprocess, **(preprocess or {})})
        for name, text in ({"converted_from": sources} | (card or {})).items():
            model.card[name] = text
        if contrasts:
            model.contrasts = contrasts
        model.save(output)
    return [f"{output}: {reference.method}, {len(reference.tensors)} tensors", *report]


def _check_output(output: Path, inputs: list[Path]) -> None:
    if output.suffix in (".pth", ".pt") or output.resolve() in [path.resolve() for path in inputs]:
        raise ConversionError(f"{output} would be overwritten: the last name is that of the file to write")


def _sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _fill(model: Model, reference: Reference, given: Mapping[str, float | str]) -> list[str]:
    """Gives the model its tensors, after a check of all of them. Returns what was assumed."""
    wanted = {name: (info.shape, info.used) for name, info in model.tensors.info().items()}
    if wrong := _reference.problems(reference, wanted):
        raise ConversionError(
            f"{len(wrong)} tensors do not fit {reference.method} with these options; nothing was written:\n  "
            + "\n  ".join(wrong)
        )
    for name, values in reference.tensors.items():
        model.tensors[name] = _reference.as_float32(values)
    report, known = [], model.options
    if assumed := [name for name in reference.untold if name not in given]:
        values_of = ", ".join(f"{name}={known[name]}" for name in assumed)
        report.append(f"assumed, for no shape tells: {values_of}")
    if fresh := [name for name in _reference.fresh(reference, wanted) if wanted[name][1]]:
        report.append(f"fresh values for {len(fresh)} tensors that no file has, from {fresh[0]} to {fresh[-1]}")
    return report + ([reference.note] if reference.note else [])


# ---- the command ----


def _parser() -> argparse.ArgumentParser:
    text = __doc__ or ""
    parser = argparse.ArgumentParser(
        prog="python -m slmt.convert",
        usage="%(prog)s [--edge-mae | --seq2seq | --unet | --vgg19 | --network NAME] [options] CHECKPOINT... OUT",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kind = parser.add_mutually_exclusive_group()
    for name, what in (
        ("edge-mae", "the checkpoint is an Edge-MAE; the generator is fresh"),
        ("seq2seq", "the checkpoint is a generator of Seq2Seq"),
        ("unet", "the checkpoint is a U-Net whose tensors have the library's names"),
        ("vgg19", "the checkpoint is VGG19 as torchvision has it"),
    ):
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name, default="slmt-net", help=what)
    kind.add_argument(
        "--network", dest="kind", choices=NETWORKS, help="the checkpoint is of this network, which labels pixels"
    )
    parser.add_argument(
        "--classes", metavar="VALUE[=NAME],...", help="of such a network: the value of each class in label maps"
    )
    parser.add_argument("files", nargs="+", metavar="CHECKPOINT... OUT", help="one or two to read, one to write")
    for name, what, example in (
        ("option", "an option of the method that shapes do not tell, or tell wrongly", "num_heads=16"),
        ("preprocess", "how volumes become slices, by the names of slmt_preprocess", "crop_x=10"),
        ("card", "a field of the model's card, such as source_contrast, target_contrast", "source_contrast=t1"),
    ):
        parser.add_argument(f"--{name}", action="append", default=[], metavar="NAME=VALUE", help=f"{what}: {example}")
    parser.add_argument(
        "--contrasts",
        metavar="NAME,NAME,...",
        type=lambda text: text.split(","),
        default=[],
        help="the names of the contrasts that a seq2seq tells apart, by index: t1,t2",
    )
    parser.add_argument("--data", metavar="TEXT", help="card: what the weights were trained on")
    parser.add_argument("--training", metavar="TEXT", help="card: how they were trained")
    parser.add_argument("--key", help="the dictionary of tensors, where a file has several; dots between levels")
    parser.add_argument(
        "--reader", choices=("auto", "torch", "plain"), default="auto", help="read with PyTorch, or without it"
    )
    return parser


def _pairs(parser: argparse.ArgumentParser, name: str, given: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not key or not sign:
            parser.error(f"--{name} {text}: expected NAME=VALUE")
        pairs[key] = value
    return pairs


def _numbers(parser: argparse.ArgumentParser, name: str, given: list[str]) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in _pairs(parser, name, given).items()}
    except ValueError as error:
        parser.error(f"--{name}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns 0, or 1 after it has said what is wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if len(given.files) != len(_KINDS[given.kind][0]) + 1:
        parser.error(f"expected {', '.join(_KINDS[given.kind][0])} and the file to write")
    card = _pairs(parser, "card", given.card)
    card |= {name: text for name in ("data", "training") if (text := getattr(given, name)) is not None}
    try:
        report = convert(
            given.kind,
            given.files[:-1],
            given.files[-1],
            options=_numbers(parser, "option", given.option) | ({"classes": given.classes} if given.classes else {}),
            preprocess=_numbers(parser, "preprocess", given.preprocess),
            card=card,
            contrasts=given.contrasts,
            key=given.key,
            reader=given.reader,
        )
    except (ConversionError, torchfile.TorchFileError, Error, OSError) as error:
        print(f"slmt.convert: {error}", file=sys.stderr)
        return 1
    print("\n".join(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
