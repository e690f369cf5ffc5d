# SPDX-License-Identifier: Apache-2.0
"""A small network learns one drawn contrast from another, in half a minute on one core; then its work is looked at.

    python train_and_look.py [FOLDER]        needs slmt, matplotlib

Writes losses.png and panel.png into FOLDER (here). The parts between "# %%" are cells in editors that know them. The
heads are drawn, the second contrast follows from the first by rule: the figures show how to use the package, and say
nothing about patients."""

# %% What is needed
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import slmt

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
FOLDER.mkdir(parents=True, exist_ok=True)
SIDE, SLICES = 64, 8


# %% Heads of ellipses
def head(seed: int) -> dict[str, slmt.Volume]:
    """Two contrasts of one head, [64][64][8] voxels of 3 mm."""
    random = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (SIDE, SIDE, SLICES)), indexing="ij")
    wide, long = random.uniform(0.68, 0.82), random.uniform(0.82, 0.94)
    folds = 0.06 * np.sin(np.arctan2(y, x) * random.integers(7, 12) + 3 * z + random.uniform(0, 6))
    radius = np.hypot(x / wide, y / long) / np.sqrt(1 - 0.3 * z**2)
    fluid = np.hypot((abs(x) - 0.14) / 0.10, (y - random.uniform(-0.1, 0.1)) / 0.3) < 1 - 0.5 * z**2
    tissues = [  # each over those before it, with its brightness in T1 and T2
        (radius < 1, 0.9, 0.5),  # fat
        (radius < 0.92, 0.15, 1.0),  # fluid around the brain
        (radius < 0.86, 0.5, 0.6),  # grey matter
        (radius + folds < 0.68, 0.8, 0.35),  # white matter
        (fluid, 0.15, 1.0),
    ]
    t1, t2 = (np.zeros(x.shape) for _ in range(2))
    for where, bright1, bright2 in tissues:
        t1[where], t2[where] = bright1, bright2
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    return {
        name: slmt.Volume(100 * values + random.normal(0, 1, values.shape) * (values > 0), affine)
        for name, values in (("t1", t1), ("t2", t2))
    }


# %% A training set of eight heads, one of them kept for testing
preprocess = slmt.Preprocess(crop_size=SIDE, image_size=SIDE, slice_first=0, slice_count=SLICES)
with slmt.DatasetWriter(FOLDER / "set.h5", ["t1", "t2"], preprocess) as writer:
    for n in range(8):
        writer.add(f"head-{n}", head(n), split="test" if n == 7 else "train")
dataset = slmt.Dataset(FOLDER / "set.h5")

# %% A network far smaller than the paper's
context = slmt.Context(threads=1)
sizes = {
    "image_size": SIDE, "mae_patch": 4, "patch": 2, "embed_dim": 32, "depth": 2, "num_heads": 4, "decoder_dim": 16,
    "decoder_depth": 1, "decoder_heads": 2, "window": 4,
    **{f"generator_depths_{stage}": depth for stage, depth in enumerate([2, 1, 1, 1])},
    **{f"generator_heads_{stage}": heads for stage, heads in enumerate([2, 2, 4, 8])},
}  # fmt: skip
model = slmt.Model.create("slmt-net", sizes, seed=1, context=context)

# %% Pre-training on single slices of both contrasts, then fine-tuning on pairs
history: dict[str, list[tuple[int, dict[str, float]]]] = {"pretrain": [], "finetune": []}
stages: dict[str, dict[str, slmt.Value]] = {
    "pretrain": {"batch": 8, "epochs": 4},
    # One pair a step, a high rate and an Adam that forgets soon learn in seconds; what is not named is the paper's.
    "finetune": {"batch": 1, "epochs": 10, "warmup_epochs": 2, "learning_rate": 2e-3, "beta2": 0.95, "data_rate": 1,
                 "augment": 0},
}  # fmt: skip
contrasts: dict[str, tuple[str | None, str | None]] = {"pretrain": (None, None), "finetune": ("t1", "t2")}
for stage, settings in stages.items():

    def keep(state: slmt.TrainingState, losses: slmt.Losses, stage: str = stage) -> None:
        history[stage].append((state.step, dict(losses.parts)))

    with slmt.Trainer(model, stage, seed=1, **settings) as trainer:
        trainer.run(dataset, source=contrasts[stage][0], target=contrasts[stage][1], on_step=keep)
model.card["data"] = "drawn heads"
model.save(FOLDER / "model.h5")

# %% Its work on the head it never saw
source, target = (dataset.slices("head-7", name) for name in ("t1", "t2"))
with model.session(to="t2") as session:
    made = session.synthesize(source)
scores = [slmt.compare(a, b) for a, b in zip(made, target, strict=True)]
untouched = [slmt.compare(a, b) for a, b in zip(source, target, strict=True)]
psnr, before = (float(np.mean([one.psnr for one in many])) for many in (scores, untouched))
print(f"PSNR {psnr:.1f} dB, SSIM {np.mean([one.ssim for one in scores]):.3f}; the source itself: PSNR {before:.1f} dB")

# %% Figure 1: losses
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, (stage, title) in zip(axes, [("pretrain", "Pre-training"), ("finetune", "Fine-tuning")], strict=True):
    steps = [step for step, _ in history[stage]]
    for name in history[stage][0][1]:
        losses = np.array([parts[name] for _, parts in history[stage]])
        width = max(1, len(steps) // 25)
        (line,) = axis.plot(steps, losses, alpha=0.25, lw=0.8)
        mean = np.convolve(losses, np.ones(width) / width, "valid")
        axis.plot(steps[width // 2 :][: len(mean)], mean, color=line.get_color(), label=name)
    axis.set(title=title, xlabel="step", ylabel="loss (thick: running mean)", yscale="log")
    axis.legend(frameon=False)
figure.savefig(FOLDER / "losses.png", dpi=120)

# %% Figure 2: source, what was made, the truth, and the difference
figure, axes = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
for row, index in zip(axes, (2, 5), strict=True):
    shown = [
        (source[index], "T1, given", "gray", (0, 1)),
        (made[index], f"T2, made\n{scores[index].psnr:.1f} dB", "gray", (0, 1)),
        (target[index], "T2, true", "gray", (0, 1)),
        (made[index] - target[index], "made - true", "RdBu_r", (-0.5, 0.5)),
    ]
    for axis, (image, title, colours, (low, high)) in zip(row, shown, strict=True):
        drawn = axis.imshow(np.rot90(image), cmap=colours, vmin=low, vmax=high)
        axis.set(title=title, xticks=[], yticks=[])
    figure.colorbar(drawn, ax=row[-1], shrink=0.8)
figure.savefig(FOLDER / "panel.png", dpi=120)
