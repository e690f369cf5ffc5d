# SPDX-License-Identifier: Apache-2.0
"""The jobs of examples/peers on a graphics card, by libslmt and by PyTorch. check.py runs it:

    jobs.py describe                    the card, as libslmt names it
    jobs.py compute                     nothing: the plug-in makes a small image, or says why it cannot
    jobs.py time ENGINE ARITHMETIC      milliseconds of each job, the median of some runs; a line more for each job
    jobs.py warm                        has PyTorch compile, and keep what it compiled

Arrays begin and end in the host's memory, as a program has them; so copies are in the figures of all engines."""

import json
import os
import statistics
import sys
import time

import numpy as np
import slmt

import engines
from engines import Job

RATE = 1e-4
EMULATE = bool(os.environ.get("SLMT_EMULATE"))  # small networks, and PyTorch on the processor
DEVICE = "cpu" if EMULATE else "cuda"
SMALL = {
    "slmt-net": {"image_size": 32, "mae_patch": 2, "patch": 1, "embed_dim": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2,
                 "decoder_dim": 8, "decoder_depth": 1, "decoder_heads": 1, "generator_depths": (1, 1, 1, 1),
                 "generator_heads": (1, 2, 4, 8), "window": 4},
    "seq2seq": {"channels": 3, "widths": (4, 6, 8), "lstm_width": 8, "residual_blocks": 1, "code_length": 5, "bank": 2},
}
# The constants of the networks in PyTorch that are the same.
SMALL_PEERS = {
    "slmt_net": {"IMAGE": 32, "PATCH": 2, "FINE_PATCH": 1, "WINDOW": 4, "WIDTH": 16, "DEPTH": 1, "HEADS": 2, "RATIO": 2,
                 "DECODER_WIDTH": 8, "DECODER_DEPTH": 1, "DECODER_HEADS": 1, "GENERATOR_HEADS": (1, 2, 4, 8)},
    "seq2seq": {"WIDTHS": (4, 6, 8), "RESIDUAL_BLOCKS": 1},
}
WARM, LEAST, MOST, SECONDS = 3, 5, 50, 2.0

JOBS = {name: engines.JOBS[name] for name in ("synth1", "synth10", "pretrain20", "finetune10", "seq2seq1")}
JOBS["seq2seq-train1"] = Job("seq2seq", "train", 1)
if EMULATE:
    JOBS = {name: Job(job.network, job.task, 1) for name, job in JOBS.items()}


def images(name):
    job = JOBS[name]
    if not EMULATE:
        return engines.images(job)
    random = np.random.default_rng(1)
    if job.network == "seq2seq":
        return random.uniform(-1, 1, (job.batch, 3, 16, 16)).astype(np.float32)
    return random.random((job.batch, 32, 32), np.float32)


# ---- libslmt ----


def context(arithmetic, options=""):
    return slmt.Context(backend="cuda", backend_path=os.environ["SLMT_PLUGIN"], backend_options=options,
                        arithmetic=arithmetic, threads=1)


def compute():
    """Any network will do."""
    model = slmt.Model.create("slmt-net", SMALL["slmt-net"], seed=1, context=context("float32"))
    model.session().synthesize(np.zeros((1, 32, 32), np.float32))


def new_model(name, device):
    network = JOBS[name].network
    return slmt.Model.create(network, SMALL[network] if EMULATE else None, seed=1, context=device)


def given_to(job, x):
    """The inputs of a step, and the settings that they need."""
    if job.task == "pretrain":
        return {"images": x}, {}
    if job.task == "finetune":
        return {"source": x, "target": x[::-1].copy()}, {}
    sequences = {"source_sequence": np.zeros(1, np.int32), "target_sequence": np.ones(1, np.int32)}
    return {"source": x[:, None], "target": -x[:, None], **sequences}, {"height": x.shape[2], "width": x.shape[3]}


def libslmt(name, arithmetic, options=""):
    job, x, model = JOBS[name], images(name), new_model(name, context(arithmetic, options))
    if not job.trains:
        return engines.session_run(model, job, x)
    given, settings = given_to(job, x)
    trainer = slmt.Trainer(model, job.task, batch=job.batch, **settings)
    return lambda: trainer.step(given, RATE)


def cublaslt(name, arithmetic):
    import torch  # noqa: F401  its copy of the library is then loaded

    return libslmt(name, arithmetic, "cublaslt")


# ---- PyTorch ----


def network_of(job):
    import seq2seq
    import slmt_net

    for peer in (slmt_net, seq2seq) if EMULATE else ():
        for constant, value in SMALL_PEERS[peer.__name__].items():
            setattr(peer, constant, value)
    return engines.network_of(job)


def settle_arithmetic(arithmetic):
    import torch

    rough = arithmetic != "float32"
    torch.set_float32_matmul_precision("high" if rough else "highest")
    torch.backends.cudnn.allow_tf32 = rough
    return torch.autocast(DEVICE, torch.bfloat16, enabled=arithmetic == "bf16")


class Repeated:
    """What stands for a graph where there is no card: the function itself."""

    def __init__(self, run):
        self.replay = run


def captured(run, settle=3):
    """A function's kernels as a graph, and what it makes in place in each replay."""
    import torch

    if EMULATE:
        return Repeated(run), run()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(settle):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()
    return graph, result


def pytorch_synthesis(network, x, half, compiled):
    import torch

    network, given = network.eval(), x.to(DEVICE, copy=True)
    forward = network
    if compiled:  # with captured graphs, and each batch of its own: PyTorch at its best
        forward = torch.compile(network, dynamic=False, mode=None if EMULATE else "reduce-overhead")

    def make():
        with torch.inference_mode(), half:
            return forward(given)

    if compiled:
        return lambda: (given.copy_(x), make().cpu())[1]
    graph, made = captured(make)
    return lambda: (given.copy_(x), graph.replay(), made.cpu())[2]


def seq2seq_loss(network, source, target):
    """Both reconstructions and the cycle, by the kernels of one target sequence."""
    from torch.nn import functional as F

    def encode(x):
        return network.enc_convlstm(network.encoder_res(network.encoder(x)))

    def decode(code):
        x = network.decoder_res(network.dec_convlstm(code))
        for conv in network.convs:
            x = conv(F.interpolate(x, scale_factor=2, mode="bilinear"))
        return network.conv_last(x).tanh()

    code = encode(source)
    made, again = decode(code), decode(code)
    back = decode(encode(made))
    return 10 * sum(F.smooth_l1_loss(x, y) for x, y in ((again, source), (made, target), (back, source)))


def pytorch_training(job, network, x, half):
    import torch

    part, given, target = network.E if job.task == "pretrain" else network, x.to(DEVICE, copy=True), x.flip(0).to(DEVICE)
    frozen = network_of(job).E.requires_grad_(False) if job.task == "finetune" else None
    loss_of = {"pretrain": lambda: part.pretrain_loss(given), "finetune": lambda: part.finetune_loss(given, target, frozen),
               "train": lambda: seq2seq_loss(part, given, target)}[job.task]
    adam = torch.optim.Adam([p for p in part.parameters() if p.requires_grad], lr=RATE, foreach=True,
                            capturable=not EMULATE)

    def step():
        adam.zero_grad(set_to_none=True)
        with half:
            loss = loss_of()
        loss.backward()
        adam.step()
        return loss.detach()

    graph, loss = captured(step)
    return lambda: (given.copy_(x), graph.replay(), float(loss))[2]


def pytorch(name, arithmetic, compiled=False):
    import torch

    job, x = JOBS[name], torch.from_numpy(images(name))
    if compiled and job.trains:
        raise engines.Missing("training is not compiled: it takes minutes")
    if compiled and EMULATE and name != "seq2seq1":
        raise engines.Missing("one network is compiled under emulation, to see that it works")
    half = settle_arithmetic(arithmetic)
    torch.manual_seed(1)
    torch.set_default_device(DEVICE)
    network = network_of(job)
    return pytorch_training(job, network, x, half) if job.trains else pytorch_synthesis(network, x, half, compiled)


ENGINES = {"libslmt": libslmt, "cuBLASLt": cublaslt, "PyTorch": pytorch,
           "compiled": lambda name, arithmetic: pytorch(name, arithmetic, True)}


# ---- timing ----


def median(once):
    for _ in range(1 if EMULATE else WARM):
        once()
    times, begin = [], time.perf_counter()
    while len(times) < LEAST or (len(times) < MOST and time.perf_counter() - begin < SECONDS):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
        if EMULATE:
            break
    return statistics.median(times) * 1000


def timed(engine, arithmetic):
    figures = {}
    for name in JOBS:
        try:
            figures[name] = median(ENGINES[engine](name, arithmetic))
        except Exception as problem:
            if engine == "libslmt":
                raise
            figures[name] = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        print(json.dumps(figures), flush=True)


def main():
    what = sys.argv[1]
    if what == "describe":
        print(json.dumps({"context": repr(context("float32")), "version": slmt.build().version}))
    elif what == "time":
        timed(*sys.argv[2:4])
    elif what == "compute":
        compute()
        print("{}")
    elif what == "warm":
        for arithmetic in ("float32",) if EMULATE else ("float32", "tf32", "bf16"):
            for name, job in JOBS.items():
                if not job.trains and (not EMULATE or name == "seq2seq1"):
                    pytorch(name, arithmetic, compiled=True)()


if __name__ == "__main__":
    main()
