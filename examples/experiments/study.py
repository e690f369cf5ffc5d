#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does pre-training help when pairs are few? A study on real scans, over the slmt command.

Arms: a fresh encoder; the paper's pre-training; pre-training that also counts kept patches; a plain autoencoder; the second
with a slow and with a frozen encoder; and a plain U-Net of the same training time. Each arm is trained on the pairs of 1, 2
and 4 people. Its learning rate is chosen on a validation person, with the first seed; then the other seeds are trained at
that rate, and all are scored on test people whom nothing was chosen on.

A gain over the fresh encoder is printed only if the fresh encoder, at its own best rate, has settled: on the validation
person it was, after two thirds of its steps, within half a decibel of its best. It must also come within 3 dB of the best
monotone map, because a network that makes one grey has settled too. At a rate too high for it, or with too few steps,
everything else would seem to win. A best rate at the end of the list is marked, and so is a fresh encoder that is worse than
the map.

Every run leaves its files and figures in the work folder and is not repeated: the study goes on where it was stopped.

    study.py --form short --out experiments      minutes: shows that everything works, and nothing else
    study.py --form evening --out experiments    about three hours on one core: fewer arms, slices and epochs, in bf16
    study.py --form full --out experiments       a day or two on two cores

The scans are those of SLMT_DATA_DIR, or ../shared/data, folder nifti/registered."""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CONTRASTS = ["t1", "t2", "flair"]
SOURCE, TARGET = "t1", "t2"

# One visit of each person; a person is on one side only. Pairs of the first 1, 2, 4 people are trained on.
PAIRED = ["C07", "L01s1", "C19", "L03s2"]
VALIDATION = ["L04s1"]
TEST = ["C26", "L12s1", "Stroke"]
UNPAIRED = ["L01s2", "L03s1", "L19s2", "L20s2"]  # more scans to pre-train on

# "finetune" has the settings of fine-tuning by the number of people whose pairs are learned from.
FORMS = {
    "full": {
        "arithmetic": "float32", "network": "--preset small --depth 8",
        "arms": ["fresh", "paper", "visible", "autoencoder", "slow", "frozen", "unet"],
        "prepare": "--crop 182 --slices 14:32 --image-size 128", "seeds": 3,
        "rates": [3e-4, 1e-3, 3e-3], "unet_rates": [1e-3, 3e-3, 1e-2],
        "pretrain": "--epochs 200 --batch 20",
        "finetune": dict.fromkeys([1, 2, 4], "--epochs 100 --warmup-epochs 5 --batch 4"), "every": 5,
    },
    # 1600 steps on the pairs of one person, of two, and of four.
    "evening": {
        "arithmetic": "bf16", "network": "--preset small --depth 8",
        "arms": ["fresh", "paper", "visible", "unet"],
        "prepare": "--crop 182 --slices 20:16 --image-size 128", "seeds": 3,
        "rates": [1e-4, 3e-4, 1e-3, 3e-3], "unet_rates": [1e-3, 3e-3, 1e-2],
        "pretrain": "--epochs 200 --decay-epochs 100 --batch 20",
        "finetune": {1: "--epochs 200 --warmup-epochs 10 --batch 2", 2: "--epochs 100 --warmup-epochs 5 --batch 2",
                     4: "--epochs 50 --warmup-epochs 3 --batch 2"},
        "every": 10,
    },
    "short": {
        "arithmetic": "float32",
        "network": "--embed-dim 16 --depth 2 --num-heads 2 --decoder-dim 16 --decoder-depth 1 --decoder-heads 2 "
                   "--generator-heads 2,2,4,8",
        "arms": ["fresh", "paper", "visible", "autoencoder", "slow", "frozen", "unet"],
        "prepare": "--crop 182 --slices 22:4 --image-size 128", "seeds": 1,
        "rates": [1e-3, 4e-3], "unet_rates": [2e-3, 8e-3],
        "pretrain": "--epochs 6 --batch 8", "finetune": {2: "--epochs 10 --warmup-epochs 2 --batch 2"}, "every": 5,
    },
}

# Pre-trainings by name, and arms: what they start from and what they set.
PRETRAININGS = {
    "paper": "",
    "visible": "--visible-weight 1",
    "autoencoder": "--visible-weight 1 --mask-ratio 0.004 --rec-weight 10",  # one patch of 256 is removed
}
ARMS = {
    "fresh": (None, ""),
    "paper": ("paper", ""),
    "visible": ("visible", ""),
    "autoencoder": ("autoencoder", ""),
    "slow": ("visible", "--encoder-rate-factor 0.1"),
    "frozen": ("visible", "--encoder-rate-factor 0"),
    "unet": (None, ""),
}


class Study:
    def __init__(self, arguments):
        self.form = FORMS[arguments.form]
        self.network = self.form["network"].split()
        self.out = arguments.out.resolve() / arguments.form
        self.slmt = [str(arguments.slmt.resolve())]
        self.computing = ["--threads", str(arguments.threads), "--arithmetic", self.form["arithmetic"]]
        self.scans = arguments.data / "nifti" / "registered"
        self.out.mkdir(parents=True, exist_ok=True)

    def run(self, *words):
        print("$ slmt", *words, flush=True)
        done = subprocess.run([*self.slmt, *map(str, words)], cwd=self.out, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"study: slmt {words[0]} ended with {done.returncode}; the same call goes on from here")

    # ---- training sets ----

    def prepare(self, name, splits):
        """A set of some subjects: {subject: split}."""
        path = self.out / f"{name}.h5"
        if path.exists():
            return path
        table = self.out / f"{name}.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["subject", *CONTRASTS, "split"])
            for subject, split in splits.items():
                scans = [self.scans / contrast / f"{subject}.nii.gz" for contrast in CONTRASTS]
                rows.writerow([subject, *(scan.resolve() if scan.exists() else "" for scan in scans), split])
        self.run("prepare", "--table", table, *self.form["prepare"].split(), "--quiet", "--out", path)
        return path

    def paired_set(self, people):
        splits = dict.fromkeys(PAIRED[:people], "train")
        return self.prepare(f"pairs{people}", splits | dict.fromkeys(VALIDATION, "validation") | dict.fromkeys(TEST, "test"))

    def whole_set(self):
        return self.prepare("all", dict.fromkeys([*PAIRED, *UNPAIRED], "train") | dict.fromkeys(TEST, "test"))

    # ---- runs ----

    def train(self, command, name, *words):
        """Trains to the end, or goes on where it was stopped."""
        path, done = self.out / f"{name}.h5", self.out / f"{name}.done"
        if done.exists():
            return path
        data = words[words.index("--data") + 1]
        watch = [w for key in ("--validate-every", "--keep", "--max-steps") if key in words for w in (key, words[words.index(key) + 1])]
        if path.exists():
            words = ["--data", data, "--resume", path, *watch]
        self.run(*command, *words, *self.computing, "--quiet", "--checkpoint-every", 10, "--out", path, "--log", f"{name}.jsonl")
        done.touch()
        return path

    def pretrained(self, kind):
        return self.train(["pretrain"], f"pre-{kind}", "--data", self.whole_set(), *self.network,
                          *self.form["pretrain"].split(), *PRETRAININGS[kind].split())

    def log(self, name, event):
        with open(self.out / f"{name}.jsonl", encoding="utf-8") as file:
            return [e for e in map(json.loads, file) if e["event"] == event]

    def step_seconds(self, name, command, *words):
        """The median of the seconds between twenty steps of a run that is thrown away."""
        self.train(command, name, *words, "--max-steps", 21)
        at = [step["seconds"] for step in self.log(name, "step")]
        return statistics.median(after - before for before, after in zip(at, at[1:]))

    def unet_epochs(self, people):
        """As many as take the time of fine-tuning the fresh encoder: steps of both are timed one after the other."""
        words = ["--data", self.paired_set(people), "--source", SOURCE, "--target", TARGET]
        fresh = self.step_seconds(f"time-fresh-{people}", ["finetune"], *words, *self.network, "--data-rate", 1,
                                  *self.form["finetune"][people].split())
        unet = self.step_seconds(f"time-unet-{people}", ["train", "unet"], *words)
        whole, = {run["steps"] for run in self.log(f"fresh-{people}-{self.form['rates'][0]:g}-0", "run")}
        epoch = self.log(f"time-unet-{people}", "run")[0]["steps_in_epoch"]
        return max(1, round(whole * fresh / (unet * epoch)))

    def arm(self, arm, people, rate, seed):
        """Trains an arm and returns its figures on the validation and the test people."""
        name = f"{arm}-{people}-{rate:g}-{seed}"
        kept = self.out / f"{name}.json"
        if kept.exists():
            return json.loads(kept.read_text(encoding="utf-8"))
        start, settings = ARMS[arm]
        data = self.paired_set(people)
        words = ["--data", data, "--source", SOURCE, "--target", TARGET, "--learning-rate", rate, "--seed", seed,
                 "--validate-every", self.form["every"], "--keep", "best", *settings.split()]
        if arm == "unet":
            model = self.train(["train", "unet"], name, *words, "--epochs", self.unet_epochs(people))
        else:
            encoder = ["--model", self.pretrained(start)] if start else self.network
            model = self.train(["finetune"], name, *words, "--data-rate", 1, *self.form["finetune"][people].split(), *encoder)
        figures = {split: self.evaluate(model, data, split, name) for split in ("validation", "test")}
        kept.write_text(json.dumps(figures), encoding="utf-8")
        return figures

    def evaluate(self, model, data, split, name, *more):
        table = self.out / f"{name}-{split}.csv"
        self.run("evaluate", "--model", model, "--data", data, "--split", split, "--csv", table, "--quiet", *self.computing,
                 *more)
        with open(table, encoding="utf-8") as file:
            return {row["method"]: float(row["psnr"]) for row in csv.DictReader(file)
                    if row["level"] == "mean" and row["definition"] == "volume"}

    # ---- the study ----

    def tuned(self, arm, people):
        """The rate with the best validation PSNR of the first seed."""
        rates = self.form["unet_rates" if arm == "unet" else "rates"]
        scores = {rate: max(self.arm(arm, people, rate, 0)["validation"].values()) for rate in rates}
        return max(scores, key=scores.get)

    def has_settled(self, people, rate):
        """Whether the fresh encoder was near its best on the validation person well before its end, with every seed."""
        for seed in range(self.form["seeds"]):
            watched = [(e["step"], e["psnr"]) for e in self.log(f"fresh-{people}-{rate:g}-{seed}", "validation")]
            early = [psnr for step, psnr in watched if step <= watched[-1][0] * 2 / 3]
            if not early or max(psnr for _, psnr in watched) - max(early) > 0.5:
                return False
        return True

    def baselines(self, people, rate):
        """The source itself and the monotone map, on the test people."""
        kept = self.out / f"baselines-{people}.json"
        if not kept.exists():
            name = f"fresh-{people}-{rate:g}-0"
            figures = self.evaluate(self.out / f"{name}.h5", self.paired_set(people), "test", f"baselines-{people}",
                                    "--baselines")
            kept.write_text(json.dumps(figures), encoding="utf-8")
        return json.loads(kept.read_text(encoding="utf-8"))

    def people(self, people):
        """A row for each arm: [arm, rate, at the end of the list, PSNR by seed]."""
        rows = []
        for arm in self.form["arms"]:
            rate = self.tuned(arm, people)
            rates = self.form["unet_rates" if arm == "unet" else "rates"]
            network = "unet" if arm == "unet" else "slmt-net"
            seeds = [self.arm(arm, people, rate, seed)["test"][network] for seed in range(self.form["seeds"])]
            rows.append((arm, rate, rate in (rates[0], rates[-1]), seeds))
        return rows

    def report(self):
        lines = []
        for people in self.form["finetune"]:
            rows = self.people(people)
            base = self.baselines(people, rows[0][1])
            lines += section(people, rows, base, self.form, self.has_settled(people, rows[0][1]))
        text = "\n".join(lines) + "\n"
        (self.out / "report.md").write_text(text, encoding="utf-8")
        print(text)


def section(people, rows, base, form, settled):
    seeds = form["seeds"]
    fresh = sum(rows[0][3]) / seeds
    learned = settled and fresh > base["monotone-map"] - 3
    lines = [f"## Pairs of {people} {'person' if people == 1 else 'people'}, {seeds} seed{'s' if seeds > 1 else ''}, "
             f"{len(TEST)} test people, {form['arithmetic']}", "",
             f"Source {base['source']:.2f} dB, monotone map {base['monotone-map']:.2f} dB.", "",
             "| arm | best rate | PSNR, dB | lowest to highest | over fresh |", "|---|---|---|---|---|"]
    for arm, rate, at_end, values in rows:
        mean = sum(values) / len(values)
        gain = f"{mean - fresh:+.2f}" if learned and arm != "fresh" else "-"
        lines.append(f"| {arm} | {rate:g}{' (end of the list)' if at_end else ''} | {mean:.2f} | "
                     f"{min(values):.2f} to {max(values):.2f} | {gain} |")
    if not learned:
        lines += ["", "The fresh encoder was still learning, or never began: no gain over it is a finding."]
    if fresh < base["monotone-map"]:
        lines += ["", "The fresh encoder is worse than a monotone map of grey values."]
    return [*lines, ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("SLMT_DATA_DIR", ROOT.parent / "shared" / "data")
    parser.add_argument("--form", choices=FORMS, default="full")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "experiments")
    parser.add_argument("--slmt", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "slmt")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(data))
    parser.add_argument("--threads", type=int, default=0)
    study = Study(parser.parse_args())
    if not study.scans.is_dir():
        sys.exit(f"study: {study.scans} is not there; SLMT_DATA_DIR names the folder of the scans")
    study.report()


if __name__ == "__main__":
    main()
