# SPDX-License-Identifier: Apache-2.0
"""caller.py MODEL SEGMENTER SCANS OUT: what a program in Python makes of odd scans; see caller.c."""

import pathlib
import sys
import warnings

import slmt


def tell(said, *_):
    """What shows a warning."""

    def show(message, category, filename, lineno, file=None, line=None):
        said.write(f"warning: {message}\n")

    return show


def try_scan(said, scans, name, out, calls):
    said.write(f"## {name}\n")
    try:
        volume = slmt.Volume.read(f"{scans}/{name}")
    except slmt.Error as error:
        said.write(f"read: {error}\n")
        return
    for what, call in calls.items():
        try:
            call(volume).write(out / f"{name}.{what}.nii")
        except slmt.Error as error:
            said.write(f"{what}: {error}\n")


def train(scans, out):
    cut = slmt.Preprocess(crop_size=32, image_size=32, slice_first=0, slice_count=8)
    with slmt.DatasetWriter(out / "set.h5", ["t1", "t2"], cut) as writer:
        for n in range(3):
            volumes = {name: slmt.Volume.read(scans / name / f"s{n}.nii") for name in writer.contrasts}
            writer.add(f"s{n}", volumes, split="test" if n == 2 else "train")
    model = slmt.Model.create("unet", {"image_size": 32, "depth": 2, "width": 4}, seed=7)
    with slmt.Dataset(out / "set.h5") as dataset, slmt.Trainer(model, "train", batch=4, epochs=1, seed=7) as trainer:
        trainer.run(dataset, source="t1", target="t2", max_steps=2)
        trainer.save(out / "trained.h5")


def main():
    model, segmenter, scans, out = map(pathlib.Path, sys.argv[1:])
    slmt.Context.__init__.__kwdefaults__["threads"] = 1
    pictures, labels = slmt.Model.load(model), slmt.Model.load(segmenter)
    calls = {
        "any": pictures.session(spacing="any").synthesize_volume,
        "resample": pictures.session(spacing="resample").synthesize_volume,
        "segment": labels.session("segment", spacing="any", rows=32, columns=32).segment_volume,
    }
    with open(out / "said", "w", encoding="utf-8") as said, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = tell(said)
        for name in (scans / "list").read_text(encoding="utf-8").splitlines():
            try_scan(said, scans, name, out, calls)
        train(scans, out)


main()
