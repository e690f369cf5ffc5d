# SPDX-License-Identifier: Apache-2.0
"""The same jobs by each engine: start(job, threads, arithmetic) returns a function that does the job once.

A job that an engine does not have raises Missing. Inputs are random numbers of a fixed seed; weights are fresh ones."""

import dataclasses
import os
import tempfile

import numpy as np


class Missing(Exception):
    pass


@dataclasses.dataclass(frozen=True)
class Job:
    network: str  # slmt-net, seq2seq or unet-seg
    task: str  # synthesize, pretrain, finetune, segment, train
    batch: int
    size: tuple = ()  # unet-seg: slices, rows and columns; 1 slice: in two dimensions, of the paper's width

    @property
    def trains(self):
        return self.task not in ("synthesize", "segment")

    @property
    def options(self):
        """Of the model."""
        if self.network != "unet-seg":
            return {}
        shape = {"axes": 2, "width": 64} if self.size[0] == 1 else {"axes": 3, "width": 16}
        return {"classes": "0,1,2,3", **shape}

    @property
    def settings(self):
        """Of the task, besides the batch."""
        return dict(zip(("slices", "rows", "columns"), self.size))


JOBS = {
    "synth1": Job("slmt-net", "synthesize", 1),
    "synth10": Job("slmt-net", "synthesize", 10),
    "pretrain20": Job("slmt-net", "pretrain", 20),
    "finetune10": Job("slmt-net", "finetune", 10),
    "seq2seq1": Job("seq2seq", "synthesize", 1),
    "label8": Job("unet-seg", "segment", 8, (1, 256, 256)),
    "label-train8": Job("unet-seg", "train", 8, (1, 256, 256)),
    "label3d": Job("unet-seg", "segment", 1, (32, 128, 128)),
    "label3d-train": Job("unet-seg", "train", 1, (32, 128, 128)),
}
RATE = 1e-4


def images(job):
    """As many as the job takes: 256x256 in [0, 1]; 192x192 of three channels in [-1, 1]; or one channel of its size."""
    random = np.random.default_rng(1)
    if job.network == "unet-seg":
        return random.random((job.batch, 1, *job.size), np.float32)
    if job.network == "seq2seq":
        return random.uniform(-1, 1, (job.batch, 3, 192, 192)).astype(np.float32)
    return random.random((job.batch, 256, 256), np.float32)


def label_maps(x):
    """Classes of pixels: by brightness."""
    return np.clip(4 * x[:, 0], 0, 3).astype(np.int32)


def session_run(model, job, x):
    """Returns what makes the images, or probabilities, of a job with a slmt.Model."""
    if job.network == "unet-seg":
        session = model.session("segment", batch=job.batch, **job.settings)
        return lambda: session.run({"image": x})["probabilities"]
    if job.network == "seq2seq":
        session = model.session(batch=job.batch, height=x.shape[2], width=x.shape[3])
        given = {"source": x[:, None], "sequence": np.zeros(1, np.int32)}
        return lambda: session.run(given)["target"]
    session = model.session(batch=job.batch)
    return lambda: session.synthesize(x)


def libslmt(job, threads, arithmetic):
    import slmt

    context = slmt.Context(threads=threads, arithmetic=arithmetic)
    x = images(job)
    model = slmt.Model.create(job.network, job.options, seed=1, context=context)
    if job.trains:
        trainer = slmt.Trainer(model, job.task, batch=job.batch, **job.settings)
        given = {"pretrain": lambda: {"images": x}, "finetune": lambda: {"source": x, "target": x[::-1].copy()},
                 "train": lambda: {"image": x, "labels": label_maps(x)}}[job.task]()
        return lambda: trainer.step(given, RATE)
    return session_run(model, job, x)


def network_of(job):
    if job.network == "seq2seq":
        import seq2seq

        return seq2seq.Seq2Seq()
    if job.network == "unet-seg":
        import unet_seg

        return unet_seg.UnetSeg(job.options["axes"], job.options["width"])
    import slmt_net

    return slmt_net.SlmtNet()


def network_images(job):
    """Images as the PyTorch network takes them: without an axis of slices where it has two dimensions."""
    x = images(job)
    return x[:, :, 0] if job.network == "unet-seg" and job.size[0] == 1 else x


def pytorch(job, threads, arithmetic):
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(threads)
    network, x = network_of(job), torch.from_numpy(network_images(job))
    half = torch.autocast("cpu", torch.bfloat16, enabled=arithmetic == "bf16")
    if job.network == "unet-seg":
        return label_pytorch(job, network, x, half)
    if not job.trains:

        def synthesize():
            with torch.inference_mode(), half:
                return network.eval()(x)

        return synthesize
    part = network.E if job.task == "pretrain" else network
    adam = torch.optim.Adam([p for p in part.parameters() if p.requires_grad], lr=RATE, foreach=True)
    frozen, target = network_of(job).E.requires_grad_(False), x.flip(0)

    def step():
        adam.zero_grad(set_to_none=True)
        with half:
            loss = part.pretrain_loss(x) if job.task == "pretrain" else network.finetune_loss(x, target, frozen)
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step


def label_pytorch(job, network, x, half):
    import torch

    if not job.trains:

        def segment():
            with torch.inference_mode(), half:
                return network.eval().labels(x)

        return segment
    adam = torch.optim.Adam(network.parameters(), lr=RATE, foreach=True)
    labels = torch.from_numpy(label_maps(x.numpy())).long()

    def step():
        adam.zero_grad(set_to_none=True)
        with half:
            loss = network.loss(x, labels)
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step


def onnx_file(job, folder):
    import torch

    if job.trains:
        raise Missing("it does not train")
    path = os.path.join(folder, "network.onnx")
    torch.manual_seed(1)
    with torch.inference_mode():
        torch.onnx.export(network_of(job).eval(), (torch.from_numpy(network_images(job)),), path, opset_version=17,
                          input_names=["source"], output_names=["made"], dynamo=False)
    return path


def onnxruntime(job, threads, arithmetic):
    import onnxruntime as ort

    if arithmetic != "float32":
        raise Missing("no bfloat16 on a CPU")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        session = ort.InferenceSession(onnx_file(job, folder), options, providers=["CPUExecutionProvider"])
    given = {"source": network_images(job)}
    return lambda: session.run(None, given)[0]


def openvino(job, threads, arithmetic):
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": {"float32": "f32", "bf16": "bf16"}[arithmetic]}
    with tempfile.TemporaryDirectory() as folder:
        compiled = ov.Core().compile_model(onnx_file(job, folder), "CPU", settings)
    request, x = compiled.create_infer_request(), network_images(job)
    return lambda: request.infer({0: x})[0]


ENGINES = {"libslmt": libslmt, "PyTorch": pytorch, "ONNX Runtime": onnxruntime, "OpenVINO": openvino}
