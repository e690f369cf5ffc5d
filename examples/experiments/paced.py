#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does paced-curriculum distillation help where labels are partly wrong, and where images are worse?

Drawn ultrasound-like images: an ellipse in speckle, 48 x 48. Half of the 64 training masks are dilated or eroded by 3
pixels, and a quarter have a square of 12 x 12 pixels flipped; the labels of 32 validation and 100 test images are right. For
each seed a teacher is trained for 20 epochs, and then three fresh networks for 30: by cross-entropy alone (plain), with the
teacher on every pixel (kd), and paced (pcd: tpl_uncert, beta 0.7, gamma 0.8, a period of 1). The threshold ends at 0, so that
the wrong labels come back: the epoch of the best validation Dice counts, and the last one stands beside it. The teacher's
temperature is found on the validation images, as in the published runs.

Printed are, by seed: the temperature, the first threshold, the shares of wrong labels among all pixels and among those that
count at first; then test Dice, mean and standard deviation over seeds, of clean images and of corrupted ones
(slmt.robustness) by severity; then what was expected before the first run, which decides the exit status.

With `--data heads` the images are slices of the demo's deformed heads (head_slices.py), 96 x 96 pixels of 2 mm, and the
labels, which are right, are their tissues. Two heads are learnt from, which are others for each seed, one chooses the epoch,
and three are the test. There is a fourth network, paced by the score alone (tpl), and the corruptions are all of
slmt.robustness, applied to slices of 1 mm. What is made and found stays in the folder of `--out`, and a run that was stopped
goes on there.

    paced.py                               three seeds, a few minutes on one core
    paced.py --mode tpl                    without the boundary term
    paced.py --data heads --out FOLDER     three seeds, about half an hour on one core; after `scripts/install-deps --demo`

It needs NumPy, SciPy, with heads Pillow and nibabel too, and the slmt package (bindings/python)."""

import argparse
import json
import pathlib
import sys
import tempfile
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

import slmt
from slmt import robustness

BATCH = 8


@dataclass(frozen=True)
class Study:
    """What the two experiments differ in."""

    side: int
    classes: int
    width: int  # of the network
    teacher_epochs: int
    epochs: int
    arms: dict  # by name: the mode of the task `distill`, or None for plain training
    corruptions: tuple


SIDE = 48
COUNTS = {"train": 64, "validation": 32, "test": 100}
ARMS = {"plain": None, "kd": "kd"}
DRAWN = Study(SIDE, 2, 8, 20, 30, ARMS | {"pcd": "tpl_uncert"}, ("gaussian", "contrast", "pixelate"))
HEADS = Study(96, 4, 16, 20, 30, ARMS | {"tpl_uncert": "tpl_uncert", "tpl": "tpl"}, tuple(robustness.CORRUPTIONS))

# ---- data ----


def draw(random):
    """An image [side,side], 0 to 255, and its mask."""
    y, x = np.mgrid[:SIDE, :SIDE]
    (row, column), (a, b), turn = random.uniform(16, 32, 2), random.uniform(6, 14, 2), random.uniform(0, np.pi)
    u = (x - column) * np.cos(turn) + (y - row) * np.sin(turn)
    v = (y - row) * np.cos(turn) - (x - column) * np.sin(turn)
    mask = ((u / a) ** 2 + (v / b) ** 2 < 1).astype(np.int32)
    ground = ndimage.gaussian_filter(random.normal(size=mask.shape), 6) * 0.5
    bright = np.where(mask, 0.32, 0.48) + ground * 0.2
    speckle = ndimage.gaussian_filter(random.rayleigh(0.8, mask.shape), 0.6)
    return np.clip(bright * speckle * 255, 0, 255).astype(np.uint8), mask


def spoiled(mask, random, size, patch):
    """A mask as a careless annotator has it."""
    wrong = mask.astype(bool)
    if size:
        change = ndimage.binary_dilation if random.random() < 0.5 else ndimage.binary_erosion
        wrong = change(wrong, iterations=3)
    if patch:
        row, column = random.integers(0, SIDE - 12, 2)
        wrong[row : row + 12, column : column + 12] ^= True
    return wrong.astype(np.int32)


def make(seed):
    """Images and right masks by part, and the masks that are trained on."""
    random = np.random.default_rng(seed)
    parts = {}
    for part, count in COUNTS.items():
        drawn = [draw(random) for _ in range(count)]
        parts[part] = tuple(np.stack(column) for column in zip(*drawn))
    n = COUNTS["train"]
    size, patch = random.permutation(n) < n // 2, random.permutation(n) < n // 4
    noisy = np.stack([spoiled(m, random, s, p) for m, s, p in zip(parts["train"][1], size, patch)])
    return parts, noisy


def write(path, study, parts, noisy, context):
    shape = (study.side, study.side)
    fields = [
        slmt.Field("image", "image", np.float32, ("row", "column"), shape),
        slmt.Field("classes", "labels", np.int32, ("row", "column"), shape),
    ]
    with slmt.RecordWriter(path, fields, context=context) as writer:
        for part, masks in (("train", noisy), ("validation", parts["validation"][1])):
            for k, (image, mask) in enumerate(zip(parts[part][0], masks)):
                writer.add(f"{part}{k}", {"image": image / np.float32(255), "classes": mask}, part)


# ---- networks ----


def fresh(study, seed, context):
    options = {"width": study.width, "normalize": "off"}
    if study.classes > 2:
        options["classes"] = ",".join(map(str, range(study.classes)))
    return slmt.Model.create("pcd-unet", options, seed=seed, context=context)


def probabilities(model, images):
    rows, columns = images.shape[1:]
    with slmt.Session(model, "segment", batch=8, rows=rows, columns=columns) as session:
        return session.run({"image": images[:, None] / np.float32(255)})["probabilities"]


def dice(model, images, masks):
    made = probabilities(model, images)
    return robustness.image_scores(masks, made.argmax(1), made.shape[1]).mean_dice


def train(model, task, data, epochs, parts, best, teacher=None, **settings):
    """Trains, and saves the weights of the best validation Dice as `best`. Returns the trainer's settings."""
    images = parts["train"][0]
    common = {"rows": images.shape[1], "columns": images.shape[2], "batch": BATCH, "crops": 1, "augment": "off",
              "epochs": epochs, "learning_rate": 3e-3, "schedule": "constant", "data_rate": 1.0}  # fmt: skip
    highest = -1.0
    with slmt.Trainer(model, task, seed=1, **common, **settings) as trainer:
        if teacher:
            trainer.attach("teacher", teacher)
        for _ in range(epochs):
            trainer.run(data, max_steps=len(images) // BATCH)
            now = dice(model, *parts["validation"])
            if now > highest:
                highest = now
                model.save(best)
        return trainer.settings


# ---- what a threshold admits ----


def boundary_scores(masks, classes):
    kernel = np.exp(-(np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]])) / 2.0)
    kernel[1, 1] = 0
    kernel[1, 1] = kernel.sum()
    kernel /= kernel.sum()
    planes = [ndimage.correlate((masks == k).astype(float), kernel[None], mode="nearest") for k in range(classes)]
    return np.max(planes, axis=0)


def admitted(teacher, parts, noisy, settings):
    """Shares of pixels that count at first, and of wrong labels among all pixels and among these."""
    logits = np.log(np.maximum(probabilities(teacher, parts["train"][0]), 1e-30)) / settings["calibration"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    score = np.take_along_axis(p, noisy[:, None].astype(int), 1)[:, 0]
    counts = score >= settings["threshold"]
    share = counts.mean()
    if settings["mode"] == "tpl_uncert":
        counts &= boundary_scores(noisy, p.shape[1]) >= settings["threshold"]
    wrong = noisy != parts["train"][1]
    return share, counts.mean(), wrong.mean(), wrong[counts].mean()


# ---- a seed ----


def worse_images(images, corruptions):
    """By corruption and severity."""
    worse = {}
    for name in corruptions:
        random = np.random.default_rng(99)
        for severity in robustness.SEVERITIES:
            worse[name, severity] = np.stack([robustness.corrupted(image, name, severity, random) for image in images])
    return worse


def corrupted_dice(model, study, worse, masks):
    """By corruption and severity: [corruptions][5]."""
    return [[dice(model, worse[name, s], masks) for s in robustness.SEVERITIES] for name in study.corruptions]


def train_arm(mode, model, study, data, parts, best, teacher):
    """Returns the trainer's settings."""
    if mode is None:
        return train(model, "train", data, study.epochs, parts, best, cross_entropy=1.0, dice=0.0)
    paced = {"mode": mode, "period": 1, "beta": 0.7, "gamma": 0.8, "select": "validation"}
    return train(model, "distill", data, study.epochs, parts, best, teacher, **paced)


def tell_admitted(seed, teacher, parts, noisy, settings):
    score, both, wrong, left = admitted(teacher, parts, noisy, settings)
    print(f"seed {seed}: teacher Dice {dice(teacher, *parts['test']):.4f}, temperature {settings['calibration']:.2f}, "
          f"threshold {settings['threshold']:.3f} admits {score:.3f} by score, {both:.3f} in all; wrong labels "
          f"{wrong:.4f} of all, {left:.4f} of these", flush=True)  # fmt: skip
    assert score >= 0.7 + 0.0005 - 1e-4, "the first threshold admits too little"
    return {"wrong": wrong, "wrong_at_first": left}


def tell_arm(arm, found):
    severities = " ".join(f"{value:.4f}" for value in np.mean(found["corrupted"], axis=0))
    print(f"  {arm:10} best {found['best']:.4f}, last {found['last']:.4f}, worse images {severities}", flush=True)


def one_seed(seed, study, made, folder, context, found):
    """Adds what is not there yet to `found`, by arm; `made` is (parts, labels that are trained on, worse images)."""
    parts, noisy, worse = made
    write(folder / "set.h5", study, parts, noisy, context)
    data = slmt.Dataset(folder / "set.h5", context=context)
    known = folder / f"teacher{seed}.h5"
    if not found:
        train(fresh(study, seed, context), "train", data, study.teacher_epochs, parts, known, cross_entropy=1.0, dice=0.0)
    teacher = slmt.Model.load(known, context=context)
    for arm, mode in study.arms.items():
        if arm not in found:
            model, best = fresh(study, 100 + seed, context), folder / "best.h5"
            settings = train_arm(mode, model, study, data, parts, best, teacher)
            shares = {} if mode in (None, "kd") else tell_admitted(seed, teacher, parts, noisy, settings)
            best = slmt.Model.load(best, context=context)
            found[arm] = {"best": dice(best, *parts["test"]), "last": dice(model, *parts["test"]),
                          "corrupted": corrupted_dice(best, study, worse, parts["test"][1])} | shares  # fmt: skip
            yield arm
        tell_arm(arm, found[arm])


# ---- all seeds ----


def cell(values):
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.4f}"


def tell_all(study, results):
    print("\ntest Dice       best epoch          last epoch")
    for arm in study.arms:
        print(f"{arm:12} {cell([r[arm]['best'] for r in results])}   {cell([r[arm]['last'] for r in results])}")
    print("\nseverity     0       1       2       3       4       5     (mean Dice of " + ", ".join(study.corruptions) + ")")
    for arm in study.arms:
        means = np.mean([r[arm]["corrupted"] for r in results], axis=(0, 1))
        row = [np.mean([r[arm]["best"] for r in results]), *means]
        print(f"{arm:12} " + "  ".join(f"{value:.4f}" for value in row))
        spread = np.std([np.mean(r[arm]["corrupted"], axis=0) for r in results], axis=0, ddof=min(1, len(results) - 1))
        print("      ±" + " " * 14 + "  ".join(f"{value:.4f}" for value in spread))
    print("\nmean over severities   " + "  ".join(study.arms))
    for k, name in enumerate(study.corruptions):
        print(f"{name:22} " + "  ".join(cell([np.mean(r[arm]["corrupted"][k]) for r in results]) for arm in study.arms))


def expected(study, results):
    """What was expected of the drawn images before the first run, and whether it is so."""
    best = {arm: np.mean([r[arm]["best"] for r in results]) for arm in study.arms}
    worse = np.mean([r[arm]["corrupted"] for r in results for arm in study.arms], axis=(0, 1))
    return {
        "wrong labels among the pixels that count at first: less than half of their share of all":
            all(r["pcd"]["wrong_at_first"] < r["pcd"]["wrong"] / 2 for r in results),
        "pcd above plain": best["pcd"] > best["plain"],
        "pcd not below kd by more than 0.005": best["pcd"] >= best["kd"] - 0.005,
        "Dice falls with each severity, in the mean of the networks":
            bool(np.all(np.diff([np.mean(list(best.values())), *worse]) < 0)),
    }  # fmt: skip


def data_of(given, study, seed, folder):
    """What one_seed() takes as `made`."""
    if given.data == "heads":
        import head_slices

        parts, worse = head_slices.load(folder, seed)
        return parts, parts["train"][1], worse
    parts, noisy = make(seed)
    return parts, noisy, worse_images(parts["test"][0], study.corruptions)


def run_all(given, study, folder):
    context = slmt.Context(threads=given.threads, arithmetic=given.arithmetic)
    kept = folder / "results.json"
    results = json.loads(kept.read_text()) if kept.is_file() else {}
    for seed in range(given.seeds):
        found = results.setdefault(str(seed), {})
        for _ in one_seed(seed, study, data_of(given, study, seed, folder), folder, context, found):
            kept.write_text(json.dumps(results))
    results = [results[str(seed)] for seed in range(given.seeds)]
    tell_all(study, results)
    if given.data == "heads" or given.arms:
        return 0
    found = expected(study, results)
    print("\n" + "\n".join(f"{'as expected' if true else 'NOT as expected'}: {what}" for what, true in found.items()))
    return not all(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="drawn", choices=["drawn", "heads"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--mode", choices=["tpl", "tpl_uncert", "cpl", "cpl_tpl"], help="of the paced arm, on drawn images")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="only these networks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--arithmetic", default="auto", choices=["auto", "bf16"])
    parser.add_argument("--out", type=pathlib.Path, help="a folder that keeps what is found")
    given = parser.parse_args()
    study = HEADS if given.data == "heads" else DRAWN
    if given.mode:
        study = replace(study, arms=ARMS | {"pcd": given.mode})
    if given.arms:
        study = replace(study, arms={arm: study.arms[arm] for arm in given.arms})
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        return run_all(given, study, given.out)
    with tempfile.TemporaryDirectory() as folder:
        return run_all(given, study, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
