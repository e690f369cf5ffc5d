#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is contrastive pre-training worth when two heads have labels? A study on the demo's heads, over the slmt command.

The heads are those of `make demo-segmentation`, sixteen of them: ICBM-152, deformed, with the tissues it is known by. Four
are held out. Of the other twelve all T1 scans are there, and label maps of two, which are others for each seed. Two arms
are trained on the same labels for the same number of steps:

- random: the U-Net of the method `contrastive` from random weights;
- gd + lr: the same network after the paper's proposal, the global loss `gd` for the encoder and the local loss `lr` for
  three blocks of the decoder, on the twelve scans without labels.

Dice of cerebrospinal fluid, grey and white matter is that of `slmt evaluate` on the heads held out. The size of slices and the
steps of fine-tuning were chosen after a first run of the random start alone, which was scored on the same heads; nothing else on
them. Every run leaves its files in the work folder and is not repeated: the study goes on where it was stopped.

    few_labels.py --out build/few-labels                  ten minutes on one idle core
    few_labels.py --out build/few-labels --form short     a minute: shows that everything works, and nothing else
    few_labels.py --out build/few-labels --labelled 1 2   the same for one labelled head, too

It needs a release build and what `scripts/install-deps --demo` installs."""

import argparse
import csv
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / "build" / "venv" / "bin" / "python"
WHEEL = ROOT / "build" / "download" / "nilearn-0.14.1-py3-none-any.whl"

TRAINED, TESTED = 12, 4
SIDE = 64  # pixels of a slice of 208 mm. The paper's numbers for 192 pixels are divided by three: cuts, and by how much is bent.
CLASSES = "0=outside,1=csf,2=grey,3=white"
TISSUES = ("csf", "grey", "white")
CUT = "--crop 33 --crop-first 3 --crop-last 23"
# Fine-tuning has many small steps: running estimates of batch norms keep 0.99 of themselves in a step, and begin with what the
# network starts from, which is closer to the truth after pre-training. After 450 steps 1 % of that is left.
FORMS = {
    "full": {"slices": "8:80", "seeds": [0, 1, 2], "network": "",
             "global": "--epochs 6 --steps 25", "local": "--epochs 3 --steps 25",
             "finetune": "--epochs 6 --steps 75 --batch 4 --schedule polynomial --bend 1.7"},
    "short": {"slices": "40:8", "seeds": [0], "network": "--widths 4,4,8,8,8,8 --hidden 32 --embedding 16 --dense 16",
              "global": "--epochs 1 --steps 4", "local": "--epochs 1 --steps 4",
              "finetune": "--epochs 1 --steps 8 --batch 4 --bend 1.7"},
}
ARMS = ("random", "gd + lr")


class Study:
    def __init__(self, given):
        self.form = FORMS[given.form]
        self.out = given.out.resolve() / given.form
        self.slmt = given.slmt.resolve()
        self.common = ["--quiet", "--threads", given.threads]
        self.computing = ["--arithmetic", given.arithmetic]
        self.out.mkdir(parents=True, exist_ok=True)

    def run(self, *words):
        print("$", *words[1:], flush=True)
        done = subprocess.run([str(w) for w in words], cwd=self.out, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"few_labels: {words[0]} ended with {done.returncode}; the same call goes on from here")

    # ---- sets ----

    def heads(self):
        """The folder of the heads."""
        folder = self.out.parent / "heads"
        if not (folder / "done").exists():
            self.run(PYTHON, ROOT / "examples" / "demo" / "make_subjects.py", "--nilearn", WHEEL, "--paired", TRAINED,
                     "--t1-only", 0, "--t2-only", 0, "--held-out", TESTED, "--tissues", "--out", folder)
            (folder / "done").touch()
        return folder

    def prepare(self, name, labelled):
        """A set of all heads, or, of those that are trained on, of the labelled ones alone."""
        path, table, heads = self.out / f"{name}.h5", self.out / f"{name}.csv", self.heads()
        if path.exists():
            return path
        train = labelled or [f"pair{i + 1:02d}" for i in range(TRAINED)]
        with open(table, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["subject", "t1", "split", *(["labels:tissues"] if labelled else [])])
            for subject in [*train, *(f"test{i + 1:02d}" for i in range(TESTED))]:
                labels = [heads / "tissues" / f"{subject}.nii.gz"] if labelled else []
                rows.writerow([subject, heads / "t1" / f"{subject}.nii.gz", "train" if subject in train else "test", *labels])
        self.run(self.slmt, "prepare", "--table", table, "--crop", 208, "--slices", self.form["slices"], "--image-size", SIDE,
                 "--out", path, *self.common)
        return path

    # ---- runs ----

    def train(self, task, name, data, seed, *words):
        """Trains to the end, or goes on where it was stopped."""
        path, done = self.out / f"{name}.h5", self.out / f"{name}.done"
        if done.exists():
            return path
        words = ["--resume", path] if path.exists() else ["--task", task, "--seed", seed, *self.form[task].split(), *words]
        method = [] if "--resume" in words else ["contrastive"]
        self.run(self.slmt, "train", *method, *words, "--data", data, "--out", path, "--log", f"{name}.jsonl", *self.computing,
                 *self.common)
        done.touch()
        return path

    def fresh(self):
        return ["--classes", CLASSES, *self.form["network"].split()]

    def pretrained(self, seed):
        """The encoder, then three blocks of the decoder."""
        data = self.prepare("scans", None)
        encoder = self.train("global", f"global-{seed}", data, seed, *self.fresh(), *CUT.split())
        return self.train("local", f"local-{seed}", data, seed, "--model", encoder)

    def arm(self, arm, labelled, seed):
        """Dice by tissue on the heads held out. Seeds have labels of other heads."""
        first = seed * max(2, labelled)
        heads = [f"pair{(first + i) % TRAINED + 1:02d}" for i in range(labelled)]
        data = self.prepare(f"labels-{labelled}-{seed}", heads)
        start = self.fresh() if arm == "random" else ["--model", self.pretrained(seed)]
        name = f"{arm.replace(' + ', '-')}-{labelled}-{seed}"
        model = self.train("finetune", name, data, seed, *start)
        table = self.out / f"{name}.csv"
        if not table.exists():
            part = table.with_suffix(".part")
            self.run(self.slmt, "evaluate", "--model", model, "--data", data, "--csv", part, *self.common)
            part.rename(table)
        with open(table, encoding="utf-8") as file:
            dice = {row["class"].split("=")[-1]: float(row["dice"]) for row in csv.DictReader(file) if row["level"] == "mean"}
        return [dice[tissue] for tissue in TISSUES]


def spread(values):
    return f"{statistics.mean(values):.3f} +- {statistics.stdev(values) if len(values) > 1 else 0:.3f}"


def report(found, labelled):
    """Prints a table: mean and standard deviation over seeds; and the gain of each seed."""
    print(f"\n| pre-training, {labelled} labelled | {' | '.join(TISSUES)} | mean of the three |\n|---|---|---|---|---|")
    means = {}
    for arm in ARMS:
        by_seed = found[arm]
        means[arm] = [statistics.mean(dice) for dice in by_seed]
        print(f"| {arm} | {' | '.join(spread(values) for values in zip(*by_seed))} | {spread(means[arm])} |")
    gains = [own - other for own, other in zip(means[ARMS[1]], means[ARMS[0]])]
    print(f"\ngain of {ARMS[1]} by seed: {', '.join(f'{gain:+.3f}' for gain in gains)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--form", choices=FORMS, default="full")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--slmt", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "slmt")
    parser.add_argument("--labelled", type=int, nargs="+", default=[2], metavar="N", help="heads with labels [2]")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="some of the form's, such as in runs side by side")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--arithmetic", default="auto", help="as of slmt train [auto]")
    given = parser.parse_args()
    study = Study(given)
    for labelled in given.labelled:
        found = {arm: [] for arm in ARMS}
        for seed in given.seeds or study.form["seeds"]:
            for arm in ARMS:
                found[arm].append(study.arm(arm, labelled, seed))
                print(f"seed {seed}  {arm:8} {'  '.join(f'{t} {d:.3f}' for t, d in zip(TISSUES, found[arm][-1]))}", flush=True)
        report(found, labelled)


if __name__ == "__main__":
    main()
