# SPDX-License-Identifier: Apache-2.0
"""The jobs of examples/peers on a graphics card, by libslmt and by PyTorch. check.py runs it:

    jobs.py describe                    the card, as libslmt names it
    jobs.py time ENGINE ARITHMETIC      milliseconds of each job, the median of some runs
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

RATE = 1e-4
EMULATE = bool(os.environ.get("SLMT_EMULATE"))
SMALL = {"image_size": 32, "mae_patch": 2, "patch": 1, "embed_dim": 16, "depth": 1, "num_heads": 2, "mlp_ratio": 2,
         "decoder_dim": 8, "decoder_depth": 1, "decoder_heads": 1, "generator_depths": (1, 1, 1, 1),
         "generator_heads": (1, 2, 4, 8), "window": 4}
WARM, LEAST, MOST, SECONDS = 3, 5, 50, 2.0


def jobs():
    if not EMULATE:
        return engines.JOBS
    return {name: engines.Job("slmt-net", engines.JOBS[name].task, 1) for name in ("synth1", "finetune10")}


def images(name):
    job = jobs()[name]
    if EMULATE:
        return np.random.default_rng(1).random((job.batch, 32, 32), np.float32)
    return engines.images(job)


# ---- libslmt ----


def context(arithmetic, options=""):
    return slmt.Context(backend="cuda", backend_path=os.environ["SLMT_PLUGIN"], backend_options=options,
                        arithmetic=arithmetic, threads=1)


def new_model(name, device):
    return slmt.Model.create(jobs()[name].network, SMALL if EMULATE else None, seed=1, context=device)


def libslmt(name, arithmetic, options=""):
    job, x, model = jobs()[name], images(name), new_model(name, context(arithmetic, options))
    if not job.trains:
        return engines.session_run(model, job, x)
    trainer = slmt.Trainer(model, job.task, batch=job.batch)
    given = {"images": x} if job.task == "pretrain" else {"source": x, "target": x[::-1].copy()}
    return lambda: trainer.step(given, RATE)


def cublaslt(name, arithmetic):
    import torch  # noqa: F401  its copy of the library is then loaded

    return libslmt(name, arithmetic, "cublaslt")


# ---- PyTorch ----


def settle_arithmetic(arithmetic):
    import torch

    rough = arithmetic != "float32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = rough
    return torch.autocast("cuda", torch.bfloat16, enabled=arithmetic == "bf16")


def captured(run, settle=3):
    """A function's kernels as a graph."""
    import torch

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


def pytorch(name, arithmetic, compiled=False):
    import torch

    job, x = jobs()[name], torch.from_numpy(images(name))
    half = settle_arithmetic(arithmetic)
    torch.manual_seed(1)
    torch.set_default_device("cuda")
    network, given = engines.network_of(job), x.cuda()
    if not job.trains:
        network = network.eval()
        forward = torch.compile(network) if compiled else network

        def make():
            with torch.inference_mode(), half:
                return forward(given)

        if compiled:
            return lambda: (given.copy_(x), make().cpu())[1]
        graph, made = captured(make)
        return lambda: (given.copy_(x), graph.replay(), made.cpu())[2]
    if compiled:
        raise engines.Missing("training is not compiled: it takes minutes")
    part = network.E if job.task == "pretrain" else network
    adam = torch.optim.Adam([p for p in part.parameters() if p.requires_grad], lr=RATE, foreach=True, capturable=True)
    frozen, target = engines.network_of(job).E.requires_grad_(False), given.flip(0)

    def step():
        adam.zero_grad(set_to_none=True)
        with half:
            loss = part.pretrain_loss(given) if job.task == "pretrain" else network.finetune_loss(given, target, frozen)
        loss.backward()
        adam.step()
        return loss.detach()

    graph, loss = captured(step)
    return lambda: (given.copy_(x), graph.replay(), float(loss))[2]


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
    for name in jobs():
        try:
            figures[name] = median(ENGINES[engine](name, arithmetic))
        except Exception as problem:
            if engine == "libslmt":
                raise
            figures[name] = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    return figures


def main():
    what = sys.argv[1]
    if what == "describe":
        print(json.dumps({"context": repr(context("float32")), "version": slmt.build().version}))
    elif what == "time":
        if EMULATE and sys.argv[2] != "libslmt":
            print("{}")
        else:
            print(json.dumps(timed(*sys.argv[2:4])))
    elif what == "warm":
        for arithmetic in ("float32", "tf32", "bf16"):
            for name, job in jobs().items():
                if not job.trains:
                    pytorch(name, arithmetic, compiled=True)()


if __name__ == "__main__":
    main()
