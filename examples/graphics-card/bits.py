# SPDX-License-Identifier: Apache-2.0
"""The same bits: twice, with captured graphs and without, and after a resume. check.py runs it."""

import json
import os
import pathlib
import tempfile

import numpy as np
import slmt

from jobs import context, images, new_model

RATE = 1e-4


def synthesized(options, arithmetic):
    """One image, three times by one session, so that a graph is captured and replayed."""
    with context(arithmetic, options) as device, new_model("synth1", device) as model, model.session() as session:
        x = images("synth1")
        made = [session.synthesize(x).tobytes() for _ in range(3)]
    assert made[0] == made[1] == made[2], "a second synthesis gave other bits"
    return made[0]


def step(trainer, n):
    x = np.roll(images("finetune10"), n, axis=1)
    trainer.step({"source": x, "target": x[:, ::-1].copy()}, RATE)


def trained(folder, options, arithmetic, resume):
    """The checkpoint after four steps, with a save and a load between them or without."""
    path = os.path.join(folder, "run.h5")
    with context(arithmetic, options) as device:
        with new_model("finetune10", device) as model:
            trainer = slmt.Trainer(model, "finetune", batch=len(images("finetune10")), seed=5)
        for n in range(4):
            if resume and n == 2:
                trainer.save(path)
                trainer.close()
                trainer = slmt.Trainer.load(path, context=device)
            step(trainer, n)
        trainer.save(path)
        trainer.close()
    return pathlib.Path(path).read_bytes()


def main():
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        for arithmetic in ("float32", "tf32", "bf16"):
            assert synthesized("", arithmetic) == synthesized("eager", arithmetic), f"{arithmetic}: a graph changed an image"
            whole = trained(folder, "", arithmetic, resume=False)
            assert whole == trained(folder, "", arithmetic, resume=False), f"{arithmetic}: two trainings differ"
            assert whole == trained(folder, "", arithmetic, resume=True), f"{arithmetic}: a resumed training differs"
            assert whole == trained(folder, "eager", arithmetic, resume=False), f"{arithmetic}: a graph changed a training"
            checked += 1
    print(json.dumps({"arithmetics": checked}))


if __name__ == "__main__":
    main()
