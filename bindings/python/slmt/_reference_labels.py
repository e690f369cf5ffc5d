# SPDX-License-Identifier: Apache-2.0
"""What the state_dicts of networks that label pixels hold. Their tensors have the names of torchvision's backbone, of the
authors' repositories, or of the library; nothing here reads a file or calls the library."""

from collections.abc import Callable

from slmt._reference import ConversionError, Reference, Tensors, _Sizes, without

_COUNTERS = r"\.num_batches_tracked$"  # nothing reads them
_CLASSIFIER = r"^fc\."  # of a backbone that was trained on photographs

Options = dict[str, int | str]


def _layers(sizes: _Sizes, tensors: Tensors) -> Options:
    counts: Options = {f"layers_{k}": sizes.count(rf"backbone\.layer{k + 1}\.(\d+)\.") for k in range(4)}
    return counts | {"bottleneck": int("backbone.layer1.0.conv3.weight" in tensors)}


def _fcn8s(sizes: _Sizes, tensors: Tensors) -> Options:
    return {"fc": sizes.dim("fc6.weight", 0, 4)}


def _unet(sizes: _Sizes, tensors: Tensors) -> Options:
    shape = sizes.shape("enc1.conv1.weight", (4, 5))
    return {"axes": max(2, len(shape) - 2), "valid": int("enc1.bn1.weight" not in tensors)}


def _attn_unet(sizes: _Sizes, tensors: Tensors) -> Options:
    shape = sizes.shape("enc1.conv1.weight", (4, 5))
    return {"axes": max(2, len(shape) - 2), "deep": int("final.weight" in tensors)}


def _vnet(sizes: _Sizes, tensors: Tensors) -> Options:
    shape = sizes.shape("inp.conv.weight", (4, 5)) or (1, 1, 1, 1)
    options: Options = {"axes": len(shape) - 2, "kernel": shape[-1]}
    for k in range(4):
        options[f"down_convs_{k}"] = sizes.count(rf"down{k + 1}\.ops\.(\d+)\.")
        options[f"up_convs_{k}"] = sizes.count(rf"up{4 - k}\.ops\.(\d+)\.")
    return options


def _fpn(sizes: _Sizes, tensors: Tensors) -> Options:
    head: Options = {}
    if "lateral2.weight" in tensors:
        head = {"pyramid": sizes.dim("lateral2.weight", 0, 4), "branch": sizes.dim("branch2.0.conv.weight", 0, 4)}
    return _layers(sizes, tensors) | head


def _pspnet(sizes: _Sizes, tensors: Tensors) -> Options:
    head: Options = {}
    if "cls.conv.weight" in tensors:
        head = {"hidden": sizes.dim("cls.conv.weight", 0, 4), "auxiliary": sizes.dim("aux.conv.weight", 0, 4)}
    return _layers(sizes, tensors) | head


def _deeplabv3p(sizes: _Sizes, tensors: Tensors) -> Options:
    head: Options = {}
    if "aspp.0.conv.weight" in tensors:
        separable = "aspp.1.depthwise.conv.weight" in tensors
        second = "dec2.depthwise.conv.weight" if separable else "dec2.conv.weight"
        head = {
            "atrous": sizes.dim("aspp.0.conv.weight", 0, 4),
            "low": sizes.dim("low.conv.weight", 0, 4),
            "separable": int(separable),
            "one_conv": int(second not in tensors),
        }
    return _layers(sizes, tensors) | head


def _hrnet_s(sizes: _Sizes, tensors: Tensors) -> Options:
    options: Options = {
        "width": sizes.dim("stage2.0.branches.0.0.conv1.weight", 0, 4),
        "stem": sizes.dim("conv1.weight", 0, 4),
        "first": sizes.dim("layer1.0.conv1.weight", 0, 4),
        "first_blocks": sizes.count(r"layer1\.(\d+)\."),
        "blocks": sizes.count(r"stage2\.0\.branches\.0\.(\d+)\."),
    }
    return options | {f"modules_{k}": sizes.count(rf"stage{k + 2}\.(\d+)\.") for k in range(3)}


def _linknet(sizes: _Sizes, tensors: Tensors) -> Options:
    return {f"layers_{k}": sizes.count(rf"encoder{k + 1}\.(\d+)\.") for k in range(4)}


def _deeplabv3(sizes: _Sizes, tensors: Tensors) -> Options:
    stages = (r"resnet\.4", r"resnet\.5", "layer4", "layer5")
    options: Options = {f"layers_{k}": sizes.count(rf"resnet\.{name}\.(\d+)\.") for k, name in enumerate(stages)}
    return options | {"atrous": sizes.dim("aspp.conv_1x1_1.weight", 0, 4)}


def _nothing(sizes: _Sizes, tensors: Tensors) -> Options:
    return {}


# By method: its first convolution, whose shape tells channels and width; the heads that it may have; what else its shapes
# tell; what they do not.
_Understand = Callable[[_Sizes, Tensors], Options]
_DILATED = ("tv_dilation",)
NETWORKS: dict[str, tuple[str, tuple[str, ...], _Understand, tuple[str, ...]]] = {
    "unet-seg": ("enc1.conv1", ("head",), _unet, ()),
    "attn-unet": ("enc1.conv1", ("head", "final"), _attn_unet, ()),
    "vnet": ("inp.conv", ("head",), _vnet, ()),
    "fcn8s": ("conv1_1", ("score_fr",), _fcn8s, ("paper", "at_once")),
    "segnet": ("enc1_1.conv", ("dec1_2",), _nothing, ()),
    "segnet-basic": ("enc1.conv", ("head",), _nothing, ()),
    "fpn": ("backbone.conv1", ("predictor",), _fpn, ("groups",)),
    "pspnet": ("backbone.conv1", ("cls.head",), _pspnet, _DILATED),
    "deeplabv3p": ("backbone.conv1", ("head",), _deeplabv3p, (*_DILATED, "output_stride", "low_first")),
    "hrnet-s": ("conv1", ("last_layer.3",), _hrnet_s, ()),
    "pcd-unet": ("inp.double_conv.0", ("out",), _nothing, ()),
    "linknet": ("in_block.0", ("tp_conv2",), _linknet, ()),
    "deeplabv3": ("resnet.resnet.0", ("aspp.conv_1x1_4",), _deeplabv3, ()),
}


def _is_bare_backbone(first: str, tensors: Tensors) -> bool:
    return first.startswith("backbone.") and "layer1.0.conv1.weight" in tensors


def _classes(tensors: Tensors, head: str) -> int:
    """A transposed convolution has its outputs second."""
    bias = tensors.get(f"{head}.bias")
    return int((tensors[f"{head}.weight"] if bias is None else bias).shape[0])


def labels(method: str, tensors: Tensors) -> Reference:
    """A network that labels pixels; of those with a residual backbone also torchvision's backbone alone, whose head is
    then fresh."""
    first, heads, understand, untold = NETWORKS[method]
    bare = _is_bare_backbone(first, tensors)
    tensors = without(tensors, _COUNTERS)
    if bare:
        tensors = {"backbone." + name: values for name, values in without(tensors, _CLASSIFIER).items()}
    sizes = _Sizes(tensors)
    shape = sizes.shape(f"{first}.weight", (4, 5)) or (1, 1)
    options: Options = {"channels": shape[1], "width": shape[0], **understand(sizes, tensors)}
    found = [head for head in heads if f"{head}.weight" in tensors]
    if found:
        options["classes"] = ",".join(map(str, range(_classes(tensors, found[0]))))
    elif not bare:
        raise ConversionError(f"not the tensors of {method}: missing {heads[0]}.weight")
    sizes.check(method)
    told = ("normalize",) if bare else ("normalize", "classes")

    def may_lack(name: str) -> bool:
        return bare and not name.startswith("backbone.")

    return Reference(method, dict(tensors), options, (*told, *untold), may_lack=may_lack)
