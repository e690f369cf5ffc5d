# SPDX-License-Identifier: Apache-2.0
"""The same bits: twice, with captured graphs and without, and after a resume. check.py runs it."""

import json
import os
import pathlib
import tempfile

import numpy as np
import slmt

from jobs import EMULATE, context, images, new_model

RATE = 1e-4
STEPS = 2 if EMULATE else 4


def synthesized(options, arithmetic):
    """An image as an array: one session makes it three times, so that a graph is captured and replayed."""
    with context(arithmetic, options) as device, new_model("synth1", device) as model, model.session() as session:
        x = images("synth1")
        made = [np.array(session.synthesize(x)) for _ in range(3)]
    for other in made[1:]:
        assert other.tobytes() == made[0].tobytes(), f"{arithmetic}: a second synthesis gave other bits"
    return made[0]


def error_of(made, truth):
    """Relative to the image's own deviation."""
    return float(np.sqrt(np.mean((made - truth) ** 2)) / truth.std())


def step(trainer, n):
    x = np.roll(images("finetune10"), n, axis=1)
    trainer.step({"source": x, "target": x[:, ::-1].copy()}, RATE)


def trained(folder, options, arithmetic, resume):
    """The checkpoint after some steps, with a save and a load between them or without."""
    path = os.path.join(folder, "run.h5")
    with context(arithmetic, options) as device:
        with new_model("finetune10", device) as model:
            trainer = slmt.Trainer(model, "finetune", batch=len(images("finetune10")), seed=5)
        for n in range(STEPS):
            if resume and n == STEPS - 1:
                trainer.save(path)
                trainer.close()
                trainer = slmt.Trainer.load(path, context=device)
            step(trainer, n)
        trainer.save(path)
        trainer.close()
    return pathlib.Path(path).read_bytes()


# What an image in each arithmetic may be off that in float32, whose products are exact but for sums.
MOST = {"float32": 0, "tf32": 2e-3, "bf16": 2e-2}


def check_images():
    truth, errors = synthesized("", "float32"), {}
    for arithmetic, most in MOST.items():
        made = synthesized("", arithmetic)
        assert made.tobytes() == synthesized("eager", arithmetic).tobytes(), f"{arithmetic}: a graph changed an image"
        errors[arithmetic] = error_of(made, truth)
        assert errors[arithmetic] <= most, f"{arithmetic}: the image is {errors[arithmetic]:.1e} of its deviation off"
    return errors


def check_library():
    """Products by cuBLASLt, where PyTorch has brought a copy."""
    truth = synthesized("", "float32")
    try:
        import torch  # noqa: F401

        made = synthesized("cublaslt", "float32")
    except (ImportError, slmt.UnsupportedError) as reason:
        return str(reason)
    error = error_of(made, truth)
    assert error < 1e-5, f"cuBLASLt: the image is {error:.1e} of its deviation off"
    return error


def check_training(folder, arithmetic):
    whole = trained(folder, "", arithmetic, resume=False)
    assert whole == trained(folder, "", arithmetic, resume=False), f"{arithmetic}: two trainings differ"
    assert whole == trained(folder, "", arithmetic, resume=True), f"{arithmetic}: a resumed training differs"
    assert whole == trained(folder, "eager", arithmetic, resume=False), f"{arithmetic}: a graph changed a training"


def main():
    errors = check_images()
    with tempfile.TemporaryDirectory() as folder:
        for arithmetic in ("float32",) if EMULATE else MOST:
            check_training(folder, arithmetic)
    errors["cuBLASLt"] = check_library()
    print(json.dumps({"errors of images": errors}))


if __name__ == "__main__":
    main()
